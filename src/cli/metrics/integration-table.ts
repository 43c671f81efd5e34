import type { IntegrationScores } from '../../metrics/integration/scores.js';
import { scoreTable, type ScoreLine } from './score-lines.js';

const MEANINGS: readonly (readonly [keyof IntegrationScores, string])[] = [
  ['nmi', 'best Leiden clustering against the types ↑'],
  ['ari', 'the same clustering ↑'],
  ['nmiKmeans', 'k-means with as many clusters as types ↑'],
  ['ariKmeans', '↑'],
  ['aswLabel', 'silhouette of the types, (mean + 1) / 2 ↑'],
  ['clisi', 'types among neighbours: 1 pure ↑'],
  ['aswBatch', '1 - |silhouette of the batches| within types ↑'],
  ['graphConnectivity', 'largest connected part of each type ↑'],
  ['kbet', 'neighbourhoods whose batches pass a chi-square test ↑'],
  ['ilisi', 'batches among neighbours: 1 mixed ↑'],
  ['pcrComparison', 'share of the batch’s variance that is gone ↑'],
  ['avgBio', 'mean of nmi, ari, aswLabel ↑'],
  ['avgBatch', 'mean of aswBatch, graphConnectivity ↑'],
  ['scibTotal', '0.6 avgBio + 0.4 avgBatch ↑'],
];

/** The scores of one or several embeddings, a column each, and what was approximated. */
export function integrationTable(columns: readonly { readonly name: string; readonly scores: IntegrationScores }[]): string[] {
  const lines: ScoreLine[] = MEANINGS.filter(([key]) => columns.some(({ scores }) => scores[key] !== undefined)).map(([key, meaning]) => ({
    name: key,
    values: columns.map(({ scores }) => (scores[key] ?? NaN) as number),
    meaning,
  }));
  const { neighbourSearch, numSilhouetteCells } = columns[0]!.scores;
  return [
    ...scoreTable(
      columns.map(({ name }) => name),
      lines,
    ),
    ...(neighbourSearch === 'approximate' ? ['', `neighbours found approximately; silhouettes over ${numSilhouetteCells} cells drawn at random`] : []),
    ...(lines.some(({ values }) => values.some(Number.isNaN)) ? ['', '– not defined here: needs at least two types, or two batches within a type'] : []),
  ];
}
