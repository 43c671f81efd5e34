// n rows of D numbers in, n rows of P numbers out
import type { HostTensor } from '../runtime/program/program.js';

/** Rows a call, unless said otherwise: bounds memory. */
const CHUNK = 4096;

/**
 * Applies a program of rows to any number of them, a chunk at a time. A chunk is filled up with zeros to a power of two, so that
 * however many rows are asked for, few shapes are compiled.
 * @param rows [n, D]
 * @param run [rows of the chunk, D] → [rows of the chunk, P]
 * @param chunkRows rows a call; fewer where a row comes out wide
 * @returns [n, P]
 */
export async function inRowChunks(
  rows: Float32Array,
  D: number,
  P: number,
  run: (chunk: HostTensor) => Promise<HostTensor['data']>,
  chunkRows = CHUNK,
): Promise<Float32Array> {
  const n = rows.length / D;
  const out = new Float32Array(n * P);
  for (let start = 0; start < n; start += chunkRows) {
    const numRows = Math.min(n - start, chunkRows);
    const numPadded = powerOfTwo(numRows);
    const chunk = rows.subarray(start * D, (start + numRows) * D);
    let data = chunk;
    if (numPadded > numRows) {
      data = new Float32Array(numPadded * D);
      data.set(chunk);
    }
    const result = await run({ dtype: 'float32', shape: [numPadded, D], data });
    out.set((result as Float32Array).subarray(0, numRows * P), start * P);
  }
  return out;
}

/** The smallest power of two that is at least n. */
export function powerOfTwo(n: number): number {
  return n <= 1 ? 1 : 2 ** Math.ceil(Math.log2(n));
}
