// P proteins
import { DataError } from '../../errors.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import { readProteins, scaleProteins, type ProteinScale } from '../../data/readers/proteins.js';
import type { Split } from '../../train/task.js';
import type { MultimodalConfig } from './config.js';

/** Genes and proteins of the same cells. */
export interface MultimodalCells {
  /** P names. */
  readonly proteins: readonly string[];
  readonly scale: ProteinScale;
  /** Where the proteins were read, for people. */
  readonly source: string;
  /** Rows of the corpus that have proteins. */
  readonly rows: Readonly<Record<Split, Int32Array>>;
  /** Cells of the corpus without proteins: left out. */
  readonly numWithout: number;
  /** Scaled proteins of some rows. [n, P] */
  gather(rows: Int32Array): Float32Array;
}

const SPLITS = ['train', 'validation', 'test'] as const;

/** @throws DataError when two cells share a name, or a split has no cell with proteins */
export async function multimodalCells(corpus: Corpus, { proteins: file, proteinKey, scale: asked }: MultimodalConfig['data']): Promise<MultimodalCells> {
  const table = await readProteins(file, proteinKey);
  const P = table.names.length;
  const scale = asked === 'auto' ? (table.isCounts ? 'clr' : 'none') : asked;
  const place = { file, key: table.where };
  if (scale !== 'none' && table.values.some((value) => value < 0))
    throw new DataError({
      ...place,
      found: 'values below 0',
      expected: `counts, for the scale ${scale}`,
      hint: 'set data.scale to none for values that were normalised before',
    });
  const values = scaleProteins(table.values, P, scale);
  const proteinRow = new Map(table.cellIds.map((id, row) => [id, row]));
  const ids = corpus.cellIds();
  const seen = new Set<string>();
  for (const id of ids) {
    if (seen.has(id) && proteinRow.has(id))
      throw new DataError({
        file: corpus.path,
        found: `two cells named '${id}'`,
        expected: 'names that tell cells apart: by them proteins are matched',
        hint: 'build the corpus of one file, or of files whose cells have names of their own',
      });
    seen.add(id);
  }
  const rowOf = Int32Array.from(ids, (id) => proteinRow.get(id) ?? -1);
  const numWith = rowOf.filter((row) => row >= 0).length;
  if (numWith === 0)
    throw new DataError({
      ...place,
      found: `no cell of ${corpus.path} is in it (there: '${ids[0]}', here: '${table.cellIds[0]}')`,
      expected: 'the same names of cells',
    });
  const rows = Object.fromEntries(SPLITS.map((split) => [split, corpus.splitRows(split).filter((row) => rowOf[row]! >= 0)])) as Record<Split, Int32Array>;
  for (const split of SPLITS)
    if (rows[split].length === 0)
      throw new DataError({ ...place, found: `no cell of the ${split} split has proteins`, hint: 'build the corpus with other --split fractions' });
  return {
    proteins: table.names,
    scale,
    source: `${file}, ${table.where}`,
    rows,
    numWithout: ids.length - numWith,
    gather(wanted) {
      const out = new Float32Array(wanted.length * P);
      wanted.forEach((row, i) => out.set(values.subarray(rowOf[row]! * P, (rowOf[row]! + 1) * P), i * P));
      return out;
    },
  };
}
