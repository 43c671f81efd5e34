import type { ChosenMatrix } from '../inspect/choose-matrix.js';
import type { ValueScale } from './config.js';

/** What serialisation must know of a matrix's values: the same for a corpus and for a file that is predicted on. */
export function valueScale({ valueKind: kind, cellTotal }: Pick<ChosenMatrix, 'valueKind' | 'cellTotal'>): ValueScale {
  return kind === 'log1p' && cellTotal !== undefined ? { kind, targetSum: roundTarget(cellTotal) } : { kind };
}

/** A measured total close to a power of ten is that power of ten: rounding to float32 moved it. */
function roundTarget(total: number): number {
  const power = 10 ** Math.round(Math.log10(total));
  return Math.abs(total / power - 1) < 0.01 ? power : total;
}
