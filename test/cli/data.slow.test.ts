import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { randomCells, temporaryFolder } from '../support/small-corpus.js';
import { writeSmallH5ad } from '../support/small-h5ad.js';
import { pythonWith } from '../support/python.js';

const newFolder = temporaryFolder('cli-data');
const bin = fileURLToPath(new URL('../../bin/scdiva.js', import.meta.url));

function run(command: string, args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(command, [...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }));
  });
}
const scdiva = (...args: string[]) => run(process.execPath, [bin, ...args]);

async function folderBytes(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(
        async (name) =>
          [
            name,
            createHash('sha256')
              .update(await readFile(join(folder, name)))
              .digest('hex'),
          ] as const,
      ),
    ),
  );
}

const CHECK_WITH_PYARROW = `
import glob, json, sys
import pyarrow as pa
out = sys.argv[1]
shards = [pa.ipc.open_file(path).read_all() for path in sorted(glob.glob(out + '/shard-*.arrow'))]
for shard in shards: shard.validate(full=True)
table = pa.concat_tables(shards)
genes = pa.ipc.open_file(out + '/genes.arrow').read_all()
genes.validate(full=True)
print(json.dumps({
  'columns': {field.name: str(field.type) for field in table.schema},
  'cell_id': table['cell_id'].to_pylist(), 'gene_ids': table['gene_ids'].to_pylist(), 'values': table['values'].to_pylist(), 'total': table['total'].to_pylist(),
  'cell_type': table['cell_type'].to_pylist(), 'split': table['split'].to_pylist(), 'genes': genes.column_names, 'symbols': genes['symbol'].to_pylist(),
}))
`;
const python = pythonWith('pyarrow');

