import { describe, expect, it } from 'vitest';
import { StatisticsCollector } from '../../../src/data/inspect/statistics.js';
import { guessValueKind, type ValueGuess } from '../../../src/data/inspect/value-kind.js';
import { Rng } from '../../../src/rng.js';

const NUM_GENES = 50;
/** Counts of 40 cells of different depth, at least one a cell. */
const counts = makeCounts();

describe('guessValueKind', () => {
  it('calls integers counts, whatever type stores them', () => {
    expect(guess(counts)).toMatchObject({ kind: 'counts', evidence: expect.stringMatching(/all [\d,]+ values are integers, from 1 to/) as string });
  });

  it('calls fractions whose cells sum to one total CPM, whatever the total', () => {
    for (const total of [1e4, 1e6, 37.5]) {
      const found = guess(normalised(total));
      expect(found.kind).toBe('cpm');
      expect(found.cellTotal).toBeCloseTo(total, 0);
    }
  });

  it('calls their logarithm log1p and finds the total again', () => {
    const found = guess(normalised(1e4).map((row) => row.map(Math.log1p)));
    expect(found.kind).toBe('log1p');
    expect(found.cellTotal! / 1e4).toBeCloseTo(1, 4);
  });

  it('still calls it log1p when genes were dropped afterwards, and says that totals differ', () => {
    const found = guess(normalised(1e4).map((row) => row.map((value, gene) => (gene % 3 ? Math.log1p(value) : 0))));
    expect(found).toMatchObject({ kind: 'log1p', evidence: expect.stringMatching(/not to one total/) as string });
    expect(found.cellTotal).toBeUndefined();
  });

  it('does not mistake a logarithm to base 2 for the natural one', () => {
    expect(guess(normalised(1e4).map((row) => row.map((value) => Math.log2(1 + value))))).toMatchObject({
      kind: 'unknown',
      evidence: expect.stringMatching(/base 2/) as string,
    });
  });

  it('calls negative values scaled', () => {
    expect(guess(counts.map((row) => row.map((value) => value - 1.5)))).toMatchObject({
      kind: 'scaled',
      evidence: expect.stringMatching(/are negative, from -1.5/) as string,
    });
  });

  it('does not guess at large fractions without a common total', () => {
    expect(guess(counts.map((row) => row.map((value) => value * 10.3)))).toMatchObject({ kind: 'unknown' });
  });

  it('does not guess at a matrix of zeros', () => {
    expect(
      guess([
        [0, 0],
        [0, 0],
      ]),
    ).toMatchObject({ kind: 'unknown' });
  });

  it('ignores empty cells when it compares totals', () => {
    expect(guess([...normalised(1e4), new Array<number>(NUM_GENES).fill(0)]).kind).toBe('cpm');
  });

  it('reports NaN beside what the other values say', () => {
    const rows = counts.map((row) => [...row]);
    rows[3]![7] = NaN;
    expect(guess(rows)).toMatchObject({ kind: 'counts', evidence: expect.stringMatching(/^1 value is NaN or infinite/) as string });
  });
});

function guess(rows: readonly (readonly number[])[]): ValueGuess {
  const collector = new StatisticsCollector(rows[0]!.length);
  const indptr = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (const row of rows) {
    row.forEach((value, gene) => {
      if (value === 0) return;
      indices.push(gene);
      values.push(value);
    });
    indptr.push(indices.length);
  }
  collector.add({ firstRow: 0, numRows: rows.length, indptr: Int32Array.from(indptr), indices: Int32Array.from(indices), values: Float32Array.from(values) });
  return guessValueKind(collector.result());
}

function makeCounts(): number[][] {
  const rng = Rng.fromSeed(5);
  return Array.from({ length: 40 }, () => {
    const depth = 1 + 20 * rng.uniform();
    return Array.from({ length: NUM_GENES }, (_, gene) => (gene === 0 ? 1 : 0) + Math.floor(depth * rng.uniform() ** 3));
  });
}

function normalised(total: number): number[][] {
  return counts.map((row) => {
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((value) => (value / sum) * total);
  });
}
