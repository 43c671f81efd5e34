import { DataError } from '../../errors.js';
import type { Rng } from '../../rng.js';
import type { PerturbationSplitConfig } from './config.js';
import { perturbedGenes, type Perturbation, type PerturbationNaming } from './perturbations.js';

/** Test perturbations of one kind: so many genes, of which so many occur in training. */
export interface TestGroup {
  /** `seen1of2` */
  readonly name: string;
  readonly numGenes: number;
  readonly numSeen: number;
  readonly perturbations: readonly Perturbation[];
}

/** Which perturbations are for what; none is in two lists. */
export interface PerturbationSplit {
  readonly train: readonly Perturbation[];
  readonly validation: readonly Perturbation[];
  readonly test: readonly TestGroup[];
}

/**
 * Holds out whole perturbations: those of genes that training shall never see, alone or combined, and of the combinations of seen
 * genes a share. Validation perturbations are drawn from the rest: combinations, and singles where single ones are tested.
 * @throws DataError when nothing is left to train on, or nothing to test
 */
export function splitPerturbations(
  all: readonly Perturbation[],
  config: PerturbationSplitConfig,
  naming: PerturbationNaming,
  rng: Rng,
  file: string,
): PerturbationSplit {
  const names = new Map(all.map((perturbation) => [perturbation.name, perturbation]));
  const test = config.test ? named(config.test, names, naming, file) : drawTest(all, config, rng.fork('test'));
  const rest = all.filter(({ name }) => !test.has(name));
  const testsSingles = [...test].some((name) => names.get(name)!.parts.length === 1);
  const candidates = rest.filter(({ parts }) => testsSingles || parts.length > 1);
  const pool = candidates.length > 1 ? candidates : rest;
  const validation = new Set(draw(pool, Math.max(1, Math.round(config.validationShare * pool.length)), rng.fork('validation')).map(({ name }) => name));
  const train = rest.filter(({ name }) => !validation.has(name));
  if (test.size === 0)
    throw new DataError({
      file,
      key: 'split',
      found: `${all.length} perturbations, none of them to test`,
      hint: 'raise split.unseenGeneShare or split.unseenCombinationShare',
    });
  if (train.length < 2)
    throw new DataError({
      file,
      key: 'split',
      found: `${train.length} perturbations to train on, of ${all.length}`,
      expected: 'at least 2',
      hint: 'lower the shares of split',
    });
  const seen = new Set(train.flatMap(({ parts }) => parts));
  return {
    train,
    validation: all.filter(({ name }) => validation.has(name)),
    test: groupBySeen(
      all.filter(({ name }) => test.has(name)),
      seen,
    ),
  };
}

function drawTest(all: readonly Perturbation[], { unseenGeneShare, unseenCombinationShare }: PerturbationSplitConfig, rng: Rng): Set<string> {
  const genes = [...new Set(all.flatMap(({ parts }) => parts))].sort();
  const unseen = new Set(draw(genes, Math.round(unseenGeneShare * genes.length), rng.fork('genes')));
  const ofUnseen = all.filter(({ parts }) => parts.some((part) => unseen.has(part)));
  const seenCombinations = all.filter(({ parts }) => parts.length > 1 && !parts.some((part) => unseen.has(part)));
  const combinations = draw(seenCombinations, Math.round(unseenCombinationShare * seenCombinations.length), rng.fork('combinations'));
  return new Set([...ofUnseen, ...combinations].map(({ name }) => name));
}

function named(wanted: readonly string[], known: ReadonlyMap<string, Perturbation>, naming: PerturbationNaming, file: string): Set<string> {
  return new Set(
    wanted.map((name) => {
      const found = known.get(perturbedGenes(name, naming).join('+'));
      if (!found)
        throw new DataError({
          file,
          key: 'split.test',
          found: `no cell has the perturbation '${name}'`,
          expected: `some of ${[...known.keys()].slice(0, 8).join(', ')}${known.size > 8 ? ' …' : ''}`,
        });
      return found.name;
    }),
  );
}

function groupBySeen(test: readonly Perturbation[], seen: ReadonlySet<string>): TestGroup[] {
  const groups = new Map<string, { name: string; numGenes: number; numSeen: number; perturbations: Perturbation[] }>();
  for (const perturbation of test) {
    const numGenes = perturbation.parts.length;
    const numSeen = perturbation.parts.filter((part) => seen.has(part)).length;
    const name = `seen${numSeen}of${numGenes}`;
    const group = groups.get(name) ?? { name, numGenes, numSeen, perturbations: [] };
    group.perturbations.push(perturbation);
    groups.set(name, group);
  }
  return [...groups.values()].sort((a, b) => a.numGenes - b.numGenes || a.numSeen - b.numSeen);
}

/** n of the items, in their own order. */
function draw<T>(items: readonly T[], n: number, rng: Rng): T[] {
  const chosen = rng.permutation(items.length).slice(0, n).sort();
  return Array.from(chosen, (i) => items[i]!);
}
