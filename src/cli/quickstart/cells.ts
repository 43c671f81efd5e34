import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { ConfigError, DataError } from '../../errors.js';
import { inspectFile, type FileInspection } from '../../data/inspect/inspect.js';
import { namesOfNone, type LabelCandidate } from '../../data/inspect/labels.js';
import { openCellFile } from '../../data/readers/open.js';
import type { VerbContext } from '../context.js';
import { fetchCarriedFile, PBMC68K } from './fetch.js';

/** Which cells, as flags say it. */
export interface CellChoice {
  /** Default: the example cells. */
  readonly data: string | undefined;
  /** Obs column with the cell types. */
  readonly label: string | undefined;
  /** Smaller classes lose their label. */
  readonly minClassCells: number;
  /** Classes that are none: their cells lose their label, too. */
  readonly unlabelled: readonly string[];
}

/** The file a quickstart works on, before anybody has looked into it. */
export interface CellSource {
  /** Short name for titles and file names: `pbmc68k`. */
  readonly name: string;
  readonly labelKey: string | undefined;
  /** Changes when the file does. */
  readonly identity: Readonly<Record<string, string | number>>;
  /** The path, downloaded first where need be. */
  locate(): Promise<string>;
}

/** Fewer labelled cells cannot be divided into three parts that mean anything. */
const FEWEST_CELLS = 50;

/** The user's file, or the example cells. @throws ConfigError, DataError in one line when there is no such file */
export async function chooseSource({ data, label }: CellChoice, { progress, signal }: VerbContext): Promise<CellSource> {
  if (data === undefined) {
    if (label !== undefined) throw new ConfigError({ key: '--label', found: `'${label}' without a file`, hint: 'name the file that has it with --data FILE' });
    return { name: 'pbmc68k', labelKey: 'bulk_labels', identity: { sha256: PBMC68K.sha256 }, locate: () => fetchCarriedFile(PBMC68K, { progress, signal }) };
  }
  if (!existsSync(data)) throw new DataError({ file: data, found: 'no such file', expected: 'an .h5ad or 10x .h5 file', hint: 'check --data' });
  const { size, mtimeMs } = await stat(data);
  return {
    name: basename(data).replace(/\.(h5ad|h5)$/i, ''),
    labelKey: label,
    identity: { path: await realpath(data), size, mtimeMs },
    locate: async () => data,
  };
}

/**
 * Looks into the file and refuses what no model could be trained on.
 * @throws DataError, ConfigError in one line: no such label (naming those there are), too few cells or classes, a class of one
 *   cell, values that cannot be used
 */
export async function inspectCells(file: string, choice: Omit<CellChoice, 'data'>, { progress }: VerbContext): Promise<FileInspection> {
  const inspection = await inspectFile(file, { progress });
  await checkLabel(file, choice, inspection);
  const { matrix, problems } = inspection;
  if (matrix === null) throw new DataError({ file, found: problems[0] ?? 'no matrix that a model can read', hint: `scdiva data inspect ${file} says more` });
  return inspection;
}

/** What to bear in mind of the labels, before hours are spent on them. */
export function remarksOnLabel({ labels }: FileInspection, labelKey: string, unlabelled: readonly string[]): string[] {
  const names = labels
    .filter(({ key }) => key === labelKey)
    .flatMap(namesOfNone)
    .filter((name) => !unlabelled.includes(name));
  return names.map((name) => `class '${name}' of obs['${labelKey}'] reads like no label and is learned as one; --unlabelled '${name}' keeps its cells without`);
}

async function checkLabel(file: string, { label, minClassCells, unlabelled }: Omit<CellChoice, 'data'>, { labels }: FileInspection): Promise<void> {
  const expected =
    labels.length > 0
      ? `a column with cell types, such as ${labels.slice(0, 5).map(describeCandidate).join(', ')}`
      : 'a column with cell types; this file has none';
  if (label === undefined) throw new ConfigError({ file, key: '--label', found: 'missing', expected });
  const place = { file, key: `obs['${label}']` };
  const candidate = labels.find(({ key }) => key === label);
  if (!candidate)
    throw new DataError({
      ...place,
      found: (await hasColumn(file, label)) ? 'no column of 2 to 200 classes' : 'no such column',
      expected,
      hint: 'pass --label KEY',
    });
  const kept = minClassCells > 1 ? ` in classes of ${minClassCells} and more` : '';
  const classes = candidate.classes.filter(({ name, size }) => size >= minClassCells && !unlabelled.includes(name));
  const numLabelled = classes.reduce((sum, { size }) => sum + size, 0);
  if (numLabelled < FEWEST_CELLS)
    throw new DataError({
      ...place,
      found: `${numLabelled} labelled cells${kept}`,
      expected: `at least ${FEWEST_CELLS}, to train, validate and test`,
      hint: 'use a larger file',
    });
  if (classes.length < 2) throw new DataError({ ...place, found: `one class only${kept}`, expected: 'at least 2', hint: 'choose another --label' });
  const smallest = classes.at(-1)!;
  if (smallest.size < 2)
    throw new DataError({
      ...place,
      found: `class '${smallest.name}' has 1 cell, which cannot be both learned and tested`,
      hint: 'merge it into another class, or pass --min-class-cells 3 to leave the cells of such classes unlabelled',
    });
}

async function hasColumn(file: string, key: string): Promise<boolean> {
  const cells = await openCellFile(file);
  try {
    return cells.obsKeys.includes(key);
  } finally {
    cells.close();
  }
}

function describeCandidate({ key, numClasses }: LabelCandidate): string {
  return `${key} (${numClasses} classes)`;
}
