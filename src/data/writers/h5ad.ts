import { constants } from 'node:fs';
import { chmod, copyFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DataError, OutputError, ShapeError } from '../../errors.js';
import { asOutputError, makeFolder, syncFolder, temporaryName } from '../../files.js';
import { diagnoseHdf5 } from '../readers/hdf5-diagnosis.js';
import { Hdf5File } from '../readers/hdf5.js';
import { openCellFile } from '../readers/open.js';
import type { CellFile } from '../readers/reader.js';
import { parseReference } from '../readers/reference.js';
import { tenxLayout } from '../readers/tenx.js';
import { describeFrame, encode, makeDict, writeArray, writeColumn, writeUns, type NewColumn, type UnsValue } from './anndata-elements.js';
import { patchHdf5 } from './hdf5-patch.js';
import { Hdf5Tree } from './hdf5-tree.js';
import { markSparse, rewriteCompoundFrame, rewriteCompoundMatrices, rewriteTenx } from './modernise.js';
import { rewriteAsH5ad } from './rewrite-h5ad.js';

export type { NewColumn, UnsValue };

/** What to add to a file of N cells. An entry replaces one of the same name. */
export interface Annotations {
  /** Columns of N entries. */
  readonly obs?: Readonly<Record<string, NewColumn>>;
  /** Matrices [N, numDims], row by row. */
  readonly obsm?: Readonly<Record<string, { readonly values: Float32Array; readonly numDims: number }>>;
  readonly uns?: Readonly<Record<string, UnsValue>>;
}

export interface WrittenH5ad {
  /** What of the input could not be kept as it was, in sentences for people; empty most of the time. */
  readonly notes: readonly string[];
}

/**
 * Writes `output`: the cells of `input` and the annotations, as an .h5ad that current readers know. The input is never touched; the
 * output appears whole or not at all, in place of what was there.
 *
 * Of an .h5ad of any version and a 10x .h5, the output begins as a copy of the input, byte for byte. In it a new root group is made that leads to everything old under
 * its old name and to the new parts, and the superblock is turned to it: so no matrix is read or compressed again, whatever
 * the file holds stays exactly as it is, and names can be replaced, for which the library has no call. Cells of any other format are
 * written anew (see rewriteAsH5ad).
 * @throws DataError when the input cannot be read, OutputError when the output cannot be written or is the input,
 *   ShapeError when an annotation has other than N entries
 */
export async function writeAnnotatedH5ad(request: { readonly input: string; readonly output: string } & Annotations): Promise<WrittenH5ad> {
  const { input, output } = request;
  const cells = await openCellFile(input);
  try {
    await checkRequest(request, cells.numCells);
    if (!isCopied(cells)) return { notes: await rewriteAsH5ad(cells, output, request) };
  } finally {
    cells.close();
  }
  const superblock = await diagnoseHdf5(input);
  await makeFolder(dirname(output));
  const temporary = temporaryName(output);
  const notes: string[] = [];
  let source: Hdf5File | undefined;
  let tree: Hdf5Tree | undefined;
  try {
    await copyFile(input, temporary, constants.COPYFILE_FICLONE);
    await chmod(temporary, (await stat(input)).mode | 0o600);
    source = await Hdf5File.open(input);
    tree = await Hdf5Tree.open(temporary, output);
    buildRoot(source, tree, request, notes);
    const patch = { root: tree.addressOf(ROOT), booleans: tree.booleans };
    tree.close();
    await patchHdf5(temporary, superblock, patch);
    await rename(temporary, output);
    await syncFolder(dirname(output));
    return { notes };
  } catch (error) {
    tree?.abandon();
    await rm(temporary, { force: true });
    throw asOutputError(output, error);
  } finally {
    source?.close();
  }
}

/** Name of the new root below the old one. */
const ROOT = '/scdiva.root';

