// G genes of the panel
import { DataError, InterruptedError } from '../errors.js';
import { columnTexts } from '../data/readers/column-texts.js';
import type { CellFile } from '../data/readers/reader.js';
import type { RankedCell } from '../tasks/perturbation/cells.js';
import type { ControlCell, PerturbationPredictor } from '../tasks/perturbation/predictor.js';
import { CONTROL_NAMES, type PerturbationNaming } from '../tasks/perturbation/perturbations.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { cellSource, type ReadOptions } from './cell-source.js';

export interface ControlCellOptions extends ReadOptions {
  /** obs column that says what was done to the cells of the file; absent: all of them are control cells. */
  readonly perturbationKey?: string | undefined;
  /** Its value for control cells; default: control, ctrl or non-targeting, whichever is there. */
  readonly control?: string | undefined;
  /** Joins genes. Default `+`. */
  readonly separator?: string | undefined;
}

export interface FileCells {
  /** Every cell that has a gene of the vocabulary, all its genes. */
  readonly cells: readonly { readonly row: number; readonly all: RankedCell }[];
  readonly notes: readonly string[];
}

/** How the perturbations of a file are named. @param found the name of its control cells */
export function namingOf({ separator = '+', control }: ControlCellOptions, found?: string): PerturbationNaming {
  return { separator, controlNames: [...CONTROL_NAMES, ...(control === undefined ? [] : [control]), ...(found === undefined ? [] : [found])] };
}

/** Reads all genes of all cells, in the order in which the model would be shown them. */
export async function readCells(file: CellFile, checkpoint: Checkpoint, options: ControlCellOptions): Promise<FileCells> {
  const whole = { ...checkpoint, preprocessing: { ...checkpoint.preprocessing, maxGenes: checkpoint.vocabulary.size } };
  const { batches, notes } = await cellSource(file, whole, options);
  const cells: { row: number; all: RankedCell }[] = [];
  for await (const { cellIndex, seqLen, numGenes, geneIds, values } of batches) {
    cellIndex.forEach((row, b) =>
      cells.push({ row, all: { geneIds: geneIds.slice(b * seqLen, b * seqLen + numGenes[b]!), values: values.slice(b * seqLen, b * seqLen + numGenes[b]!) } }),
    );
    if (options.signal?.aborted) throw new InterruptedError({ file: file.path, found: 'interrupted while cells were read', hint: 'nothing was written' });
  }
  return {
    cells,
    notes: [...notes, ...(batches.emptyRows.length > 0 ? [`${batches.emptyRows.length} cells have no gene that the model knows: left out`] : [])],
  };
}

export interface Controls {
  readonly cells: readonly (ControlCell & { readonly row: number; readonly all: RankedCell })[];
  /** Its name in the file; undefined where all cells are control cells. */
  readonly name: string | undefined;
}

/**
 * The control cells of a file, each standing for the mean of all of them.
 * @throws DataError when there is none
 */
export function controlCells(
  { cells }: FileCells,
  file: CellFile,
  predictor: PerturbationPredictor,
  { perturbationKey, control }: ControlCellOptions,
): Controls {
  const texts = perturbationKey === undefined ? undefined : columnTexts(file.obs(perturbationKey));
  const name = texts && (control ?? CONTROL_NAMES.find((candidate) => texts.includes(candidate)));
  const own = texts ? cells.filter(({ row }) => texts[row] === name) : cells;
  if (own.length === 0)
    throw new DataError({
      file: file.path,
      key: perturbationKey && `obs['${perturbationKey}']`,
      found: 'no control cell',
      expected: texts ? `cells of ${control === undefined ? CONTROL_NAMES.join(', ') : `'${control}'`}` : 'cells',
      ...(texts && { hint: 'name it with --control' }),
    });
  const reference = new Float64Array(predictor.panel.ids.length);
  for (const { all } of own)
    all.geneIds.forEach((id, i) => predictor.panel.at[id]! >= 0 && (reference[predictor.panel.at[id]!]! += all.values[i]! / own.length));
  return { name, cells: own.map((cell) => ({ ...cell, cell: cell.all, reference })) };
}

export function evenlySpaced<T>(items: readonly T[], n: number): T[] {
  return items.length <= n ? [...items] : Array.from({ length: n }, (_, i) => items[Math.floor((i * items.length) / n)]!);
}
