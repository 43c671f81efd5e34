import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

/** Proteins listed one by one; --json has them all. */
const MAX_LISTED = 15;

export const evaluateMultimodal = defineVerb({
  command: 'multimodal',
  describe: 'predict surface proteins from the genes of a file and score them against those measured',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'folder that scdiva finetune multimodal wrote' })
      .option('data', { type: 'string', demandOption: true, describe: '.h5mu, or file of cells: the genes' })
      .option('proteins', { type: 'string', requiresArg: true, describe: 'file with the proteins of the same cells [--data]' })
      .option('protein-key', { type: 'string', requiresArg: true, describe: 'modality of the .h5mu, or entry of obsm [the one with a usual name]' })
      .options(CELL_FLAGS)
      .option('batch-size', { type: 'number', describe: 'cells computed at once [16]' }),
  async run({ checkpoint: path, data, proteins: proteinFile, proteinKey, batchSize, ...flags }, { progress, signal, say }) {
    const [{ evaluateMultimodal: evaluate }, { loadCheckpoint }, { loadTensorFlow }, { createExecutor }, { openCellFile }, { alignColumns }] =
      await Promise.all([
        import('../../inference/evaluate-multimodal.js'),
        import('../../train/checkpoint.js'),
        import('../../runtime/native/load.js'),
        import('../../runtime/program/executor.js'),
        import('../../data/readers/open.js'),
        import('../../tasks/finetune/methods.js'),
      ]);
    const reading = await readingOf(flags);
    const checkpoint = await loadCheckpoint(path);
    const cells = await openCellFile(data);
    try {
      await loadTensorFlow({ notice: say });
      const executor = await createExecutor({ kind: 'auto' });
      try {
        const { source, pearson, rmse, ...scores } = await evaluate(checkpoint, executor, cells, proteinFile ?? data, proteinKey, {
          ...reading,
          batchSize,
          progress,
          signal,
        });
        const each = scores.proteins.map((name, p) => ({ name, pearson: Number.isNaN(pearson[p]!) ? null : pearson[p]!, rmse: rmse[p]! }));
        const best = [...each].sort((a, b) => (b.pearson ?? -2) - (a.pearson ?? -2)).slice(0, MAX_LISTED);
        return {
          json: {
            ...scores,
            proteinPearson: Number.isNaN(scores.proteinPearson) ? null : scores.proteinPearson,
            proteins: each,
            matrix: source.matrix.key,
            valueKind: source.matrix.valueKind,
            geneCoverage: source.coverage.shareOfGenes,
          },
          text: [
            `${data}: ${scores.numCells} cells, ${each.length} proteins (${scores.scale === 'none' ? 'as stored' : scores.scale})${scores.missing.length > 0 ? `; not measured here: ${scores.missing.join(', ')}` : ''}`,
            `mean over proteins: Pearson ${scores.proteinPearson.toFixed(3)}, RMSE ${scores.proteinRmse.toFixed(3)}; always telling a protein's mean: RMSE ${scores.meanRmse.toFixed(3)}`,
            ...alignColumns([['protein', 'Pearson', 'RMSE'], ...best.map((one) => [one.name, one.pearson?.toFixed(3) ?? '–', one.rmse.toFixed(3)])]),
            ...(each.length > best.length ? [`and ${each.length - best.length} more`] : []),
            ...source.notes,
          ].join('\n'),
        };
      } finally {
        executor.dispose();
      }
    } finally {
      cells.close();
    }
  },
});
