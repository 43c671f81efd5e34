import { DataError } from '../../errors.js';
import { harmony } from '../../metrics/baselines/harmony.js';
import { applyPca, fitPca } from '../../metrics/baselines/pca.js';
import { takeRows } from '../../metrics/baselines/sparse-matrix.js';
import { takePoints, type Points } from '../../metrics/points.js';
import type { Rng } from '../../rng.js';
import { encode, openCellTable } from './cell-table.js';
import { readExpression } from './expression.js';

const NUM_COMPONENTS = 50;
/** Components are found on at most so many cells, drawn at random: more would cost minutes and turn them hardly. */
const MAX_PCA_CELLS = 20_000;
const MIN_CELLS = 15;

export interface IntegrationRequest {
  readonly file: string;
  readonly embeddings: readonly string[];
  /** Further embeddings of the file's cells, not in the file; NaN rows are left out. */
  readonly given?: readonly { readonly name: string; readonly points: Points }[];
  readonly batchKey: string;
  readonly labelKey: string;
  readonly baselines: boolean;
  readonly beforeKey: string | undefined;
  readonly rng: Rng;
}

export interface LoadedIntegration {
  readonly embeddings: readonly { readonly name: string; readonly points: Points }[];
  readonly before?: Points;
  readonly labels: Int32Array;
  readonly techBatches: Int32Array;
  readonly numLabels: number;
  readonly numBatches: number;
  readonly numLeftOut: number;
  readonly notes: readonly string[];
}

/** Reads embeddings and labels, leaving out cells that lack any of them, the same for every embedding. @throws DataError */
export async function loadIntegration({
  file,
  embeddings: names,
  given = [],
  batchKey,
  labelKey,
  baselines,
  beforeKey,
  rng,
}: IntegrationRequest): Promise<LoadedIntegration> {
  const notes: string[] = [];
  const table = await openCellTable(file);
  try {
    const labels = table.column(labelKey);
    const batches = table.column(batchKey);
    const embeddings = [...given, ...names.map((name) => ({ name, points: table.embedding(name) }))];
    const kept = Int32Array.from({ length: table.numCells }, (_, i) => i).filter(
      (i) => labels[i] !== null && batches[i] !== null && embeddings.every(({ points }) => isFiniteRow(points, i)),
    );
    if (kept.length < MIN_CELLS)
      throw new DataError({ file, found: `${kept.length} cells with ${labelKey}, ${batchKey} and coordinates`, expected: `at least ${MIN_CELLS}` });
    const codes = encode(Array.from(kept, (i) => labels[i]!));
    const batchCodes = encode(Array.from(kept, (i) => batches[i]!));
    const chosen = embeddings.map(({ name, points }) => ({ name, points: kept.length === points.numRows ? points : takePoints(points, kept) }));
    if (baselines) {
      const { points, note } = await componentsOf(file, 'X', kept, rng);
      notes.push(`PCA: ${note}`);
      chosen.push({ name: 'PCA', points }, { name: 'Harmony', points: harmony(points, batchCodes.codes, rng.fork('harmony')) });
    }
    let before: Points | undefined;
    if (beforeKey !== undefined && /^(X|raw\/X|layers\/.+)$/.test(beforeKey)) {
      const { points, note } = await componentsOf(file, beforeKey, kept, rng);
      notes.push(`pcrComparison: against ${note}`);
      before = points;
    } else if (beforeKey !== undefined) {
      before = takePoints(table.embedding(beforeKey), kept);
    }
    return {
      embeddings: chosen,
      ...(before && { before }),
      labels: codes.codes,
      techBatches: batchCodes.codes,
      numLabels: codes.names.length,
      numBatches: batchCodes.names.length,
      numLeftOut: table.numCells - kept.length,
      notes,
    };
  } finally {
    table.close();
  }
}

/** Principal components of the expression of the cells given, as scib takes them where it is given expression. */
async function componentsOf(file: string, key: string, cells: Int32Array, rng: Rng): Promise<{ points: Points; note: string }> {
  const { x: all, note, file: opened } = await readExpression(file, key);
  opened.close();
  const x = cells.length === all.numRows ? all : takeRows(all, cells);
  const fitOn = x.numRows > MAX_PCA_CELLS ? takeRows(x, rng.fork('cells').permutation(x.numRows).subarray(0, MAX_PCA_CELLS).sort()) : x;
  const pca = fitPca(fitOn, NUM_COMPONENTS, rng.fork('components'));
  return { points: applyPca(pca, x), note: `${pca.components.length} principal components of ${note}` };
}

function isFiniteRow({ numColumns, data }: Points, row: number): boolean {
  for (let at = row * numColumns; at < (row + 1) * numColumns; at++) if (!Number.isFinite(data[at])) return false;
  return true;
}
