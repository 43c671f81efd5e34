import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/rng.js';
import { annotationLabels, classWeights, codesOf, fewShot } from '../../../src/tasks/annotation/labels.js';

/** A corpus of which only labels and splits are asked: one entry a cell, `split:label` or `split:` without a label. */
function labelled(names: readonly string[], cells: readonly string[]) {
  const parsed = cells.map((cell) => cell.split(':') as [string, string]);
  return {
    path: 'corpus',
    labelNames: () => names,
    labelCodes: () => Int32Array.from(parsed, ([, label]) => names.indexOf(label)),
    splitRows: (split: string) => Int32Array.from(parsed.flatMap(([own], row) => (own === split ? [row] : []))),
  };
}

describe('labels of a corpus', () => {
  const cells = ['train:b', 'train:c', 'train:b', 'train:', 'validation:c', 'validation:d', 'test:b', 'test:d', 'test:', 'test:c'];
  const labels = annotationLabels(labelled(['a', 'b', 'c', 'd'], cells), 'cell_type');

  it('makes classes of the labels that have training cells', () => {
    expect(labels.classes).toEqual(['b', 'c']);
    expect([...labels.classSizes]).toEqual([2, 1]);
    expect([...codesOf(labels, labels.rows.train)]).toEqual([0, 1, 0]);
  });

  it('leaves cells without a label out of every split and counts them', () => {
    expect([...labels.rows.train]).toEqual([0, 1, 2]);
    expect([...labels.rows.test]).toEqual([6, 7, 9]);
    expect(labels.numUnlabelled).toEqual({ train: 1, validation: 0, test: 1 });
  });

  it('gives labels without a training cell codes behind the classes', () => {
    expect(labels.unseen).toEqual(['d']);
    expect([...codesOf(labels, labels.rows.test)]).toEqual([0, 2, 1]);
  });

  it('refuses a label with one cell, saying which and what to do', () => {
    const single = labelled(['a', 'b', 'rare'], ['train:a', 'train:b', 'train:rare', 'validation:a', 'test:b']);
    expect(() => annotationLabels(single, 'cell_type')).toThrow(/corpus: obs\['cell_type'\]: label 'rare' has 1 cell.*--min-class-cells/);
  });

  it('refuses one class only, no labels at all, and a split without labels', () => {
    expect(() => annotationLabels(labelled(['a'], ['train:a', 'train:a', 'validation:a', 'test:a']), 'k')).toThrow(/every training cell is 'a'/);
    expect(() => annotationLabels(labelled(['a'], ['train:', 'validation:a', 'test:a']), 'k')).toThrow(/no training cell has a label/);
    expect(() => annotationLabels(labelled(['a', 'b'], ['train:a', 'train:b', 'train:a', 'train:b', 'validation:', 'test:a']), 'k')).toThrow(
      /no labelled cell in the validation split/,
    );
  });
});

describe('a type held out', () => {
  const cells = ['train:a', 'train:b', 'train:c', 'train:c', 'validation:a', 'validation:c', 'test:a', 'test:b', 'test:c', 'test:c', 'validation:b'];

  it('has test cells alone, and no logit', () => {
    const labels = annotationLabels(labelled(['a', 'b', 'c'], cells), 'k', ['c']);
    expect(labels.classes).toEqual(['a', 'b']);
    expect(labels.unseen).toEqual(['c']);
    expect([...labels.rows.train]).toEqual([0, 1]);
    expect([...labels.rows.validation]).toEqual([4, 10]);
    expect([...codesOf(labels, labels.rows.test)]).toEqual([0, 1, 2, 2]);
  });

  it('must be one that the test split has', () => {
    expect(() => annotationLabels(labelled(['a', 'b', 'c'], cells), 'k', ['d'])).toThrow(/data\.holdOut: 'd', which no test cell/);
  });
});

describe('few labelled cells', () => {
  const cells = [
    ...Array.from({ length: 40 }, (_, i) => `train:${i % 4 === 0 ? 'a' : 'b'}`),
    ...Array.from({ length: 10 }, (_, i) => `validation:${i % 2 ? 'a' : 'b'}`),
    'test:a',
    'test:b',
  ];
  const all = annotationLabels(labelled(['a', 'b'], cells), 'k');
  const few = (n: number, seed = 1) => fewShot(all, n, Rng.fromSeed(seed));

  it('are as many of each type, or all there are, for training and validation; the test split stays', () => {
    expect([...few(3).classSizes]).toEqual([3, 3]);
    expect([...few(20).classSizes]).toEqual([10, 20]);
    expect([...few(3).rows.train].map((row) => all.codes[row]).toSorted()).toEqual([0, 0, 0, 1, 1, 1]);
    expect(few(3).rows.validation).toHaveLength(6);
    expect(few(3).rows.test).toEqual(all.rows.test);
  });

  it('are among the more of the same seed, and others with another', () => {
    const more = new Set(few(8).rows.train);
    expect([...few(3).rows.train].every((row) => more.has(row))).toBe(true);
    expect([...few(3, 2).rows.train]).not.toEqual([...few(3).rows.train]);
  });
});

describe('class weights', () => {
  const sizes = Int32Array.of(80, 16, 4);

  it('are 1 without weighting, and have mean 1 over the training cells in every kind', () => {
    expect([...classWeights(sizes, 'none')]).toEqual([1, 1, 1]);
    for (const kind of ['sqrt', 'balanced'] as const) {
      const mean = classWeights(sizes, kind).reduce((sum, weight, c) => sum + weight * sizes[c]!, 0) / 100;
      expect(mean).toBeCloseTo(1, 6);
    }
  });

  it('give every class the same share when balanced, and go half the way as a root', () => {
    const balanced = classWeights(sizes, 'balanced').map((weight, c) => weight * sizes[c]!);
    for (const share of balanced) expect(share).toBeCloseTo(100 / 3, 4);
    const [common, , rare] = classWeights(sizes, 'sqrt');
    expect(rare! / common!).toBeCloseTo(Math.sqrt(20), 4);
  });
});
