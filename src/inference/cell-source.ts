import { ConfigError } from '../errors.js';
import type { Progress } from '../progress.js';
import { checkCoverage, coverage, mapGenes, type GeneCoverage } from '../data/genes/mapping.js';
import { withOrthologs, type OrthologTable } from '../data/genes/orthologs.js';
import { chooseMatrix, type ChosenMatrix } from '../data/inspect/choose-matrix.js';
import type { UsableKind } from '../data/inspect/value-kind.js';
import { fileBatches, type FileBatchOptions, type FileBatches } from '../data/loader/file-batches.js';
import { valueScale } from '../data/loader/value-scale.js';
import type { CellFile, MatrixKey } from '../data/readers/reader.js';
import type { ModelDescription } from '../train/checkpoint.js';

/** How a file of cells is read for a model. */
export interface ReadOptions {
  /** X, raw/X or layers/<name>; default: the one `scdiva data inspect` names. */
  readonly matrix?: MatrixKey | undefined;
  /** What the values are, where they cannot be told from the numbers. */
  readonly valueKind?: UsableKind | undefined;
  /** Reads cells of another species as ones of human genes. */
  readonly orthologs?: OrthologTable | undefined;
  /** Cells computed at once, default 16: bounds memory, changes no result. */
  readonly batchSize?: number | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const DEFAULT_BATCH_SIZE = 16;

/** A file's cells as a model's batches, and what was found out on the way. */
export interface CellSource {
  readonly matrix: ChosenMatrix;
  readonly coverage: GeneCoverage & { readonly numMatched: number; readonly numGenes: number };
  readonly batches: FileBatches;
  /** Assumptions a reader of the results must know, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Finds the matrix to read, holds its genes against the model's vocabulary and prepares batches that look as training's did.
 * @throws DataError when no matrix is usable or fewer than a tenth of the genes are shared
 */
export async function cellSource(
  given: CellFile,
  model: Pick<ModelDescription, 'vocabulary' | 'preprocessing' | 'entropy'>,
  options: ReadOptions & Pick<FileBatchOptions, 'depth'> = {},
): Promise<CellSource> {
  const { vocabulary, preprocessing, entropy } = model;
  const { batchSize = DEFAULT_BATCH_SIZE, orthologs } = options;
  const file = orthologs ? withOrthologs(given, orthologs) : given;
  if (!(Number.isInteger(batchSize) && batchSize > 0))
    throw new ConfigError({ key: 'batchSize', found: String(batchSize), expected: 'a whole number above 0' });
  const chosen = await chooseMatrix(file, {
    ...(options.matrix !== undefined && { matrix: options.matrix }),
    ...(options.valueKind !== undefined && { valueKind: options.valueKind }),
  });
  const matrix = file.matrix(chosen.key);
  const mapping = mapGenes(matrix.genes, vocabulary);
  checkCoverage(mapping, matrix.genes, vocabulary, file.path);
  const { valueKind: kind, cellTotal } = chosen;
  const batches = fileBatches(file, matrix, {
    vocabulary,
    vocabularyIds: mapping.vocabularyIds,
    preprocessing,
    scale: valueScale(chosen),
    entropy,
    batchSize,
    depth: options.depth,
  });
  const notes = [...file.notes];
  if (kind === 'log1p' && cellTotal === undefined)
    notes.push(
      `${chosen.key} is log-normalised to an unknown total: its values are taken as they are, as if cells had been brought to ${preprocessing.targetSum}`,
    );
  return { matrix: chosen, coverage: { ...coverage(mapping, vocabulary), numMatched: mapping.numMatched, numGenes: matrix.numGenes }, batches, notes };
}
