import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CellFile } from '../data/readers/reader.js';
import { ConfigError } from '../errors.js';
import type { Executor } from '../runtime/program/program.js';
import type { PretrainingConfig } from '../tasks/pretraining/config.js';
import { pretrain } from '../tasks/pretraining/pretrain.js';
import { ReconstructionConfig, type ReconstructionCellsConfig } from '../tasks/reconstruction/config.js';
import { CHECKPOINT_FILES, loadCheckpoint } from '../train/checkpoint.js';
import type { TrainContext } from '../train/run.js';
import type { ReadOptions } from './cell-source.js';
import { createReconstructor, type Reconstructor } from './reconstruction.js';
import { SWEEP_DEPTHS, type Sweep, type SweepPoint } from './reconstruction-sweep.js';

/** Trainings to compare, by the name each shall have. */
export type AblationConfigs = ReadonlyMap<string, PretrainingConfig>;

/** The mask ratio at which depth is varied. */
const RATIO_OF_DEPTHS = 0.5;

/**
 * Pretrains one model after another, each to a run folder of its own; what an earlier call finished is left, what it began is gone on with.
 * @param out holds a run folder for each name
 * @returns run folders by name
 * @throws as `pretrain`
 */
export async function trainAblations(configs: AblationConfigs, out: string, context: Partial<TrainContext>): Promise<Map<string, string>> {
  const runs = new Map<string, string>();
  for (const [name, config] of configs) {
    const run = join(out, name);
    // A run folder is a checkpoint itself once the run is finished.
    const isFinished = existsSync(join(run, CHECKPOINT_FILES.config));
    context.say?.(isFinished ? `${name}: trained already` : `${name}: training`);
    if (!isFinished) await pretrain({ config, out: run, isResumed: existsSync(join(run, 'run.json')), context });
    runs.set(name, run);
  }
  return runs;
}

/** Reconstruction by each of several models, as each was trained: over mask ratios, and at one of them over depths. */
export async function compareAblations(
  runs: ReadonlyMap<string, string>,
  executor: Executor,
  cells: CellFile,
  chosen: ReconstructionCellsConfig,
  maskRatios: readonly number[],
  options: ReadOptions = {},
): Promise<Sweep & { readonly first: Pick<Reconstructor, 'source' | 'numCells' | 'numReferenceCells'> }> {
  const points: SweepPoint[] = [];
  let first: Reconstructor | undefined;
  for (const [name, run] of runs) {
    const reconstructor = await createReconstructor(await loadCheckpoint(run), executor, cells, chosen, options);
    first ??= reconstructor;
    try {
      for (const maskRatio of maskRatios) {
        const point = { setting: name, isTrainedThatWay: true, result: await reconstructor.evaluate(ReconstructionConfig.parse({ maskRatio })) };
        points.push({ ...point, axis: 'checkpoint' }, ...(reconstructor === first ? [{ ...point, axis: 'as asked' as const, setting: 'as asked' }] : []));
      }
      if (reconstructor.source.matrix.valueKind !== 'counts') continue;
      for (const depth of SWEEP_DEPTHS)
        points.push({
          axis: 'depth',
          setting: `${name}, ${depth} of the depth`,
          isTrainedThatWay: true,
          result: await reconstructor.evaluate(ReconstructionConfig.parse({ maskRatio: RATIO_OF_DEPTHS, depth })),
        });
    } finally {
      reconstructor.dispose();
    }
  }
  if (!first) throw new ConfigError({ key: 'configs', found: 'none', expected: 'at least one pretraining config' });
  return {
    points,
    first,
    notes: [
      'Every model is shown cells as it was trained to see them; lists of different serialisations are scored in their own order, random ones by expression.',
    ],
  };
}
