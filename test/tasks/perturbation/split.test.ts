import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/load.js';
import { Vocabulary } from '../../../src/data/genes/vocabulary.js';
import { Rng } from '../../../src/rng.js';
import { PerturbationSplitConfig } from '../../../src/tasks/perturbation/config.js';
import { CONTROL_NAMES, parseDirection, parsePerturbation, perturbedGenes, type Perturbation } from '../../../src/tasks/perturbation/perturbations.js';
import { splitPerturbations } from '../../../src/tasks/perturbation/split.js';

const naming = { separator: '+', controlNames: CONTROL_NAMES };
const genes = Array.from({ length: 8 }, (_, i) => `G${i}`);
const vocabulary = new Vocabulary(genes.map((symbol) => ({ symbol, ensemblId: '' })));
const named = (name: string): Perturbation => parsePerturbation(name, naming, 'knockout', vocabulary, 'cells.h5ad');
const all = [...genes, ...genes.flatMap((a, i) => genes.slice(i + 1).map((b) => `${a}+${b}`))].map(named);
const split = (options: object) => splitPerturbations(all, parseConfig(PerturbationSplitConfig, options), naming, Rng.fromSeed(3), 'x.corpus');

describe('the names of perturbations', () => {
  it('are the same however a combination is written, and with the control’s name in them', () => {
    expect(perturbedGenes('B+A', naming)).toEqual(['A', 'B']);
    expect(perturbedGenes('KLF1+ctrl', naming)).toEqual(['KLF1']);
    expect(perturbedGenes('ctrl', naming)).toEqual([]);
    expect(perturbedGenes('A_B', { ...naming, separator: '_' })).toEqual(['A', 'B']);
  });

  it('are refused in one line where the model does not know a gene', () => {
    expect(() => named('G1+NOSUCH')).toThrow(/^cells\.h5ad: perturbation 'G1\+NOSUCH': NOSUCH is not among the 8 genes of the model/);
    expect(() => named('ctrl')).toThrow(/names no gene/);
  });

  it('come with a direction in many words', () => {
    expect(['CRISPRa', 'over-expression', 'activation'].map((word) => parseDirection(word, 'k'))).toEqual(Array(3).fill('activation'));
    expect(['CRISPRi', 'knock-down', 'KO'].map((word) => parseDirection(word, 'k'))).toEqual(Array(3).fill('knockout'));
    expect(() => parseDirection('drug', 'obs')).toThrow(/'drug'/);
  });
});

describe('splitPerturbations', () => {
  it('puts every perturbation in exactly one part', () => {
    const { train, validation, test } = split({});
    const names = [...train, ...validation, ...test.flatMap(({ perturbations }) => perturbations)].map(({ name }) => name);
    expect(names.sort()).toEqual(all.map(({ name }) => name).sort());
  });

  it('keeps every perturbation of an unseen gene out of training, and counts the genes that were seen', () => {
    const { train, validation, test } = split({ unseenGeneShare: 0.25 });
    const unseen = test.find(({ name }) => name === 'seen0of1')!.perturbations.map(({ name }) => name);
    expect(unseen).toHaveLength(2);
    for (const { parts } of [...train, ...validation]) expect(parts.some((part) => unseen.includes(part))).toBe(false);
    expect(test.map(({ name, perturbations }) => [name, perturbations.length])).toEqual([
      ['seen0of1', 2],
      ['seen0of2', 1],
      ['seen1of2', 12],
      ['seen2of2', 4],
    ]);
  });

  it('holds out combinations alone where no gene is to be unseen, and validates on combinations then', () => {
    const { validation, test } = split({ unseenGeneShare: 0, unseenCombinationShare: 0.5 });
    expect(test.map(({ name, perturbations }) => [name, perturbations.length])).toEqual([['seen2of2', 14]]);
    expect(validation.every(({ parts }) => parts.length === 2)).toBe(true);
  });

  it('takes the test perturbations that are named, however they are written', () => {
    expect(
      split({ test: ['G3+G1', 'G7'] })
        .test.flatMap(({ perturbations }) => perturbations.map(({ name }) => name))
        .sort(),
    ).toEqual(['G1+G3', 'G7']);
    expect(() => split({ test: ['G1+G9'] })).toThrow(/no cell has the perturbation 'G1\+G9'/);
  });

  it('draws the same for the same stream and says when nothing is left', () => {
    expect(split({})).toEqual(split({}));
    expect(() => split({ unseenGeneShare: 0, unseenCombinationShare: 0 })).toThrow(/none of them to test/);
    expect(() => split({ unseenGeneShare: 0.9 })).toThrow(/perturbations? to train on/);
  });
});
