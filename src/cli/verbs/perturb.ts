import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

/** Genes named for each perturbation, most changed first. */
const NUM_TOP = 10;

export const perturb = defineVerb({
  command: 'perturb <file>',
  describe: 'predict what knock-outs or activations do to the control cells of a file',
  options: (y) =>
    y
      .positional('file', { type: 'string', demandOption: true, describe: 'cells: .h5ad, .h5mu, Zarr, 10x .h5 or .mtx folder, loom, .csv or .tsv' })
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'folder that scdiva finetune perturbation wrote' })
      .option('perturbation', { type: 'string', array: true, nargs: 1, demandOption: true, requiresArg: true, describe: 'GENE or GENE+GENE, repeatable' })
      .option('out', { type: 'string', demandOption: true, describe: 'the .h5ad to write: predicted cells, and the control cells in layers/control' })
      .option('key', { type: 'string', describe: 'obs column that tells control cells from others [all are control cells]' })
      .option('control', { type: 'string', describe: 'its value for control cells [control, ctrl or non-targeting]' })
      .option('direction', { choices: ['knockout', 'activation'] as const, describe: 'what is done to the genes [as in training]' })
      .option('max-cells', { type: 'number', describe: 'control cells to predict from [200]' })
      .options(CELL_FLAGS)
      .option('batch-size', { type: 'number', describe: 'cells computed at once [16]' }),
  async run({ file, checkpoint: path, perturbation, out, key, control, direction, maxCells, batchSize, ...flags }, { progress, signal, say }) {
    const [{ perturbFile }, { loadCheckpoint }, { loadTensorFlow }, { createExecutor }, { packageVersion }] = await Promise.all([
      import('../../inference/perturb.js'),
      import('../../train/checkpoint.js'),
      import('../../runtime/native/load.js'),
      import('../../runtime/program/executor.js'),
      import('../package-version.js'),
    ]);
    const reading = await readingOf(flags);
    const checkpoint = await loadCheckpoint(path);
    await loadTensorFlow({ notice: say });
    const executor = await createExecutor({ kind: 'auto' });
    try {
      const report = await perturbFile(
        checkpoint,
        executor,
        { input: file, output: out, perturbations: perturbation, version: packageVersion() },
        { perturbationKey: key, control, direction, maxCells, ...reading, batchSize, progress, signal },
      );
      const { predictions, geneNames, numControlCells, notes } = report;
      const described = predictions.map(({ perturbation: { name, parts, direction: done }, isTrained, seenGenes, meanChange }) => {
        const order = Array.from(meanChange.keys())
          .sort((a, b) => Math.abs(meanChange[b]!) - Math.abs(meanChange[a]!))
          .slice(0, NUM_TOP);
        return {
          perturbation: name,
          direction: done,
          isTrained,
          seenGenes,
          unseenGenes: parts.filter((part) => !seenGenes.includes(part)),
          topGenes: order.map((gene) => ({ gene: geneNames[gene]!, change: meanChange[gene]! })),
        };
      });
      return {
        json: {
          out,
          numControlCells,
          numCells: predictions.reduce((n, { cells }) => n + cells.length, 0),
          numGenes: geneNames.length,
          predictions: described,
          notes,
        },
        text: [
          ...notes,
          ...described.flatMap(({ perturbation: name, direction: done, isTrained, unseenGenes, topGenes }) => [
            `${name} (${done})${isTrained ? ': was in training' : unseenGenes.length > 0 ? `: training had no perturbation of ${unseenGenes.join(', ')}` : ': not in training, its genes were'}`,
            `  ${topGenes.map(({ gene, change }) => `${gene} ${change > 0 ? '+' : ''}${change.toFixed(2)}`).join(', ')}`,
          ]),
          `${out}: predicted cells × ${geneNames.length} genes, log-normalised`,
        ].join('\n'),
      };
    } finally {
      executor.dispose();
    }
  },
});
