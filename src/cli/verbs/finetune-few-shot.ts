import { locateRun } from '../locate-run.js';
import { defineVerb } from '../verb.js';
import { STOPPING_A_TRAINING, trainingOptions } from './training-options.js';

export const finetuneFewShot = defineVerb({
  command: 'few-shot',
  describe: 'cell type annotation from a few labelled cells of each type: macro-F1 of model and simple methods as the cells grow in number',
  stopping: STOPPING_A_TRAINING,
  options: (y) =>
    trainingOptions(y, 'tune.kind=head')
      .option('shots', {
        type: 'string',
        default: '1,5,10,50',
        requiresArg: true,
        describe: 'labelled cells a type, for training and at most as many for validation',
      })
      .option('seeds', { type: 'number', default: 3, describe: 'draws of the cells, from train.seed on' })
      .example(
        '$0 finetune few-shot --config configs/annotation-few-shot.yaml --set data.corpus=pbmc.corpus --set checkpoint=runs/pretrain --out runs/few',
        '',
      ),
  async run({ config: file, out, set, resume, shots, seeds }, context) {
    const { ConfigError } = await import('../../errors.js');
    if (!(Number.isInteger(seeds) && seeds > 0)) throw new ConfigError({ key: '--seeds', found: String(seeds), expected: 'a whole number above 0' });
    const { path, folder } = locateRun({ file, out, isResumed: false, example: 'configs/annotation-few-shot.yaml' });
    const [{ loadConfig }, { AnnotationConfig }] = await Promise.all([import('../../config/load.js'), import('../../tasks/annotation/config.js')]);
    const config = await loadConfig(AnnotationConfig, path, set);
    const { fewShotCurve, fewShotLines } = await import('../../tasks/annotation/few-shot.js');
    const curve = await fewShotCurve({ config, out: folder, isResumed: resume, numSeeds: seeds, context }, shots.split(',').map(Number));
    return {
      json: { ...curve },
      text: [`macro-F1 on ${curve.points[0]!.numCells.test} test cells, mean ± sd of ${seeds} draws`, ...fewShotLines(curve), `results: ${curve.out}`].join(
        '\n',
      ),
    };
  },
});
