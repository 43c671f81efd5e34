import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ModelConfig } from '../../src/model/config.js';
import { initialParameters } from '../../src/model/parameters.js';
import { writeSafetensors } from '../../src/model/safetensors.js';
import { loadTensorFlow } from '../../src/runtime/native/load.js';
import { Rng } from '../../src/rng.js';
import { separableCells, untrainedCheckpoint } from '../support/annotated-cells.js';
import { smallCorpus, temporaryFolder } from '../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../support/small-h5ad.js';

// What a user can get wrong from end to end: each is one line that names the file, the key, what was found and the mend; exit 2;
// no output, whole or half, and the input as it was.

const bin = resolve(import.meta.dirname, '../../bin/scdiva.js');
const folderOf = temporaryFolder('bad-input');
const good = separableCells(1, 60);
let folder: string;

/** Runs the command line; `prefix` puts a shell in front of it, to take something away from the process first. */
function scdiva(args: readonly string[], prefix = ''): Promise<{ code: number | null; stderr: string }> {
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: undefined };
  const child = spawn('bash', ['-c', `${prefix} exec "$@"`, 'bash', process.execPath, bin, ...args], { cwd: folder, env });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((done) => child.on('close', (code) => done({ code, stderr })));
}

/** Lines that are the command's last word: progress lines before it are no part of the complaint. */
const complaint = (stderr: string): string => stderr.trimEnd().split('\n').at(-1)!;

async function cells(name: string, change: Partial<SmallH5ad>): Promise<void> {
  await writeSmallH5ad(join(folder, name), { ...good, ...change });
}

const rowsWith = (edit: (rows: number[][]) => void) => {
  const rows = good.x!.rows.map((row) => [...row]);
  edit(rows);
  return { x: { rows, encoding: 'csr' as const } };
};

beforeAll(async () => {
  await loadTensorFlow();
  folder = await folderOf();
  await untrainedCheckpoint(folder, await smallCorpus(folder, good, { label: 'cell_type' }));
  await writeFile(join(folder, 'not-hdf5.h5ad'), 'cell,gene,count\n');
  await cp(join(folder, 'cells.h5ad'), join(folder, 'truncated.h5ad'));
  await truncate(join(folder, 'truncated.h5ad'), 3000);
  await writeSmallH5ad(join(folder, 'no-x.h5ad'), { cellIds: good.cellIds, geneNames: good.geneNames });
  await cells('other-genes.h5ad', { geneNames: good.geneNames.map((_, i) => `mt-Nd${i}`) });
  await cells(
    'nan.h5ad',
    rowsWith((rows) => (rows[3]![2] = NaN)),
  );
  await cells(
    'negative.h5ad',
    rowsWith((rows) => rows.forEach((row) => row.forEach((value, g) => (row[g] = value * 0.37 - 1.2)))),
  );
  await cells('lonely.h5ad', { obs: { cell_type: good.types.map((type, i) => (i === 0 ? 'Lonely' : type)) } });
  // A checkpoint whose weights are of another model.
  const wide = ModelConfig.parse({ hiddenDim: 24, numLayers: 2, numHeads: 2, ffnDim: 24, maxGenes: 32 });
  await cp(join(folder, 'pretrained'), join(folder, 'other-sizes'), { recursive: true });
  await writeSafetensors(join(folder, 'other-sizes/model.safetensors'), initialParameters(wide, good.geneNames.length + 5, Rng.fromSeed(1)));
  await writeFile(
    join(folder, 'run.yaml'),
    'data: { corpus: corpus }\nmodel: { hiddenDim: 16, numLayers: 1, numHeads: 2, ffnDim: 24, maxGenes: 32 }\nloader: { numWorkers: 0 }\ntrain: { steps: 2, batchSize: 8 }\n',
  );
  await mkdir(join(folder, 'a-file'), { recursive: true });
  await writeFile(join(folder, 'a-file/plain'), '');
}, 120_000);

