import { defineVerb } from '../verb.js';

/** `scdiva metrics grn`: a predicted gene network against a true one. */
export const metricsGrn = defineVerb({
  command: 'grn',
  describe: 'a predicted gene network against a true one, both ways round, beside chance and co-expression',
  options: (y) =>
    y
      .option('edges', { type: 'string', demandOption: true, describe: '.csv or .tsv of regulator, target, weight' })
      .option('truth', { type: 'string', demandOption: true, describe: '.csv or .tsv of regulator, target, and perhaps a sign (+ or -)' })
      .option('tf', { type: 'string', describe: 'file with one transcription factor a line: only these may regulate' })
      .option('expression', { type: 'string', describe: 'cells the network was inferred from: adds co-expression as a row' })
      .option('seed', { type: 'number', default: 1, describe: 'of the shuffled networks' }),
  async run({ edges, truth, tf, expression, seed }) {
    const [{ loadNetwork, coExpressionEdges }, { scoreNetwork, networkText }, { Rng }] = await Promise.all([
      import('../metrics/network-data.js'),
      import('../metrics/network-table.js'),
      import('../../rng.js'),
    ]);
    const data = await loadNetwork({ edges, truth, tf });
    const coExpression = expression === undefined ? undefined : await coExpressionEdges(expression, data.universe);
    const result = scoreNetwork(data, coExpression?.edges, Rng.fromSeed(seed));
    return { json: result.json, text: networkText(result, data, coExpression?.note) };
  },
});
