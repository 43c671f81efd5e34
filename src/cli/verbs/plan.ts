import { defineVerb } from '../verb.js';

/** `scdiva plan`: what a training will take, before it runs. */
export const plan = defineVerb({
  command: 'plan',
  describe: 'say what a training will take: parameters, memory, time, disk; tries it out for some seconds, writes nothing',
  options: (y) =>
    y
      .option('config', { type: 'string', demandOption: true, requiresArg: true, describe: 'YAML file of a pretraining or fine-tuning' })
      .option('set', { type: 'string', array: true, nargs: 1, default: [] as string[], describe: 'key.path=value over the file: train.batchSize=64' })
      .option('cells', { type: 'number', requiresArg: true, describe: 'training cells, where the corpus is not there yet' })
      .option('genes', { type: 'number', requiresArg: true, describe: 'genes of the vocabulary, where the corpus is not there yet' })
      .option('max-seconds', { type: 'number', requiresArg: true, default: 60, describe: 'longest time to try the whole model; beyond it, fewer layers and cells are tried and the rest is extrapolated' })
      .example('$0 plan --config configs/pretrain.yaml --cells 1000000', ''),
  async run({ config: file, set, cells, genes, maxSeconds }, { signal, progress }) {
    const [{ loadTraining }, { planTraining }, { describePlan }] = await Promise.all([import('../../plan/load-training.js'), import('../../plan/plan.js'), import('../../plan/describe.js')]);
    const training = await loadTraining(file, set);
    const bar = progress.start('Try the training out', 1, 'probe');
    try {
      const result = await planTraining(training, { numCells: cells, numGenes: genes, maxSeconds, signal });
      return { json: { ...result }, text: describePlan(result) };
    } finally {
      bar.stop();
    }
  },
});
