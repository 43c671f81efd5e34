import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateFormula, fitSizeFormula, isConstant, sampleSizes } from '../../../../src/runtime/program/portable/dimensions.js';

const names = ['cells', 'genes'];
const fit = (n: (cells: number, genes: number) => number) =>
  fitSizeFormula(
    names,
    sampleSizes(names).map(({ cells, genes }) => n(cells!, genes!)),
  );

describe('sizes left open', () => {
  it('finds any sum of products of sizes from a few values', () => {
    const whole = fc.integer({ min: -50, max: 50 });
    fc.assert(
      fc.property(fc.tuple(whole, whole, whole, whole), fc.nat(2000), fc.nat(2000), ([a, b, c, d], cells, genes) => {
        const formula = fit((B, L) => a + b * B + c * L + d * B * L);
        expect(evaluateFormula(formula!, { cells, genes })).toBe(a + b * cells + c * genes + d * cells * genes);
      }),
    );
  });

  it('knows what does not depend on them', () => {
    expect(isConstant(fit(() => 7)!)).toBe(true);
    expect(fit(() => 0)).toEqual([]);
    expect(isConstant(fit((B) => B)!)).toBe(false);
  });

  it('refuses what is no such sum', () => {
    expect(fit((B) => B * B)).toBeUndefined();
    expect(fit((_, L) => Math.ceil(L / 2))).toBeUndefined();
    expect(fit((B) => Math.min(B, 20))).toBeUndefined();
  });
});
