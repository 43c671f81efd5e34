import { DataError } from '../../errors.js';
import type { CellFile, CellMatrix, MatrixInfo, MatrixKey, RowBlock } from '../readers/reader.js';
import { number } from './format.js';
import { sampleStatistics, StatisticsCollector, type MatrixStatistics } from './statistics.js';
import { guessValueKind, type UsableKind, type ValueGuess } from './value-kind.js';

/** The matrix to read, and why it is that one. */
export interface ChosenMatrix {
  readonly key: MatrixKey;
  readonly valueKind: UsableKind;
  /** How the value kind was told. */
  readonly evidence: string;
  /** Why this matrix and no other, one sentence. */
  readonly why: string;
  /** The total every cell was normalised to, where there is one. */
  readonly cellTotal?: number;
}

/** A matrix with what its numbers look like. */
export interface JudgedMatrix extends MatrixInfo {
  readonly guess: ValueGuess;
  readonly statistics: MatrixStatistics;
  /** Whether the statistics cover every cell. */
  readonly isWhole: boolean;
  /** Why it cannot be read at all (a missing filter, damage); absent for most. */
  readonly refusal?: DataError;
}

export interface ChooseOptions {
  /** Takes this matrix and no other. */
  readonly matrix?: MatrixKey;
  /** What the user says the values are, where they cannot be told from the numbers (estimated counts with fractions). */
  readonly valueKind?: UsableKind;
}

/** Looks at a bounded sample of every matrix. */
export async function judgeMatrices(file: CellFile, keys = file.matrices.map(({ key }) => key)): Promise<JudgedMatrix[]> {
  const judged: JudgedMatrix[] = [];
  for (const key of keys) judged.push(await judgeMatrix(file.matrix(key)));
  return judged;
}

/** A matrix that cannot be read is judged so: it must not stand in the way of another one that is whole. */
async function judgeMatrix(matrix: CellMatrix): Promise<JudgedMatrix> {
  const { key, numGenes, encoding, dtype } = matrix;
  try {
    const statistics = await sampleStatistics(matrix);
    return { key, numGenes, encoding, dtype, statistics, guess: guessValueKind(statistics), isWhole: statistics.numRows === matrix.numCells };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return {
      key,
      numGenes,
      encoding,
      dtype,
      statistics: new StatisticsCollector(numGenes).result(),
      guess: { kind: 'unknown', evidence: `cannot be read: ${error.facts.found}` },
      isWhole: false,
      refusal: error,
    };
  }
}

/**
 * The matrix a corpus or a prediction is made from: counts before CPM before log1p, never scaled values; among equals the
 * one with most genes, then X, layers, raw/X. Judged from a sample of the cells, so that a large file costs no more.
 * @throws DataError when the file or the matrix asked for has no usable values, saying what to pass instead
 */
export async function chooseMatrix(file: CellFile, options: ChooseOptions = {}): Promise<ChosenMatrix> {
  if (options.matrix === undefined) return chooseAmong(file, await judgeMatrices(file), options.valueKind);
  const [asked] = await judgeMatrices(file, [file.matrix(options.matrix).key]);
  const kind = usableKind(asked!, options.valueKind);
  if (kind === undefined) throw refusal(file, asked!, await judgeMatrices(file));
  return { ...chosen(asked!, kind), why: `${asked!.key} was asked for` };
}

/** As chooseMatrix, from matrices judged before. */
export function chooseAmong(file: CellFile, judged: readonly JudgedMatrix[], declared?: UsableKind): ChosenMatrix {
  const best = rank(judged, declared);
  if (!best)
    throw judged.length > 0
      ? refusal(file, judged[0]!, judged)
      : new DataError({ file: file.path, key: 'X', found: 'no matrix of numbers in the file', expected: 'expression values in X, layers or raw/X' });
  const kind = usableKind(best, declared)!;
  const others = judged.filter(({ key }) => key !== best.key);
  const why =
    others.length === 0
      ? `${best.key} is the only matrix`
      : `${best.key} holds ${KIND_WORDS[kind]}; ${others.map((other) => `${other.key} ${reasonAgainst(other, best, kind)}`).join(', ')}`;
  return { ...chosen(best, kind), why };
}

const PREFERENCE: Record<UsableKind, number> = { counts: 0, cpm: 1, log1p: 2 };
const KIND_WORDS: Record<UsableKind, string> = { counts: 'counts', cpm: 'normalised counts, not logged', log1p: 'log-normalised values' };
/** Layers that hold a part or a smoothed version of expression, whatever their numbers look like. */
const PARTIAL_LAYER = /^layers\/(un)?spliced|^layers\/(ambiguous|matrix_?\d|M[su]|velocity|variance.*|.*_std|fit_.*)$/i;
const COUNT_LAYER = /count|raw|umi/i;

/** Smaller is better among matrices of one kind and as many genes. */
function placeOf(key: MatrixKey): number {
  if (key === 'X') return 0;
  if (key === 'raw/X') return 2;
  return COUNT_LAYER.test(key) ? 1 : 3;
}

function rank(judged: readonly JudgedMatrix[], declared?: UsableKind): JudgedMatrix | undefined {
  return judged
    .filter((matrix) => usableKind(matrix, declared) !== undefined && !PARTIAL_LAYER.test(matrix.key))
    .sort(
      (a, b) => PREFERENCE[usableKind(a, declared)!] - PREFERENCE[usableKind(b, declared)!] || b.numGenes - a.numGenes || placeOf(a.key) - placeOf(b.key),
    )[0];
}

/** The kind a matrix can be read as; undefined for scaled and non-finite values; for mixed and unknown ones what the user declared. */
function usableKind({ guess, statistics }: JudgedMatrix, declared?: UsableKind): UsableKind | undefined {
  if (statistics.numNonFinite > 0 || guess.kind === 'scaled') return undefined;
  if (guess.kind === 'unknown' || guess.kind === 'mixed') return statistics.numNonZero > 0 ? declared : undefined;
  return guess.kind;
}

