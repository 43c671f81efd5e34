// G genes of the panel
import type { Rng } from '../../rng.js';
import type { SparseRows } from '../../data/writers/new-h5ad.js';
import { takeRows, type SparseMatrix } from '../../metrics/baselines/sparse-matrix.js';
import { evaluatePerturbations, type PerturbationRow } from '../../metrics/perturbation/evaluate.js';
import type { Metrics } from '../../train/task.js';
import type { MethodResult, TaskResult } from '../finetune/methods.js';
import { rowsOf, type PerturbationCells } from './cells.js';
import type { Perturbation } from './perturbations.js';
import type { PerturbationSplit, TestGroup } from './split.js';

/** Methods on the test perturbations of one kind. */
export interface PerturbationGroupResult {
  /** `all`, `seen1of2`, `interacting` … */
  readonly name: string;
  readonly title: string;
  readonly perturbations: readonly string[];
  readonly methods: readonly MethodResult[];
}

/** What a fine-tuning for perturbations came to; `methods` are those of all test perturbations together. */
export interface PerturbationResult extends TaskResult {
  readonly perturbationKey: string;
  readonly numGenes: number;
  readonly groups: readonly PerturbationGroupResult[];
  readonly split: 'test';
  readonly held: { readonly train: readonly string[]; readonly validation: readonly string[] };
  /** Each test perturbation under the first seed. */
  readonly perturbations: readonly {
    readonly name: string;
    readonly numCells: number;
    readonly pearsonDelta: number | null;
    readonly additive: number | null;
  }[];
  readonly notes: readonly string[];
}

/** Predicted cells by perturbation name: [G] each. */
export type PredictedCells = ReadonlyMap<string, readonly Float32Array[]>;

const TITLES: Record<PerturbationRow['name'], string> = {
  predicted: 'ScDiVa',
  controlMean: 'control mean',
  trainMean: 'training mean',
  additive: 'additive',
  linearRidge: 'linear ridge',
  ceiling: 'ceiling (half of the cells against the other)',
};

export interface TestKind {
  readonly name: string;
  readonly title: string;
  readonly perturbations: readonly Perturbation[];
}

/** All test perturbations, those of each number of seen genes, and those that interact most. */
function testKinds(cells: PerturbationCells, split: PerturbationSplit): TestKind[] {
  const all = split.test.flatMap(({ perturbations }) => perturbations);
  const interacting = mostInteracting(cells, split, all);
  return [
    { name: 'all', title: 'all test perturbations', perturbations: all },
    ...split.test.map((group) => ({ name: group.name, title: groupTitle(group), perturbations: group.perturbations })),
    ...(interacting.length > 0 ? [{ name: 'interacting', title: 'combinations that deviate most from additivity', perturbations: interacting }] : []),
  ];
}

function groupTitle({ numGenes, numSeen }: TestGroup): string {
  if (numGenes === 1) return numSeen === 1 ? 'single genes, seen in combinations' : 'unseen single genes';
  return `combinations of ${numGenes}, ${numSeen} seen`;
}

/**
 * The half of the combinations whose real change is farthest from the sum of their trained single effects, in standard errors, all genes
 * together. Empty below 4 combinations of singles that were trained.
 */
function mostInteracting(cells: PerturbationCells, { train }: PerturbationSplit, tested: readonly Perturbation[]): Perturbation[] {
  const trained = new Set(train.map(({ name }) => name));
  const rows = rowsOf(cells);
  const moments = new Map<string, { mean: Float64Array; error: Float64Array }>();
  const momentsOf = (name: string, own: Int32Array) => {
    let found = moments.get(name);
    if (!found) moments.set(name, (found = meanAndError(cells.x, own)));
    return found;
  };
  const rowsNamed = (name: string): Int32Array => rows[cells.perturbations.findIndex((p) => p.name === name)]!;
  const control = momentsOf(cells.controlName, cells.controls);
  const scored = tested
    .filter(({ parts }) => parts.length > 1 && parts.every((part) => trained.has(part)))
    .map((perturbation) => {
      const real = momentsOf(perturbation.name, rowsNamed(perturbation.name));
      const singles = perturbation.parts.map((part) => momentsOf(part, rowsNamed(part)));
      let sum = 0;
      for (let gene = 0; gene < control.mean.length; gene++) {
        const additive = singles.reduce((total, { mean }) => total + mean[gene]! - control.mean[gene]!, control.mean[gene]!);
        const variance = singles.reduce(
          (total, { error }) => total + error[gene]! ** 2,
          real.error[gene]! ** 2 + ((singles.length - 1) * control.error[gene]!) ** 2,
        );
        if (variance > 0) sum += (real.mean[gene]! - additive) ** 2 / variance;
      }
      return { perturbation, deviation: sum / control.mean.length };
    })
    .sort((a, b) => b.deviation - a.deviation);
  return scored.length < 4 ? [] : scored.slice(0, scored.length >> 1).map(({ perturbation }) => perturbation);
}

