import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadHdf5 } from '../../src/data/readers/hdf5-library.js';
import { ServerConfig } from '../../src/server/config.js';
import { serve, type RunningServer } from '../../src/server/serve.js';
import { separableCells, untrainedCheckpoint } from '../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { op, pickleStateDict, writeTorchFile, zipOf, type PickledTensor } from '../support/torch-file.js';

// Files made to harm: each is refused in one line with exit 2, in seconds and little memory, and nothing in it runs.

const bin = resolve(import.meta.dirname, '../../bin/scdiva.js');
const folderOf = temporaryFolder('hostile');
const good = separableCells(1, 60);
/** A process that has loaded TensorFlow holds some 450 MB; what a hostile file claims is far beyond. */
const MOST_RSS_KB = 900_000;
const MOST_SECONDS = 60;
const BILLION = 1_000_000_000;
let folder: string;
let server: RunningServer;

/** Runs the command line, tells its largest memory and ends it where it takes too long. */
async function scdiva(...args: string[]): Promise<{ code: number | null; line: string; lines: number; peakKb: number }> {
  const child = spawn('bash', ['-c', 'exec timeout -s KILL "$0" "$@"', String(MOST_SECONDS), process.execPath, '--import', PEAK, bin, ...args], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
  const code = await new Promise<number | null>((done) => child.once('close', done));
  const peak = /^peak (\d+)$/m.exec(stderr);
  const said = stderr.split('\n').filter((line) => line && !line.startsWith('peak '));
  return { code, line: said.at(-1) ?? '', lines: said.length, peakKb: Number(peak?.[1] ?? Infinity) };
}
const PEAK = `data:text/javascript,process.on('exit',()=>process.stderr.write('\\npeak '+process.resourceUsage().maxRSS+'\\n'))`;

beforeAll(async () => {
  folder = await folderOf();
  await untrainedCheckpoint(folder, await smallCorpus(folder, good, { label: 'cell_type' }));
  server = await serve({ checkpoint: join(folder, 'pretrained'), config: ServerConfig.parse({ port: 0 }), version: '1' });
});
afterAll(() => server.stop());

// ---- weights ----

const at = (...names: string[]): string => join(folder, ...names);
const touch = (): string => `touch ${at('HARMED')}`;
const unicode = (text: string): Buffer => Buffer.from(`V${text}\n`);
const shortText = (text: string): Buffer => Buffer.concat([Buffer.from([0x8c, text.length]), Buffer.from(text)]);
const pickle = (protocol: number, ...steps: Buffer[]): Buffer => Buffer.concat([...(protocol >= 2 ? [Buffer.from([0x80, protocol])] : []), ...steps, op.stop]);
const REDUCE = Buffer.from('R');
const one: PickledTensor = { storage: '0', numStored: 4, shape: [2, 2] };

/** os.system(touch …) by every road a pickle has to a callable. */
const PICKLES: [what: string, make: () => Buffer][] = [
  ['reduce, protocol 0', () => pickle(0, Buffer.from('cos\nsystem\n('), unicode(touch()), Buffer.from('t'), REDUCE)],
  ['reduce, protocol 2', () => pickle(2, op.global('os', 'system'), op.mark, op.text(touch()), op.tuple, REDUCE)],
  [
    'reduce, protocol 4, the name from the stack',
    () => pickle(4, shortText('posix'), shortText('system'), Buffer.from([0x93]), op.text(touch()), Buffer.from([0x85]), REDUCE),
  ],
  [
    'reduce, protocol 5, framed',
    () =>
      pickle(
        5,
        Buffer.from([0x95, 40, 0, 0, 0, 0, 0, 0, 0]),
        shortText('builtins'),
        shortText('exec'),
        Buffer.from([0x93]),
        op.text('import os'),
        Buffer.from([0x85]),
        REDUCE,
      ),
  ],
  ['inst', () => pickle(0, op.mark, unicode(touch()), Buffer.from('ios\nsystem\n'))],
  ['obj', () => pickle(1, op.mark, op.global('os', 'system'), unicode(touch()), Buffer.from('o'))],
  ['newobj', () => pickle(2, op.global('subprocess', 'Popen'), op.mark, op.text(touch()), op.tuple, Buffer.from([0x81]))],
  [
    'build on a known class',
    () =>
      pickle(2, op.global('collections', 'OrderedDict'), op.emptyTuple, REDUCE, op.dict, op.text('__class__'), op.global('os', 'system'), op.setItem, op.build),
  ],
  ['an extension code', () => pickle(2, Buffer.from([0x82, 1]))],
  ['a persistent id that is a call', () => pickle(2, op.global('os', 'system'), op.mark, op.text(touch()), op.tuple, REDUCE, op.persistent)],
  [
    'one hidden behind a good tensor',
    () =>
      Buffer.concat([
        pickleStateDict({ x: one }).subarray(0, -1),
        op.text('y'),
        op.global('os', 'system'),
        op.mark,
        op.text(touch()),
        op.tuple,
        REDUCE,
        op.setItem,
        op.stop,
      ]),
  ],
];

/** A checkpoint whose weights are these. */
async function withWeights(name: string, file: string, make: (path: string) => Promise<unknown>): Promise<string> {
  await rm(at(name), { recursive: true, force: true });
  await cp(at('pretrained'), at(name), { recursive: true });
  await rm(at(name, 'model.safetensors'));
  await make(at(name, file));
  return name;
}

async function expectRefused(args: string[], message: RegExp): Promise<void> {
  const before = (await readdir(folder)).sort();
  const { code, line, lines, peakKb } = await scdiva(...args);
  expect(line).toMatch(/^scdiva: /);
  expect(line).toMatch(message);
  expect([code, lines]).toEqual([2, 1]);
  expect(peakKb).toBeLessThan(MOST_RSS_KB);
  expect(existsSync(at('HARMED'))).toBe(false);
  expect((await readdir(folder)).sort()).toEqual(before);
}

describe('weights made to harm', () => {
  it.each(PICKLES)('a pickle that calls os.system by %s', async (_, make) => {
    const checkpoint = await withWeights('pickled', 'pytorch_model.bin', (path) => writeTorchFile(path, make(), { 0: Float32Array.of(1, 2, 3, 4) }));
    await expectRefused(['inspect', checkpoint], /pytorch_model\.bin: .*(not allowed: nothing of it was run|instruction 0x|a call of|a persistent id)/);
  });

  it('the same, bare', async () => {
    const checkpoint = await withWeights('bare', 'model.pt', (path) => writeFile(path, PICKLES[0]![1]()));
    await expectRefused(['inspect', checkpoint], /model\.pt: not a file of PyTorch/);
  });

  const bomb = (): Buffer => {
    const data = deflateRawSync(Buffer.alloc(64 * 2 ** 20));
    return zipOf([
      { name: 'model/data.pkl', data: pickleStateDict({ x: { ...one, numStored: 2 ** 24, shape: [2 ** 24] } }) },
      { name: 'model/data/0', data, claims: { method: 8, size: 64 * 2 ** 20, compressedSize: data.length } },
    ]);
  };
  it.each<[string, string, (path: string) => Promise<unknown>, RegExp]>([
    [
      'a zip whose names climb out',
      'model.pt',
      (path) =>
        writeFile(
          path,
          zipOf([
            { name: 'model/data.pkl', data: pickleStateDict({ x: one }) },
            { name: '../../HARMED', data: new Uint8Array(16) },
          ]),
        ),
      /invalid relative path: \.\.\/\.\.\/HARMED/,
    ],
    [
      'a zip of an absolute name',
      'model.pt',
      (path) => writeFile(path, zipOf([{ name: '/tmp/HARMED', data: new Uint8Array(16) }])),
      /absolute path: \/tmp\/HARMED/,
    ],
    ['a zip bomb', 'model.pt', (path) => writeFile(path, bomb()), /a compressed entry/],
    [
      'a pickle of 2 GB that are not there',
      'pytorch_model.bin',
      (path) => writeTorchFile(path, pickleStateDict({ x: { ...one, numStored: 2 ** 29, shape: [2 ** 29] } }), { 0: new Float32Array(4) }),
      /storage 0 of 16 bytes \(expected 2147483648/,
    ],
    [
      'safetensors of 2 GB that are not there',
      'model.safetensors',
      (path) => writeFile(path, safetensors({ x: { dtype: 'F32', shape: [2 ** 29], data_offsets: [0, 2 ** 31] } })),
      /x: the file ends 2147483648 bytes too early/,
    ],
    [
      'safetensors whose sizes overflow',
      'model.safetensors',
      (path) => writeFile(path, safetensors({ x: { dtype: 'F32', shape: [2 ** 32, 2 ** 32], data_offsets: [0, 0] } })),
      /x: 0 bytes \(expected /,
    ],
    [
      'a header of a terabyte',
      'model.safetensors',
      (path) => writeFile(path, Buffer.from([0, 0, 0, 0, 0, 1, 0, 0])),
      /a header of 1099511627776 bytes in a file of 8/,
    ],
    [
      'a header nested without end',
      'model.safetensors',
      (path) => writeFile(path, safetensors(`{"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)),
      /x: something nested without end|header: not JSON|x: \[\[/,
    ],
    [
      'shards named by a path',
      'model.safetensors.index.json',
      (path) => writeFile(path, '{"weight_map":{"x":"../pretrained/model.safetensors"}}'),
      /weight_map\.x: the name of a file beside the index/,
    ],
    ['a link to a device', 'model.safetensors', (path) => symlink('/dev/zero', path), /model\.safetensors: cannot be read \(not a file\)/],
    ['a pipe', 'pytorch_model.bin', async (path) => void spawnSync('mkfifo', [path]), /pytorch_model\.bin: cannot be read \(not a file\)/],
    ['a link into nothing', 'model.pt', (path) => symlink('/nowhere/at/all', path), /model\.safetensors: no such file/],
  ])('%s', async (_, file, make, message) => {
    await expectRefused(['inspect', await withWeights('weights', file, make)], message);
  });

  it.each(['config.json', 'genes.tsv', 'entropy.tsv', 'preprocessing.json', 'state.json'])('a checkpoint whose %s is a device', async (name) => {
    await rm(at('linked'), { recursive: true, force: true });
    await cp(at('pretrained'), at('linked'), { recursive: true });
    await rm(at('linked', name));
    await symlink('/dev/zero', at('linked', name));
    await expectRefused(['inspect', 'linked'], new RegExp(`${name.replace('.', '\\.')}: cannot be read \\(not a file\\)`));
  });
});

function safetensors(header: object | string): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

// ---- cells ----

type H5wasm = Awaited<ReturnType<typeof loadHdf5>>;
type Group = InstanceType<H5wasm['Group']>;

function encode(object: { create_attribute: Group['create_attribute'] }, type: string, version: string): void {
  object.create_attribute('encoding-type', type);
  object.create_attribute('encoding-version', version);
}

/** An array that declares so many entries and stores one of them. */
function declared(
  parent: Group,
  name: string,
  dtype: 'A8' | '<f' | '<i' | '<q' | '<d',
  shape: readonly number[],
  chunks: readonly number[],
): ReturnType<Group['create_dataset']> {
  const data =
    dtype === 'A8'
      ? ['x']
      : dtype === '<q'
        ? BigInt64Array.of(0n)
        : dtype === '<i'
          ? Int32Array.of(0)
          : dtype === '<d'
            ? Float64Array.of(1)
            : Float32Array.of(1);
  const made = parent.create_dataset({
    name,
    data,
    shape: shape.map(() => 1),
    maxshape: shape.map(() => null) as unknown as number[],
    chunks: [...chunks],
    dtype,
    compression: 'gzip',
  });
  made.resize([...shape]);
  return made;
}

function frame(root: Group, name: string, names: readonly string[] | number): void {
  const made = root.create_group(name);
  encode(made, 'dataframe', '0.2.0');
  made.create_attribute('_index', '_index');
  made.create_attribute('column-order', new Float64Array(0));
  encode(
    typeof names === 'number' ? declared(made, '_index', 'A8', [names], [1024]) : made.create_dataset({ name: '_index', data: [...names], dtype: 'A8' }),
    'string-array',
    '0.2.0',
  );
}

interface Claims {
  readonly obs?: readonly string[] | number | 'none';
  readonly var?: readonly string[] | number;
  readonly x?: (root: Group, h5wasm: H5wasm) => void;
}

/** An .h5ad of sixty cells and forty genes, but for what it claims. */
async function claiming(name: string, { obs = good.cellIds, var: genes = good.geneNames, x = dense }: Claims): Promise<string> {
  const h5wasm = await loadHdf5();
  const file = new h5wasm.File(at(name), 'w');
  const root = file.get('/') as Group;
  encode(root, 'anndata', '0.1.0');
  if (obs !== 'none') frame(root, 'obs', obs);
  frame(root, 'var', genes);
  x(root, h5wasm);
  file.close();
  return name;
}

const dense = (root: Group): void =>
  encode(root.create_dataset({ name: 'X', data: Float32Array.from(good.x!.rows.flat()), shape: [60, 40] }), 'array', '0.2.0');

/** Sparse rows with an indptr of its own and arrays of so many entries that are not there. */
const sparse =
  (numCells: number, numValues: number, indptr?: number[]) =>
  (root: Group): void => {
    const x = root.create_group('X');
    encode(x, 'csr_matrix', '0.1.0');
    x.create_attribute('shape', BigInt64Array.of(BigInt(numCells), 40n));
    declared(x, 'data', '<f', [numValues], [1024]);
    declared(x, 'indices', '<i', [numValues], [1024]);
    if (indptr) x.create_dataset({ name: 'indptr', data: Int32Array.from(indptr) });
    else declared(x, 'indptr', '<q', [numCells + 1], [1024]);
  };

const CELLS: [what: string, claims: Claims, message: RegExp][] = [
  [
    'a billion cells, dense',
    { obs: BILLION, x: (root) => encode(declared(root, 'X', '<f', [BILLION, 40], [1024, 40]), 'array', '0.2.0') },
    /obs\/_index: 1000000000 entries declared in a file of \d+ bytes/,
  ],
  ['a billion cells, sparse', { obs: BILLION, x: sparse(BILLION, BILLION) }, /obs\/_index: 1000000000 entries declared/],
  [
    'a billion genes',
    { var: BILLION, x: (root) => encode(declared(root, 'X', '<f', [60, BILLION], [1, 1024]), 'array', '0.2.0') },
    /var\/_index: 1000000000 entries declared/,
  ],
  ['a billion values of sixty cells', { x: sparse(60, BILLION, [0, ...new Array<number>(60).fill(BILLION)]) }, /X\/data: 1000000000 entries declared/],
  [
    'rows that obs does not have',
    { x: (root) => encode(declared(root, 'X', '<f', [BILLION, 40], [1024, 40]), 'array', '0.2.0') },
    /X: 1000000000 rows \(expected 60/,
  ],
  [
    'chunks far larger than the file',
    { x: (root) => encode(declared(root, 'X', '<d', [60, 40], [4096, 4096]), 'array', '0.2.0') },
    /X: chunks of 134217728 bytes declared in a file of/,
  ],
  ['X in a file beside it', { x: (root) => void root.create_external_link(at('cells.h5ad'), '/X', 'X') }, /X: lies in another file, ".*cells\.h5ad"/],
  [
    'obs in a file beside it',
    { obs: 'none', x: (root) => (dense(root), void root.create_external_link('/etc/passwd', '/obs', 'obs')) },
    /obs: lies in another file, "\/etc\/passwd"/,
  ],
];

describe('cells made to harm', () => {
  it.each(CELLS)('%s', async (_, claims, message) => {
    const name = await claiming('harm.h5ad', claims);
    await expectRefused(['embed', '--checkpoint', 'pretrained', name, '--out', 'out.h5ad'], message);
  });

  it.each(CELLS)('%s, sent to a server', async (_, claims, message) => {
    const name = await claiming('harm.h5ad', claims);
    const start = performance.now();
    const response = await fetch(`${server.url}/v1/embed/h5ad`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-hdf5' },
      body: await readFile(at(name)),
    });
    const { detail } = (await response.json()) as { detail: string };
    expect(response.status).toBe(400);
    expect(detail).toMatch(message);
    expect(detail).not.toContain('\n');
    expect(performance.now() - start).toBeLessThan(10_000);
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  });

  it.each([
    ['a pipe', (path: string) => Promise.resolve(spawnSync('mkfifo', [path])), /odd\.h5ad: is neither a file nor a folder/],
    ['a link to a device', (path: string) => symlink('/dev/zero', path), /odd\.h5ad: is neither a file nor a folder/],
    ['a link to itself', (path: string) => symlink(path, path), /odd\.h5ad: /],
  ] as const)('%s', async (_, make, message) => {
    await rm(at('odd.h5ad'), { force: true });
    await make(at('odd.h5ad'));
    await expectRefused(['embed', '--checkpoint', 'pretrained', 'odd.h5ad', '--out', 'out.h5ad'], message);
  });
});
