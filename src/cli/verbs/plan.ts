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
      .option('max-seconds', {
        type: 'number',
        requiresArg: true,
        default: 60,
        describe: 'longest time to try the whole model; beyond it, fewer layers and cells are tried and the rest is extrapolated',
      })
      .option('workers', { type: 'string', requiresArg: true, describe: 'what clusters of so many workers take: 1,4,32' })
      .option('device', {
        type: 'string',
        requiresArg: true,
        describe: 'by the figures of a GPU, without trying anything: A100-40GB, A100-80GB, H100-80GB, H200-141GB; with --workers alone, machines like this one',
      })
      .option('utilisation', { type: 'number', requiresArg: true, describe: "share of a GPU's peak that products reach [0.4]" })
      .option('devices-per-node', { type: 'number', requiresArg: true, describe: 'workers that share a machine [8 GPUs; 1 on machines like this one]' })
      .option('network-gbps', { type: 'number', requiresArg: true, describe: 'gigabits a second between machines [200 with GPUs, else 10]' })
      .option('link-gbps', { type: 'number', requiresArg: true, describe: 'gigabits a second between workers that share a machine like this one [4]' })
      .option('overlap', { type: 'number', requiresArg: true, describe: 'share of the time gradients travel that hides behind the backward pass [0]' })
      .example('$0 plan --config configs/pretrain.yaml --cells 1000000', '')
      .example('$0 plan --config configs/paper/pretrain.yaml --cells 59162450 --device A100-40GB --workers 4,32,256', ''),
  async run({ config: file, set, cells, genes, maxSeconds, workers, device, ...assumed }, { signal, progress }) {
    const [{ loadTraining }, { planTraining }, { describePlan }, { planScale }, { describeScale }, { parseWorkers }] = await Promise.all([
      import('../../plan/load-training.js'),
      import('../../plan/plan.js'),
      import('../../plan/describe.js'),
      import('../../plan/scale/plan-scale.js'),
      import('../../plan/scale/describe.js'),
      import('../../plan/scale/here.js'),
    ]);
    const training = await loadTraining(file, set);
    const options = { numCells: cells, numGenes: genes, maxSeconds, signal };
    const bar = device === undefined || device === 'this' ? progress.start('Try the training out', 1, 'probe') : undefined;
    try {
      if (workers === undefined && device === undefined) {
        const result = await planTraining(training, options);
        return { json: { ...result }, text: describePlan(result) };
      }
      const { scale, plan } = await planScale(training, {
        ...options,
        ...assumed,
        workers: parseWorkers(workers ?? '1,4,32,256,1024'),
        device: device ?? 'this',
      });
      return { json: { ...plan, scale }, text: [...(plan ? [describePlan(plan), ''] : []), describeScale(scale)].join('\n') };
    } finally {
      bar?.stop();
    }
  },
});
