import { DataError } from '../../errors.js';
import type { PerturbedCells } from '../../metrics/perturbation/profiles.js';
import { takeRows } from '../../metrics/baselines/sparse-matrix.js';
import { columnTexts } from './cell-table.js';
import { readExpression, takeGenes, type Expression } from './expression.js';

export interface LoadedPerturbations {
  readonly real: PerturbedCells;
  readonly predicted: PerturbedCells;
  /** Genes of both files, in the real one's order. */
  readonly geneNames: readonly string[];
  readonly notes: readonly string[];
}

/** Below this share of the real genes the two files are taken to be about different things. */
const LOWEST_SHARE = 0.5;

/** Reads both files and brings their genes together. @throws DataError for a missing column or control, and genes or perturbations that do not fit */
export async function loadPerturbations(request: {
  real: string;
  predicted: string;
  column: string;
  control: string;
  matrix: string;
  predictedMatrix: string;
}): Promise<LoadedPerturbations> {
  const { column, control } = request;
  const real = await readCells(request.real, request.matrix, column);
  if (!real.perturbations.includes(control))
    throw new DataError({
      file: request.real,
      key: `obs['${column}']`,
      found: `no cell is '${control}'`,
      expected: `the control, one of ${some(real.perturbations)}`,
      hint: 'name it with --control',
    });
  const predicted = await readCells(request.predicted, request.predictedMatrix, column);
  const shared = predicted.perturbations.filter((name) => name !== control && real.perturbations.includes(name));
  if (shared.length === 0)
    throw new DataError({
      file: request.predicted,
      key: `obs['${column}']`,
      found: `no perturbation that ${request.real} has (it has ${some(predicted.perturbations)})`,
      expected: `some of ${some(real.perturbations.filter((name) => name !== control))}`,
    });

  const predictedAt = new Map(predicted.geneNames.map((name, i) => [name, i]));
  const geneNames = real.geneNames.filter((name) => predictedAt.has(name));
  if (geneNames.length < LOWEST_SHARE * real.geneNames.length)
    throw new DataError({
      file: request.predicted,
      key: 'var',
      found: `${geneNames.length} of the ${real.geneNames.length} genes of ${request.real}`,
      expected: 'predictions for at least half of them',
      hint: 'are both named by symbol, or both by Ensembl id?',
    });
  const realAt = new Map(real.geneNames.map((name, i) => [name, i]));
  const unknown = new Set(predicted.perturbations.filter((name) => name !== control && !real.perturbations.includes(name)));
  return {
    real: {
      x: takeGenes(
        real.x,
        geneNames.map((name) => realAt.get(name)!),
      ),
      perturbations: real.perturbations,
    },
    predicted: {
      x: takeGenes(
        predicted.x,
        geneNames.map((name) => predictedAt.get(name)!),
      ),
      perturbations: predicted.perturbations,
    },
    geneNames,
    notes: [
      real.note,
      predicted.note,
      ...(geneNames.length < real.geneNames.length
        ? [`scored on the ${geneNames.length} genes of both files; ${real.geneNames.length - geneNames.length} real ones were not predicted`]
        : []),
      ...(unknown.size > 0 ? [`not scored, for the real file has no such cells: ${some([...unknown])}`] : []),
    ],
  };
}

async function readCells(path: string, key: string, column: string): Promise<Expression & PerturbedCells> {
  const expression = await readExpression(path, key);
  try {
    const texts = columnTexts(expression.file.obs(column));
    const kept = texts.flatMap((text, i) => (text === null ? [] : [i]));
    return { ...expression, x: kept.length === texts.length ? expression.x : takeRows(expression.x, kept), perturbations: kept.map((i) => texts[i]!) };
  } finally {
    expression.file.close();
  }
}

/** A few of the different names, in quotes. */
function some(names: readonly string[]): string {
  const different = [...new Set(names)];
  return `${different
    .slice(0, 6)
    .map((name) => `'${name}'`)
    .join(', ')}${different.length > 6 ? ` … (${different.length})` : ''}`;
}
