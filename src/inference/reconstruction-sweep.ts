import { ReconstructionConfig } from '../tasks/reconstruction/config.js';
import type { ReconstructionResult, Reconstructor } from './reconstruction.js';

/** What a sweep varies, one thing at a time. */
export const SWEEP_AXES = ['as asked', 'latent', 'depth', 'positions', 'serialisation', 'sampler', 'checkpoint'] as const;
export type SweepAxis = (typeof SWEEP_AXES)[number];

/** One setting at one mask ratio. */
export interface SweepPoint {
  readonly axis: SweepAxis;
  /** In words: `half the depth`. */
  readonly setting: string;
  /** Whether a model was trained that way: the other settings are taken away from a model that was trained with them. */
  readonly isTrainedThatWay: boolean;
  readonly result: ReconstructionResult;
}

export interface Sweep {
  readonly points: readonly SweepPoint[];
  /** What was left out, and how the figures are to be read; one sentence each. */
  readonly notes: readonly string[];
}

export const SWEEP_MASK_RATIOS = [0.15, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95];
export const SWEEP_DEPTHS = [0.5, 0.25];
const REVERSE_STEPS = 8;

interface Setting {
  readonly axis: SweepAxis;
  readonly setting: string;
  readonly isTrainedThatWay: boolean;
  readonly reconstructor: Reconstructor;
  readonly changes: Partial<ReconstructionConfig>;
}

/**
 * Reconstruction over mask ratios under every setting of the published ablations, each varied alone from what is asked for: what [LAT] knows, depth,
 * positions, serialisation, one pass or reverse diffusion. A model is shown what it was not trained on there; how a model does that was trained
 * without is told by further checkpoints, each run as it was trained.
 * @param reconstructors by the name of their checkpoint; the first is taken apart
 * @param base what is not varied
 * @param varies false: no ablation, the mask ratios and the checkpoints alone
 */
export async function sweepReconstruction(
  reconstructors: ReadonlyMap<string, Reconstructor>,
  base: Omit<ReconstructionConfig, 'maskRatio'>,
  maskRatios: readonly number[],
  varies: boolean,
): Promise<Sweep> {
  const notes: string[] = [];
  const [[name, first], ...others] = [...reconstructors] as [[string, Reconstructor], ...[string, Reconstructor][]];
  const settings = [
    { axis: 'as asked' as const, setting: 'as asked', isTrainedThatWay: true, reconstructor: first, changes: {} },
    ...(varies ? inferenceSettings(first, base, notes) : []),
    ...(others.length > 0 ? [[name, first] as const, ...others] : []).map(([checkpoint, reconstructor]): Setting => ({
      axis: 'checkpoint',
      setting: checkpoint,
      isTrainedThatWay: true,
      reconstructor,
      changes: {},
    })),
  ];
  const points: SweepPoint[] = [];
  for (const { axis, setting, isTrainedThatWay, reconstructor, changes } of settings) {
    for (const maskRatio of maskRatios) {
      const same = points.find(
        (point) => axis === 'checkpoint' && setting === name && point.axis === 'as asked' && point.result.config.maskRatio === maskRatio,
      );
      points.push({
        axis,
        setting,
        isTrainedThatWay,
        result: same?.result ?? (await reconstructor.evaluate(ReconstructionConfig.parse({ ...base, ...changes, maskRatio }))),
      });
    }
  }
  return { points, notes };
}

function inferenceSettings(reconstructor: Reconstructor, base: Omit<ReconstructionConfig, 'maskRatio'>, notes: string[]): Setting[] {
  const { checkpoint, source } = reconstructor;
  const { modelConfig, preprocessing } = checkpoint;
  const one = (axis: SweepAxis, setting: string, changes: Partial<ReconstructionConfig>, isTrainedThatWay = false): Setting => ({
    axis,
    setting,
    isTrainedThatWay,
    reconstructor,
    changes,
  });
  const settings: Setting[] = [];
  const latentWords = { visible: '[LAT] of the visible genes', whole: '[LAT] of the whole cell', none: '[LAT] seen by no gene' };
  if (modelConfig.genesSeeLatent) {
    for (const latent of ['visible', 'whole', 'none'] as const)
      if (latent !== base.latent) settings.push(one('latent', latentWords[latent], { latent }, latent === 'whole'));
    notes.push('[LAT] of the whole cell is what training shows the model, and knows the hidden genes: the other two do not.');
  } else notes.push('No gene of this model sees [LAT]: it was trained without.');
  if (source.matrix.valueKind === 'counts') for (const depth of SWEEP_DEPTHS) settings.push(one('depth', `${depth} of the depth`, { depth }, true));
  else notes.push(`The values are ${source.matrix.valueKind}: shallower sequencing can be imitated for counts alone, and was left out.`);
  if (modelConfig.positions === 'rotary') settings.push(one('positions', 'no positions', { positions: 'none' }));
  else notes.push('This model has no positions: it was trained without.');
  for (const serialisation of ['entropy', 'expression', 'random'] as const)
    if (serialisation !== (base.serialisation ?? preprocessing.serialisation)) settings.push(one('serialisation', `${serialisation} order`, { serialisation }));
  if (base.sampler === null)
    settings.push(
      one('sampler', `reverse diffusion, ${REVERSE_STEPS} steps`, { sampler: { steps: REVERSE_STEPS, order: 'random', temperature: 0, topK: null } }, true),
    );
  notes.push(
    'Positions, serialisation and [LAT] are changed under a model that was not trained so; models trained without them are compared by naming their checkpoints, too (configs/ablation).',
  );
  return settings;
}
