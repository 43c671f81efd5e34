import { readFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/errors.js';
import { Hdf5File } from '../../../src/data/readers/hdf5.js';
import { loadHdf5 } from '../../../src/data/readers/hdf5-library.js';
import { IsolatedStore } from '../../../src/data/readers/isolated-store.js';
import { openSync, closeSync } from 'node:fs';
import { StorageMismatch, StoredElements } from '../../../src/data/readers/stored-elements.js';
import { Rng } from '../../../src/rng.js';
import { temporaryFolder } from '../../support/small-corpus.js';
import { behindUserBlock } from '../../support/small-h5ad.js';
import { hasShared, shared } from '../../support/shared.js';

const newFolder = temporaryFolder('stored');
const fds: number[] = [];
afterAll(() => fds.forEach((fd) => closeSync(fd)));

function elementsOf(file: Hdf5File, at: string): StoredElements | undefined {
  const storage = file.dataset(at).storage();
  if (!storage) return undefined;
  const fd = openSync(storage.path, 'r');
  fds.push(fd);
  return new StoredElements(storage, () => fd);
}

function datasetsBelow(file: Hdf5File, at = ''): string[] {
  return file.keys(at === '' ? '/' : at).flatMap((name) => {
    const path = at === '' ? name : `${at}/${name}`;
    return file.kind(path) === 'group' ? datasetsBelow(file, path) : file.kind(path) === 'dataset' ? [path] : [];
  });
}

/** @returns how many datasets could be read in place */
function compare(file: Hdf5File, random: Rng): number {
  let numCompared = 0;
  for (const at of datasetsBelow(file)) {
    const dataset = file.dataset(at);
    const elements = elementsOf(file, at);
    if (!elements) continue;
    numCompared++;
    expect(elements.numbers(0, dataset.length), at).toEqual(dataset.numbers());
    for (let i = 0; i < 5; i++) {
      const [start, end] = [random.int(dataset.length + 1), random.int(dataset.length + 1)].sort((a, b) => a - b) as [number, number];
      expect(elements.numbers(start, end), `${at} ${start} ${end}`).toEqual(dataset.numbers(start, end));
    }
  }
  return numCompared;
}

const ARRAYS = [
  Float32Array.from({ length: 1000 }, (_, i) => i / 3),
  Float64Array.from({ length: 1000 }, (_, i) => -i / 7),
  Int32Array.from({ length: 1000 }, (_, i) => i * 7919 - 4000),
  Uint32Array.from({ length: 1000 }, (_, i) => 4_294_967_295 - i),
  Int16Array.from({ length: 1000 }, (_, i) => i - 500),
  Uint16Array.from({ length: 1000 }, (_, i) => 65_535 - i),
  Int8Array.from({ length: 1000 }, (_, i) => i),
  Uint8Array.from({ length: 1000 }, (_, i) => i),
  BigInt64Array.from({ length: 1000 }, (_, i) => BigInt(i) * -5_000_000_000n),
  BigUint64Array.from({ length: 1000 }, (_, i) => BigInt(i) * 5_000_000_000n),
];

async function writeArrays(path: string, libver: 'earliest' | 'v108' = 'earliest'): Promise<number> {
  const { File } = await loadHdf5();
  const file = new File(path, 'w', { libver: libver === 'earliest' ? [libver, 'latest'] : libver });
  const root = file.get('/') as InstanceType<Awaited<ReturnType<typeof loadHdf5>>['Group']>;
  const packings = [
    {},
    { chunks: [64] },
    { chunks: [64], compression: 'gzip' as const },
    { chunks: [1000], compression: 'gzip' as const },
    { chunks: [7], compression: 'gzip' as const },
  ];
  packings.forEach((packing, p) => ARRAYS.forEach((data, a) => root.create_dataset({ name: `d${p}-${a}`, data, ...packing })));
  file.close();
  return packings.length * ARRAYS.length;
}

describe('numbers read past the HDF5 library', () => {
  it.each(['earliest', 'v108'] as const)(
    'are those the library gives: every type, contiguous, chunked and packed, in headers of version %s',
    async (libver) => {
      const path = join(await newFolder(), 'arrays.h5');
      const numWritten = await writeArrays(path, libver);
      const file = await Hdf5File.open(path);
      expect(compare(file, Rng.fromSeed(1))).toBe(numWritten);
      file.close();
    },
  );

  it('are left to the library in a layout that is not known, and behind a user block', async () => {
    const folder = await newFolder();
    const { File } = await loadHdf5();
    const late = new File(join(folder, 'late.h5'), 'w', { libver: 'latest' });
    (late.get('/') as InstanceType<Awaited<ReturnType<typeof loadHdf5>>['Group']>).create_dataset({ name: 'd', data: ARRAYS[2]!, chunks: [64] });
    late.close();
    await writeArrays(join(folder, 'early.h5'));
    writeFileSync(join(folder, 'behind.h5'), behindUserBlock(readFileSync(join(folder, 'early.h5')), 512));
    for (const [name, at, expected] of [
      ['late.h5', 'd', ARRAYS[2]],
      ['behind.h5', 'd1-0', ARRAYS[0]],
    ] as const) {
      const store = IsolatedStore.open(join(folder, name), 'hdf5');
      const array = store.dataset(at);
      expect(array.storage?.()).toBeUndefined();
      expect(array.numbers()).toEqual(expected);
      store.close();
    }
  });

  it('are refused where a packed chunk is damaged: here as a mismatch, by the store in one line', async () => {
    const folder = await newFolder();
    const path = join(folder, 'arrays.h5');
    await writeArrays(path);
    const whole = await Hdf5File.open(path);
    const { offsets, bytes } = whole.dataset('d2-0').storage()!;
    whole.close();
    const damaged = readFileSync(path);
    damaged[offsets[3]! + Math.floor(bytes[3]! / 2)]! ^= 0x55;
    writeFileSync(path, damaged);
    const file = await Hdf5File.open(path);
    const elements = elementsOf(file, 'd2-0')!;
    expect(elements.numbers(0, 192)).toEqual(ARRAYS[0]!.subarray(0, 192));
    expect(() => elements.numbers(192, 200)).toThrow(StorageMismatch);
    file.close();
    const store = IsolatedStore.open(path, 'hdf5');
    expect(() => store.dataset('d2-0').numbers()).toThrow(DataError);
    store.close();
  });

  it.runIf(hasShared)('are those the library gives in every file of the collection', async () => {
    let numCompared = 0;
    for (const folder of ['h5ad-zoo', 'data/realfiles']) {
      for (const name of (await readdir(shared(folder))).filter((its) => /\.(h5ad|h5|h5mu|loom)$/.test(its))) {
        const file = await Hdf5File.open(shared(folder, name)).catch(() => undefined);
        if (!file) continue;
        numCompared += compare(file, Rng.fromSeed(2));
        file.close();
      }
    }
    expect(numCompared).toBeGreaterThan(60);
  });
});
