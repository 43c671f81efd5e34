// n cells, D cell embedding, C classes
import { basename } from 'node:path';
import type { Annotations, NewColumn, UnsValue } from '../data/writers/h5ad.js';
import type { AnnotationHeadInfo } from '../tasks/annotation/head.js';
import { UNKNOWN_LABEL } from '../tasks/annotation/predictions.js';
import type { Annotation } from './engine.js';
import type { EncodedCells } from './scdiva.js';

/** Who made a file, for its `uns['scdiva']`. */
export interface Provenance {
  /** Version of this package. */
  readonly version: string;
  readonly checkpoint: string;
  /** Of the model's weights, and of the head's where one was used. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** obsm['X_scdiva'] and uns['scdiva']. */
export function embeddingsOf(encoded: EncodedCells, provenance: Provenance): Annotations {
  return { obsm: embeddingMatrix(encoded), uns: { scdiva: describeReading(encoded, provenance) } };
}

/** obs['scdiva_cell_type'], obs['scdiva_confidence'], obs['scdiva_typicality'] where it is known, obsm['X_scdiva'], uns['scdiva']. @param withProbabilities also obsm['scdiva_probabilities'] */
export function annotationsOf(
  annotation: Annotation,
  { labelKey, temperature }: AnnotationHeadInfo,
  provenance: Provenance,
  withProbabilities = false,
): Annotations {
  const { classes, labels, confidence, probabilities, typicality, threshold } = annotation;
  return {
    obs: {
      scdiva_cell_type: labelColumn(labels, classes).column,
      scdiva_confidence: { kind: 'numeric', values: Float32Array.from(confidence) },
      ...(typicality && { scdiva_typicality: { kind: 'numeric' as const, values: Float32Array.from(typicality) } }),
    },
    obsm: {
      ...embeddingMatrix(annotation),
      ...(withProbabilities && { scdiva_probabilities: { values: Float32Array.from(probabilities), numDims: classes.length } }),
    },
    uns: { scdiva: { ...describeReading(annotation, provenance), label_key: labelKey, classes, unknown_threshold: threshold, temperature } },
  };
}

/** Labels as a column of the classes that occur, in their order, and the cells of each. */
export function labelColumn(
  labels: readonly string[],
  classes: readonly string[],
): { readonly column: NewColumn; readonly counts: Readonly<Record<string, number>> } {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  // A Set: 'unknown' may be the name of a class, too.
  const categories = [...new Set([...classes, UNKNOWN_LABEL])].filter((name) => counts.has(name));
  const codeOf = new Map(categories.map((name, code) => [name, code]));
  return {
    column: { kind: 'categorical', categories, codes: labels.map((label) => codeOf.get(label)!) },
    counts: Object.fromEntries(categories.map((name) => [name, counts.get(name)!])),
  };
}

export function embeddingMatrix({ latent, mu }: EncodedCells): NonNullable<Annotations['obsm']> {
  return { X_scdiva: { values: latent.data, numDims: latent.shape[1] }, ...(mu && { X_scdiva_latent: { values: mu.data, numDims: mu.shape[1] } }) };
}

export function describeReading({ source, emptyRows }: EncodedCells, { version, checkpoint, sha256 }: Provenance): Record<string, UnsValue> {
  const { matrix, coverage, notes } = source;
  return {
    version,
    checkpoint: basename(checkpoint),
    checkpoint_sha256: sha256,
    matrix: matrix.key,
    value_kind: matrix.valueKind,
    value_kind_evidence: matrix.evidence,
    num_genes: coverage.numGenes,
    num_genes_matched: coverage.numMatched,
    share_of_expression: source.shareOfExpression,
    num_cells_without_genes: emptyRows.length,
    ...(notes.length > 0 && { notes }),
  };
}
