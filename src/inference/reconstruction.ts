// n gene slots of a cell, V gene vocabulary
import type { CellFile } from '../data/readers/reader.js';
import { rankingWeights } from '../data/loader/serialize.js';
import { createDenoiser } from '../diffusion/denoiser.js';
import { DataError, InterruptedError } from '../errors.js';
import { silentProgress } from '../progress.js';
import { Rng } from '../rng.js';
import type { Executor, Variables } from '../runtime/program/program.js';
import { expressionProfile, reconstructionBaselines, type ReconstructionBaselines } from '../tasks/reconstruction/baselines.js';
import { collectCells, hiddenSlots, type RankedCellSlots } from '../tasks/reconstruction/cells.js';
import type { ReconstructionCellsConfig, ReconstructionConfig } from '../tasks/reconstruction/config.js';
import { fillWithModel } from '../tasks/reconstruction/fill-with-model.js';
import { geneMeanValueR2, scoreFilledCells, type FilledCellScores } from '../tasks/reconstruction/scores.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { cellSource, DEFAULT_BATCH_SIZE, type CellSource, type ReadOptions } from './cell-source.js';

type Serialisation = Checkpoint['preprocessing']['serialisation'];

/** How a model gives hidden genes back, beside methods that need none. */
export interface ReconstructionResult {
  readonly config: ReconstructionConfig;
  readonly numCells: number;
  /** Mean over cells. */
  readonly genesPerCell: number;
  readonly model: FilledCellScores;
  readonly baselines: Readonly<Record<keyof ReconstructionBaselines, FilledCellScores>>;
  /** `hiddenValueR2` of naming every hidden gene rightly and giving it its mean value in the reference cells. */
  readonly geneMeanValueR2: number;
}

/** Reconstructs cells of one file by one model, under as many settings as are asked for. */
export interface Reconstructor {
  readonly checkpoint: Checkpoint;
  readonly source: Pick<CellSource, 'matrix' | 'coverage' | 'notes'>;
  readonly numCells: number;
  readonly numReferenceCells: number;
  /** @throws DataError for a depth below 1 where the values are no counts; InterruptedError after the signal */
  evaluate(config: ReconstructionConfig): Promise<ReconstructionResult>;
  dispose(): void;
}

/** What the baselines score does not depend on the model's settings: kept for the next of the same cells, order, depth and ratio. */
interface Scored {
  readonly baselines: ReconstructionResult['baselines'];
  readonly geneMeanValueR2: number;
}

/**
 * Draws the cells that are reconstructed, and others that the baselines learn from.
 * @param cells stays the caller's to close, after the last evaluation
 * @throws DataError for a file of fewer than two cells, and as `cellSource`
 */
