// n cells, P proteins
import { DataError } from '../../errors.js';
import { openCellFile } from './open.js';
import { parseReference } from './reference.js';
import type { CellFile } from './reader.js';

/** Surface proteins of cells, measured by antibodies with barcodes (CITE-seq, REAP-seq). */
export interface ProteinTable {
  /** The file as the user named it, and the part of it that was read: `mod/prot` or `obsm['protein_expression']`. */
  readonly file: string;
  readonly where: string;
  /** P names. */
  readonly names: readonly string[];
  /** n names of cells. */
  readonly cellIds: readonly string[];
  /** [n, P] as stored. */
  readonly values: Float32Array;
  /** Whether all values are whole numbers ≥ 0. */
  readonly isCounts: boolean;
}

/** What muon, totalVI and the published sets call them. */
const USUAL_NAMES = ['prot', 'protein', 'proteins', 'protein_expression', 'protein_counts', 'adt', 'antibody_capture', 'antibody capture', 'cite'];

/**
 * Reads the protein counts of a MuData file (`.h5mu`, from a modality beside `rna`) or of an `.h5ad` (from a table or array in obsm).
 * @param key the modality or obsm entry; default: the one with a usual name
 * @throws DataError naming the candidates where there is none, or several
 */
export async function readProteins(file: string, key?: string | null): Promise<ProteinTable> {
  const cells = await openCellFile(file);
  try {
    return cells.format === 'h5mu' ? await readModality(file, cells, key ?? undefined) : readObsm(file, cells, key ?? undefined);
  } finally {
    cells.close();
  }
}

async function readModality(file: string, cells: CellFile, key: string | undefined): Promise<ProteinTable> {
  const others = cells.otherParts ?? [];
  const name = chooseKey(file, key, others, 'modality');
  const modality = await openCellFile(`${parseReference(file).path}#${name}`);
  try {
    const matrices = modality.matrices.map((matrix) => matrix.key);
    const matrix = modality.matrix(matrices.find((at) => at === 'layers/counts') ?? matrices[0] ?? 'X');
    const P = matrix.numGenes;
    const values = new Float32Array(modality.numCells * P);
    for await (const { firstRow, numRows, indptr, indices, values: stored } of matrix.rowBlocks()) {
      for (let row = 0; row < numRows; row++)
        for (let at = indptr[row]!; at < indptr[row + 1]!; at++) values[(firstRow + row) * P + indices[at]!] = stored[at]!;
    }
    return table(file, `mod/${name}/${matrix.key}`, matrix.genes.symbols ?? matrix.genes.names, modality.cellIds, values);
  } finally {
    modality.close();
  }
}

function readObsm(file: string, cells: CellFile, key: string | undefined): ProteinTable {
  if (!cells.embedding)
    throw new DataError({
      file,
      found: `a ${cells.format} file, which holds no proteins beside its genes`,
      expected: '.h5mu with a modality of proteins, or .h5ad with a table of them in obsm',
    });
  const name = chooseKey(file, key, cells.embeddingKeys ?? [], 'obsm entry');
  const { data, numColumns: P, names } = cells.embedding(name);
  return table(file, `obsm['${name}']`, names ?? Array.from({ length: P }, (_, p) => `protein_${p + 1}`), cells.cellIds, Float32Array.from(data));
}

function chooseKey(file: string, key: string | undefined, present: readonly string[], kind: string): string {
  const have = present.join(', ') || 'none';
  if (key !== undefined) {
    if (present.includes(key)) return key;
    throw new DataError({ file, key, found: `no such ${kind}`, expected: `one of ${have}`, hint: 'set data.proteinKey' });
  }
  const usual = present.filter((name) => USUAL_NAMES.includes(name.toLowerCase()));
  if (usual.length === 1) return usual[0]!;
  throw new DataError({
    file,
    found: usual.length === 0 ? `no ${kind} that is called as proteins are (have: ${have})` : `several that could hold proteins: ${usual.join(', ')}`,
    hint: 'say which with data.proteinKey',
  });
}

function table(file: string, where: string, names: readonly string[], cellIds: readonly string[], values: Float32Array): ProteinTable {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new DataError({
      file,
      key: where,
      found: `${values[bad]} for ${names[bad % names.length]} in cell '${cellIds[Math.floor(bad / names.length)]}'`,
      expected: 'numbers',
    });
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new DataError({ file, key: where, found: `two proteins named '${twice}'`, expected: 'names that differ' });
  return { file, where, names, cellIds, values, isCounts: values.every((value) => value >= 0 && Number.isInteger(value)) };
}

/** How protein counts become what is learned and predicted. */
export type ProteinScale = 'clr' | 'log1p' | 'none';

/**
 * - `clr`: ln(1 + x) minus the mean of that over the cell's proteins (centred log ratio, one pseudo-count): the depth of a cell cancels.
 * - `log1p`: ln(1 + x).
 * - `none`: as stored, for values that were normalised before.
 * @param values [n, P]
 */
export function scaleProteins(values: Float32Array, numProteins: number, scale: ProteinScale): Float32Array {
  if (scale === 'none') return values;
  const out = values.map(Math.log1p);
  if (scale === 'log1p') return out;
  for (let start = 0; start < out.length; start += numProteins) {
    const row = out.subarray(start, start + numProteins);
    const mean = row.reduce((sum, v) => sum + v, 0) / numProteins;
    for (let p = 0; p < numProteins; p++) row[p]! -= mean;
  }
  return out;
}