function chosen({ key, guess }: JudgedMatrix, kind: UsableKind): Omit<ChosenMatrix, 'why'> {
  return {
    key,
    valueKind: kind,
    evidence: guess.kind === kind ? guess.evidence : `declared as ${kind}; ${guess.evidence}`,
    ...(guess.cellTotal !== undefined && { cellTotal: guess.cellTotal }),
  };
}

function reasonAgainst(other: JudgedMatrix, best: JudgedMatrix, kind: UsableKind): string {
  const its = usableKind(other, undefined);
  if (PARTIAL_LAYER.test(other.key)) return 'is only a part of the expression';
  if (other.refusal) return 'cannot be read';
  if (its === undefined)
    return other.statistics.numNonFinite > 0
      ? 'has NaN or infinite values'
      : other.guess.kind === 'scaled'
        ? 'is scaled'
        : other.guess.kind === 'mixed'
          ? 'mixes cells of different make'
          : 'is of an unknown kind';
  if (its !== kind) return `holds ${KIND_WORDS[its]}`;
  return other.numGenes < best.numGenes ? `has fewer genes (${other.numGenes} of ${best.numGenes})` : 'holds the same kind of values';
}

/** Says what is wrong with the values and what to pass instead. */
function refusal(file: CellFile, matrix: JudgedMatrix, judged: readonly JudgedMatrix[]): DataError {
  if (matrix.refusal) return matrix.refusal;
  const {
    guess: { kind, evidence },
    statistics: { numNonFinite },
  } = matrix;
  const found =
    numNonFinite > 0 ? 'NaN or infinite values' : kind === 'scaled' ? 'scaled values' : kind === 'mixed' ? 'a mixture of values' : 'values of an unknown kind';
  const hint = mend(matrix, rank(judged));
  return new DataError({ file: file.path, key: matrix.key, found: `${found} (${evidence})`, expected: 'counts, CPM or log1p', ...(hint && { hint }) });
}

/** @param alternative another matrix of the file, which can be read */
function mend({ guess: { kind }, statistics: { numNonFinite, numNonZero } }: JudgedMatrix, alternative: JudgedMatrix | undefined): string | undefined {
  if (alternative) return `choose ${alternative.key}, which holds ${KIND_WORDS[usableKind(alternative)!]}`;
  if (numNonZero === 0) return undefined;
  if (kind === 'mixed') return 'write each kind of cells to a file of its own, then build from all with --convert';
  if (kind === 'unknown' && numNonFinite === 0)
    return 'if you know what they are, say so with --value-kind counts, cpm or log1p; a base-2 logarithm becomes natural by multiplying with ln 2';
  return "keep the counts when writing the file: adata.layers['counts'] = adata.X.copy() before normalising, or adata.raw";
}

/** A value that large is no logarithm of expression, whatever the total. */
const LARGEST_LOGARITHM = 30;
/** Cells that were brought to one total differ by rounding and a few dropped genes; those of another make by a factor. */
const MOST_FROM_TOTAL = 0.5;
/** A cell of fewer values may have lost its other ones. */
const LEAST_VALUES = 10;

/**
 * Holds a block against what the sample said: a value that cannot be of the chosen kind stops the work instead of spoiling it.
 * @throws DataError naming cell and gene
 */
export function checkValues(
  block: RowBlock,
  { valueKind, cellTotal }: Pick<ChosenMatrix, 'valueKind' | 'cellTotal'>,
  file: CellFile,
  matrix: CellMatrix,
): void {
  const isCounts = valueKind === 'counts';
  const largest = valueKind === 'log1p' ? LARGEST_LOGARITHM : Infinity;
  for (let i = 0; i < block.values.length; i++) {
    const value = block.values[i]!;
    if (value >= 0 && value <= largest && (!isCounts || Number.isInteger(value))) continue;
    let row = 0;
    while (block.indptr[row + 1]! <= i) row++;
    throw new DataError({
      file: file.path,
      key: matrix.key,
      found: `${value} at cell '${file.cellIds[block.firstRow + row]}', gene '${matrix.genes.names[block.indices[i]!]}'`,
      expected: isCounts
        ? 'integers, as in the cells looked at first'
        : value > largest
          ? 'logarithms, as in the cells looked at first'
          : 'no negative values, as in the cells looked at first',
      hint: 'choose another matrix of the file',
    });
  }
  if (cellTotal !== undefined && !isCounts) checkTotals(block, valueKind, cellTotal, file, matrix);
}

/** A corpus would take cells that were normalised to another total for deeper or shallower ones. */
function checkTotals(block: RowBlock, valueKind: UsableKind, cellTotal: number, file: CellFile, matrix: CellMatrix): void {
  for (let row = 0; row < block.numRows; row++) {
    const [start, end] = [block.indptr[row]!, block.indptr[row + 1]!];
    if (end - start < LEAST_VALUES) continue;
    let total = 0;
    for (let i = start; i < end; i++) total += valueKind === 'log1p' ? Math.expm1(block.values[i]!) : block.values[i]!;
    if (Math.abs(total / cellTotal - 1) <= MOST_FROM_TOTAL) continue;
    throw new DataError({
      file: file.path,
      key: matrix.key,
      found: `cell '${file.cellIds[block.firstRow + row]}' sums to ${number(total)}${valueKind === 'log1p' ? ' after exp(v) - 1' : ''}`,
      expected: `about ${number(cellTotal)}, as the cells looked at first`,
      hint: 'the file mixes cells of different normalisation: write each kind to a file of its own, then build from all with --convert',
    });
  }
}
