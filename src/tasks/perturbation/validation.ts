// G genes of the panel
import { Rng } from '../../rng.js';
import { meanOfNumbers } from '../../metrics/correlation.js';
import { differentialExpression, geneColumns, type GeneColumns } from '../../metrics/perturbation/differential-expression.js';
import { meanOfProfiles, meanProfile } from '../../metrics/perturbation/profiles.js';
import {
  meanCollapseIndex,
  meanPerturbationScores,
  perturbationScores,
  type PredictedPerturbation,
  type RealPerturbation,
} from '../../metrics/perturbation/scores.js';
import type { EvaluationContext, Metrics } from '../../train/task.js';
import { rowsOf, type PerturbationCells } from './cells.js';
import { effectsOfParts } from './effects.js';
import { predictedChange } from './model.js';
import { perturbedCells, predictChanges, type Question } from './predict.js';
import type { Perturbation } from './perturbations.js';
import type { PerturbationSetup } from './task.js';

/** Control cells that a test of differential expression looks at while training: enough to rank genes, and few enough for every epoch. */
const MAX_CONTROL_CELLS = 500;

export interface Validation {
  /** Scores of predicted perturbations against their real cells, means over perturbations, and the squared error of mean changes as `loss`. */
  score(perturbations: readonly Perturbation[], context: EvaluationContext): Promise<Metrics>;
}

type Setup = Pick<PerturbationSetup, 'config' | 'cells' | 'split' | 'effects' | 'singles' | 'sizes' | 'model'>;

/** Predicts whole perturbations with the weights of the moment. */
export function createValidation({ config, cells, effects, singles, sizes, model: { modelConfig, vocabulary } }: Setup): Validation {
  const { panel, x } = cells;
  const rows = rowsOf(cells);
  const chosen = sample(cells.controls, MAX_CONTROL_CELLS, Rng.fromSeed(0).fork('validation/control'));
  const controlColumns = geneColumns(x, chosen);
  const references = {
    control: meanProfile(x, cells.controls),
    perturbedCentroid: meanOfProfiles([...effects.change.keys()].map((name) => meanProfile(x, rows[indexOf(cells, name)]!))),
  };
  const real = new Map<string, RealPerturbation>();
  const realOf = (name: string): RealPerturbation => {
    let found = real.get(name);
    if (!found) {
      const own = rows[indexOf(cells, name)]!;
      real.set(name, (found = { mean: meanProfile(x, own), de: differentialExpression(geneColumns(x, own), controlColumns) }));
    }
    return found;
  };

  return {
    async score(perturbations, context) {
      const groups = perturbations.map((perturbation) =>
        questionsFor(cells, singles, perturbation, rows[indexOf(cells, perturbation.name)]!, config.evaluationCells),
      );
      const run = async (inputs: Parameters<typeof context.run>[2]) =>
        (await context.run('change', (state, tensors) => ({ change: predictedChange(state, tensors, modelConfig, vocabulary) }), inputs))['change']!
          .data as Float32Array;
      const changes = await predictChanges(groups.flat(), {
        panel,
        contextGenes: sizes.contextGenes,
        numSlots: sizes.numSlots,
        padId: vocabulary.padId,
        batchSize: context.batchSize,
        run,
      });
      let at = 0;
      const predictions = groups.map((questions) => describe(perturbedCells(questions, changes.slice(at, (at += questions.length)), panel), controlColumns));
      const scores = meanPerturbationScores(perturbations.map(({ name }, i) => perturbationScores(realOf(name), predictions[i]!, references)));
      return {
        loss: scores.mse,
        deScore: meanOfNumbers([scores.deAuprc, scores.lfcSpearman]),
        ...scores,
        meanCollapseIndex: meanCollapseIndex(
          perturbations.map(({ name }) => realOf(name).mean),
          predictions.map(({ mean }) => mean),
        ),
      };
    },
  };
}

/** The matched control cells of a perturbation's own cells, at most so many: they have its composition of groups. */
function questionsFor(
  cells: PerturbationCells,
  singles: ReadonlyMap<string, Float64Array>,
  perturbation: Perturbation,
  rows: Int32Array,
  most: number,
): Question[] {
  const effects = effectsOfParts(perturbation, singles, cells.panel.ids.length);
  return Array.from(evenly(rows, most), (row) => ({
    control: cells.ranked(cells.matched[row]!),
    perturbation,
    reference: cells.groupMeans[cells.group[row]!]!,
    ...effects,
  }));
}

/** At most n of the rows, evenly spaced. */
export function evenly(rows: Int32Array, n: number): Int32Array {
  return rows.length <= n ? rows : Int32Array.from({ length: n }, (_, i) => rows[Math.floor((i * rows.length) / n)]!);
}

function describe(predicted: readonly Float32Array[], control: GeneColumns): PredictedPerturbation {
  const G = predicted[0]!.length;
  const values = Array.from({ length: G }, (_, gene) => Float64Array.from(predicted, (cell) => cell[gene]!).filter((v) => v !== 0));
  const mean = Float64Array.from(values, (column) => column.reduce((sum, v) => sum + v, 0) / predicted.length);
  return { mean, de: differentialExpression({ numCells: predicted.length, values }, control) };
}

function sample(rows: Int32Array, n: number, rng: Rng): Int32Array {
  return rows.length <= n ? rows : rng.shuffle(rows.slice()).subarray(0, n);
}

const indexOf = ({ perturbations }: PerturbationCells, name: string): number => perturbations.findIndex((p) => p.name === name);
