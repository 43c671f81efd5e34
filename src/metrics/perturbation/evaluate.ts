import type { Rng } from '../../rng.js';
import { additiveBaseline, controlMeanBaseline, fitLinearBaseline, trainMeanBaseline, type TrainingProfiles } from '../baselines/perturbation-baselines.js';
import { applyPca, fitPca } from '../baselines/pca.js';
import { takeRows } from '../baselines/sparse-matrix.js';
import { meanOfNumbers } from '../correlation.js';
import type { Points } from '../points.js';
import { differentialExpression, geneColumns, type GeneColumns } from './differential-expression.js';
import { energyDistance } from './energy-distance.js';
import { meanOfProfiles, meanProfile, rowsByPerturbation, type PerturbedCells } from './profiles.js';
import {
  meanCollapseIndex,
  meanPerturbationScores,
  perturbationScores,
  type PerturbationScores,
  type PredictedPerturbation,
  type RealPerturbation,
  type References,
} from './scores.js';

/** Fewer predicted cells of a perturbation than this are a mean profile, not a sample: nothing is tested on them. */
const MIN_TEST_CELLS = 3;
/** Cells a side in an energy distance. */
const MAX_ENERGY_CELLS = 500;
const NUM_ENERGY_COMPONENTS = 50;

export interface PerturbationQuestion {
  /** Real cells, the control among them. Perturbations that are not predicted are what the baselines train on. */
  readonly real: PerturbedCells;
  /** Predicted cells, genes in the same columns: one cell (a mean) or many a perturbation. Control cells among them are ignored. */
  readonly predicted: PerturbedCells;
  readonly control: string;
  readonly geneNames: readonly string[];
  /** Joins the parts of a combination. Default `+`. */
  readonly separator?: string;
  readonly rng: Rng;
  readonly onPart?: (part: string) => void;
}

/** One row of the table. */
export interface PerturbationRow {
  readonly name: 'predicted' | 'controlMean' | 'trainMean' | 'additive' | 'linearRidge' | 'ceiling';
  /** Perturbations the row could be computed for; the means are over these. */
  readonly numPerturbations: number;
  readonly scores: PerturbationScores;
  /** 0: all predicted alike; 1: as different as the real ones; NaN for a single perturbation. */
  readonly meanCollapseIndex: number;
  /** Between predicted and real cells on 50 principal components of the real ones; NaN where a mean was predicted. */
  readonly energyDistancePca50: number;
  readonly energyDistanceSquaredPca50: number;
}

export interface PerturbationResult {
  /** The prediction, the baselines that exist here, the ceiling. */
  readonly rows: readonly PerturbationRow[];
  /** The prediction, perturbation by perturbation. */
  readonly perturbations: readonly ({
    readonly name: string;
    readonly numRealCells: number;
    readonly numPredictedCells: number;
    readonly numChangedGenes: number;
  } & PerturbationScores)[];
  /** What the baselines trained on: real perturbations that were not predicted, or, when all were, every other one than the one asked for. */
  readonly training: 'unpredicted' | 'leaveOneOut';
  readonly numTraining: number;
}

/**
 * Scores predicted perturbations against real ones, beside the baselines, and beside the ceiling: one half of the real cells predicting the other.
 * @throws RangeError when the control is absent, or no perturbation has cells on both sides
 */
export function evaluatePerturbations({
  real,
  predicted,
  control,
  geneNames,
  separator = '+',
  rng,
  onPart = () => {},
}: PerturbationQuestion): PerturbationResult {
  const realRows = rowsByPerturbation(real.perturbations);
  const predictedRows = rowsByPerturbation(predicted.perturbations);
  const controlRows = realRows.get(control);
  if (!controlRows) throw new RangeError(`no real cell has the perturbation '${control}'`);
  const names = [...predictedRows.keys()].filter((name) => name !== control && realRows.has(name));
  if (names.length === 0) throw new RangeError('no perturbation has both real and predicted cells');

  onPart('genes that change');
  const controlColumns = geneColumns(real.x, controlRows);
  const realMeans = new Map([...realRows].filter(([name]) => name !== control).map(([name, rows]) => [name, meanProfile(real.x, rows)]));
  const references: References = { control: meanProfile(real.x, controlRows), perturbedCentroid: meanOfProfiles([...realMeans.values()]) };
  const truth = new Map(
    names.map((name) => [name, { mean: realMeans.get(name)!, de: differentialExpression(geneColumns(real.x, realRows.get(name)!), controlColumns) }]),
  );

  onPart('predictions');
  const predictions = new Map(names.map((name) => [name, describe(predicted, predictedRows.get(name)!, controlColumns)]));
  const energy = energies(real, predicted, names, realRows, predictedRows, rng.fork('energy'), onPart);
  const predictedRow: PerturbationRow = {
    ...scoreRow('predicted', truth, predictions, references),
    energyDistancePca50: energy.plain,
    energyDistanceSquaredPca50: energy.squared,
  };

  const untrained = [...realMeans].filter(([name]) => !predictedRows.has(name));
  const training = untrained.length > 0 ? 'unpredicted' : 'leaveOneOut';
  onPart('baselines');
  const baselines = baselineRows(truth, references, training === 'unpredicted' ? new Map(untrained) : undefined, realMeans, geneNames, separator);
  onPart('ceiling');
  const ceiling = ceilingRow(real, names, realRows, controlColumns, references, rng.fork('ceiling'));

  const perturbations = names.map((name) => ({
    name,
    numRealCells: realRows.get(name)!.length,
    numPredictedCells: predictedRows.get(name)!.length,
    numChangedGenes: truth.get(name)!.de.fdr.reduce((sum, fdr) => sum + (fdr < 0.05 ? 1 : 0), 0),
    ...perturbationScores(truth.get(name)!, predictions.get(name)!, references),
  }));
  return {
    rows: [predictedRow, ...baselines, ...(ceiling ? [ceiling] : [])],
    perturbations,
    training,
    numTraining: training === 'unpredicted' ? untrained.length : realMeans.size - 1,
  };
}