function meanAndError(x: SparseMatrix, rows: Int32Array): { mean: Float64Array; error: Float64Array } {
  const mean = new Float64Array(x.numColumns);
  const squares = new Float64Array(x.numColumns);
  for (const row of rows) {
    for (let at = x.indptr[row]!; at < x.indptr[row + 1]!; at++) {
      mean[x.indices[at]!]! += x.values[at]! / rows.length;
      squares[x.indices[at]!]! += x.values[at]! ** 2 / rows.length;
    }
  }
  return { mean, error: squares.map((v, gene) => Math.sqrt(Math.max(0, v - mean[gene]! ** 2) / Math.max(1, rows.length - 1))) };
}

/** Scores of one prediction on the test perturbations of one kind, the model's row first. Baselines train on the training perturbations. */
function scoreKind(cells: PerturbationCells, split: PerturbationSplit, kind: TestKind, predicted: PredictedCells, rng: Rng): readonly PerturbationRow[] {
  return evaluate(cells, split, kind, predicted, rng).rows;
}

function evaluate(cells: PerturbationCells, split: PerturbationSplit, { perturbations }: TestKind, predicted: PredictedCells, rng: Rng) {
  const wanted = new Set([...split.train, ...perturbations].map(({ name }) => name));
  const nameOf = (row: number): string => (cells.perturbation[row] === -1 ? cells.controlName : cells.perturbations[cells.perturbation[row]!]!.name);
  const rows = Array.from(cells.perturbation.keys()).filter((row) => cells.perturbation[row] === -1 || wanted.has(nameOf(row)));
  return evaluatePerturbations({
    real: { x: takeRows(cells.x, rows), perturbations: rows.map(nameOf) },
    predicted: denseCells(
      perturbations.map(({ name }) => [name, predicted.get(name)!]),
      cells.panel.ids.length,
    ),
    control: cells.controlName,
    geneNames: cells.panel.names,
    rng,
  });
}

/** Cells of several perturbations as one sparse matrix. */
export function denseCells(
  byName: readonly (readonly [string, readonly Float32Array[]])[],
  G: number,
): { x: SparseMatrix & SparseRows; perturbations: string[] } {
  const all = byName.flatMap(([, list]) => list);
  const indptr = new Int32Array(all.length + 1);
  all.forEach((cell, i) => (indptr[i + 1] = indptr[i]! + cell.reduce((n, v) => n + (v !== 0 ? 1 : 0), 0)));
  const indices = new Int32Array(indptr[all.length]!);
  const values = new Float32Array(indices.length);
  let filled = 0;
  for (const cell of all)
    cell.forEach((value, gene) => {
      if (value === 0) return;
      indices[filled] = gene;
      values[filled++] = value;
    });
  return { x: { numRows: all.length, numColumns: G, indptr, indices, values }, perturbations: byName.flatMap(([name, list]) => list.map(() => name)) };
}

/** Scores of every seed's prediction, and of the baselines, for each kind of test perturbation. */
export function scoreSeeds(
  cells: PerturbationCells,
  split: PerturbationSplit,
  predictions: readonly PredictedCells[],
  hasBaselines: boolean,
  rng: Rng,
): PerturbationGroupResult[] {
  return testKinds(cells, split).map((kind) => {
    const tables = predictions.map((predicted) => scoreKind(cells, split, kind, predicted, rng));
    const others = hasBaselines ? tables[0]!.slice(1) : tables[0]!.filter(({ name }) => name === 'ceiling');
    return {
      name: kind.name,
      title: kind.title,
      perturbations: kind.perturbations.map(({ name }) => name),
      methods: [
        { name: 'scdiva', title: TITLES.predicted, kind: 'model', runs: tables.map(([row]) => rowMetrics(row!)) },
        ...others.map((row): MethodResult => ({ name: row.name, title: TITLES[row.name], kind: 'baseline', runs: [rowMetrics(row)] })),
      ],
    };
  });
}

/** Test perturbations one by one, beside what adding up their single effects gives. */
export function scorePerturbations(
  cells: PerturbationCells,
  split: PerturbationSplit,
  predicted: PredictedCells,
  rng: Rng,
): PerturbationResult['perturbations'] {
  const [all] = testKinds(cells, split);
  const { perturbations } = evaluate(cells, split, all!, predicted, rng);
  return all!.perturbations.map((perturbation) => {
    const own = perturbations.find(({ name }) => name === perturbation.name)!;
    const { rows } = evaluate(cells, split, { ...all!, perturbations: [perturbation] }, predicted, rng);
    const finite = (value: number | undefined) => (value !== undefined && Number.isFinite(value) ? value : null);
    return {
      name: perturbation.name,
      numCells: own.numRealCells,
      pearsonDelta: finite(own.pearsonDelta),
      additive: finite(rows.find(({ name }) => name === 'additive')?.scores.pearsonDelta),
    };
  });
}

function rowMetrics({ scores, meanCollapseIndex, energyDistancePca50, numPerturbations }: PerturbationRow): Metrics {
  return Object.fromEntries(
    Object.entries({ ...scores, meanCollapseIndex, energyDistancePca50, numPerturbations }).filter(([, value]) => Number.isFinite(value)),
  );
}
