import { defineVerb } from '../verb.js';

/** `scdiva metrics perturbation REAL PREDICTED`: predicted against real responses, beside simple methods. */
export const metricsPerturbation = defineVerb({
  command: 'perturbation <real> <predicted>',
  describe: 'predicted against real responses to perturbations, beside simple methods and a ceiling',
  options: (y) =>
    y
      .positional('real', {
        type: 'string',
        demandOption: true,
        describe: '.h5ad of real cells, the control among them; what is not predicted trains the baselines',
      })
      .positional('predicted', { type: 'string', demandOption: true, describe: '.h5ad of predicted cells, one (a mean) or many a perturbation' })
      .option('perturbation', { type: 'string', demandOption: true, describe: 'obs column of the perturbation, in both' })
      .option('control', { type: 'string', demandOption: true, describe: 'its value for control cells' })
      .option('separator', { type: 'string', default: '+', describe: 'joins the parts of a combination' })
      .option('matrix', { type: 'string', default: 'X', describe: 'X, raw/X or layers/<name> of the real file' })
      .option('predicted-matrix', { type: 'string', default: 'X', describe: 'the same of the predicted file' })
      .option('seed', { type: 'number', default: 1, describe: 'of the halves of the ceiling and other samples' }),
  async run({ real, predicted, perturbation, control, separator, matrix, predictedMatrix, seed }, { progress }) {
    const [{ loadPerturbations }, { evaluatePerturbations }, { perturbationJson, perturbationText }, { Rng }] = await Promise.all([
      import('../metrics/perturbation-data.js'),
      import('../../metrics/perturbation/evaluate.js'),
      import('../metrics/perturbation-table.js'),
      import('../../rng.js'),
    ]);
    const data = await loadPerturbations({ real, predicted, column: perturbation, control, matrix, predictedMatrix });
    const bar = progress.start('scoring', NUM_PARTS, 'parts');
    let done = 0;
    const result = evaluatePerturbations({ ...data, control, separator, rng: Rng.fromSeed(seed), onPart: (part) => bar.update(done++, part) });
    bar.update(NUM_PARTS);
    bar.stop();
    return { json: perturbationJson(result, data), text: perturbationText(result, data) };
  },
});

/** Times `evaluatePerturbations` tells what it is at. */
const NUM_PARTS = 5;
