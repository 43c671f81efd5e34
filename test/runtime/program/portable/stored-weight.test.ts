import { describe, expect, it } from 'vitest';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../../support/small-corpus.js';
import { decodeTensor } from '../../../../src/model/tensor-bytes.js';
import { writeGraphModel } from '../../../../src/runtime/program/portable/graph-model.js';
import { narrowHalf } from '../../../../src/runtime/program/portable/half-floats.js';
import { storeWeight } from '../../../../src/runtime/program/portable/stored-weight.js';
import type { HostTensor } from '../../../../src/runtime/program/program.js';

const newFolder = temporaryFolder('weights');

describe('weights as they are stored', () => {
  it('have 256 levels of which one is zero', () => {
    const data = Float32Array.from({ length: 400 }, (_, i) => (i === 7 ? 0 : Math.sin(i) * 3 + 0.4));
    const { entry, bytes } = storeWeight('w', { dtype: 'float32', shape: [20, 20], data }, 'u8');
    const { scale, min } = entry.quantization as { scale: number; min: number };
    data.forEach((value, i) => expect(Math.abs(bytes[i]! * scale + min - value)).toBeLessThan(scale));
    expect(bytes[7]! * scale + min).toBeCloseTo(0, 12);
  });

  it('are left as they are where they are vectors', () => {
    expect(storeWeight('norm', { dtype: 'float32', shape: [3], data: Float32Array.of(1, 2, 3) }, 'u8').entry.quantization).toBeUndefined();
  });

  it('are the nearest half floats', () => {
    const values = Float32Array.of(
      0,
      -0,
      1,
      -2,
      65504,
      65519,
      65520,
      2 ** -24,
      2 ** -25,
      2 ** -25 * 1.01,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      6.1e-5,
      Infinity,
      NaN,
    );
    const { data: back } = decodeTensor(narrowHalf(values).buffer as ArrayBuffer, 'F16', (found) => new Error(found));
    expect([...back]).toEqual([0, -0, 1, -2, 65504, 65504, Infinity, 2 ** -24, 0, 2 ** -24, 1, 1 + 2 ** -9, expect.closeTo(6.1e-5, 7), Infinity, NaN]);
  });

  it('go into files of at most 4 MB', async () => {
    const folder = await newFolder();
    const big: HostTensor = { dtype: 'float32', shape: [1500, 1000], data: new Float32Array(1_500_000) };
    const nodes = [
      { name: 'w', op: 'Placeholder', input: [], attr: {} },
      { name: 'out', op: 'Identity', input: ['w'], attr: {} },
    ];
    await writeGraphModel(folder, {
      signatures: { one: { nodes, inputs: {}, outputs: {}, parameters: ['w'] } },
      main: 'one',
      parameters: { w: big },
      precision: 'f32',
      generatedBy: 'test',
    });
    const { weightsManifest } = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as { weightsManifest: { paths: string[] }[] };
    expect(weightsManifest[0]!.paths).toEqual(['group1-shard1of2.bin', 'group1-shard2of2.bin']);
    expect(
      readdirSync(folder)
        .filter((name) => name.includes('of2'))
        .map((name) => statSync(join(folder, name)).size),
    ).toEqual([4 * 2 ** 20, 6_000_000 - 4 * 2 ** 20]);
  });
});
