import type { AnnotationResult } from '../../tasks/annotation/results.js';
import { locateRun } from '../locate-run.js';
import { defineGroup, defineVerb, type VerbResult } from '../verb.js';
import { profileSteps, trainingOptions } from './training-options.js';

const annotation = defineVerb({
  command: 'annotation',
  describe: 'teach a pretrained model to label cell types; scores it beside simple methods on held-out cells',
  options: (y) =>
    trainingOptions(y, 'tune.kind=head')
      .option('seeds', { type: 'number', default: 1, describe: 'trainings, from train.seed on: mean and standard deviation on the same split' })
      .example('$0 finetune annotation --config configs/annotation.yaml --set data.corpus=pbmc.corpus --set checkpoint=runs/pretrain --out runs/pbmc', ''),
  async run({ config: file, out, set, resume, seeds, profile }, context) {
    const numProfiled = await profileSteps(profile);
    const { ConfigError } = await import('../../errors.js');
    if (!(Number.isInteger(seeds) && seeds > 0)) throw new ConfigError({ key: '--seeds', found: String(seeds), expected: 'a whole number above 0' });
    const { path, folder } = locateRun({ file, out, isResumed: resume, example: 'configs/debug/annotation.yaml' });
    const [{ loadConfig }, { AnnotationConfig }] = await Promise.all([import('../../config/load.js'), import('../../tasks/annotation/config.js')]);
    const asked = await loadConfig(AnnotationConfig, path, set);
    const { settleMicroBatch } = await import('../../plan/micro-batch.js');
    const { config, microBatch } = await settleMicroBatch({ task: 'annotation', config: asked }, { ...context, out: folder, isResumed: resume });
    const { finetuneAnnotation } = await import('../../tasks/annotation/finetune.js');
    return describeResult(await finetuneAnnotation({ config, out: folder, isResumed: resume, numSeeds: seeds, microBatch, profileSteps: numProfiled, context }));
  },
});

export const finetune = defineGroup('finetune', 'train a pretrained model for a task', [annotation]);

const COLUMNS = [
  ['accuracy', 'accuracy'],
  ['macroF1', 'macro-F1'],
  ['macroPrecision', 'precision'],
  ['macroRecall', 'recall'],
  ['expectedCalibrationError', 'calibr. error'],
] as const;

async function describeResult(result: AnnotationResult): Promise<VerbResult> {
  const { overSeeds, resultsJson } = await import('../../tasks/annotation/results.js');
  const { methods, numCells, seeds, out, unknownThreshold } = result;
  const score = (runs: AnnotationResult['methods'][number]['runs'], metric: string) => {
    const { mean, sd } = overSeeds(runs, metric);
    return `${mean.toFixed(3)}${sd === undefined ? '' : ` ± ${sd.toFixed(3)}`}`;
  };
  const table = [['', ...COLUMNS.map(([, title]) => title)], ...methods.map(({ title, runs }) => [title, ...COLUMNS.map(([metric]) => score(runs, metric))])];
  const [own] = methods[0]!.runs;
  const withheld = `below a confidence of ${unknownThreshold.toFixed(3)} a label is withheld: ${percent(own!['shareUnknown']!)} of the test cells${own!['accuracyOfKnown'] === undefined ? '' : `; of the others ${percent(own!['accuracyOfKnown'])} are right`}`;
  return {
    json: {
      ...resultsJson(result),
      ...own,
      ...(seeds.length > 1 && { meanOverSeeds: Object.fromEntries(COLUMNS.map(([metric]) => [metric, overSeeds(methods[0]!.runs, metric)])) }),
      baselines: Object.fromEntries(methods.filter(({ kind }) => kind === 'baseline').map(({ name, runs }) => [name, runs[0]!])),
    },
    text: [`test split, ${numCells.test} cells${seeds.length > 1 ? `, mean ± sd of ${seeds.length} seeds` : ''}`, ...alignColumns(table), withheld, `checkpoint: ${out}`].join('\n'),
  };
}

function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  return rows.map((row) => row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  ').trimEnd());
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
