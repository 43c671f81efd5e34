import { describe, expect, it } from 'vitest';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { networkGenes } from '../../../src/inference/grn/genes.js';
import { PairSums, PositionExpectation } from '../../../src/inference/grn/pair-sums.js';
import { differenceOf, networkEdges, regulons, signed } from '../../../src/inference/grn/regulons.js';

const vocabulary = new Vocabulary(['A', 'B', 'C', 'D'].map((symbol) => ({ symbol, ensemblId: '' })));
const genes = networkGenes([2, 3, 5], vocabulary, ['D', 'A', 'NOSUCH'], 'tf.txt'); // A, B, D expressed; D and A regulate

describe('the genes of a network', () => {
  it('are those expressed, with the regulators among them', () => {
    expect(genes.genes).toEqual(['A', 'B', 'D']);
    expect(genes.regulators.map((i) => genes.genes[i])).toEqual(['D', 'A']);
    expect([genes.geneAt(5), genes.geneAt(4), genes.regulatorAt(2), genes.regulatorAt(3)]).toEqual([2, -1, 1, -1]);
  });

  it('are refused without any regulator, in one line', () => expect(() => networkGenes([2, 3], vocabulary, ['C'], 'tf.txt')).toThrow(/^tf\.txt: none of its 1 genes is expressed/));
});

describe('pair sums', () => {
  it('average over the cells that show a pair, and leave out rare pairs', () => {
    const sums = new PairSums(2, 3);
    for (const value of [1, 2, 6]) sums.add(1, 2, value);
    sums.add(0, 0, 9);
    expect(Array.from(sums.means(2))).toEqual([0, 0, 0, 0, 0, 3]);
  });

  it('know what is expected between ranks: exactly at the top, in bins below', () => {
    const expected = new PositionExpectation(400);
    for (let a = 0; a < 400; a++) for (let b = 0; b < 400; b++) expected.add(a, b, 1 / (1 + b));
    expect(expected.at(17, 0)).toBeCloseTo(1);
    expect(expected.at(3, 1)).toBeCloseTo(1 / 2);
    expect(Math.abs(expected.at(5, 200) - 1 / 201)).toBeLessThan(0.1 / 201);
    expect(new PositionExpectation(10).at(1, 2)).toBe(0);
  });
});

describe('regulons', () => {
  // D → A, B, D; A → A, B, D
  const weights = Float64Array.of(0.5, -2, 9, 8, 1, -0.1);

  it('name what is promoted and repressed, strongest first, without loops', () => {
    const edges = networkEdges(weights, genes);
    expect(edges.map(({ regulator, target, weight }) => [regulator, target, weight])).toEqual([['D', 'B', -2], ['A', 'B', 1], ['D', 'A', 0.5], ['A', 'D', -0.1]]);
    expect(regulons(edges, { numStrong: 3, numTargets: 5 })).toEqual([
      { regulator: 'D', promoted: ['A'], repressed: ['B'], numStrongEdges: 2 },
      { regulator: 'A', promoted: ['B'], repressed: ['D'], numStrongEdges: 1 },
    ]);
  });

  it('take the strength of one network and the sign of another', () => expect(Array.from(signed(Float64Array.of(2, -1, 3), Float64Array.of(-5, 1, 0)))).toEqual([-2, 0, 3]));

  it('differ by nothing from themselves, whatever the scale', () => expect(Array.from(differenceOf(weights, weights.map((w) => 4 * w))).every((w) => Math.abs(w) < 1e-12)).toBe(true));
});