export async function createReconstructor(
  checkpoint: Checkpoint,
  executor: Executor,
  cells: CellFile,
  chosen: ReconstructionCellsConfig,
  options: ReadOptions = {},
): Promise<Reconstructor> {
  const { vocabulary, entropy, preprocessing, modelConfig } = checkpoint;
  const { progress = silentProgress, signal, batchSize = DEFAULT_BATCH_SIZE } = options;
  const rng = Rng.fromSeed(chosen.seed).fork('reconstruction');
  const { batches, ...source } = await cellSource(cells, checkpoint, options);
  if (batches.numCells < 2)
    throw new DataError({ file: cells.path, found: `${batches.numCells} cells`, expected: 'at least 2: some to reconstruct, others to compare with' });
  const order = rng.fork('cells').permutation(batches.numCells);
  const numCells = Math.min(chosen.maxCells, Math.floor(batches.numCells / 2));
  const judged = new Set(order.subarray(0, numCells));
  const others = new Set(order.subarray(numCells, numCells + chosen.referenceCells));

  const read = remember(async (serialisation: Serialisation, depth: number): Promise<RankedCellSlots[]> => {
    const corruption = { kind: 'thin' as const, min: depth, max: depth, probability: 1 };
    const shown = await cellSource(
      cells,
      { ...checkpoint, preprocessing: { ...preprocessing, serialisation } },
      { ...options, ...(depth < 1 && { depth: { corruption, seed: chosen.seed } }) },
    );
    return collectCells(shown.batches, (row) => judged.has(row) || (depth === 1 && others.has(row)));
  });
  const weightsOf = remember(async (serialisation: Serialisation) => rankingWeights({ serialisation }, entropy));
  const referenceOf = async (serialisation: Serialisation) => (await read(serialisation, 1)).filter(({ row }) => others.has(row));
  const baselinesOf = remember(async (serialisation: Serialisation) =>
    reconstructionBaselines(await referenceOf(serialisation), await weightsOf(serialisation)),
  );

  const scoreBaselines = remember(async (serialisation: Serialisation, depth: number, maskRatio: number): Promise<Scored> => {
    const [all, weights, methods] = [await read(serialisation, depth), await weightsOf(serialisation), await baselinesOf(serialisation)];
    const cells = all.filter(({ row }) => judged.has(row));
    const isHidden = cells.map((cell) => hiddenSlots(cell, maskRatio, rng.fork('hide')));
    const scores = Object.entries(methods).map(([name, fill]: [string, ReconstructionBaselines['visibleOnly']]) => [
      name,
      scoreFilledCells(
        cells,
        isHidden,
        cells.map((cell, c) => fill(cell, isHidden[c]!)),
        weights,
      ),
    ]);
    const { meanExpressed } = expressionProfile(await referenceOf(serialisation), vocabulary.size);
    return { baselines: Object.fromEntries(scores) as Scored['baselines'], geneMeanValueR2: geneMeanValueR2(cells, isHidden, meanExpressed) };
  });

  const variables: Variables = await executor.createVariables(checkpoint.parameters);
  return {
    checkpoint,
    source,
    numCells,
    numReferenceCells: others.size,
    async evaluate(config) {
      if (config.depth < 1 && source.matrix.valueKind !== 'counts')
        throw new DataError({
          file: cells.path,
          key: source.matrix.key,
          found: `${source.matrix.valueKind} values`,
          expected: 'counts, of which a share can be taken away',
          hint: 'leave --depth out',
        });
      const serialisation = config.serialisation ?? preprocessing.serialisation;
      const shown = (await read(serialisation, config.depth)).filter(({ row }) => judged.has(row));
      if (shown.length === 0)
        throw new DataError({ file: cells.path, found: 'no cell with a gene of the vocabulary among those drawn', hint: 'take more with --max-cells' });
      const isHidden = shown.map((cell) => hiddenSlots(cell, config.maskRatio, rng.fork('hide')));
      const model = {
        ...modelConfig,
        positions: config.positions ?? modelConfig.positions,
        genesSeeLatent: modelConfig.genesSeeLatent && config.latent !== 'none',
      };
      const denoiser = createDenoiser(executor, variables, model, vocabulary);
      const bar = progress.start(`Reconstruct ${Math.round(100 * config.maskRatio)} % hidden`, shown.length, 'cells');
      try {
        const filled = await fillWithModel(shown, isHidden, denoiser, {
          vocabulary,
          preprocessing,
          latent: config.latent,
          sampler: config.sampler,
          batchSize,
          rng: rng.fork('sample'),
          onCells(numDone) {
            bar.update(numDone);
            if (signal?.aborted)
              throw new InterruptedError({ file: cells.path, found: `interrupted after ${numDone} of ${shown.length} cells`, hint: 'nothing was written' });
          },
        });
        return {
          config,
          numCells: shown.length,
          genesPerCell: shown.reduce((sum, { geneIds }) => sum + geneIds.length, 0) / shown.length,
          model: scoreFilledCells(shown, isHidden, filled, await weightsOf(serialisation)),
          ...(await scoreBaselines(serialisation, config.depth, config.maskRatio)),
        };
      } finally {
        bar.stop();
        denoiser.dispose();
      }
    },
    dispose: () => variables.dispose(),
  };
}

/** The same arguments are computed once. */
function remember<Key extends readonly (string | number)[], T>(compute: (...key: Key) => Promise<T>): (...key: Key) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (...key) => {
    const name = key.join('/');
    if (!known.has(name)) known.set(name, compute(...key));
    return known.get(name)!;
  };
}
