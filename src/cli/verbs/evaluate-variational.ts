import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';
import { GENERATION_COLUMNS } from './generation-columns.js';

export const evaluateVariational = defineVerb({
  command: 'variational',
  describe: 'score a latent space on the cells of a file: what it keeps of them, and how well the cells it makes stand in for them',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'folder that scdiva finetune variational wrote' })
      .option('data', { type: 'string', demandOption: true, describe: 'file of cells that training has not seen' })
      .options(CELL_FLAGS)
      .option('seed', { type: 'number', default: 0, describe: 'of the latent draws and of the cells that are made' })
      .option('batch-size', { type: 'number', describe: 'cells computed at once [16]' }),
  async run({ checkpoint, data, seed, batchSize, ...flags }, { progress, signal, say }) {
    const [{ ScDiVa }, { evaluateVariational: evaluate }, { openCellFile }, { methodLines }, { Rng }] = await Promise.all([
      import('../../inference/scdiva.js'),
      import('../../inference/evaluate-variational.js'),
      import('../../data/readers/open.js'),
      import('../../tasks/finetune/methods.js'),
      import('../../rng.js'),
    ]);
    const reading = await readingOf(flags);
    const cells = await openCellFile(data);
    try {
      const model = await ScDiVa.fromPretrained(checkpoint, { notice: say });
      try {
        const { source, posterior, prior, ...scores } = await evaluate(model, cells, Rng.fromSeed(seed), { ...reading, batchSize, progress, signal });
        const methods = [
          { title: 'cells made near training cells', runs: [{ ...posterior }] },
          { title: 'cells made from the prior', runs: [{ ...prior }] },
        ];
        return {
          json: { ...scores, ...posterior, prior, matrix: source.matrix.key, valueKind: source.matrix.valueKind, geneCoverage: source.coverage.shareOfGenes },
          text: [
            `${data}: ${scores.numCells} cells; nats a cell: ELBO ${scores.elbo.toFixed(1)} = -(nll ${scores.reconstructionLoss.toFixed(1)} + KL ${scores.klLoss.toFixed(1)})`,
            `${scores.numActiveUnits} of ${scores.latentDim} latent dimensions are used; ${(100 * scores.reconstructionR2).toFixed(1)} % of the variance around the genes' means comes back`,
            '',
            `made cells against ${scores.numCompared} of the file; an AUC of 0.5 means that they cannot be told apart`,
            ...methodLines(methods, GENERATION_COLUMNS),
            ...source.notes,
          ].join('\n'),
        };
      } finally {
        model.dispose();
      }
    } finally {
      cells.close();
    }
  },
});
