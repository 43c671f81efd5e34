import { basename } from 'node:path';
import { ConfigError } from '../errors.js';
import { Rng } from '../rng.js';
import type { NewColumn } from '../data/writers/h5ad.js';
import { checkOutput, writeNewH5ad } from '../data/writers/new-h5ad.js';
import { mostLikely } from '../metrics/most-likely.js';
import type { Executor } from '../runtime/program/program.js';
import { softmaxRows } from '../tasks/annotation/calibration.js';
import { readHead } from '../tasks/variational/head.js';
import { createLatentSpace } from '../tasks/variational/latent-space.js';
import { drawFromPosterior, drawFromPrior, makeCells, type LatentDraws } from '../tasks/variational/make-cells.js';
import { readPosterior } from '../tasks/variational/posterior-file.js';
import type { CheckpointFacts } from '../train/checkpoint.js';
import { uniqueNames } from './generated-file.js';

export interface NewCellsJob {
  readonly output: string;
  readonly numCells: number;
  /** posterior: near training cells, in the proportions they have; prior: N(0, 1), which the training made them resemble. Default posterior. */
  readonly from?: 'posterior' | 'prior' | undefined;
  /** Only cells near training cells of this type. */
  readonly label?: string | undefined;
  readonly seed?: number | undefined;
  /** Of this package, for the record. */
  readonly version: string;
}

export interface NewCells {
  readonly output: string;
  readonly numCells: number;
  readonly numGenes: number;
  readonly from: 'posterior' | 'prior';
  /** Mean number of genes that a cell shows. */
  readonly meanGenes: number;
  /** Cells of each type, as the label decoder sees them; empty without one. */
  readonly labels: Readonly<Record<string, number>>;
}

/**
 * Draws latent states, makes cells of them and writes them as .h5ad: X holds log-normalised expression over every vocabulary gene, obs
 * `scdiva_cell_type` and `scdiva_confidence` where types were learned, `scdiva_near` the type and `scdiva_batch` the sequencing batch of the training
 * cell a state was drawn near.
 * @throws CheckpointError without a variational head; ConfigError for a label it does not know; OutputError
 */
export async function newCellsFile(
  checkpoint: CheckpointFacts,
  executor: Executor,
  { output, numCells, from = 'posterior', label, seed = 0, version }: NewCellsJob,
): Promise<NewCells> {
  const head = readHead(checkpoint);
  const { info } = head;
  if (!(Number.isInteger(numCells) && numCells > 0)) throw new ConfigError({ key: '--num-cells', found: String(numCells), expected: 'a whole number above 0' });
  const code = labelCode(info.classes, label, from);
  await checkOutput(output);
  const rng = Rng.fromSeed(seed).fork('new cells');
  const stored = await readPosterior(checkpoint.folder, info);
  const draws = from === 'prior' ? drawFromPrior(numCells, info.latentDim, stored.techBatches, rng) : drawFromPosterior(stored, numCells, rng, code);
  const { vocabulary } = checkpoint;
  const space = await createLatentSpace(executor, head);
  try {
    const { indptr, indices, values } = await makeCells(space, draws, vocabulary.size, rng.fork('genes'));
    const types = info.classes.length > 0 ? mostLikely(softmaxRows(await space.labelLogits(draws.z), info.classes.length), info.classes.length) : undefined;
    await writeNewH5ad({
      output,
      cellIds: Array.from({ length: numCells }, (_, i) => `new-${seed}-${i}`),
      geneNames: uniqueNames(vocabulary.genes.map(({ symbol, ensemblId }) => symbol || ensemblId)),
      x: { indptr: Int32Array.from(indptr), indices: Int32Array.from(indices, (id) => id - vocabulary.firstGeneId), values: Float32Array.from(values) },
      obs: {
        ...(types && {
          scdiva_cell_type: { kind: 'categorical', categories: info.classes, codes: types.predicted },
          scdiva_confidence: { kind: 'numeric', values: Float32Array.from(types.confidence) },
        }),
        ...describeDraws(draws, info.classes, info.techBatches),
      },
      var: { ensembl_id: { kind: 'string', values: vocabulary.genes.map(({ ensemblId }) => ensemblId) } },
      uns: {
        scdiva: {
          task: 'generate',
          version,
          checkpoint: basename(checkpoint.folder),
          from,
          seed,
          latent_dim: info.latentDim,
          ...(label !== undefined && { label }),
        },
      },
    });
    const labels = types ? Object.fromEntries(info.classes.map((name, c) => [name, types.predicted.filter((p) => p === c).length])) : {};
    return { output, numCells, numGenes: info.geneIds.length, from, meanGenes: indices.length / numCells, labels };
  } finally {
    space.dispose();
  }
}

function labelCode(classes: readonly string[], label: string | undefined, from: 'posterior' | 'prior'): number | undefined {
  if (label === undefined) return undefined;
  if (from === 'prior') throw new ConfigError({ key: '--label', found: `'${label}' with --from prior`, hint: 'the prior knows no types: leave --from out' });
  const code = classes.indexOf(label);
  if (code >= 0) return code;
  const expected = classes.length > 0 ? `one of ${classes.join(', ')}` : 'a model whose latent space was taught types';
  throw new ConfigError({
    key: '--label',
    found: `'${label}', a type this model does not know`,
    expected,
    hint: classes.length > 0 ? 'name one of these' : 'finetune variational with labels: { labelKey: … }',
  });
}

function describeDraws({ labels, techBatches }: LatentDraws, classes: readonly string[], batches: readonly string[]): Record<string, NewColumn> {
  // Cells of types that training does not predict have no name to give here.
  const named = (codes: Int32Array, names: readonly string[]) => codes.map((code) => (code < names.length ? code : -1));
  return {
    ...(classes.length > 0 &&
      labels.some((code) => code >= 0) && { scdiva_near: { kind: 'categorical', categories: classes, codes: named(labels, classes) } as NewColumn }),
    ...(batches.length > 0 && { scdiva_batch: { kind: 'categorical', categories: batches, codes: named(techBatches, batches) } as NewColumn }),
  };
}
