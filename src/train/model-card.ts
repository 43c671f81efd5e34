import { parameterCount } from '../model/parameters.js';
import type { HeadInfo, ModelDescription } from './checkpoint.js';
import type { CheckpointState } from './checkpoint-state.js';
import type { Baselines, Metrics } from './task.js';

/** README.md of a checkpoint folder: what these weights are, how they came about, what they score, how to use them. */
export function modelCard({
  model,
  head,
  state,
  data,
  baselines,
}: {
  model: ModelDescription;
  head?: HeadInfo | undefined;
  state: CheckpointState;
  data: Readonly<Record<string, string | number>>;
  baselines?: Baselines | undefined;
}): string {
  const { modelConfig: m, vocabulary, preprocessing } = model;
  const scores = state.validation?.step === state.step ? state.validation.metrics : undefined;
  return [
    `# ScDiVa, ${state.task}, step ${state.step}`,
    '',
    `A masked discrete diffusion model of single-cell expression: ${m.numLayers} layers, width ${m.hiddenDim}, ${m.numHeads} heads, feed-forward ${m.ffnDim}, at most ${m.maxGenes} genes a cell, ` +
      `${vocabulary.genes.length} genes in the vocabulary, ${parameterCount(m, vocabulary.size)} parameters${head ? ` and a head for ${head.task}` : ''}.`,
    '',
    '## Input',
    '',
    `Cells scaled to a sum of ${preprocessing.targetSum}, log1p, genes in the order of their ${preprocessing.serialisation} rank (\`preprocessing.json\`, \`entropy.tsv\`), ids by \`genes.tsv\`.`,
    '',
    '## Data',
    '',
    ...Object.entries(data).map(([key, value]) => `- ${key}: ${value}`),
    '',
    '## Training',
    '',
    '```json',
    JSON.stringify(state.config, null, 1),
    '```',
    '',
    ...Object.entries(state.versions).map(([name, version]) => `- ${name} ${version}`),
    '',
    '## Validation',
    '',
    ...(scores ? table(scores, baselines) : ['Not validated at this step.']),
    '',
    '## Use',
    '',
    '    scdiva embed cells.h5ad --checkpoint <this folder> --out cells.embedded.h5ad',
    '',
    `Weights: \`model.safetensors\`, float32, under the released state-dict names${head ? '; the head: `head.safetensors` and `head.json`' : ''}. ` +
      'Predictions hold for cells like those trained on; other tissues, species and assays need their own validation.',
    '',
  ].join('\n');
}

function table(scores: Metrics, baselines: Baselines = {}): string[] {
  const rows = (metrics: Metrics, who: string) => Object.entries(metrics).map(([name, value]) => `| ${who} | ${name} | ${Number(value.toPrecision(6))} |`);
  return ['| | metric | value |', '|---|---|---|', ...rows(scores, 'model'), ...Object.entries(baselines).flatMap(([name, metrics]) => rows(metrics, name))];
}
