import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { openCellFile } from '../../../src/data/readers/open.js';
import { unpackLzf } from '../../../src/data/readers/packed-texts.js';

const stored = fileURLToPath(new URL('../../fixtures/formats/lzf.h5ad', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'scdiva-lzf-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a file of anndata's compression='lzf'", () => {
  it('is read, texts of variable length included', async () => {
    const file = await openCellFile(stored);
    expect(file.cellIds).toEqual(Array.from({ length: 7 }, (_, i) => `cell-${i}`));
    expect(file.matrix('X').genes.names).toEqual(['CD3E', 'MS4A1', 'LYZ', 'NKG7', 'ACTB']);
    expect(file.obs('cell_type')).toEqual({ kind: 'categorical', categories: ['B', 'NK', 'T'], codes: Int32Array.of(2, 0, 2, 1, 0, 2, 1), isOrdered: false });
    expect(file.obs('note')).toEqual({ kind: 'string', values: ['', 'Zürich', 'a'.repeat(5000), 'b', 'c', 'd', 'e'] });
    const sums: number[] = [];
    for await (const { indptr, values } of file.matrix('X').rowBlocks())
      for (let r = 0; r < 7; r++) sums.push(values.subarray(indptr[r], indptr[r + 1]).reduce((a, b) => a + b, 0));
    expect(sums).toEqual(Array.from({ length: 7 }, (_, c) => [0, 1, 2, 3, 4].reduce((sum, g) => sum + ((3 * c + 5 * g) % 4), 0)));
    file.close();
  });

  it('is refused where a heap of its texts is damaged', async () => {
    const whole = readFileSync(stored);
    const damaged = join(folder, 'damaged.h5ad');
    const refusals: string[] = [];
    for (let at = whole.indexOf('GCOL'); at >= 0; at = whole.indexOf('GCOL', at + 1)) {
      const bytes = Buffer.from(whole);
      bytes.write('XXXX', at);
      writeFileSync(damaged, bytes);
      const read = async () => {
        const file = await openCellFile(damaged);
        file.obs('note');
        file.close();
      };
      await read().catch((error: Error) => refusals.push(error.message));
    }
    expect(refusals).toContainEqual(expect.stringMatching(/damaged.h5ad: obs\/(note|_index): is compressed with lzf[^\n]*$/));
  });
});

describe('unpackLzf', () => {
  // Three letters as they are, then five from three before, then 300 from one before in two pieces.
  const packed = Uint8Array.of(2, 97, 98, 99, 3 << 5, 2, 7 << 5, 200, 0, 7 << 5, 82, 0);

  it('copies runs and what came before', () => {
    expect(unpackLzf(packed, 3 + 5 + 209 + 91).toString()).toBe(`abcabcab${'b'.repeat(300)}`);
  });

  it('refuses what gives more or fewer bytes, ends early, or points before the start', () => {
    for (const size of [307, 309]) expect(() => unpackLzf(packed, size)).toThrow(RangeError);
    expect(() => unpackLzf(packed.subarray(0, -1), 308)).toThrow(RangeError);
    expect(() => unpackLzf(Uint8Array.of(0, 97, 3 << 5, 9), 6)).toThrow(RangeError);
  });
});