function buildRoot(source: Hdf5File, tree: Hdf5Tree, annotations: Annotations, notes: string[]): void {
  tree.makeGroup(ROOT);
  const layout = tenxLayout(source);
  if (layout) rewriteTenx(source, layout, tree, ROOT, notes);
  else relinkAnnData(source, tree, annotations, notes);
  if (!tree.hasAttribute(ROOT, 'encoding-type')) encode(tree, ROOT, 'anndata', '0.1.0');
  const { obs = {}, obsm = {}, uns = {} } = annotations;
  for (const [key, column] of Object.entries(obs)) writeColumn(tree, `${ROOT}/obs/${key}`, column);
  if (layout && Object.keys(obs).length > 0) describeFrame(tree, `${ROOT}/obs`, '_index', Object.keys(obs));
  for (const [key, { values, numDims }] of Object.entries(obsm)) writeArray(tree, `${ROOT}/obsm/${key}`, values, numDims);
  for (const [key, value] of Object.entries(uns)) writeUns(tree, `${ROOT}/uns/${key}`, value);
}

/** Everything of an AnnData file under the new root, save what the annotations replace; old tables in today's form. */
function relinkAnnData(source: Hdf5File, tree: Hdf5Tree, annotations: Annotations, notes: string[]): void {
  copyAttributes(tree, '/', ROOT, notes);
  const replaced = (part: keyof Annotations) => new Set(Object.keys(annotations[part] ?? {}));
  const movedCategories = ['obs', 'var', 'raw.var'].flatMap((table) =>
    source.kind(table) === 'dataset' ? source.dataset(table).fields.map((field) => `${field}_categories`) : [],
  );
  for (const part of source.keys('/')) {
    const [from, to] = [`/${part}`, `${ROOT}/${part}`];
    if (part === 'obs') {
      addToFrame(source, tree, annotations.obs ?? {}, notes);
    } else if (part === 'obsm' || part === 'uns') {
      if (source.kind(part) === 'dataset') rewriteCompoundMatrices(source, part, tree, to, replaced(part), notes);
      // Categories of old tables move into their columns; left here, anndata would apply them a second time.
      else relinkGroup(source, tree, part, to, new Set([...replaced(part), ...(part === 'uns' ? movedCategories : [])]), notes);
    } else if (part === 'var' && source.kind(part) === 'dataset') {
      rewriteCompoundFrame(source, part, tree, to, new Set(), notes);
    } else if (part === 'varm' && source.kind(part) === 'dataset') {
      rewriteCompoundMatrices(source, part, tree, to, new Set(), notes);
    } else if (part.startsWith('raw.')) {
      relinkOldRaw(source, tree, part, notes);
    } else {
      tree.link(from, to);
    }
  }
  for (const matrix of ['X', 'raw.X', ...source.keys('layers').map((layer) => `layers/${layer}`)]) if (source.kind(matrix)) markSparse(source, matrix, tree);
  for (const part of ['obsm', 'uns']) if (!source.kind(part)) makeDict(tree, `${ROOT}/${part}`);
}

/** obs with the columns that stay, described with those that come. */
function addToFrame(source: Hdf5File, tree: Hdf5Tree, added: Readonly<Record<string, NewColumn>>, notes: string[]): void {
  const to = `${ROOT}/obs`;
  const names = Object.keys(added);
  const indexKey = source.kind('obs') === 'dataset' ? '_index' : (source.stringAttribute('obs', '_index') ?? (source.kind('obs/_index') ? '_index' : 'index'));
  if (names.includes(indexKey))
    throw new DataError({
      file: source.path,
      key: `obs['${indexKey}']`,
      found: 'holds the names of the cells and cannot be replaced',
      hint: 'choose another name for the column',
    });
  if (source.kind('obs') === 'dataset') {
    const kept = rewriteCompoundFrame(source, 'obs', tree, to, new Set(names), notes);
    describeFrame(tree, to, indexKey, [...kept, ...names]);
    return;
  }
  relinkGroup(source, tree, 'obs', to, new Set(names), notes, 'column-order');
  const members = source.keys('obs');
  const order = source.stringsAttribute('obs', 'column-order') ?? members.filter((key) => key !== indexKey && key !== '__categories');
  describeFrame(tree, to, indexKey, [...order, ...names.filter((name) => !order.includes(name))]);
}

