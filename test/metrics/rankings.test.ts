import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { Rng } from '../../src/rng.js';
import { bleu4, corpusBleu4 } from '../../src/metrics/bleu.js';
import { meanRanks, pearson, rSquared, spearman } from '../../src/metrics/correlation.js';
import { auroc, averagePrecision, precisionAtTop, precisionRecallArea } from '../../src/metrics/ranking.js';
import { rankAgreement, reconstructionScores } from '../../src/metrics/reconstruction.js';
import { levenshtein } from '../../src/metrics/sequence-distance.js';
import { maxDifference } from './golden.js';
import { perturbationGolden } from './perturbation/golden.js';

describe('areas under curves', () => {
  const { scores, isPositive, ...expected } = perturbationGolden.rankings;

  it('agree with scikit-learn on scores with many ties', () => {
    expect(averagePrecision(scores, isPositive)).toBeCloseTo(expected.averagePrecision, 12);
    expect(precisionRecallArea(scores, isPositive)).toBeCloseTo(expected.precisionRecallArea, 12);
    expect(auroc(scores, isPositive)).toBeCloseTo(expected.auroc, 12);
  });

  it('are 1 for a perfect ranking, and the density for one that tells nothing', () => {
    const labels = [1, 1, 0, 0, 0, 0, 0, 0];
    expect([averagePrecision, precisionRecallArea, auroc].map((area) => area([9, 8, 7, 6, 5, 4, 3, 2], labels))).toEqual([1, 1, 1]);
    expect(averagePrecision(new Array<number>(8).fill(3), labels)).toBe(0.25);
    expect(auroc(new Array<number>(8).fill(3), labels)).toBe(0.5);
  });

  it('do not depend on the order of the pairs', () => {
    const order = Rng.fromSeed(2).permutation(scores.length);
    const mixed = (values: readonly number[]) => Array.from(order, (i) => values[i]!);
    for (const area of [averagePrecision, precisionRecallArea, auroc]) expect(area(mixed(scores), mixed(isPositive))).toBeCloseTo(area(scores, isPositive), 12);
  });

  it('take all that tie with the last into the top', () => {
    expect(precisionAtTop([5, 3, 3, 3, 1], [1, 0, 1, 0, 0], 2)).toBe(0.5);
    expect(precisionAtTop([5, 4, 3, 3, 1], [1, 1, 1, 0, 0], 2)).toBe(1);
  });

  it('are undefined without a positive', () => {
    expect([averagePrecision([1, 2], [0, 0]), precisionRecallArea([1, 2], [0, 0]), auroc([1, 2], [0, 0])]).toEqual([NaN, NaN, NaN]);
  });
});

describe('distances of ranked lists', () => {
  const { truth, predicted, ...expected } = perturbationGolden.sequences;

  it('agree with Levenshtein, nltk and scipy', () => {
    expect(truth.map((a, i) => levenshtein(a, predicted[i]!))).toEqual(expected.levenshtein);
    expect(
      maxDifference(
        truth.map((a, i) => bleu4(a, predicted[i]!)),
        expected.bleu4,
      ),
    ).toBeLessThan(1e-12);
    expect(corpusBleu4(truth.map((a, i) => [a, predicted[i]!] as const))).toBeCloseTo(expected.bleu4Corpus, 12);
    const agreements = truth.map((a, i) => rankAgreement(a, predicted[i]!));
    expect(
      maxDifference(
        agreements.map((a) => a.shared),
        expected.spearmanShared,
      ),
    ).toBeLessThan(1e-12);
    expect(
      maxDifference(
        agreements.map((a) => a.full),
        expected.spearmanFull,
      ),
    ).toBeLessThan(1e-12);
  });

  it('are perfect for the same lists, and the worst for lists that share nothing', () => {
    const lists = truth.map((geneIds) => ({ geneIds, values: geneIds.map((id) => id / 7) }));
    expect(reconstructionScores(lists, lists)).toEqual({
      numCells: 12,
      lDistMean: 0,
      lDistMedian: 0,
      bleu4: 1,
      bleu4Corpus: 1,
      spearmanShared: 1,
      spearmanCoverage: 1,
      spearmanFull: 1,
      valueR2: 1,
    });
    const strangers = reconstructionScores([{ geneIds: [1, 2, 3, 4, 5] }], [{ geneIds: [6, 7, 8, 9, 10] }]);
    expect(strangers).toMatchObject({ lDistMean: 5, bleu4: 0, spearmanShared: NaN, spearmanCoverage: 0 });
    expect(strangers.spearmanFull).toBeLessThan(-0.7);
  });

  it('measure edits as a metric does: symmetric, zero for equals alone, at most a detour', () => {
    const list = fc.array(fc.nat(5), { maxLength: 9 });
    fc.assert(
      fc.property(list, list, list, (a, b, c) => {
        expect(levenshtein(a, b)).toBe(levenshtein(b, a));
        expect(levenshtein(a, b) === 0).toBe(JSON.stringify(a) === JSON.stringify(b));
        expect(levenshtein(a, c)).toBeLessThanOrEqual(levenshtein(a, b) + levenshtein(b, c));
      }),
    );
  });

  it('refuse a gene twice in a list', () => {
    expect(() => rankAgreement([1, 2, 1], [1, 2])).toThrow('gene 1 twice');
  });
});

describe('correlations', () => {
  it('are undefined where a side does not vary', () => {
    expect([pearson([1, 2, 3], [0.1, 0.1, 0.1]), spearman([2, 2], [1, 5]), rSquared([3, 3], [1, 2])]).toEqual([NaN, NaN, NaN]);
  });

  it('share ranks among equals', () => {
    expect([...meanRanks([3, 1, 3, 2])]).toEqual([3.5, 1, 3.5, 2]);
  });
});
