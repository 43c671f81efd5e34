import type { AnnotationConfig } from '../../tasks/annotation/config.js';
import type { AnnotationResult } from '../../tasks/annotation/results.js';
import type { MethodColumn } from '../../tasks/finetune/methods.js';
import { defineFinetune } from './finetune-verb.js';

const ANNOTATION_COLUMNS: readonly MethodColumn[] = [
  ['accuracy', 'accuracy'],
  ['macroF1', 'macro-F1'],
  ['macroPrecision', 'precision'],
  ['macroRecall', 'recall'],
  ['expectedCalibrationError', 'calibr. error'],
];

export const finetuneAnnotation = defineFinetune<AnnotationConfig, AnnotationResult>({
  task: 'annotation',
  describe: 'teach a pretrained model to label cell types; scores it beside simple methods on held-out cells',
  exampleSet: 'tune.kind=head',
  columns: ANNOTATION_COLUMNS,
  optionalColumns: [
    ['macroF1OfSeen', 'F1, seen types'],
    ['unknownAuroc', 'AUROC unseen'],
    ['unknownAurocByDistance', 'by distance'],
  ],
  async load() {
    const [{ loadConfig }, { AnnotationConfig }, { resultsJson }] = await Promise.all([
      import('../../config/load.js'),
      import('../../tasks/annotation/config.js'),
      import('../../tasks/annotation/results.js'),
    ]);
    return {
      loadConfig: (path, set) => loadConfig(AnnotationConfig, path, set),
      settle: async (config, run) => (await import('../../plan/micro-batch.js')).settleMicroBatch({ task: 'annotation', config }, run),
      finetune: async (request) => (await import('../../tasks/annotation/finetune.js')).finetuneAnnotation(request),
      json: resultsJson,
      remarks: describeThreshold,
    };
  },
});

function describeThreshold({ methods, unknownThreshold }: AnnotationResult): string[] {
  const own = methods[0]!.runs[0]!;
  return [
    `below a confidence of ${unknownThreshold.toFixed(3)} a label is withheld: ${percent(own['shareUnknown']!)} of the test cells${own['accuracyOfKnown'] === undefined ? '' : `; of the others ${percent(own['accuracyOfKnown'])} are right`}`,
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
