// n scored cells
import type { Corpus } from '../../data/corpus/corpus.js';
import type { Preprocessing } from '../../data/loader/config.js';
import { harmony } from '../../metrics/baselines/harmony.js';
import { applyPca, fitPca } from '../../metrics/baselines/pca.js';
import { takeRows, type SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { takePoints, type Points } from '../../metrics/points.js';
import type { Rng } from '../../rng.js';
import { expressionMatrix } from '../expression-matrix.js';
import { codesOf, type IntegrationCells } from './cells.js';

const NUM_COMPONENTS = 50;
/** Genes of the raw baseline, as scanpy's default of highly variable genes. */
const NUM_VARIABLE_GENES = 2000;

export interface BaselineEmbedding {
  readonly name: string;
  readonly title: string;
  readonly points: Points;
}

/**
 * Simple embeddings of the test cells. PCA is fitted on training cells and applied. Harmony knows no new cells: it is run on the components of all
 * cells at once, the test cells among them, which is how it is used and to its advantage.
 * @returns the embeddings, and the test cells' expression that they come from
 */
export function baselineEmbeddings(
  corpus: Corpus,
  { rows, techBatches }: IntegrationCells,
  preprocessing: Preprocessing,
  rng: Rng,
): { embeddings: BaselineEmbedding[]; test: SparseMatrix } {
  const all = Int32Array.from([...rows.train, ...rows.validation, ...rows.test]);
  const testAt = Int32Array.from(rows.test, (_, i) => all.length - rows.test.length + i);
  const expression = expressionMatrix(corpus, all, preprocessing);
  const train = takeRows(
    expression,
    rows.train.map((_, i) => i),
  );
  const test = takeRows(expression, testAt);
  const pca = fitPca(train, NUM_COMPONENTS, rng.fork('pca'));
  const components = applyPca(pca, expression);
  const corrected = harmony(components, codesOf(techBatches, all), rng.fork('harmony'));
  return {
    embeddings: [
      { name: 'raw', title: `raw expression, ${Math.min(NUM_VARIABLE_GENES, train.numColumns)} variable genes`, points: variableGenes(train, test) },
      { name: 'pca', title: `PCA, ${pca.components.length} components`, points: takePoints(components, testAt) },
      { name: 'harmony', title: 'Harmony', points: takePoints(corrected, testAt) },
    ],
    test,
  };
}

/** Test cells over the genes that vary most among training cells, log-normalised, nothing corrected. */
function variableGenes(train: SparseMatrix, test: SparseMatrix): Points {
  const { numColumns: G, numRows: n } = train;
  const sums = new Float64Array(G);
  const squares = new Float64Array(G);
  for (let k = 0; k < train.values.length; k++) {
    sums[train.indices[k]!]! += train.values[k]!;
    squares[train.indices[k]!]! += train.values[k]! ** 2;
  }
  const variance = (g: number) => squares[g]! / n - (sums[g]! / n) ** 2;
  const chosen = Array.from({ length: G }, (_, g) => g)
    .sort((a, b) => variance(b) - variance(a))
    .slice(0, NUM_VARIABLE_GENES);
  const columnOf = new Int32Array(G).fill(-1);
  chosen.forEach((g, j) => (columnOf[g] = j));
  const data = new Float32Array(test.numRows * chosen.length);
  for (let row = 0; row < test.numRows; row++) {
    for (let at = test.indptr[row]!; at < test.indptr[row + 1]!; at++) {
      const j = columnOf[test.indices[at]!]!;
      if (j >= 0) data[row * chosen.length + j] = test.values[at]!;
    }
  }
  return { numRows: test.numRows, numColumns: chosen.length, data };
}
