import { openCellFile } from '../../data/readers/open.js';
import { writeAnnotatedH5ad } from '../../data/writers/h5ad.js';
import { checkOutput, reportOf, type AnnotationReport, type FileJob } from '../annotated-file.js';
import { describeReading, embeddingMatrix, labelColumn, type Provenance } from '../annotations.js';
import type { ReadOptions } from '../cell-source.js';
import type { ScDiVa } from '../scdiva.js';
import type { Reference } from './reference.js';

export interface MapFileOptions extends ReadOptions {
  /** Cells of a smaller confidence become unknown; default: the reference's own, 0 withholds none. */
  readonly threshold?: number | undefined;
}

/**
 * The input with obs['scdiva_cell_type'], obs['scdiva_confidence'], obs['scdiva_agreement'], obs['scdiva_distance'], obsm['X_scdiva'] and
 * uns['scdiva'] added: labels as `annotateFile` writes them, carried over from a reference.
 */
export async function mapFile(
  model: ScDiVa,
  reference: Reference,
  job: FileJob,
  provenance: Provenance,
  { threshold, ...reading }: MapFileOptions = {},
): Promise<AnnotationReport> {
  await checkOutput(job);
  const cells = await openCellFile(job.input);
  let encoded: Awaited<ReturnType<ScDiVa['encode']>>;
  try {
    encoded = await model.encode(cells, reading);
  } finally {
    cells.close();
  }
  const mapped = reference.map(encoded, { threshold });
  const { column, counts } = labelColumn(mapped.labels, mapped.classes);
  const numbers = (values: Float64Array) => ({ kind: 'numeric' as const, values: Float32Array.from(values) });
  const { labelKey, source, numCells, numNeighbours } = reference.manifest;
  const { notes } = await writeAnnotatedH5ad({
    ...job,
    obs: {
      scdiva_cell_type: column,
      scdiva_confidence: numbers(mapped.confidence),
      scdiva_agreement: numbers(mapped.agreement),
      scdiva_distance: numbers(mapped.distance),
    },
    obsm: embeddingMatrix(encoded),
    uns: {
      scdiva: {
        ...describeReading(encoded, provenance),
        label_key: labelKey,
        classes: mapped.classes,
        unknown_threshold: mapped.threshold,
        reference: { file: source.file, sha256: source.sha256, num_cells: numCells, num_neighbours: numNeighbours },
      },
    },
  });
  return { ...reportOf(job, encoded, notes), numUnknown: mapped.numUnknown, threshold: mapped.threshold, labels: counts };
}
