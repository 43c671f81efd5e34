import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasNative } from '../../support/tensorflow.js';

const peak = async (numPositions: number): Promise<number> =>
  Number((await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'attention-peak.mjs'), String(numPositions)])).stdout);

describe.runIf(hasNative)('the memory of attention', () => {
  it('does not grow with the square of the cell: matrices live while their piece is worked on', async () => {
    const [short, long] = [await peak(2000), await peak(5000)];
    // A bfloat16 matrix of every head, kept, is 0.13 and 0.8 GB; what grows with the length alone is some 30 MB.
    expect(long - short).toBeLessThan(200e6);
  });
});
