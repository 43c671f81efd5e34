import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

export const evaluatePerturbation = defineVerb({
  command: 'perturbation',
  describe: 'predict the perturbations of a file from its control cells and score them against its perturbed cells',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'folder that scdiva finetune perturbation wrote' })
      .option('data', { type: 'string', demandOption: true, describe: 'file of control and perturbed cells' })
      .option('key', { type: 'string', default: 'perturbation', describe: 'obs column that says what was done' })
      .option('control', { type: 'string', describe: 'its value for control cells [control, ctrl or non-targeting]' })
      .option('perturbation', { type: 'string', array: true, nargs: 1, describe: 'only this one, repeatable [those that training did not have]' })
      .options(CELL_FLAGS)
      .option('max-cells', { type: 'number', describe: 'control cells to predict from [200]' })
      .option('seed', { type: 'number', default: 0, describe: 'of the ceiling and the energy distance' })
      .option('batch-size', { type: 'number', describe: 'cells computed at once [16]' }),
  async run({ checkpoint: path, data, key, control, perturbation: only, maxCells, seed, batchSize, ...flags }, { progress, signal, say }) {
    const [{ evaluatePerturbationFile }, { loadCheckpoint }, { loadTensorFlow }, { createExecutor }, { Rng }, { perturbationJson, perturbationText }] =
      await Promise.all([
        import('../../inference/perturb.js'),
        import('../../train/checkpoint.js'),
        import('../../runtime/native/load.js'),
        import('../../runtime/program/executor.js'),
        import('../../rng.js'),
        import('../metrics/perturbation-table.js'),
      ]);
    const reading = await readingOf(flags);
    const checkpoint = await loadCheckpoint(path);
    await loadTensorFlow({ notice: say });
    const executor = await createExecutor({ kind: 'auto' });
    try {
      const result = await evaluatePerturbationFile(
        checkpoint,
        executor,
        data,
        { perturbationKey: key, control, only, ...reading, maxCells, batchSize, progress, signal },
        Rng.fromSeed(seed),
      );
      const inTraining = result.perturbations.filter(({ name }) => result.trained.includes(name)).map(({ name }) => name);
      const notes = [
        ...result.notes,
        ...(inTraining.length > 0 ? [`training had ${inTraining.length} of the scored perturbations: their scores say little`] : []),
      ];
      return { json: { ...perturbationJson(result, result), inTraining, notes }, text: perturbationText(result, { ...result, notes }) };
    } finally {
      executor.dispose();
    }
  },
});
