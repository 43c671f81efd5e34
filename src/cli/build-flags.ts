import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import type { Fractions } from '../data/corpus/split.js';
import type { GeneTable } from '../data/genes/gene-table.js';
import type { OrthologTable } from '../data/genes/orthologs.js';
import type { Vocabulary } from '../data/genes/vocabulary.js';

/** Checks of the flags of `data build` that yargs cannot make. All throw ConfigError naming the flag. */

export function wholeNumber(flag: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new ConfigError({ key: flag, found: String(value), expected: `a whole number from ${least} on` });
}

export function numberBetween(flag: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new ConfigError({ key: flag, found: String(value), expected: most === Infinity ? `a number from ${least} on` : `a number from ${least} to ${most}` });
}

/**
 * `cell_type=B,T`, repeatable: values of obs fields. A value with a comma in it is given alone, after two equals signs:
 * `cell_type==T cell, naive`.
 */
export function obsValues(flag: string, given: readonly string[] = []): Record<string, string[]> {
  const values: Record<string, string[]> = {};
  for (const text of given) {
    const [, key, sign, list] = /^([^=]+)(==?)(.+)$/.exec(text) ?? [];
    if (key === undefined) throw new ConfigError({ key: flag, found: text, expected: 'an obs field and its values, such as cell_type=B,T' });
    (values[key] ??= []).push(...(sign === '==' ? [list!] : list!.split(',')));
  }
  return values;
}

/** `0.8/0.1/0.1`; that the shares sum to 1 is checked by the build. */
export function splitShares(text: string): Fractions {
  const shares = text.split('/').map((share) => (share.trim() === '' ? NaN : Number(share)));
  if (shares.length === 3 && shares.every(Number.isFinite)) return [shares[0]!, shares[1]!, shares[2]!];
  throw new ConfigError({ key: '--split', found: text, expected: 'shares of train, validation and test, such as 0.8/0.1/0.1' });
}

/** The vocabulary asked for; undefined: the one of the files themselves. */
export async function vocabularyOf({ genes, checkpoint }: { genes?: string | undefined; checkpoint?: string | undefined }): Promise<Vocabulary | undefined> {
  const { readVocabulary } = await import('../data/corpus/read-vocabulary.js');
  if (genes !== undefined) return readVocabulary(genes);
  if (checkpoint === undefined) return undefined;
  const { CHECKPOINT_FILES, resolveCheckpoint } = await import('../train/checkpoint.js');
  return readVocabulary(join(resolveCheckpoint(checkpoint), CHECKPOINT_FILES.genes));
}

export async function geneTableOf(file: string | undefined): Promise<GeneTable | undefined> {
  if (file === undefined) return undefined;
  const { readGeneTable } = await import('../data/genes/read-gene-table.js');
  return readGeneTable([file]);
}

export async function orthologsOf(file: string | undefined): Promise<OrthologTable | undefined> {
  if (file === undefined) return undefined;
  const { readOrthologs } = await import('../data/genes/read-orthologs.js');
  return readOrthologs(file);
}
