// G genes of the panel, S single perturbations whose effects are known
import { z } from 'zod';
import { CheckpointError } from '../../errors.js';
import type { Vocabulary } from '../../data/genes/vocabulary.js';
import type { ModelConfig } from '../../model/config.js';
import type { HostTensor, HostTensors } from '../../runtime/program/program.js';
import type { Panel } from './cells.js';
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

export interface HeadSource {
  readonly folder: string;
  readonly modelConfig: Pick<ModelConfig, 'hiddenDim'>;
  readonly vocabulary: Vocabulary;
  readonly head?: { readonly info: { readonly task: string }; readonly parameters: HostTensors };
}

/** @throws CheckpointError when the checkpoint has no perturbation head, or one that is damaged or of other sizes */
export function readPerturbationHead({ folder, modelConfig, vocabulary, head }: HeadSource): PerturbationHead {
  if (head?.info.task !== 'perturbation') {
    throw new CheckpointError({ file: folder, found: head ? `its head is for ${head.info.task}` : 'has no perturbation head', hint: 'make one with scdiva finetune perturbation, and name its --out folder' });
  }
  const damaged = (file: string, key: string | undefined, found: string, expected?: string) => new CheckpointError({ file: `${folder}/${file}`, key, found, expected, hint: 'the file is damaged or belongs to another checkpoint' });
  const parsed = PerturbationHeadInfo.safeParse(head.info);
  if (!parsed.success) throw damaged('head.json', parsed.error.issues[0]!.path.join('.') || undefined, parsed.error.issues[0]!.message);
  const info = parsed.data;
  const foreign = info.panel.find((id) => !vocabulary.isGene(id));
  if (foreign !== undefined) throw damaged('head.json', 'panel', `id ${foreign}`, 'ids of genes.tsv');
  const G = info.panel.length;
  const specs: { name: string; shape: readonly number[] }[] = [...headSpecs(modelConfig.hiddenDim, info.hiddenDim)];
  if (info.singles.length > 0) specs.push({ name: SINGLE_EFFECTS, shape: [info.singles.length, G] });
  const parameters = Object.fromEntries(specs.map(({ name, shape }): [string, HostTensor] => {
    const tensor = head.parameters[name];
    if (String(tensor?.shape) !== String(shape)) throw damaged('head.safetensors', name, tensor ? `shape [${tensor.shape.join(', ')}]` : 'missing', `shape [${shape.join(', ')}] by head.json`);
    return [name, tensor!];
  }));
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