/** A group under the new root whose members are those of the old one, but for some. */
function relinkGroup(
  source: Hdf5File,
  tree: Hdf5Tree,
  part: string,
  to: string,
  without: ReadonlySet<string>,
  notes: string[],
  ...rewrittenAttributes: string[]
): void {
  tree.makeGroup(to);
  copyAttributes(tree, `/${part}`, to, notes, rewrittenAttributes);
  if (part !== 'obs' && !tree.hasAttribute(to, 'encoding-type')) encode(tree, to, 'dict', '0.1.0');
  for (const key of source.keys(part)) if (!without.has(key)) tree.link(`/${part}/${key}`, `${to}/${key}`);
}

/** `raw.X`, `raw.var`, `raw.varm` of files before 0.7 as the group `raw`. */
function relinkOldRaw(source: Hdf5File, tree: Hdf5Tree, part: string, notes: string[]): void {
  const raw = `${ROOT}/raw`;
  if (!tree.exists(raw)) {
    tree.makeGroup(raw);
    encode(tree, raw, 'raw', '0.1.0');
  }
  const to = `${raw}/${part.slice('raw.'.length)}`;
  if (source.kind(part) === 'group' || part === 'raw.X') tree.link(`/${part}`, to);
  else if (part === 'raw.var') rewriteCompoundFrame(source, part, tree, to, new Set(), notes);
  else rewriteCompoundMatrices(source, part, tree, to, new Set(), notes);
}

function copyAttributes(tree: Hdf5Tree, from: string, to: string, notes: string[], rewritten: readonly string[] = []): void {
  const lost = tree.copyAttributes(from, to).filter((name) => !rewritten.includes(name));
  if (lost.length > 0) notes.push(`not carried over: the ${lost.length === 1 ? 'attribute' : 'attributes'} ${lost.join(', ')} of ${from}`);
}

/** Whether a file is copied as it is; of any other format, and of a part of a file, the cells are written anew. */
function isCopied({ path, format }: CellFile): boolean {
  return (format === 'h5ad' || format === '10x-h5') && parseReference(path).part === undefined;
}

async function checkRequest(
  { input, output, obs = {}, obsm = {}, uns = {} }: { readonly input: string; readonly output: string } & Annotations,
  numCells: number,
): Promise<void> {
  if (await isSameFile(input, output))
    throw new OutputError({ file: output, found: 'is the input file', expected: 'another one: the input is never changed', hint: 'choose another --out' });
  for (const name of [...Object.keys(obs), ...Object.keys(obsm), ...Object.keys(uns)]) {
    if (name === '' || name.includes('/') || name === '.')
      throw new DataError({ file: output, key: name, found: `'${name}' cannot be a name in an .h5ad file`, expected: 'a name without /' });
  }
  for (const [key, column] of Object.entries(obs)) {
    const length = column.kind === 'categorical' ? column.codes.length : column.values.length;
    if (length !== numCells) throw new ShapeError({ key: `obs['${key}']`, found: `${length} entries`, expected: `${numCells}, one a cell` });
  }
  for (const [key, { values, numDims }] of Object.entries(obsm)) {
    if (values.length !== numCells * numDims)
      throw new ShapeError({ key: `obsm['${key}']`, found: `${values.length} values`, expected: `${numCells} × ${numDims}` });
  }
}

async function isSameFile(input: string, output: string): Promise<boolean> {
  const there = await stat(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw asOutputError(output, error);
  });
  if (there?.isDirectory()) throw new OutputError({ file: output, found: 'is a folder', expected: 'a file' });
  const source = await stat(parseReference(input).path);
  return there !== undefined && there.ino === source.ino && there.dev === source.dev;
}
