import { basename } from 'node:path';
import { openCellFile } from '../data/readers/open.js';
import { writeAnnotatedH5ad } from '../data/writers/h5ad.js';
import type { Executor } from '../runtime/program/program.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { checkOutput, type FileJob } from './annotated-file.js';
import type { ReadOptions } from './cell-source.js';
import { predictProteins } from './evaluate-multimodal.js';

/** What was predicted for one file. */
export interface ProteinReport extends FileJob {
  readonly numCells: number;
  readonly proteins: readonly string[];
  readonly scale: 'clr' | 'log1p' | 'none';
  readonly notes: readonly string[];
}

/** The input with obsm['scdiva_proteins'] added, one column a protein in the order of uns['scdiva']['proteins']; cells without known genes have NaN rows. */
export async function proteinFile(
  checkpoint: Checkpoint,
  executor: Executor,
  job: FileJob,
  version: string,
  options: ReadOptions = {},
): Promise<ProteinReport> {
  await checkOutput(job);
  const cells = await openCellFile(job.input);
  try {
    const { proteins, scale, levels, numCells, source } = await predictProteins(checkpoint, executor, cells, options);
    const { notes } = await writeAnnotatedH5ad({
      ...job,
      obsm: { scdiva_proteins: { values: levels, numDims: proteins.length } },
      uns: {
        scdiva: {
          version,
          checkpoint: basename(checkpoint.folder),
          task: 'proteins',
          proteins,
          scale,
          matrix: source.matrix.key,
          value_kind: source.matrix.valueKind,
        },
      },
    });
    return { ...job, numCells, proteins, scale, notes: [...source.notes, ...notes] };
  } finally {
    cells.close();
  }
}