describe('scdiva data', () => {
  it('builds a corpus, describes it, and tells a wrong input in one line with exit code 2', async () => {
    const folder = await newFolder();
    const [file, out] = [join(folder, 'cells.h5ad'), join(folder, 'corpus')];
    await writeSmallH5ad(file, randomCells(1, 100, 50));
    const built = await scdiva('data', 'build', file, '--out', out, '--label', 'cell_type', '--split', '0.6/0.2/0.2', '--json');
    expect(built.code).toBe(0);
    const { notes, ...json } = JSON.parse(built.stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
    expect(notes).toEqual([]);
    expect(json).toMatchObject({ numCells: 100, numGenes: 50, valueKind: 'counts', splitCells: { train: 60, validation: 21, test: 19 } }); // each of three classes rounds for itself
    const stats = await scdiva('data', 'stats', out, '--verify', '--json');
    expect(JSON.parse(stats.stdout)).toEqual({ ...json, verified: true });
    expect((await scdiva('data', 'stats', out)).stdout).toMatch(/corpus: 100 cells × 50 genes.*\n[^]*obs\['cell_type'\]: 3 classes/);
    for (const [args, message] of [
      [['build', file, '--out', join(folder, 'other'), '--label', 'celltype'], /^scdiva: .*cells\.h5ad: obs\['celltype'\]: .*\n$/],
      [['build', file, '--out', join(folder, 'other'), '--split', '8/1'], /^scdiva: --split: 8\/1 \(expected shares of train.*\n$/],
      [['build', file, '--out', join(folder, 'other'), '--min-genes', 'some'], /^scdiva: --min-genes: NaN \(expected a whole number from 0 on\)\n$/],
      [['build', file, '--out', join(folder, 'other'), '--compression', 'lz4'], /^scdiva: --compression: lz4 \(expected none: .*\)\n$/],
      [['build', file, '--out', out, '--seed', '4'], /^scdiva: .*corpus: .*seed.*\n$/],
      [['stats', folder], /^scdiva: .*no corpus\.json: not a corpus.*\n$/],
    ] as const) {
      const { code, stderr } = await scdiva('data', ...args);
      expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    }
    expect((await readdir(folder)).sort()).toEqual(['cells.h5ad', 'corpus']);
  });

  it('continues a build that was killed, to the same bytes', async () => {
    const folder = await newFolder();
    const file = join(folder, 'cells.h5ad');
    await writeSmallH5ad(file, randomCells(5, 12_000, 60));
    const args = (out: string): string[] => ['data', 'build', file, '--out', join(folder, out), '--shard-cells', '100', '--label', 'cell_type', '--json'];
    expect((await scdiva(...args('unbroken'))).code).toBe(0);
    let numKilled = 0;
    for (const numShards of [3, 20, 60]) {
      const child = spawn(process.execPath, [bin, ...args('killed')], { stdio: 'ignore' });
      const ended = new Promise((resolve) => child.on('exit', resolve));
      while (child.exitCode === null) {
        const names = await readdir(join(folder, 'killed')).catch(() => []);
        if (names.filter((name) => /^shard-\d+\.arrow$/.test(name)).length >= numShards) {
          if (child.kill('SIGKILL')) numKilled++;
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await ended;
    }
    expect(numKilled).toBeGreaterThan(1);
    expect((await scdiva(...args('killed'))).code).toBe(0);
    expect(await folderBytes(join(folder, 'killed'))).toEqual(await folderBytes(join(folder, 'unbroken')));
  });

  it('tells a disk that is full in one line, and continues once there is space', async () => {
    const folder = await newFolder();
    const [file, out] = [join(folder, 'cells.h5ad'), join(folder, 'corpus')];
    await writeSmallH5ad(file, randomCells(7, 2000, 60));
    const args = ['data', 'build', file, '--out', out, '--shard-cells', '1000', '--json'];
    // A limit on the size of a file stands in for the full disk: 32 KiB, a shard is larger.
    const { code, stderr } = await run('bash', ['-c', 'trap "" XFSZ; ulimit -f 32; exec "$@"', 'bash', process.execPath, bin, ...args]);
    expect([code, stderr.split('\n').filter((line) => line.startsWith('scdiva:'))]).toEqual([
      2,
      [expect.stringMatching(/shard-00000\.arrow: cannot be written: the file is too large for this file system/)],
    ]);
    expect((await readdir(out)).filter((name) => name !== 'building.jsonl')).toEqual([]);
    expect((await scdiva(...args)).code).toBe(0);
  });

  it.runIf(python)('writes shards that pyarrow opens as they are', async () => {
    const folder = await newFolder();
    const [file, out] = [join(folder, 'cells.h5ad'), join(folder, 'corpus')];
    const content = randomCells(3, 50, 20);
    const cell_type = (content.obs!['cell_type'] as string[]).map((type, i) => (i % 9 === 0 ? null : type));
    await writeSmallH5ad(file, { ...content, obs: { ...content.obs, cell_type } });
    expect((await scdiva('data', 'build', file, '--out', out, '--shard-cells', '16')).code).toBe(0);
    const { code, stdout, stderr } = await run(python!, ['-c', CHECK_WITH_PYARROW, out]);
    expect([code, stderr]).toEqual([0, '']);
    const found = JSON.parse(stdout) as Record<string, unknown[]>;
    expect(found['columns']).toEqual({
      cell_id: 'string',
      gene_ids: 'list<item: uint16 not null>',
      values: 'list<item: uint16 not null>',
      total: 'double',
      split: 'dictionary<values=string, indices=int8, ordered=0>',
      cell_type: 'dictionary<values=string, indices=int8, ordered=0>',
      donor: 'dictionary<values=string, indices=int8, ordered=0>',
    });
    expect(found['cell_id']).toEqual(content.cellIds);
    expect(found['cell_type']).toEqual(cell_type);
    expect(found['gene_ids']).toEqual(content.x!.rows.map((row) => row.flatMap((value, g) => (value > 0 ? [g + 2] : []))));
    expect(found['values']).toEqual(content.x!.rows.map((row) => row.filter((value) => value > 0)));
    expect(found['total']).toEqual(content.x!.rows.map((row) => row.reduce((a, b) => a + b, 0)));
    expect(new Set(found['split'])).toEqual(new Set(['train', 'validation', 'test']));
    expect(found['genes']).toEqual(['id', 'symbol', 'ensembl_id', 'num_cells', 'mean', 'entropy_raw', 'entropy']);
    expect(found['symbols']).toEqual(content.geneNames);
  });
});
