import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { asOutputError, makeFolder, syncFolder, temporaryName } from '../../files.js';
import { diagnoseHdf5 } from '../readers/hdf5-diagnosis.js';
import type { CellFile, CellMatrix, GeneNames, ObsColumn } from '../readers/reader.js';
import {
  describeFrame,
  encode,
  makeDict,
  writeArray,
  writeBooleanArray,
  writeCategorical,
  writeColumn,
  writeStringArray,
  writeUns,
  type NewColumn,
} from './anndata-elements.js';
import type { Annotations } from './h5ad.js';
import { patchHdf5 } from './hdf5-patch.js';
import { Hdf5Tree } from './hdf5-tree.js';

const INDEX = '_index';
const FORMAT_WORDS: Record<CellFile['format'], string> = {
  h5ad: '.h5ad',
  zarr: 'Zarr folder',
  h5mu: 'MuData file',
  '10x-h5': '10x file',
  '10x-mtx': '10x matrix folder',
  loom: 'loom file',
  table: 'table',
  memory: 'cells in memory',
};

/**
 * Writes the cells of a file that is no .h5ad, with annotations, as an .h5ad. Values pass through in row blocks, so memory stays bounded;
 * the output appears whole or not at all. Matrices become compressed sparse rows of singles.
 * @returns notes on what could not be kept, in sentences for people
 * @throws DataError when a value cannot be read, OutputError when the output cannot be written
 */
export async function rewriteAsH5ad(cells: CellFile, output: string, annotations: Annotations): Promise<string[]> {
  const temporary = temporaryName(output);
  const notes: string[] = [];
  let tree: Hdf5Tree | undefined;
  try {
    await makeFolder(dirname(output));
    tree = await Hdf5Tree.create(temporary, output);
    await writeContent(tree, cells, annotations, notes);
    const { booleans } = tree;
    tree.close();
    await patchHdf5(temporary, await diagnoseHdf5(temporary), { booleans });
    await rename(temporary, output);
    await syncFolder(dirname(output));
    return notes;
  } catch (error) {
    tree?.abandon();
    await rm(temporary, { force: true });
    throw asOutputError(output, error);
  }
}

async function writeContent(tree: Hdf5Tree, cells: CellFile, { obs = {}, obsm = {}, uns = {} }: Annotations, notes: string[]): Promise<void> {
  encode(tree, '/', 'anndata', '0.1.0');
  for (const part of ['layers', 'obsm', 'varm', 'obsp', 'varp', 'uns']) makeDict(tree, `/${part}`);
  const written: string[] = [];
  for (const { key } of cells.matrices) {
    const matrix = cells.matrix(key);
    if (key === 'raw/X') {
      tree.makeGroup('/raw');
      encode(tree, '/raw', 'raw', '0.1.0');
      writeGenes(tree, '/raw/var', matrix.genes);
    }
    await writeMatrix(tree, `/${key}`, matrix);
    written.push(key);
  }
  writeObs(tree, cells, obs, notes);
  writeGenes(tree, '/var', cells.matrix(cells.matrices[0]!.key).genes);
  for (const [key, { values, numDims }] of Object.entries(obsm)) writeArray(tree, `/obsm/${key}`, values, numDims);
  for (const [key, value] of Object.entries(uns)) writeUns(tree, `/uns/${key}`, value);
  notes.push(
    `a new .h5ad was written from the ${FORMAT_WORDS[cells.format]}: ${written.join(', ')}, obs and the names of genes; what else it holds is not carried over`,
  );
}

async function writeMatrix(tree: Hdf5Tree, path: string, matrix: CellMatrix): Promise<void> {
  tree.makeGroup(path);
  encode(tree, path, 'csr_matrix', '0.1.0');
  tree.setAttribute(path, 'shape', BigInt64Array.of(BigInt(matrix.numCells), BigInt(matrix.numGenes)));
  const data = tree.startArray(`${path}/data`, Float32Array);
  const indices = tree.startArray(`${path}/indices`, Int32Array);
  const indptr = new BigInt64Array(matrix.numCells + 1);
  let numEntries = 0;
  // Values that are no numbers stay what they are: only what is computed from must be finite.
  for await (const block of matrix.rowBlocks({ allowNonFinite: true })) {
    data.append(block.values);
    indices.append(block.indices);
    for (let row = 0; row < block.numRows; row++) indptr[block.firstRow + row + 1] = BigInt(numEntries + block.indptr[row + 1]!);
    numEntries += block.values.length;
  }
  data.end();
  indices.end();
  tree.writeNumbers(`${path}/indptr`, indptr);
}

function writeObs(tree: Hdf5Tree, cells: CellFile, added: Readonly<Record<string, NewColumn>>, notes: string[]): void {
  tree.makeGroup('/obs');
  writeStringArray(tree, `/obs/${INDEX}`, cells.cellIds);
  const kept = cells.obsKeys.filter((key) => !(key in added) && key !== INDEX && copyColumn(tree, `/obs/${key}`, cells.obs(key), notes));
  for (const [key, column] of Object.entries(added)) writeColumn(tree, `/obs/${key}`, column);
  describeFrame(tree, '/obs', INDEX, [...kept, ...Object.keys(added)]);
}

function writeGenes(tree: Hdf5Tree, path: string, { names, symbols, ensemblIds }: GeneNames): void {
  tree.makeGroup(path);
  writeStringArray(tree, `${path}/${INDEX}`, names);
  const columns = { ...(symbols && { gene_symbols: symbols }), ...(ensemblIds && { gene_ids: ensemblIds }) };
  for (const [key, values] of Object.entries(columns)) writeStringArray(tree, `${path}/${key}`, values);
  describeFrame(tree, path, INDEX, Object.keys(columns));
}

/** @returns false for a column that cannot be written, which is then told of */
function copyColumn(tree: Hdf5Tree, path: string, column: ObsColumn, notes: string[]): boolean {
  switch (column.kind) {
    case 'categorical':
      if (column.categories.length === 0) {
        notes.push(`${path.slice(1)} has no categories and is left out`);
        return false;
      }
      writeCategorical(tree, path, column.categories, column.codes, column.isOrdered);
      return true;
    case 'numeric':
      writeArray(
        tree,
        path,
        /^u?int/.test(column.dtype) && column.values.every((value) => value === (value | 0)) ? Int32Array.from(column.values) : column.values,
      );
      return true;
    case 'boolean':
      writeBooleans(tree, path, column.values);
      return true;
    case 'string':
      writeTexts(tree, path, column.values);
      return true;
  }
}

function writeBooleans(tree: Hdf5Tree, path: string, values: readonly (boolean | null)[]): void {
  if (!values.includes(null)) return writeBooleanArray(tree, path, values as boolean[]);
  tree.makeGroup(path);
  encode(tree, path, 'nullable-boolean', '0.1.0');
  writeBooleanArray(
    tree,
    `${path}/values`,
    values.map((value) => value ?? false),
  );
  writeBooleanArray(
    tree,
    `${path}/mask`,
    values.map((value) => value === null),
  );
}

/** Texts of which some are missing become categories, which every reader of AnnData knows to be absent. */
function writeTexts(tree: Hdf5Tree, path: string, values: readonly (string | null)[]): void {
  if (!values.includes(null)) return writeStringArray(tree, path, values as string[]);
  const categories = [...new Set(values.filter((value) => value !== null))].sort();
  const codeOf = new Map(categories.map((category, code) => [category, code]));
  writeCategorical(
    tree,
    path,
    categories.length > 0 ? categories : [''],
    values.map((value) => (value === null ? -1 : codeOf.get(value)!)),
    false,
  );
}
