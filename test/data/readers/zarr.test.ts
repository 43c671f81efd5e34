import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.js';
import { openCellFile } from '../../../src/data/readers/open.js';
import { readRows } from '../../support/read-rows.js';
import { writeSmallZarr, type SmallCells, type ZarrOptions } from '../../support/small-formats.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-zarr-'));
afterAll(() => rmSync(folder, { recursive: true }));

const cells: SmallCells = {
  cellIds: ['a', 'b', 'ç', 'd', 'e'],
  geneNames: ['CD3E', 'MS4A1', 'LYZ'],
  rows: [
    [1, 0, 5],
    [0, 2, 0],
    [7, 0, 0],
    [0, 0, 0],
    [3, 1, 300],
  ],
  cellTypes: ['T', 'B', 'T', 'B', 'T'],
};
let count = 0;
const write = async (options: ZarrOptions): Promise<string> => {
  const path = join(folder, `${count++}.zarr`);
  await writeSmallZarr(path, cells, options);
  return path;
};

describe('a Zarr folder', () => {
  const packings = ['none', 'gzip', 'zlib', 'blosc', 'zstd', 'lz4'];
  it.each(
    packings.flatMap(
      (codec) =>
        [
          [2, codec],
          [3, codec],
        ] as const,
    ),
  )('of version %i packed with %s is read whole', async (version, codec) => {
    for (const chunkRows of [undefined, 2]) {
      const file = await openCellFile(await write({ version, codec, ...(chunkRows !== undefined && { chunkRows }) }));
      expect(file).toMatchObject({ format: 'zarr', cellIds: cells.cellIds, obsKeys: ['cell_type', 'size #1', 'is_first'], notes: [] });
      expect(file.matrices.map(({ key, encoding }) => [key, encoding])).toEqual([
        ['X', 'csr'],
        ['layers/csc', 'csc'],
        ['layers/dense', 'dense'],
      ]);
      for (const { key } of file.matrices) expect(await readRows(file.matrix(key), { blockRows: 2 })).toEqual(cells.rows);
      expect(file.obs('cell_type')).toEqual({ kind: 'categorical', categories: ['B', 'T'], codes: Int32Array.of(1, 0, 1, 0, 1), isOrdered: false });
      // A name with a sign that would end an address.
      expect(file.obs('size #1')).toEqual({ kind: 'numeric', values: Float64Array.of(0, 100, 200, 300, 400), dtype: 'int64' });
      expect(file.obs('is_first')).toEqual({ kind: 'boolean', values: [true, false, false, false, false] });
      file.close();
    }
  });

  it.each([
    [
      'a billion cells',
      'obs/_index',
      { shape: [1e9], chunks: [1e6] },
      /obs\/_index: 1000000000 entries declared in a folder of \d+ bytes \(the folder is damaged or made to mislead\)/,
    ],
    ['a billion values', 'X/data', { shape: [1e9], chunks: [1e6] }, /X\/data: 1000000000 entries declared in a folder of/],
    ['a chunk far larger than the folder', 'layers/dense', { chunks: [1e5, 1e5] }, /layers\/dense: chunks of \d+ bytes declared in a folder of/],
  ])('of some bytes that declares %s is refused before memory is asked for it', async (_, at, declared, message) => {
    const path = await write({ version: 2 });
    const metadata = join(path, at, '.zarray');
    writeFileSync(metadata, JSON.stringify({ ...(JSON.parse(readFileSync(metadata, 'utf8')) as object), ...declared }));
    await expect(openCellFile(path)).rejects.toThrow(message);
  });

  it('in shards is read chunk by chunk', async () => {
    const path = await write({ version: 3 });
    const metadata = join(path, 'X/data/zarr.json');
    const bytes = { name: 'bytes', configuration: { endian: 'little' } };
    const sharding = { name: 'sharding_indexed', configuration: { chunk_shape: [4], codecs: [bytes], index_codecs: [bytes], index_location: 'end' } };
    const grid = { name: 'regular', configuration: { chunk_shape: [8] } };
    writeFileSync(metadata, JSON.stringify({ ...(JSON.parse(readFileSync(metadata, 'utf8')) as object), codecs: [sharding], chunk_grid: grid }));
    // One shard of two chunks of four values, and where each begins and how long it is.
    const values = Float32Array.of(1, 5, 2, 7, 3, 1, 300, 0);
    writeFileSync(join(path, 'X/data/c/0'), Buffer.concat([Buffer.from(values.buffer), Buffer.from(BigUint64Array.of(0n, 16n, 16n, 16n).buffer)]));
    const file = await openCellFile(path);
    expect(await readRows(file.matrix('X'), { blockRows: 2 })).toEqual(cells.rows);
    file.close();
  });

  it.each([2, 3] as const)('of version %i reads an absent chunk as its fill value, save for the values of a sparse matrix', async (version) => {
    const path = await write({ version, chunkRows: 2 });
    const chunk = (at: string, key: string) => join(path, at, version === 2 ? key : `c/${key.replaceAll('.', '/')}`);
    rmSync(chunk('layers/dense', '1.0'));
    rmSync(chunk('X/data', '1'));
    const file = await openCellFile(path);
    expect(await readRows(file.matrix('layers/dense'))).toEqual(cells.rows.map((row, i) => (i === 2 || i === 3 ? [0, 0, 0] : row)));
    await expect(readRows(file.matrix('X'))).rejects.toThrow(/X\/data: the chunk .*1 is missing \(expected every value of a sparse matrix/);
    file.close();
  });

  it('is refused when it is packed in a way nothing here unpacks, which is named', async () => {
    await expect(openCellFile(await write({ version: 2, codec: 'unknown' }))).rejects.toThrow(/cannot be unpacked: .*lzma/);
    await expect(openCellFile(await write({ version: 3, codec: 'unknown' }))).rejects.toThrow(/cannot be unpacked: .*numcodecs\.lzma/);
  });

  it('is refused when it is damaged, saying where', async () => {
    const damaged = async (version: 2 | 3, file: string, damage: (bytes: Buffer) => Buffer | string, codec = 'none') => {
      const path = await write({ version, codec });
      writeFileSync(join(path, file), damage(readFileSync(join(path, file))));
      const error = await openCellFile(path)
        .then(async (opened) => {
          await readRows(opened.matrix('X'));
          opened.close();
        })
        .then(
          () => undefined,
          (reason: unknown) => reason as Error,
        );
      expect(error).toBeInstanceOf(DataError);
      return expect(error!.message);
    };
    (await damaged(2, 'X/data/0', (bytes) => bytes.subarray(0, 8))).toMatch(/X\/data: chunk 0 holds 2 values \(expected 7/);
    (await damaged(2, 'X/data/0', (bytes) => bytes.subarray(0, 12), 'gzip')).toMatch(/X\/data: chunk 0 cannot be unpacked/);
    (await damaged(3, 'obs/_index/c/0', (bytes) => bytes.subarray(0, 9), 'none')).toMatch(/obs\/_index: chunk 0 cannot be unpacked/);
    (await damaged(3, 'X/zarr.json', () => '{')).toMatch(/X\/zarr.json: is no JSON/);
    (await damaged(2, 'X/data/.zarray', (bytes) => bytes.toString().replace('"shape":[7]', '"shape":[-7]'))).toMatch(
      /X\/data: shape \[-7\] in chunks of \[7\]/,
    );
    (await damaged(2, '.zgroup', () => '[]')).toMatch(/is no JSON object/);
  });

  it('that is no AnnData is refused, saying what it holds', async () => {
    const path = await write({ version: 2 });
    rmSync(join(path, 'var'), { recursive: true });
    await expect(openCellFile(path)).rejects.toThrow(/neither AnnData.*it holds X, layers, obs and has no var/);
  });
});