describe('a mistake is told in one line, exits 2 and leaves nothing behind', () => {
  const build = (file: string, ...more: string[]) => ['data', 'build', file, '--out', 'out', ...more];
  const embed = (file: string, ...more: string[]) => ['embed', '--checkpoint', 'pretrained', file, '--out', 'out', ...more];

  it.each<[what: string, args: string[], message: RegExp]>([
    ['a file that is not there', build('none.h5ad'), /none\.h5ad: no such file/],
    ['a file that is not HDF5', build('not-hdf5.h5ad'), /not-hdf5\.h5ad: .*not an HDF5 file/],
    ['a truncated file', build('truncated.h5ad'), /truncated\.h5ad: .*truncated/i],
    ['a file without X', build('no-x.h5ad'), /no-x\.h5ad: .*X/],
    ['an unknown obs column', build('cells.h5ad', '--label', 'celltype'), /cells\.h5ad: obs\['celltype'\]: no such .*cell_type/],
    ['a matrix that is not there', build('cells.h5ad', '--matrix', 'layers/counts'), /cells\.h5ad: layers\/counts: no such matrix.*one of X/],
    ['NaN among the values', build('nan.h5ad'), /nan\.h5ad: .*(NaN|nan)/],
    ['negative values', build('negative.h5ad'), /negative\.h5ad: .*(negative|scaled)/],
    ['a label with one cell', build('lonely.h5ad', '--label', 'cell_type'), /lonely\.h5ad: .*Lonely.*--min-class-cells/],
    ['an unknown flag', build('cells.h5ad', '--shards', '3'), /Unknown argument: shards \(see: scdiva data build --help\)/],
    ['shares that do not sum to one', build('cells.h5ad', '--split', '0.8/0.8/0.1'), /sum/],
    ['an output below a file', ['data', 'build', 'cells.h5ad', '--out', 'a-file/plain/out'], /a-file\/plain.*(file, not a folder|not a folder)/],
    ['no shared genes', embed('other-genes.h5ad'), /other-genes\.h5ad: .*(0 of|no gene|0 %)/],
    ['a checkpoint that is not there', ['embed', '--checkpoint', 'nothing', 'cells.h5ad', '--out', 'out'], /nothing: .*no such/],
    [
      'a checkpoint of other sizes',
      ['embed', '--checkpoint', 'other-sizes', 'cells.h5ad', '--out', 'out'],
      /other-sizes.*: gene_embedding\.weight: .*45, ?24.*45, ?16/,
    ],
    ['a checkpoint without the head', ['annotate', '--checkpoint', 'pretrained', 'cells.h5ad', '--out', 'out'], /pretrained: .*head.*finetune annotation/],
    ['output over the input', ['embed', '--checkpoint', 'pretrained', 'cells.h5ad', '--out', 'cells.h5ad'], /cells\.h5ad: .*input/],
    [
      'a config key that does not exist',
      ['pretrain', '--config', 'run.yaml', '--out', 'out', '--set', 'train.stepz=3'],
      /run\.yaml: train\.stepz: no such key/,
    ],
    ['nothing to resume', ['pretrain', '--config', 'run.yaml', '--out', 'out', '--resume'], /out: (no such run folder|no checkpoint to resume from)/],
  ])('%s', async (_, args, message) => {
    const before = (await readdir(folder)).sort();
    const input = await readFile(join(folder, 'cells.h5ad'));
    const { code, stderr } = await scdiva(args);
    expect(complaint(stderr)).toMatch(/^scdiva: /);
    expect(complaint(stderr)).toMatch(message);
    expect(code).toBe(2);
    expect((await readdir(folder)).sort()).toEqual(before);
    expect(await readdir(join(folder, 'a-file'))).toEqual(['plain']);
    expect((await readFile(join(folder, 'cells.h5ad'))).equals(input)).toBe(true);
  });

  it('resuming with a changed config, and the run is as it was', async () => {
    expect((await scdiva(['pretrain', '--config', 'run.yaml', '--out', 'run'])).code).toBe(0);
    const { code, stderr } = await scdiva(['pretrain', '--config', 'run.yaml', '--out', 'run', '--resume', '--set', 'model.ffnDim=32']);
    expect(complaint(stderr)).toMatch(/run.*model\.ffnDim.*(24.*32|32.*24)/);
    expect(code).toBe(2);
  });

  it('a disk that fills up', async () => {
    const full = join(folder, 'full');
    await mkdir(full);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', full]).status !== 0) {
      console.warn('SKIPPED, out loud: this process may not mount a small file system, so a full disk is not tried');
      return;
    }
    try {
      for (const args of [
        ['data', 'build', 'cells.h5ad', '--out', 'full/corpus'],
        ['embed', '--checkpoint', 'pretrained', 'cells.h5ad', '--out', 'full/cells.h5ad'],
        ['pretrain', '--config', 'run.yaml', '--out', 'full/run'],
      ]) {
        const { code, stderr } = await scdiva(args);
        expect(complaint(stderr)).toMatch(/^scdiva: .*full.*the disk is full/);
        expect(code).toBe(2);
      }
      for (const name of ['full/cells.h5ad', 'full/corpus/corpus.json']) expect(existsSync(join(folder, name)), name).toBe(false);
    } finally {
      spawnSync('umount', [full]);
    }
  });

  it('empty cells are carried along, not an error: no division by zero', async () => {
    await cells(
      'empty.h5ad',
      rowsWith((rows) => rows[0]!.fill(0)),
    );
    expect(await scdiva(['embed', '--checkpoint', 'pretrained', 'empty.h5ad', '--out', 'empty.embedded.h5ad'])).toMatchObject({ code: 0 });
    expect(await scdiva(['data', 'build', 'empty.h5ad', '--out', 'empty.corpus'])).toMatchObject({ code: 0 });
    const manifest = JSON.parse(await readFile(join(folder, 'empty.corpus/corpus.json'), 'utf8')) as unknown;
    expect(JSON.stringify(manifest)).toMatch(/"numCells":59/);
  });
});
