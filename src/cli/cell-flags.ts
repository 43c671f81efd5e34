import type { Options } from 'yargs';
import type { UsableKind } from '../data/inspect/value-kind.js';
import type { ReadOptions } from '../inference/cell-source.js';
import { orthologsOf } from './build-flags.js';

/** How the cells of a file are to be read: flags of every verb that shows a file to a model. */
export const CELL_FLAGS = {
  matrix: { type: 'string', requiresArg: true, describe: 'X, raw/X or layers/<name> [the one scdiva data inspect names]' },
  'value-kind': { choices: ['counts', 'cpm', 'log1p'], describe: 'what the values are, where it cannot be told from them' },
  orthologs: { type: 'string', requiresArg: true, describe: 'table of human orthologs: reads mouse (or other) genes as human ones, one-to-one' },
} as const satisfies Readonly<Record<string, Options>>;

export interface CellFlags {
  readonly matrix?: string | undefined;
  readonly valueKind?: UsableKind | undefined;
  readonly orthologs?: string | undefined;
}

/** @throws as readOrthologs */
export async function readingOf({ matrix, valueKind, orthologs }: CellFlags): Promise<Pick<ReadOptions, 'matrix' | 'valueKind' | 'orthologs'>> {
  return { matrix, valueKind, orthologs: await orthologsOf(orthologs) };
}
