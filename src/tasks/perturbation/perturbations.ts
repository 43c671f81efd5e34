import { ConfigError, DataError } from '../../errors.js';
import type { Vocabulary } from '../../data/genes/vocabulary.js';

export type Direction = 'knockout' | 'activation';
export const DIRECTIONS: readonly Direction[] = ['knockout', 'activation'];

/** Something done to cells: to one gene, or to several at once. */
export interface Perturbation {
  /** Gene symbols as the data write them, sorted and joined by `+`, so that A+B and B+A are the same. */
  readonly name: string;
  readonly parts: readonly string[];
  /** Vocabulary ids of the parts. */
  readonly geneIds: readonly number[];
  readonly direction: Direction;
}

/** How the names of perturbations are written. */
export interface PerturbationNaming {
  readonly separator: string;
  /** Names that mean: nothing was done. */
  readonly controlNames: readonly string[];
}

export const CONTROL_NAMES: readonly string[] = ['control', 'ctrl', 'non-targeting', 'NT', 'nontargeting'];

/** Joins the parts of a name inside the project, whatever the data use. */
export const JOINT = '+';

/** Genes of a perturbation's name, the control's name in it (GEARS writes `GENE+ctrl`) left out, each once and sorted. Empty for the control. */
export function perturbedGenes(name: string, { separator, controlNames }: PerturbationNaming): string[] {
  const parts = name
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '' && !controlNames.includes(part));
  return [...new Set(parts)].sort();
}

/**
 * @param file whose name it is, for the message
 * @throws DataError when a gene is not in the vocabulary, or the name is the control's
 */
export function parsePerturbation(
  name: string,
  naming: PerturbationNaming,
  direction: Direction,
  vocabulary: Vocabulary,
  file: string | undefined,
): Perturbation {
  const parts = perturbedGenes(name, naming);
  if (parts.length === 0) throw new DataError({ file, key: `perturbation '${name}'`, found: 'names no gene', expected: `GENE or GENE${naming.separator}GENE` });
  const geneIds = parts.map((part) => {
    const id = vocabulary.idOf(part);
    if (id === undefined)
      throw new DataError({
        file,
        key: `perturbation '${name}'`,
        found: `${part} is not among the ${vocabulary.genes.length} genes of the model`,
        hint: 'use another symbol of it, or a model whose vocabulary has it; cells of other perturbations can be kept with data build --drop',
      });
    return id;
  });
  return { name: parts.join(JOINT), parts, geneIds, direction };
}

const ACTIVATES = /act|over|crispra|gain|up|^a$|^\+$/i;
const KNOCKS_OUT = /knock|crispri|inhibit|loss|down|silenc|delet|^ko$|^kd$|^i$|^-$/i;

/** @throws ConfigError for a word that names neither direction */
export function parseDirection(word: string, key: string): Direction {
  if (ACTIVATES.test(word)) return 'activation';
  if (KNOCKS_OUT.test(word)) return 'knockout';
  throw new ConfigError({ key, found: `'${word}'`, expected: 'knockout (CRISPRi, knock-down, inhibition …) or activation (CRISPRa, over-expression …)' });
}
