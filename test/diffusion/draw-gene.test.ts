import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawGene, kthLargest } from '../../src/diffusion/draw-gene.js';
import { Rng } from '../../src/rng.js';

const logits = Float32Array.of(0, 1, 2, 5, -1);
const available = Uint8Array.of(1, 1, 1, 0, 1);

describe('drawGene', () => {
  it.each([
    [1, null, [0, 1, 2, -1]],
    [0.5, null, [0, 2, 4, -2]],
    [1, 2, [-Infinity, 1, 2, -Infinity]],
  ] as const)('at temperature %s within top %s draws each gene as often as its softmax says', (temperature, topK, scores) => {
    const rng = Rng.fromSeed(1);
    const counts = new Map<number, number>();
    const stated = new Map<number, number>();
    for (let i = 0; i < 20_000; i++) {
      const { id, probability } = drawGene(logits, available, { temperature, topK }, rng);
      counts.set(id, (counts.get(id) ?? 0) + 1);
      stated.set(id, probability);
    }
    const total = scores.reduce((sum, x) => sum + Math.exp(x), 0);
    for (const [k, id] of [0, 1, 2, 4].entries()) {
      const p = Math.exp(scores[k]!) / total;
      expect(Math.abs((counts.get(id) ?? 0) - 20_000 * p)).toBeLessThanOrEqual(6 * Math.sqrt(20_000 * p * (1 - p)));
      if (p > 0) expect(stated.get(id)).toBeCloseTo(p, 6);
    }
    expect(counts.has(3)).toBe(false);
  });

  it('at temperature 0 takes the most likely available gene and draws nothing', () => {
    const rng = Rng.fromSeed(1);
    expect(drawGene(logits, available, { temperature: 0, topK: null }, rng)).toEqual({
      id: 2,
      probability: 1 / (1 + Math.exp(-1) + Math.exp(-2) + Math.exp(-3)),
    });
    expect(rng.uint32()).toBe(Rng.fromSeed(1).uint32());
  });

  it('stays exact for logits far apart', () => {
    expect(drawGene(Float32Array.of(-1e30, 1e30), Uint8Array.of(1, 1), { temperature: 1, topK: null }, Rng.fromSeed(2))).toEqual({ id: 1, probability: 1 });
    expect(drawGene(Float32Array.of(-1e30, 1e30), Uint8Array.of(1, 0), { temperature: 1, topK: null }, Rng.fromSeed(2)).id).toBe(0);
  });

  it('throws when nothing is available', () => {
    expect(() => drawGene(logits, new Uint8Array(5), { temperature: 1, topK: null }, Rng.fromSeed(1))).toThrow('no gene is available');
  });
});

describe('kthLargest', () => {
  it('agrees with sorting (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 40 }), (values, k) => {
        expect(kthLargest(Float32Array.from(values), k)).toBe([...values].sort((a, b) => b - a)[Math.min(k, values.length) - 1]);
      }),
    );
  });
});
