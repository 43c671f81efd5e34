// G genes of the panel, S single perturbations whose effects are known
import { z } from 'zod';
import type { Vocabulary } from '../../data/genes/vocabulary.js';
import type { HostTensors } from '../../runtime/program/program.js';
import type { Panel } from './cells.js';
import { readTaskHead, type HeadSource } from '../read-head.js';
import { HEAD_PREFIX, headSpecs } from './model.js';

/** Fixed: the trained changes of single perturbations, [S, G]; there where the regressor is given them. */
export const SINGLE_EFFECTS = `${HEAD_PREFIX}single_effects`;

/** head.json of a perturbation checkpoint. */
export const PerturbationHeadInfo = z.strictObject({
  task: z.literal('perturbation'),
  perturbationKey: z.string(),
  direction: z.enum(['knockout', 'activation']).describe('of perturbations whose direction is not said'),
  panel: z.array(z.int()).min(1).describe('vocabulary ids of the genes that are predicted'),
  trained: z.array(z.string()).describe('perturbations that were trained on'),
  validation: z.array(z.string()),
  test: z.array(z.string()),
  singles: z.array(z.string()).describe('rows of the single effects; none where the regressor is not given them'),
  contextGenes: z.int().positive(),
  numSlots: z.int().positive().describe('most genes perturbed at once'),
  hiddenDim: z.int().positive(),
});
export type PerturbationHeadInfo = z.infer<typeof PerturbationHeadInfo>;

export interface PerturbationHead {
  readonly info: PerturbationHeadInfo;
  readonly parameters: HostTensors;
  readonly panel: Panel;
  /** [G] by name. */
  readonly singles: ReadonlyMap<string, Float64Array>;
}

function panelOf(ids: Int32Array, vocabulary: Vocabulary): Panel {
  const at = new Int32Array(vocabulary.size).fill(-1);
  ids.forEach((id, position) => (at[id] = position));
  return { ids, at, names: Array.from(ids, (id) => vocabulary.gene(id).symbol || vocabulary.gene(id).ensemblId) };
}

export interface PerturbationHeadSource extends HeadSource {
  readonly vocabulary: Vocabulary;
}

/** @throws CheckpointError when the checkpoint has no perturbation head, or one that is damaged or of other sizes */
export function readPerturbationHead(source: PerturbationHeadSource): PerturbationHead {
  const { modelConfig, vocabulary } = source;
  const { info, parameters } = readTaskHead(source, {
    task: 'perturbation',
    schema: PerturbationHeadInfo,
    wrong: ({ panel }) => {
      const foreign = panel.find((id) => !vocabulary.isGene(id));
      return foreign === undefined ? undefined : { key: 'panel', found: `id ${foreign}`, expected: 'ids of genes.tsv' };
    },
    specs: ({ hiddenDim, singles, panel }) => [
      ...headSpecs(modelConfig.hiddenDim, hiddenDim),
      ...(singles.length > 0 ? [{ name: SINGLE_EFFECTS, shape: [singles.length, panel.length] }] : []),
    ],
  });
  const G = info.panel.length;
  const effects = parameters[SINGLE_EFFECTS]?.data;
  const singles = new Map(info.singles.map((name, s) => [name, Float64Array.from(effects!.subarray(s * G, (s + 1) * G))]));
  return { info, parameters, panel: panelOf(Int32Array.from(info.panel), vocabulary), singles };
}

/** The fixed tensors of a head. */
export function singleEffectsTensor(singles: ReadonlyMap<string, Float64Array>, G: number): HostTensors {
  if (singles.size === 0) return {};
  const data = new Float32Array(singles.size * G);
  [...singles.values()].forEach((change, s) => data.set(change, s * G));
  return { [SINGLE_EFFECTS]: { dtype: 'float32', shape: [singles.size, G], data } };
}
