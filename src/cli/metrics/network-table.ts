import { edgeScores, networkScores, randomNetworkScores, signedScores, type Edge, type NetworkScores, type SignedScores } from '../../metrics/gene-network.js';
import type { Rng } from '../../rng.js';
import type { LoadedNetwork } from './network-data.js';
import { plainNumbers, scoreTable, scoreText } from './score-lines.js';

export interface NetworkResult {
  readonly json: Record<string, unknown>;
  readonly columns: readonly { readonly name: string; readonly scores: NetworkScores }[];
  readonly signed: SignedScores | undefined;
}

/** The prediction as it is and turned round, shuffled networks, and co-expression where its edges are given. */
export function scoreNetwork({ edges, universe, numInUniverse, hasSigns }: LoadedNetwork, coExpression: readonly Edge[] | undefined, rng: Rng): NetworkResult {
  const forward = edgeScores(universe, edges);
  const scores = networkScores(universe, forward.scores);
  const reversed = networkScores(universe, edgeScores(universe, edges, { isReversed: true }).scores);
  const random = randomNetworkScores(universe, rng);
  const expressed = coExpression && networkScores(universe, edgeScores(universe, coExpression).scores);
  const signed = hasSigns ? signedScores(universe, forward.weights) : undefined;
  return {
    json: {
      ...plainNumbers(scores),
      reversed: plainNumbers(reversed),
      random: plainNumbers(random),
      coExpression: expressed ? plainNumbers(expressed) : null,
      signed: signed
        ? {
            activation: plainNumbers(signed.activation),
            repression: plainNumbers(signed.repression),
            signAccuracy: Number.isNaN(signed.signAccuracy) ? null : signed.signAccuracy,
            numSigned: signed.numSigned,
          }
        : null,
      numGenes: universe.genes.length,
      numRegulators: universe.regulators.length,
      numPairs: universe.numPairs,
      numTrueEdges: universe.numTrue,
      density: universe.numTrue / universe.numPairs,
      numEdges: edges.length,
      numEdgesScored: numInUniverse,
    },
    columns: [
      { name: 'predicted', scores },
      { name: 'reversed', scores: reversed },
      ...(expressed ? [{ name: 'co-expression', scores: expressed }] : []),
      { name: 'random', scores: random },
    ],
    signed,
  };
}

export function networkText(
  { columns, signed }: NetworkResult,
  { universe, edges, numInUniverse, edgesFile, truthFile, notes }: LoadedNetwork,
  coExpressionNote: string | undefined,
): string {
  const row = (name: keyof NetworkScores, meaning: string, digits = 3) => ({ name, values: columns.map(({ scores }) => scores[name]), meaning, digits });
  return [
    `${truthFile}: ${universe.numTrue} edges among ${universe.numPairs} ordered pairs of ${universe.regulators.length} regulators and ${universe.genes.length} genes, density ${(universe.numTrue / universe.numPairs).toFixed(4)}`,
    `${edgesFile}: ${edges.length} edges, ${numInUniverse} of them between these genes; pairs without an edge score 0`,
    ...notes,
    ...(coExpressionNote === undefined ? [] : [coExpressionNote]),
    '',
    ...scoreTable(
      columns.map(({ name }) => name),
      [
        row('auprc', 'area under precision and recall, trapezoids (BEELINE) ↑'),
        row('auprcRatio', 'over the density: 1 is chance ↑', 2),
        row('averagePrecision', 'the same area in steps ↑'),
        row('auroc', '0.5 is chance ↑'),
        row('epr', 'precision in the top k, k true edges, over the density ↑', 2),
      ],
    ),
    ...(signed
      ? [
          '',
          `signs: ${signed.numSigned} true edges have a sign and a prediction, ${scoreText(signed.signAccuracy)} of them agree; auprcRatio of activation ${scoreText(signed.activation.auprcRatio, 2)}, of repression ${scoreText(signed.repression.auprcRatio, 2)}`,
        ]
      : []),
  ].join('\n');
}
