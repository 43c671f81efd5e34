import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/rng.js';
import { evaluatePerturbations } from '../../../src/metrics/perturbation/evaluate.js';
import type { PerturbedCells } from '../../../src/metrics/perturbation/profiles.js';
import { meanCollapseIndex } from '../../../src/metrics/perturbation/scores.js';

const NUM_GENES = 60;
const geneNames = Array.from({ length: NUM_GENES }, (_, g) => `G${g}`);

/** Cells in which perturbation Gi raises genes 3i … 3i + 5; pairs do both. */
function cells(groups: readonly (readonly [name: string, numCells: number])[], rng: Rng, strength = 1): PerturbedCells {
  const rows: number[][] = [];
  const perturbations: string[] = [];
  for (const [name, numCells] of groups) {
    for (let i = 0; i < numCells; i++) {
      const row = geneNames.map(() => 2 + 0.3 * rng.normal());
      for (const part of name.split('+')) {
        const at = Number(part.slice(1));
        if (part !== 'control') for (let g = 0; g < 6; g++) row[3 * at + g]! += strength * (1 + g / 3);
      }
      rows.push(row);
      perturbations.push(name);
    }
  }
  const indptr = Int32Array.from({ length: rows.length + 1 }, (_, i) => i * NUM_GENES);
  return {
    x: {
      numRows: rows.length,
      numColumns: NUM_GENES,
      indptr,
      indices: Int32Array.from({ length: rows.length * NUM_GENES }, (_, i) => i % NUM_GENES),
      values: Float64Array.from(rows.flat()),
    },
    perturbations,
  };
}

const rng = Rng.fromSeed(5);
const real = cells(
  [
    ['control', 80],
    ['G1', 60],
    ['G5', 60],
    ['G9', 60],
    ['G13', 60],
    ['G1+G9', 60],
  ],
  rng.fork('real'),
);
const ask = (predicted: PerturbedCells) => evaluatePerturbations({ real, predicted, control: 'control', geneNames, rng });
const row = (result: ReturnType<typeof ask>, name: string) => result.rows.find((r) => r.name === name)!;

describe('scoring predicted perturbations', () => {
  const good = ask(
    cells(
      [
        ['G13', 40],
        ['G1+G9', 40],
      ],
      rng.fork('good'),
    ),
  );

  it('gives a prediction of the true distribution the ceiling’s scores', () => {
    const { scores } = row(good, 'predicted');
    expect(scores.pearsonDelta).toBeGreaterThan(0.95);
    expect(scores.deAuprc).toBeGreaterThan(0.9);
    expect(Math.abs(scores.pearsonDelta - row(good, 'ceiling').scores.pearsonDelta)).toBeLessThan(0.03);
    expect(row(good, 'predicted').meanCollapseIndex).toBeCloseTo(1, 1);
    expect(Math.abs(row(good, 'predicted').energyDistancePca50)).toBeLessThan(0.2);
  });

  it('trains the baselines on what was not asked for', () => {
    expect([good.training, good.numTraining]).toEqual(['unpredicted', 3]);
    // The pair's parts were both seen alone and add up; the single one has nothing to add.
    expect(row(good, 'additive').numPerturbations).toBe(1);
    expect(row(good, 'additive').scores.pearsonDelta).toBeGreaterThan(0.95);
  });

  it('leaves one out where everything was predicted', () => {
    const all = ask(
      cells(
        [
          ['G1', 9],
          ['G5', 9],
          ['G9', 9],
          ['G13', 9],
          ['G1+G9', 9],
        ],
        rng.fork('all'),
      ),
    );
    expect([all.training, all.numTraining]).toEqual(['leaveOneOut', 4]);
    expect(row(all, 'linearRidge').numPerturbations).toBe(5);
  });

  it('sees a prediction that is the control', () => {
    const {
      scores,
      meanCollapseIndex: collapse,
      energyDistancePca50,
    } = row(
      ask(
        cells(
          [
            ['G13', 40],
            ['G1+G9', 40],
          ],
          rng.fork('flat'),
          0,
        ),
      ),
      'predicted',
    );
    expect(Math.abs(scores.pearsonDelta)).toBeLessThan(0.4);
    expect(scores.deAuprc).toBeLessThan(0.5);
    expect(collapse).toBeLessThan(0.2);
    expect(energyDistancePca50).toBeGreaterThan(1);
    expect(row(good, 'controlMean').scores.pearsonDelta).toBeNaN(); // no change has no correlation
    expect(row(good, 'controlMean').scores.mse).toBeGreaterThan(row(good, 'predicted').scores.mse);
  });

  it('tests nothing on a mean profile, and says so by leaving the scores undefined', () => {
    const { scores, energyDistancePca50 } = row(
      ask(
        cells(
          [
            ['G13', 1],
            ['G1+G9', 1],
          ],
          rng.fork('means'),
        ),
      ),
      'predicted',
    );
    expect([scores.deAuprc, scores.deOverlap20, energyDistancePca50]).toEqual([NaN, NaN, NaN]);
    expect(scores.pearsonDelta).toBeGreaterThan(0.8);
  });

  it('does not depend on the order of cells', () => {
    const order = Rng.fromSeed(3).permutation(real.perturbations.length);
    const values = new Float64Array(real.x.values.length);
    order.forEach((from, to) => values.set(Float64Array.from(real.x.values).subarray(from * NUM_GENES, (from + 1) * NUM_GENES), to * NUM_GENES));
    const shuffled = { x: { ...real.x, values }, perturbations: Array.from(order, (from) => real.perturbations[from]!) };
    const predicted = cells(
      [
        ['G13', 40],
        ['G1+G9', 40],
      ],
      rng.fork('good'),
    );
    const again = evaluatePerturbations({ real: shuffled, predicted, control: 'control', geneNames, rng });
    for (const key of ['pearsonDelta', 'deAuprc', 'mseTop20De'] as const)
      expect(row(again, 'predicted').scores[key]).toBeCloseTo(row(good, 'predicted').scores[key], 9);
  });

  it('refuses a control that is not there, and predictions of nothing real', () => {
    expect(() => evaluatePerturbations({ real, predicted: real, control: 'ctrl', geneNames, rng })).toThrow("'ctrl'");
    expect(() => ask(cells([['G17', 5]], rng.fork('none')))).toThrow('no perturbation has both');
  });

  it('has a collapse index of 0 for equal predictions and NaN for equal truths', () => {
    const a = Float64Array.of(1, 2);
    const b = Float64Array.of(2, 4);
    expect(meanCollapseIndex([a, b], [a, a])).toBe(0);
    expect(meanCollapseIndex([a, b], [a, b])).toBe(1);
    expect(meanCollapseIndex([a, a], [a, b])).toBeNaN();
  });
});