function describe(cells: PerturbedCells, rows: Int32Array, control: GeneColumns): PredictedPerturbation {
  const mean = meanProfile(cells.x, rows);
  return rows.length < MIN_TEST_CELLS ? { mean } : { mean, de: differentialExpression(geneColumns(cells.x, rows), control) };
}

function scoreRow(
  name: PerturbationRow['name'],
  truth: ReadonlyMap<string, RealPerturbation>,
  predictions: ReadonlyMap<string, PredictedPerturbation>,
  references: References,
): PerturbationRow {
  const pairs = [...predictions].map(([perturbation, prediction]) => ({ real: truth.get(perturbation)!, prediction }));
  return {
    name,
    numPerturbations: pairs.length,
    scores: meanPerturbationScores(pairs.map(({ real, prediction }) => perturbationScores(real, prediction, references))),
    meanCollapseIndex: meanCollapseIndex(
      pairs.map(({ real }) => real.mean),
      pairs.map(({ prediction }) => prediction.mean),
    ),
    energyDistancePca50: NaN,
    energyDistanceSquaredPca50: NaN,
  };
}

/** Every baseline on the perturbations it can say something about. @param trained undefined: leave out the perturbation asked for, and no other */
function baselineRows(
  truth: ReadonlyMap<string, RealPerturbation>,
  references: References,
  trained: ReadonlyMap<string, Float64Array> | undefined,
  all: ReadonlyMap<string, Float64Array>,
  geneNames: readonly string[],
  separator: string,
): PerturbationRow[] {
  const trainingFor = (perturbation: string): TrainingProfiles => ({
    control: references.control,
    trained: trained ?? new Map([...all].filter(([name]) => name !== perturbation)),
    geneNames,
    separator,
  });
  const shared = trained && fitLinearBaseline(trainingFor(''));
  const methods: readonly [PerturbationRow['name'], (perturbation: string) => Float64Array | undefined][] = [
    ['controlMean', (perturbation) => controlMeanBaseline(trainingFor(perturbation))],
    ['trainMean', (perturbation) => trainMeanBaseline(trainingFor(perturbation))],
    // A single perturbation is its own and only part: there is nothing to add up.
    ['additive', (perturbation) => (perturbation.includes(separator) ? additiveBaseline(perturbation, trainingFor(perturbation)) : undefined)],
    ['linearRidge', (perturbation) => (trained ? shared : fitLinearBaseline(trainingFor(perturbation)))?.predict(perturbation)],
  ];
  return methods.flatMap(([name, predict]) => {
    const predictions = new Map<string, PredictedPerturbation>();
    for (const perturbation of truth.keys()) {
      const mean = predict(perturbation);
      if (mean) predictions.set(perturbation, { mean });
    }
    return predictions.size > 0 ? [scoreRow(name, truth, predictions, references)] : [];
  });
}

/** A random half of each perturbation's real cells predicts the other half: what noise leaves to be had. */
function ceilingRow(
  real: PerturbedCells,
  names: readonly string[],
  realRows: ReadonlyMap<string, Int32Array>,
  control: GeneColumns,
  references: References,
  rng: Rng,
): PerturbationRow | undefined {
  const truth = new Map<string, RealPerturbation>();
  const predictions = new Map<string, PredictedPerturbation>();
  for (const name of names) {
    const rows = rng.fork(name).shuffle(realRows.get(name)!.slice());
    const half = rows.length >> 1;
    if (half < MIN_TEST_CELLS) continue;
    const first = rows.subarray(0, half);
    truth.set(name, { mean: meanProfile(real.x, first), de: differentialExpression(geneColumns(real.x, first), control) });
    predictions.set(name, describe(real, rows.subarray(half), control));
  }
  return predictions.size > 0 ? scoreRow('ceiling', truth, predictions, references) : undefined;
}

function energies(
  real: PerturbedCells,
  predicted: PerturbedCells,
  names: readonly string[],
  realRows: ReadonlyMap<string, Int32Array>,
  predictedRows: ReadonlyMap<string, Int32Array>,
  rng: Rng,
  onPart: (part: string) => void,
): { plain: number; squared: number } {
  const samples = names.filter((name) => realRows.get(name)!.length > 1 && predictedRows.get(name)!.length >= MIN_TEST_CELLS);
  if (samples.length === 0) return { plain: NaN, squared: NaN };
  onPart('energy distances');
  const pca = fitPca(real.x, NUM_ENERGY_COMPONENTS, rng.fork('pca'));
  const points = (cells: PerturbedCells, rows: Int32Array, stream: string): Points => {
    const chosen = rows.length > MAX_ENERGY_CELLS ? rng.fork(stream).shuffle(rows.slice()).subarray(0, MAX_ENERGY_CELLS) : rows;
    return applyPca(pca, takeRows(cells.x, chosen));
  };
  const distances = samples.map((name) =>
    energyDistance(points(real, realRows.get(name)!, `real/${name}`), points(predicted, predictedRows.get(name)!, `predicted/${name}`)),
  );
  return { plain: meanOfNumbers(distances.map((d) => d.energyDistance)), squared: meanOfNumbers(distances.map((d) => d.energyDistanceSquared)) };
}
