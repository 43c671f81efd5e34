import { access, constants, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OutputError } from '../../errors.js';
import { asOutputError, makeFolder, syncFolder, temporaryName } from '../../files.js';
import { describeFrame, encode, makeDict, writeArray, writeColumn, writeStringArray, writeUns, type NewColumn, type UnsValue } from './anndata-elements.js';
import { Hdf5Tree } from './hdf5-tree.js';

/** Cells × genes in compressed sparse rows, column indices ascending in each row. */
export interface SparseRows {
  /** [numCells + 1] offsets. */
  readonly indptr: Int32Array;
  readonly indices: Int32Array;
  readonly values: Float32Array;
}

/** [numCells, numDims], row after row. */
export interface ObsmArray {
  readonly values: Float32Array;
  readonly numDims: number;
}

export interface NewH5ad {
  readonly output: string;
  /** Names of the cells, unique. */
  readonly cellIds: readonly string[];
  /** Names of the genes, unique. */
  readonly geneNames: readonly string[];
  readonly x: SparseRows;
  readonly layers?: Readonly<Record<string, SparseRows>>;
  /** Columns of one entry a cell. */
  readonly obs?: Readonly<Record<string, NewColumn>>;
  /** Tables of numbers by their names, one entry a cell in each column; or arrays of so many columns without names. */
  readonly obsm?: Readonly<Record<string, Readonly<Record<string, Float64Array>> | ObsmArray>>;
  /** Columns of one entry a gene. */
  readonly var?: Readonly<Record<string, NewColumn>>;
  readonly uns?: Readonly<Record<string, UnsValue>>;
}

/**
 * Writes cells that come from no file as an .h5ad. It appears whole or not at all, in place of what was there.
 * @throws OutputError when it cannot be written
 */
export async function writeNewH5ad(content: NewH5ad): Promise<void> {
  const { output } = content;
  await checkOutput(output);
  const temporary = temporaryName(output);
  let tree: Hdf5Tree | undefined;
  try {
    await makeFolder(dirname(output));
    tree = await Hdf5Tree.create(temporary, output);
    writeContent(tree, content);
    tree.close();
    await rename(temporary, output);
    await syncFolder(dirname(output));
  } catch (error) {
    tree?.abandon();
    await rm(temporary, { force: true }).catch(() => {});
    throw asOutputError(output, error);
  }
}

/** Asked before long work starts, so that it is not done in vain. @throws OutputError when `output` is a folder or its folder cannot be written to */
export async function checkOutput(output: string): Promise<void> {
  await makeFolder(dirname(output));
  try {
    await access(dirname(output), constants.W_OK);
    if ((await stat(output)).isDirectory()) throw new OutputError({ file: output, found: 'is a folder', expected: 'a file' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw asOutputError(output, error);
  }
}

function writeContent(tree: Hdf5Tree, { cellIds, geneNames, x, layers = {}, obs = {}, obsm = {}, var: genes = {}, uns = {} }: NewH5ad): void {
  const numGenes = geneNames.length;
  encode(tree, '/', 'anndata', '0.1.0');
  writeSparse(tree, '/X', x, numGenes);
  writeFrame(tree, '/obs', cellIds, obs);
  writeFrame(tree, '/var', geneNames, genes);
  for (const part of ['layers', 'obsm', 'varm', 'obsp', 'varp', 'uns']) makeDict(tree, `/${part}`);
  for (const [name, matrix] of Object.entries(layers)) writeSparse(tree, `/layers/${name}`, matrix, numGenes);
  for (const [name, entry] of Object.entries(obsm)) {
    if (isArray(entry)) writeArray(tree, `/obsm/${name}`, entry.values, entry.numDims);
    else writeFrame(tree, `/obsm/${name}`, cellIds, Object.fromEntries(Object.entries(entry).map(([key, values]) => [key, { kind: 'numeric', values }])));
  }
  for (const [name, value] of Object.entries(uns)) writeUns(tree, `/uns/${name}`, value);
}

const isArray = (entry: Readonly<Record<string, Float64Array>> | ObsmArray): entry is ObsmArray => typeof entry.numDims === 'number';

function writeSparse(tree: Hdf5Tree, path: string, { indptr, indices, values }: SparseRows, numGenes: number): void {
  tree.makeGroup(path);
  encode(tree, path, 'csr_matrix', '0.1.0');
  tree.setAttribute(path, 'shape', BigInt64Array.of(BigInt(indptr.length - 1), BigInt(numGenes)));
  tree.writeNumbers(`${path}/indptr`, indptr);
  tree.writeNumbers(`${path}/indices`, indices);
  tree.writeNumbers(`${path}/data`, values);
}

function writeFrame(tree: Hdf5Tree, path: string, index: readonly string[], columns: Readonly<Record<string, NewColumn>>): void {
  tree.makeGroup(path);
  writeStringArray(tree, `${path}/_index`, index);
  for (const [name, column] of Object.entries(columns)) writeColumn(tree, `${path}/${name}`, column);
  describeFrame(tree, path, '_index', Object.keys(columns));
}
