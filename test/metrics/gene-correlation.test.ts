import { describe, expect, it } from 'vitest';
import { pearson } from '../../src/metrics/correlation.js';
import { correlationOfRows, geneModules, matrixAgreement } from '../../src/metrics/gene-correlation.js';
import { Rng } from '../../src/rng.js';

/** Genes in three programs: each follows its program's level over the cells, and noise. */
function programs(seed: number, numCells: number, genesEach = 12) {
  const rng = Rng.fromSeed(seed);
  const levels = Array.from({ length: 3 }, () => Float64Array.from({ length: numCells }, () => rng.normal()));
  const rows = Array.from({ length: 3 * genesEach }, (_, g) => levels[g % 3]!.map((level) => level + 0.7 * rng.normal()));
  return { numRows: rows.length, numColumns: numCells, data: Float64Array.from(rows.flatMap((row) => [...row])) };
}

describe('correlation of genes', () => {
  it('is Pearson’s, and not a number for a gene that does not vary', () => {
    const data = Float64Array.of(1, 2, 3, 4, 2, 1, 4, 3, 5, 5, 5, 5);
    const { data: found } = correlationOfRows({ numRows: 3, numColumns: 4, data });
    expect(found[1]).toBeCloseTo(pearson([1, 2, 3, 4], [2, 1, 4, 3]), 12);
    expect(found[0]).toBe(1);
    expect(found[3]).toBe(found[1]);
    expect([found[2], found[5], found[8]].every(Number.isNaN)).toBe(true);
  });

  it('agrees between two samples of the same programs, and not with shuffled genes', () => {
    const [a, b] = [correlationOfRows(programs(1, 200)), correlationOfRows(programs(2, 200))];
    const { spearman, nullMean, nullMax, numPairs } = matrixAgreement(a, b, Rng.fromSeed(1));
    expect(numPairs).toBe((36 * 35) / 2);
    expect(spearman).toBeGreaterThan(0.6);
    expect(Math.abs(nullMean)).toBeLessThan(0.1);
    expect(nullMax).toBeLessThan(spearman / 2);
  });

  it('finds the programs as modules', () => {
    const modules = geneModules(correlationOfRows(programs(3, 150)), Rng.fromSeed(1));
    for (let g = 0; g < 36; g++) expect(modules[g]).toBe(modules[g % 3]);
    expect(new Set(modules)).toEqual(new Set([0, 1, 2]));
  });
});
