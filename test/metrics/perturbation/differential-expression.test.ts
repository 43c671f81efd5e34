import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { fitLinearBaseline, additiveBaseline } from '../../../src/metrics/baselines/perturbation-baselines.js';
import { differentialExpression, geneColumns } from '../../../src/metrics/perturbation/differential-expression.js';
import { energyDistance } from '../../../src/metrics/perturbation/energy-distance.js';
import { benjaminiHochberg, mannWhitney } from '../../../src/metrics/perturbation/mann-whitney.js';
import type { SparseMatrix } from '../../../src/metrics/baselines/sparse-matrix.js';
import { maxDifference } from '../golden.js';
import { perturbationGolden } from './golden.js';

const rows = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
const dense = (x: SparseMatrix, chosen: Int32Array) => {
  const data = new Float64Array(chosen.length * x.numColumns);
  chosen.forEach((row, i) => {
    for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) data[i * x.numColumns + x.indices[at]!] = x.values[at]!;
  });
  return { numRows: chosen.length, numColumns: x.numColumns, data };
};

describe('differential expression', () => {
  const { x, numControl, u, pValue, fdr, scanpyScore } = perturbationGolden.tests;
  const control = geneColumns(x, rows(0, numControl));
  const group = geneColumns(x, rows(numControl, x.numRows));
  const found = differentialExpression(group, control);

  it('gives the p-values of scipy, ties, zeros and negative values included', () => {
    expect(maxDifference(found.pValue, pValue)).toBeLessThan(1e-9);
    expect(maxDifference(found.fdr, fdr)).toBeLessThan(1e-9);
  });

  it('counts wins as scipy does', () => {
    const wins = group.values.slice(0, u.length).map((values, gene) => mannWhitney(values, group.numCells, control.values[gene]!, control.numCells).u);
    expect(maxDifference(wins, u)).toBeLessThan(1e-9);
  });

  it('gives the scores of scanpy with its tie correction', () => {
    expect(maxDifference(found.z.subarray(0, scanpyScore.length), scanpyScore)).toBeLessThan(1e-4);
  });

  it('finds nothing in a gene that nobody has', () => {
    expect([found.z[15], found.pValue[15], found.logFoldChange[15]]).toEqual([0, 1, 0]);
  });

  it('turns sides by turning the sign', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -2, max: 4 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: -2, max: 4 }), { minLength: 1, maxLength: 12 }),
        (a, b) => {
          const forth = mannWhitney(a.filter(Boolean), a.length, b.filter(Boolean), b.length);
          const back = mannWhitney(b.filter(Boolean), b.length, a.filter(Boolean), a.length);
          expect(forth.u + back.u).toBeCloseTo(a.length * b.length, 9);
          expect(forth.z).toBeCloseTo(-back.z, 9);
          expect(forth.pValue).toBeCloseTo(back.pValue, 9);
        },
      ),
    );
  });

  it('never lowers a p-value by adjusting it, and keeps the order', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 }), (p) => {
        const q = benjaminiHochberg(p);
        p.forEach((value, i) => {
          expect(q[i]).toBeGreaterThanOrEqual(value);
          expect(q[i]).toBeLessThanOrEqual(1);
          p.forEach((other, j) => value <= other && expect(q[i]).toBeLessThanOrEqual(q[j]!));
        });
      }),
    );
  });
});

describe('energy distance', () => {
  const { x, numControl, ...expected } = perturbationGolden.tests;
  const a = dense(x, rows(numControl, x.numRows));
  const b = dense(x, rows(0, numControl));

  it('is what numpy makes of all pairs, squared or not', () => {
    const found = energyDistance(a, b);
    expect(found.energyDistance).toBeCloseTo(expected.energyDistance, 8);
    expect(found.energyDistanceSquared).toBeCloseTo(expected.energyDistanceSquared, 8);
  });

  it('grows with the distance of the clouds', () => {
    const moved = { ...b, data: b.data.map((v) => v + 3) };
    expect(energyDistance(moved, b).energyDistance).toBeGreaterThan(energyDistance(a, b).energyDistance);
  });
});

describe('the baselines of perturbation tables', () => {
  const { profiles, rank, predicted } = perturbationGolden.linear;
  const geneNames = profiles[0]!.map((_, gene) => `G${gene}`);
  const control = new Float64Array(geneNames.length).fill(0.5);
  const trained = new Map(profiles.map((profile, i) => [`G${i}`, Float64Array.from(profile)]));

  it('fit the linear model that scikit-learn’s ridge regressions give', () => {
    const model = fitLinearBaseline({ control, trained, geneNames }, { rank })!;
    expect(maxDifference(model.predict('G7+G2')!, predicted)).toBeLessThan(1e-9);
    expect(model.predict('unknown')).toBeUndefined();
  });

  it('add the single effects of a pair, and say nothing of a part that was never seen alone', () => {
    const sum = additiveBaseline('G1+G3', { control, trained, geneNames })!;
    expect(
      maxDifference(
        sum,
        profiles[1]!.map((v, g) => v + profiles[3]![g]! - control[g]!),
      ),
    ).toBeLessThan(1e-12);
    expect(additiveBaseline('G1+G8', { control, trained, geneNames })).toBeUndefined();
  });
});
