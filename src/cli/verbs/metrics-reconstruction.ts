import { defineVerb } from '../verb.js';

/** `scdiva metrics reconstruction`: predicted rankings of genes against true ones. */
export const metricsReconstruction = defineVerb({
  command: 'reconstruction',
  describe: 'predicted rankings of genes against true ones',
  options: (y) =>
    y
      .option('true', {
        type: 'string',
        demandOption: true,
        describe: '.jsonl, one cell a line: {"genes": [ids or names, first rank first], "values": […]?, "cell": name?}, or the list alone',
      })
      .option('predicted', { type: 'string', demandOption: true, describe: 'the same; cells are matched by "cell" where both have it, else by line' }),
  async run({ true: trueFile, predicted: predictedFile }) {
    const [{ readRankings }, { reconstructionScores }, { plainNumbers, scoreTable }] = await Promise.all([
      import('../metrics/ranking-file.js'),
      import('../../metrics/reconstruction.js'),
      import('../metrics/score-lines.js'),
    ]);
    const { truth, predicted, matchedBy } = await readRankings(trueFile, predictedFile);
    const scores = reconstructionScores(truth, predicted);
    return {
      json: { ...plainNumbers(scores), matchedBy },
      text: [
        `${predictedFile} against ${trueFile}: ${scores.numCells} cells, matched by ${matchedBy}`,
        '',
        ...scoreTable(
          [''],
          [
            { name: 'lDistMean', values: [scores.lDistMean], meaning: 'edits that turn one list into the other, mean over cells ↓', digits: 2 },
            { name: 'lDistMedian', values: [scores.lDistMedian], meaning: 'median over cells ↓', digits: 2 },
            { name: 'bleu4', values: [scores.bleu4], meaning: 'BLEU-4 of each cell, mean ↑' },
            { name: 'bleu4Corpus', values: [scores.bleu4Corpus], meaning: 'BLEU-4 of all cells’ n-grams together ↑' },
            { name: 'spearmanShared', values: [scores.spearmanShared], meaning: 'of rank positions, over genes in both lists ↑' },
            { name: 'spearmanCoverage', values: [scores.spearmanCoverage], meaning: 'share of true genes that are in the predicted list ↑' },
            { name: 'spearmanFull', values: [scores.spearmanFull], meaning: 'over genes of either list, absent ones tied last ↑' },
            ...(scores.valueR2 === undefined ? [] : [{ name: 'valueR2', values: [scores.valueR2], meaning: 'variance of shared genes’ values explained ↑' }]),
          ],
        ),
      ].join('\n'),
    };
  },
});
