// n cells, Z latent dimensions, G decoded genes
import { DataError } from '../errors.js';
import type { Rng } from '../rng.js';
import type { CellFile } from '../data/readers/reader.js';
import { activeUnits } from '../metrics/active-units.js';
import { geneMoments, scoreGenerated, type GenerationScores } from '../metrics/two-sample.js';
import { takeRows, type SparseMatrix } from '../metrics/baselines/sparse-matrix.js';
import { takeGenes } from '../tasks/variational/gene-targets.js';
import { readHead } from '../tasks/variational/head.js';
import { hurdleNllOf } from '../tasks/variational/hurdle.js';
import { createLatentSpace } from '../tasks/variational/latent-space.js';
import { drawFromPosterior, drawFromPrior, makeCells } from '../tasks/variational/make-cells.js';
import { readPosterior } from '../tasks/variational/posterior-file.js';
import { reconstructionR2 } from '../tasks/variational/reconstruction.js';
import type { ReadOptions } from './cell-source.js';
import { fileExpression } from './file-expression.js';
import type { EncodedCells, ScDiVa } from './scdiva.js';

/** What a latent space keeps of the cells of a file, and how much the cells it makes resemble them. */
export interface VariationalEvaluation {
  readonly numCells: number;
  /** Nats a cell, one draw of the latent state each. */
  readonly elbo: number;
  readonly reconstructionLoss: number;
  readonly klLoss: number;
  readonly latentDim: number;
  readonly numActiveUnits: number;
  /** Of the variance around the means that the genes have in this file. */
  readonly reconstructionR2: number;
  /** Cells drawn near training cells, and from the prior, as many as were compared. */
  readonly posterior: GenerationScores;
  readonly prior: GenerationScores;
  readonly numCompared: number;
  readonly source: EncodedCells['source'];
}

/** File cells that made ones are held against. */
const MAX_COMPARED = 2000;
/** Cells decoded at a time. */
const CHUNK = 256;

/** @throws CheckpointError without a variational head; DataError when fewer than 20 cells can be used */
export async function evaluateVariational(model: ScDiVa, cells: CellFile, rng: Rng, options: ReadOptions = {}): Promise<VariationalEvaluation> {
  const { checkpoint, executor } = model;
  const head = readHead(checkpoint);
  const { latentDim: Z, geneIds } = head.info;
  const encoded = await model.encode(cells, options);
  const { rows, matrix } = await fileExpression(cells, checkpoint, options);
  if (rows.length < 20) throw new DataError({ file: cells.path, found: `${rows.length} cells with genes that the model knows`, expected: 'at least 20' });
  const truth = takeGenes(matrix, geneIds);
  const stored = await readPosterior(checkpoint.folder, head.info);
  const space = await createLatentSpace(executor, head);
  try {
    const take = ({ data }: { readonly data: Float32Array }) =>
      Float32Array.from({ length: rows.length * Z }, (_, i) => data[rows[Math.floor(i / Z)]! * Z + (i % Z)]!);
    const [mu, logvar] = [take(encoded.mu!), take(encoded.logvar!)];
    const noise = rng.fork('noise');
    const z = mu.map((m, i) => m + Math.exp(logvar[i]! / 2) * noise.normal());
    // The decoder is told of no batch: a file may be of any.
    const unknown = new Int32Array(rows.length).fill(-1);
    const G = geneIds.length;
    const nll = await sumNll(truth, async (start, end) => space.decode(z.subarray(start * Z, end * Z), unknown.subarray(start, end)));
    const kl = mu.reduce((sum, m, i) => sum + 0.5 * (m ** 2 + Math.exp(logvar[i]!) - 1 - logvar[i]!), 0);
    const { levels } = await space.decode(mu, unknown);
    const expected = Float32Array.from({ length: rows.length * G }, (_, i) => levels[(3 * Math.floor(i / G) + 2) * G + (i % G)]!);
    const compared = takeRows(truth, rng.fork('compared').permutation(rows.length).slice(0, MAX_COMPARED));
    const n = compared.numRows;
    const made = async (draws: ReturnType<typeof drawFromPrior>, name: string) =>
      scoreGenerated(compared, takeGenes(await makeCells(space, draws, checkpoint.vocabulary.size, rng.fork(name)), geneIds), rng.fork('scores'));
    return {
      numCells: rows.length,
      elbo: -(nll + kl) / rows.length,
      reconstructionLoss: nll / rows.length,
      klLoss: kl / rows.length,
      latentDim: Z,
      numActiveUnits: activeUnits(mu, Z),
      reconstructionR2: reconstructionR2(truth, expected, geneMoments(truth).means),
      posterior: await made(drawFromPosterior(stored, n, rng.fork('posterior')), 'posterior/cells'),
      prior: await made(drawFromPrior(n, Z, stored.techBatches, rng.fork('prior')), 'prior/cells'),
      numCompared: n,
      source: encoded.source,
    };
  } finally {
    space.dispose();
  }
}

/** Over all cells and decoded genes, in nats. */
async function sumNll(truth: SparseMatrix, decode: (start: number, end: number) => Promise<{ levels: Float32Array; spreads: Float32Array }>): Promise<number> {
  const G = truth.numColumns;
  const values = new Float32Array(G);
  let sum = 0;
  for (let start = 0; start < truth.numRows; start += CHUNK) {
    const end = Math.min(truth.numRows, start + CHUNK);
    const { levels, spreads } = await decode(start, end);
    for (let i = start; i < end; i++) {
      values.fill(0);
      for (let at = truth.indptr[i]!; at < truth.indptr[i + 1]!; at++) values[truth.indices[at]!] = truth.values[at]!;
      sum += hurdleNllOf(levels.subarray((i - start) * 3 * G, ((i - start) * 3 + 2) * G), spreads, values);
    }
  }
  return sum;
}
