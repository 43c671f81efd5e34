import { DataError } from '../../errors.js';
import { takePoints, type Points } from '../../metrics/points.js';
import { columnTexts, encode } from '../metrics/cell-table.js';
import { openCellFile } from '../../data/readers/open.js';

/** The cells of a file that have coordinates, with what is known of them. n of them. */
export interface TrajectoryCells {
  readonly file: string;
  /** Of the whole file. */
  readonly numCells: number;
  /** [n] row of each in the file. */
  readonly rows: readonly number[];
  /** [n] */
  readonly cellIds: readonly string[];
  /** [n, dims] */
  readonly points: Points;
  readonly groupNames: readonly string[];
  /** [n] index into groupNames, -1 = none. */
  readonly groups: Int32Array;
  /** [n] where a column of known times was named. */
  readonly times?: readonly number[];
}

/** @throws DataError for columns and embeddings that are not there, or fewer than 3 cells */
export async function readTrajectoryCells(file: string, embeddingKey: string, groupKey: string, timeKey: string | undefined): Promise<TrajectoryCells> {
  const cells = await openCellFile(file);
  try {
    if (!cells.embedding) throw new DataError({ file, key: embeddingKey, found: `${cells.format} files have no embeddings`, expected: 'an AnnData file' });
    const embedding = cells.embedding(embeddingKey);
    const d = embedding.numColumns;
    const rows = Array.from({ length: cells.numCells }, (_, i) => i).filter((i) => embedding.data.subarray(i * d, (i + 1) * d).every(Number.isFinite));
    if (rows.length < 3) throw new DataError({ file, key: `obsm['${embeddingKey}']`, found: `${rows.length} cells with coordinates`, expected: 'at least 3' });
    const texts = columnTexts(cells.obs(groupKey));
    const { names } = encode(rows.flatMap((row) => texts[row] ?? []));
    const codeOf = new Map(names.map((name, code) => [name, code]));
    const time = timeKey === undefined ? undefined : cells.obs(timeKey);
    if (time && time.kind !== 'numeric') throw new DataError({ file, key: `obs['${timeKey}']`, found: `a column of ${time.kind} values`, expected: 'numbers' });
    return {
      file,
      numCells: cells.numCells,
      rows,
      cellIds: rows.map((row) => cells.cellIds[row]!),
      points: takePoints(embedding, rows),
      groupNames: names,
      groups: Int32Array.from(rows, (row) => codeOf.get(texts[row] ?? '') ?? -1),
      ...(time?.kind === 'numeric' && { times: rows.map((row) => time.values[row]!) }),
    };
  } finally {
    cells.close();
  }
}

/** The root as pseudotime takes it: a cell, or the cells of a group. @throws DataError naming the groups there are */
export function rootOf(
  { file, cellIds, groupNames, groups }: TrajectoryCells,
  groupKey: string,
  { rootCell, rootGroup }: { rootCell?: string | undefined; rootGroup?: string | undefined },
): number | number[] {
  if (rootCell !== undefined) {
    const at = cellIds.indexOf(rootCell);
    if (at < 0) throw new DataError({ file, key: '--root-cell', found: `no cell '${rootCell}' with coordinates`, expected: 'a name of the obs index' });
    return at;
  }
  const code = groupNames.indexOf(rootGroup ?? '');
  if (code < 0)
    throw new DataError({ file, key: `obs['${groupKey}']`, found: `no group '${rootGroup}'`, expected: `one of ${groupNames.slice(0, 12).join(', ')}` });
  return [...groups.keys()].filter((i) => groups[i] === code);
}
