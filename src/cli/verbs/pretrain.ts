import { locateRun } from '../locate-run.js';
import { defineVerb } from '../verb.js';
import { profileSteps, STOPPING_A_TRAINING, trainingOptions } from './training-options.js';

/** `scdiva pretrain`: a corpus in, a run folder out. */
export const pretrain = defineVerb({
  command: 'pretrain',
  describe: 'train a model on a corpus by masked diffusion',
  stopping: STOPPING_A_TRAINING,
  options: (y) =>
    trainingOptions(y, 'train.steps=100')
      .example('$0 pretrain --config configs/debug/pretrain.yaml --set data.corpus=pbmc.corpus --out runs/pbmc', '')
      .example('$0 pretrain --resume --out runs/pbmc --set train.steps=2000', ''),
  async run({ config: file, out, set, resume, autoResume, profile }, alone) {
    const numProfiled = await profileSteps(profile);
    const { path, folder } = locateRun({ file, out, isResumed: resume || autoResume, example: 'configs/debug/pretrain.yaml' });
    const [{ loadConfig }, { PretrainingConfig }] = await Promise.all([import('../../config/load.js'), import('../../tasks/pretraining/config.js')]);
    const asked = await loadConfig(PretrainingConfig, path, set);
    const { joinWorkers } = await import('../join-workers.js');
    const context = await joinWorkers(asked.train, alone);
    const { startsFromCheckpoint } = await import('../starts-from-checkpoint.js');
    const isResumed = await startsFromCheckpoint({ resume, autoResume }, folder, context);
    const { settleMicroBatch } = await import('../../plan/micro-batch.js');
    const { config, microBatch } = await settleMicroBatch({ task: 'pretraining', config: asked }, { ...context, out: folder, isResumed });
    const { pretrain } = await import('../../tasks/pretraining/pretrain.js');
    const result = await pretrain({ config, out: folder, isResumed, microBatch, profileSteps: numProfiled, context });
    return { json: { ...result }, text: describe(result) };
  },
});

function describe({
  out,
  step,
  metrics,
  baselines,
  hasStoppedEarly,
}: {
  out: string;
  step: number;
  metrics: Readonly<Record<string, number>>;
  baselines: Readonly<Record<string, Readonly<Record<string, number>>>>;
  hasStoppedEarly: boolean;
}): string {
  const rows = Object.entries({ model: metrics, ...baselines }).filter(([, scores]) => Object.keys(scores).length > 0);
  const names = Object.keys(rows[0]?.[1] ?? {});
  const line = (cells: readonly string[]): string => `  ${cells.map((cell, i) => (i === 0 ? cell.padEnd(10) : cell.padStart(18))).join('')}`;
  return [
    `${hasStoppedEarly ? 'stopped early' : 'finished'} at step ${step}; checkpoint: ${out}`,
    ...(rows.length ? ['validation:', line(['', ...names])] : []),
    ...rows.map(([name, scores]) => line([name, ...names.map((metric) => scores[metric]?.toPrecision(4) ?? '')])),
  ].join('\n');
}
