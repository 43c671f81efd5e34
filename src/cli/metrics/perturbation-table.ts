import type { PerturbationResult, PerturbationRow } from '../../metrics/perturbation/evaluate.js';
import { PERTURBATION_SCORE_KEYS, type PerturbationScores } from '../../metrics/perturbation/scores.js';
import type { LoadedPerturbations } from './perturbation-data.js';
import { plainNumbers, scoreTable, scoreText } from './score-lines.js';

const MEANINGS: Record<keyof PerturbationScores, string> = {
  pearsonDelta: 'Pearson of the changes from control, all genes ↑',
  pearsonDeltaTop20De: 'over the 20 most significant genes ↑',
  pearsonDeltaPerturbedMean: 'changes from the mean perturbation instead (Systema) ↑',
  pearsonDeltaPerturbedMeanTop20De: 'the same over the 20 most significant ↑',
  pearsonMeanTop20De: 'of the means themselves: high for anything near the control ↑',
  mse: 'of the means, all genes ↓',
  mseTop20De: 'over the 20 most significant ↓',
  deAuprc: 'average precision of finding the changed genes ↑',
  lfcSpearman: 'of log fold changes, over changed genes ↑',
  hitRate20: 'of the 20 largest changes ↑',
  deOverlap20: 'of the 20 strongest significant genes ↑',
  deOverlap50: 'of 50 ↑',
  deOverlap100: 'of 100 ↑',
};

const SMALL: ReadonlySet<keyof PerturbationScores> = new Set(['mse', 'mseTop20De']);

const TITLES: Record<PerturbationRow['name'], string> = {
  predicted: 'predicted',
  controlMean: 'control mean',
  trainMean: 'training mean',
  additive: 'additive',
  linearRidge: 'linear',
  ceiling: 'ceiling',
};

export function perturbationJson(
  { rows, perturbations, training, numTraining }: PerturbationResult,
  { geneNames }: Pick<LoadedPerturbations, 'geneNames'>,
): Record<string, unknown> {
  const flat = ({ scores, numPerturbations, meanCollapseIndex, energyDistancePca50, energyDistanceSquaredPca50 }: PerturbationRow) => ({
    ...plainNumbers(scores),
    ...plainNumbers({ meanCollapseIndex, energyDistancePca50, energyDistanceSquaredPca50 }),
    numPerturbations,
  });
  const [predicted, ...others] = rows;
  return {
    ...flat(predicted!),
    numGenes: geneNames.length,
    baselines: Object.fromEntries(others.filter(({ name }) => name !== 'ceiling').map((row) => [row.name, flat(row)])),
    ceiling: others.filter(({ name }) => name === 'ceiling').map(flat)[0] ?? null,
    baselineTraining: training,
    numTraining,
    perturbations: perturbations.map(plainNumbers),
  };
}

export function perturbationText(
  { rows, perturbations, training, numTraining }: PerturbationResult,
  { geneNames, notes }: Pick<LoadedPerturbations, 'geneNames' | 'notes'>,
): string {
  const counts = rows.map(({ numPerturbations }) => numPerturbations);
  const width = Math.max(12, ...perturbations.map(({ name }) => name.length));
  return [
    ...notes,
    `${counts[0]} perturbations, ${geneNames.length} genes; baselines trained on ${training === 'unpredicted' ? `the ${numTraining} that were not predicted` : `every other perturbation (${numTraining}), for all were predicted`}; the ceiling is one half of the real cells against the other`,
    '',
    ...scoreTable(
      rows.map(({ name }) => TITLES[name]),
      [
        ...PERTURBATION_SCORE_KEYS.map((key) => ({
          name: key,
          values: rows.map(({ scores }) => scores[key]),
          meaning: MEANINGS[key],
          digits: SMALL.has(key) ? 5 : 3,
        })),
        { name: 'meanCollapseIndex', values: rows.map((row) => row.meanCollapseIndex), meaning: 'spread over the truth’s: 0 all alike, 1 as the real ones' },
        { name: 'energyDistancePca50', values: rows.map((row) => row.energyDistancePca50), meaning: 'predicted to real cells on 50 components, not squared ↓' },
        { name: 'energyDistanceSquaredPca50', values: rows.map((row) => row.energyDistanceSquaredPca50), meaning: 'squared ↓' },
        { name: 'perturbations', values: counts, meaning: 'that the column is the mean of', digits: 0 },
      ],
    ),
    '',
    '– not defined: no cells but a mean, no change at all, or no gene of FDR < 0.05',
    '',
    `${'perturbation'.padEnd(width)}  real  predicted  changed genes  pearsonDelta  deAuprc`,
    ...perturbations.map(
      (p) =>
        `${p.name.padEnd(width)}  ${String(p.numRealCells).padStart(4)}  ${String(p.numPredictedCells).padStart(9)}  ${String(p.numChangedGenes).padStart(13)}  ${scoreText(p.pearsonDelta).padStart(12)}  ${scoreText(p.deAuprc).padStart(7)}`,
    ),
  ].join('\n');
}
