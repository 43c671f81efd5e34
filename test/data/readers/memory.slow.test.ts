import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadHdf5 } from '../../../src/data/readers/hdf5-library.js';

const folder = mkdtempSync(join(tmpdir(), 'scdiva-memory-'));
afterAll(() => rmSync(folder, { recursive: true }));
const reader = fileURLToPath(new URL('read-peak.mjs', import.meta.url));

// 64 Mi entries: 512 MiB on disk as CSR or CSC, and as many MiB in memory for whoever loads it whole.
const NUM_LINES = 1 << 16;
const ENTRIES_PER_LINE = 1 << 10;
const MOST_MEMORY_MIB = 450;

describe('row blocks of a matrix larger than the memory allowed', () => {
  it.each(['csr', 'csc', 'dense'] as const)('are read in bounded memory from %s', async (encoding) => {
    const path = join(folder, `${encoding}.h5ad`);
    const expected = await writeLarge(path, encoding);
    expect(statSync(path).size / 2 ** 20).toBeGreaterThan(MOST_MEMORY_MIB);
    const { numEntries, sum, peakMiB } = JSON.parse(execFileSync(process.execPath, [reader, path], { encoding: 'utf8' })) as {
      numEntries: number;
      sum: number;
      peakMiB: number;
    };
    expect({ numEntries, sum }).toEqual(expected);
    expect(peakMiB).toBeLessThan(MOST_MEMORY_MIB);
    rmSync(path);
  });
});

/** A matrix of NUM_LINES cells (CSR, dense) or genes (CSC), written line block by line block. */
async function writeLarge(path: string, encoding: 'csr' | 'csc' | 'dense'): Promise<{ numEntries: number; sum: number }> {
  const { File } = await loadHdf5();
  const file = new File(path, 'w');
  const numMinor = 4096;
  const [numCells, numGenes] = encoding === 'csc' ? [numMinor, NUM_LINES] : encoding === 'csr' ? [NUM_LINES, numMinor] : [NUM_LINES * 2, ENTRIES_PER_LINE];
  const lines = 1024;
  let sum = 0;
  if (encoding === 'dense') {
    const values = Float32Array.from({ length: lines * ENTRIES_PER_LINE }, (_, i) => 1 + (i % 7));
    const data = file.create_dataset({
      name: 'X',
      data: values,
      shape: [lines, ENTRIES_PER_LINE],
      maxshape: [numCells, numGenes],
      chunks: [64, ENTRIES_PER_LINE],
    });
    data.resize([numCells, numGenes]);
    for (let line = 0; line < numCells; line += lines) {
      data.write_slice([[line, line + lines], []], values);
      sum += values.reduce((a, b) => a + b, 0);
    }
  } else {
    const matrix = file.create_group('X');
    matrix.create_attribute('encoding-type', `${encoding}_matrix`);
    matrix.create_attribute('shape', BigInt64Array.of(BigInt(numCells), BigInt(numGenes)));
    const block = lines * ENTRIES_PER_LINE;
    const values = Float32Array.from({ length: block }, (_, i) => 1 + (i % 7));
    // Every fourth minor index, shifted from line to line.
    const indices = Int32Array.from({ length: block }, (_, i) => (i % ENTRIES_PER_LINE) * 4 + (Math.floor(i / ENTRIES_PER_LINE) % 4));
    for (const [name, data] of [
      ['data', values],
      ['indices', indices],
    ] as const) {
      const dataset = matrix.create_dataset({ name, data, maxshape: [NUM_LINES * ENTRIES_PER_LINE], chunks: [1 << 16] });
      dataset.resize([NUM_LINES * ENTRIES_PER_LINE]);
      for (let line = 0; line < NUM_LINES; line += lines) dataset.write_slice([[line * ENTRIES_PER_LINE, (line + lines) * ENTRIES_PER_LINE]], data);
    }
    sum = (NUM_LINES / lines) * values.reduce((a, b) => a + b, 0);
    matrix.create_dataset({ name: 'indptr', data: BigInt64Array.from({ length: NUM_LINES + 1 }, (_, i) => BigInt(i * ENTRIES_PER_LINE)) });
  }
  for (const [name, size] of [
    ['obs', numCells],
    ['var', numGenes],
  ] as const) {
    const frame = file.create_group(name);
    frame.create_attribute('_index', '_index');
    frame.create_dataset({ name: '_index', data: Array.from({ length: size }, (_, i) => `${name}${i}`), dtype: 'S' });
  }
  file.close();
  return { numEntries: encoding === 'dense' ? numCells * numGenes : NUM_LINES * ENTRIES_PER_LINE, sum };
}
