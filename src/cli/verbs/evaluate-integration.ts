import { CELL_FLAGS, readingOf } from '../cell-flags.js';
import { defineVerb } from '../verb.js';

/** `scdiva evaluate integration`: how a fine-tuned model places the cells of a file, beside PCA and Harmony on the same cells. */
export const evaluateIntegration = defineVerb({
  command: 'integration',
  describe: 'score how a fine-tuned model integrates the batches of a file, beside PCA and Harmony',
  options: (y) =>
    y
      .option('checkpoint', { type: 'string', demandOption: true, describe: 'folder that scdiva finetune integration wrote' })
      .option('data', { type: 'string', demandOption: true, describe: 'file of cells with batches and types' })
      .option('batch', { type: 'string', demandOption: true, describe: 'column of the sequencing batch' })
      .option('label', { type: 'string', demandOption: true, describe: 'column of the cell type; cells without one are left out' })
      .options(CELL_FLAGS)
      .option('baselines', { type: 'boolean', default: true, describe: '50 principal components, and Harmony on them' })
      .option('seed', { type: 'number', default: 1, describe: 'of Leiden, k-means and samples' })
      .option('batch-size', { type: 'number', describe: 'cells computed at once' }),
  async run({ checkpoint, data: file, batch: batchKey, label: labelKey, baselines, seed, batchSize, ...flags }, { progress, signal, say }) {
    const [{ ScDiVa }, { ScDiVaInference }, { openCellFile }, { loadIntegration }, { integrationScores }, { plainNumbers }, { integrationTable }, { Rng }] =
      await Promise.all([
        import('../../inference/scdiva.js'),
        import('../../inference/engine.js'),
        import('../../data/readers/open.js'),
        import('../metrics/integration-data.js'),
        import('../../metrics/integration/scores.js'),
        import('../metrics/score-lines.js'),
        import('../metrics/integration-table.js'),
        import('../../rng.js'),
      ]);
    const reading = await readingOf(flags);
    const model = await ScDiVa.fromPretrained(checkpoint, { notice: say });
    const engine = new ScDiVaInference({ model });
    const cells = await openCellFile(file);
    try {
      const { latent, source } = await engine.integrate(cells, { ...reading, batchSize, progress, signal });
      const rng = Rng.fromSeed(seed);
      const given = [{ name: 'ScDiVa', points: { numRows: latent.shape[0], numColumns: latent.shape[1], data: latent.data } }];
      const loaded = await loadIntegration({ file, embeddings: [], given, batchKey, labelKey, baselines, beforeKey: undefined, rng: rng.fork('pca') });
      const columns = [];
      for (const { name, points } of loaded.embeddings) {
        const scores = await integrationScores({ embedding: points, labels: loaded.labels, techBatches: loaded.techBatches, rng: rng.fork('scores') });
        columns.push({ name, scores });
      }
      const facts = { numCells: loaded.labels.length, numLeftOut: loaded.numLeftOut, numLabels: loaded.numLabels, numBatches: loaded.numBatches };
      return {
        json: {
          ...plainNumbers(columns[0]!.scores),
          ...facts,
          baselines: Object.fromEntries(columns.slice(1).map(({ name, scores }) => [name, plainNumbers(scores)])),
          matrix: source.matrix.key,
          geneCoverage: source.coverage.shareOfGenes,
        },
        text: [
          `${file}: ${facts.numCells} cells of ${facts.numLabels} types (${labelKey}) in ${facts.numBatches} batches (${batchKey})${facts.numLeftOut > 0 ? `; ${facts.numLeftOut} left out, without type, batch or coordinates` : ''}`,
          ...source.notes,
          ...loaded.notes,
          '',
          ...integrationTable(columns),
        ].join('\n'),
      };
    } finally {
      cells.close();
      await engine.dispose();
      model.dispose();
    }
  },
});
