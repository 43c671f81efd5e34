import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { Rng, threefry2x32 } from '../src/rng.js';

describe('Threefry-2x32-20', () => {
  // Known-answer vectors published with Random123.
  it.each([
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x13198a2e, 0x03707344],
      [0x243f6a88, 0x85a308d3],
      [0xc4923a9c, 0x483df7a0],
    ],
  ])('key %j counter %j gives the published block', (key, counter, expected) => {
    const out = new Uint32Array(2);
    threefry2x32(key[0]!, key[1]!, counter[0]!, counter[1]!, out);
    expect([...out]).toEqual(expected);
  });
});

describe('Rng', () => {
  it('gives a fork the same stream however much its parent has drawn', () => {
    const parent = Rng.fromSeed(7);
    const before = parent.fork('step/3/mask').uint32();
    parent.uniform();
    expect(parent.fork('step/3/mask').uint32()).toBe(before);
  });

  it('gives different names different streams', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        fc.pre(a !== b);
        const root = Rng.fromSeed(1);
        return root.fork(a).uint32() !== root.fork(b).uint32() || root.fork(a).uniform() !== root.fork(b).uniform();
      }),
    );
  });

  it('draws uniforms in [0, 1) with mean 1/2 and integers without bias', () => {
    const rng = Rng.fromSeed(3);
    let sum = 0;
    const bins = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) {
      const u = rng.uniform();
      expect(u >= 0 && u < 1).toBe(true);
      sum += u;
      bins[rng.int(7)]!++;
    }
    expect(Math.abs(sum / 70_000 - 0.5)).toBeLessThan(0.005);
    for (const bin of bins) expect(Math.abs(bin - 10_000)).toBeLessThan(400);
  });

  it('draws normals of mean 0 and variance 1', () => {
    const rng = Rng.fromSeed(5);
    const draws = Array.from({ length: 40_000 }, () => rng.normal());
    const mean = draws.reduce((a, b) => a + b) / draws.length;
    const variance = draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
  });

  it('permutes without loss', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(), (n, seed) => {
        const order = [...Rng.fromSeed(seed).permutation(n)].sort((a, b) => a - b);
        expect(order).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
    );
  });
});
