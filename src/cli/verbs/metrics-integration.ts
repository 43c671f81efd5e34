import { DataError } from '../../errors.js';
import { defineVerb } from '../verb.js';

/** `scdiva metrics integration FILE`: how well embeddings keep cell types and mix batches. */
export const metricsIntegration = defineVerb({
  command: 'integration <file>',
  describe: 'how well embeddings keep cell types apart and mix batches',
  options: (y) =>
    y
      .positional('file', { type: 'string', demandOption: true, describe: '.h5ad, or .csv with one line a cell' })
      .option('embedding', { type: 'string', array: true, describe: 'obsm entry, or beginning of the columns’ names in a .csv; several give a column each' })
      .option('batch', { type: 'string', demandOption: true, describe: 'column of the sequencing batch' })
      .option('label', { type: 'string', demandOption: true, describe: 'column of the cell type; cells without one are left out' })
      .option('baselines', { type: 'boolean', default: false, describe: 'adds 50 principal components of the expression, and Harmony on them, as columns' })
      .option('before', { type: 'string', describe: 'obsm entry or matrix (X, layers/<name>) from before the integration: adds pcrComparison' })
      .option('seed', { type: 'number', default: 1, describe: 'of Leiden, k-means and samples' }),
  async run({ file, embedding: names = [], batch: batchKey, label: labelKey, baselines, before: beforeKey, seed }, { progress }) {
    const [{ loadIntegration }, { integrationScores }, { plainNumbers }, { integrationTable }, { Rng }] = await Promise.all([
      import('../metrics/integration-data.js'),
      import('../../metrics/integration/scores.js'),
      import('../metrics/score-lines.js'),
      import('../metrics/integration-table.js'),
      import('../../rng.js'),
    ]);
    if (names.length === 0 && !baselines)
      throw new DataError({
        file,
        key: '--embedding',
        found: 'missing',
        expected: 'an obsm entry to score',
        hint: 'or --baselines for principal components of the expression',
      });
    const rng = Rng.fromSeed(seed);
    const data = await loadIntegration({ file, embeddings: names, batchKey, labelKey, baselines, beforeKey, rng: rng.fork('pca') });
    const columns = [];
    for (const { name, points } of data.embeddings) {
      const bar = progress.start(`scoring ${name}`, NUM_PARTS, 'parts');
      let done = 0;
      const scores = await integrationScores({
        embedding: points,
        labels: data.labels,
        techBatches: data.techBatches,
        ...(data.before && { before: data.before }),
        rng: rng.fork('scores'),
        onPart: (part) => bar.update(done++, part),
      });
      bar.update(NUM_PARTS);
      bar.stop();
      columns.push({ name, scores });
    }
    const facts = { numCells: data.labels.length, numLeftOut: data.numLeftOut, numLabels: data.numLabels, numBatches: data.numBatches };
    const [first] = columns;
    return {
      json: {
        ...plainNumbers(first!.scores),
        embedding: first!.name,
        ...facts,
        ...(columns.length > 1 && { embeddings: Object.fromEntries(columns.map(({ name, scores }) => [name, plainNumbers(scores)])) }),
      },
      text: [
        `${file}: ${facts.numCells} cells of ${facts.numLabels} types (${labelKey}) in ${facts.numBatches} batches (${batchKey})${facts.numLeftOut > 0 ? `; ${facts.numLeftOut} left out, without type, batch or coordinates` : ''}`,
        ...data.notes,
        '',
        ...integrationTable(columns),
      ].join('\n'),
    };
  },
});

/** Times `integrationScores` tells what it is at. */
const NUM_PARTS = 4;
