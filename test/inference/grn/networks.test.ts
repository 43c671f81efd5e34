import { describe, expect, it } from 'vitest';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { coExpressionNetwork, differentialNetwork, expressionColumns } from '../../../src/inference/grn/expression.js';
import { filledUp } from '../../../src/inference/grn/filled-up.js';
import { networkGenes } from '../../../src/inference/grn/genes.js';
import { PairSums, PositionExpectation } from '../../../src/inference/grn/pair-sums.js';
import { vectorNetwork } from '../../../src/inference/grn/vector-network.js';
import type { ModelConfig } from '../../../src/model/config.js';
import { pearson, spearman } from '../../../src/metrics/correlation.js';
import { differenceOf, networkEdges, regulons, signed } from '../../../src/inference/grn/regulons.js';

const vocabulary = new Vocabulary(['A', 'B', 'C', 'D'].map((symbol) => ({ symbol, ensemblId: '' })));
const genes = networkGenes([2, 3, 5], vocabulary, ['D', 'A', 'NOSUCH'], 'tf.txt'); // A, B, D expressed; D and A regulate

describe('the genes of a network', () => {
  it('are those expressed, with the regulators among them', () => {
    expect(genes.genes).toEqual(['A', 'B', 'D']);
    expect(genes.regulators.map((i) => genes.genes[i])).toEqual(['D', 'A']);
    expect([genes.geneAt(5), genes.geneAt(4), genes.regulatorAt(2), genes.regulatorAt(3)]).toEqual([2, -1, 1, -1]);
  });

  it('are refused without any regulator, in one line', () =>
    expect(() => networkGenes([2, 3], vocabulary, ['C'], 'tf.txt')).toThrow(/^tf\.txt: none of its 1 genes is expressed/));
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
    expect(edges.map(({ regulator, target, weight }) => [regulator, target, weight])).toEqual([
      ['D', 'B', -2],
      ['A', 'B', 1],
      ['D', 'A', 0.5],
      ['A', 'D', -0.1],
    ]);
    expect(regulons(edges, { numStrong: 3, numTargets: 5 })).toEqual([
      { regulator: 'D', promoted: ['A'], repressed: ['B'], numStrongEdges: 2 },
      { regulator: 'A', promoted: ['B'], repressed: ['D'], numStrongEdges: 1 },
    ]);
  });

  it('take the strength of one network and the sign of another', () =>
    expect(Array.from(signed(Float64Array.of(2, -1, 3), Float64Array.of(-5, 1, 0)))).toEqual([-2, 0, 3]));

  it('differ by nothing from themselves, whatever the scale', () =>
    expect(
      Array.from(
        differenceOf(
          weights,
          weights.map((w) => 4 * w),
        ),
      ).every((w) => Math.abs(w) < 1e-12),
    ).toBe(true));
});

describe('vectors', () => {
  // B is A and D together; C is C alone.
  const axes = { A: [1, 0, 0], B: [1, 1, 0], C: [0, 0, 1], D: [0, 1, 0] };
  const table = Float32Array.from([[0, 0, 0], [0, 0, 0], ...Object.values(axes), [0, 0, 0], [0, 0, 0]].flat());
  const network = (regulators: string[]) => {
    const of = networkGenes([2, 3, 4, 5], vocabulary, regulators, 'tf.txt');
    const model = {
      modelConfig: { hiddenDim: 3 } as ModelConfig,
      parameters: { 'gene_embedding.weight': { dtype: 'float32' as const, shape: [table.length / 3, 3], data: table } },
    };
    return { of, conditional: vectorNetwork(model, of, 'conditional'), cosines: vectorNetwork(model, of, 'cosine') };
  };

  it('share a target among its regulators, and ask none about itself', () => {
    const { conditional, cosines } = network(['A', 'D']);
    // Orthogonal regulators: cosine / (1 + λ).
    expect(Array.from(cosines).map((w) => Math.round(w * 1e6) / 1e6)).toEqual([0, 0.707107, 0, 0, 0, 0.707107, 0, 0]);
    expect(Array.from(conditional).map((w) => Math.round(w * 1e6) / 1e6)).toEqual([0, 0.353553, 0, 0, 0, 0.353553, 0, 0]);
  });

  it('leave a regulator out where it is the target, as if it were not there', () => {
    const { of, conditional: weights } = network(['A', 'B', 'D']);
    const alone = network(['A', 'D']).conditional;
    // Of B, which regulates too: what A and D tell without it.
    expect(of.regulators.map((gene) => of.genes[gene])).toEqual(['A', 'B', 'D']);
    expect([weights[1], weights[4 + 1], weights[8 + 1]]).toEqual([expect.closeTo(alone[1]!, 6), 0, expect.closeTo(alone[4 + 1]!, 6)]);
  });
});

describe('simple networks', () => {
  // Cells: control, control, A knocked out, A knocked out, anything.
  const cells = [
    [3, 2, 1],
    [1, 2, 3],
    [0, 0.5, 2],
    [0, 0.5, 4],
    [2, 2, 2],
  ].map((values) => ({ geneIds: Int32Array.of(2, 3, 5), values: Float32Array.from(values) }));
  const columns = expressionColumns(cells, genes);

  it('correlate every regulator with every other gene', () => {
    const weights = coExpressionNetwork(columns, genes, 'pearson');
    expect(weights[3 + 1]).toBeCloseTo(pearson(columns[0]!, columns[1]!), 6);
    expect(coExpressionNetwork(columns, genes, 'spearman')[0]).toBeCloseTo(spearman(columns[2]!, columns[0]!), 6);
    expect([weights[2], weights[3]]).toEqual([0, 0]);
  });

  it('count a gene that falls with its regulator as promoted', () => {
    const weights = differentialNetwork(columns, genes, Int32Array.of(-1, -1, 1, 1, -2), true);
    expect(Array.from(weights)).toEqual([0, 0, 0, 2, 1.5, -1]);
  });

  it('fill up the regulators that another does not know, on its scale', () => {
    expect(Array.from(filledUp(Float64Array.of(2, -4, 0, 0), Float64Array.of(1, -2, 3, 5), [true, false]))).toEqual([2, -4, 6, 10]);
    expect(Array.from(filledUp(Float64Array.of(0, 0), Float64Array.of(1, -2), [false]))).toEqual([1, -2]);
  });
});
