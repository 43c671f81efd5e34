import { describe, expect, it } from 'vitest';
import { methodLines, methodsJson, overSeeds, tableHead, type MethodResult } from '../../../src/tasks/finetune/methods.js';

const methods: MethodResult[] = [
  {
    name: 'scdiva',
    title: 'ScDiVa',
    kind: 'model',
    runs: [
      { f1: 0.5, own: 2 },
      { f1: 0.7, own: 4 },
    ],
  },
  { name: 'pca', title: 'PCA', kind: 'baseline', runs: [{ f1: 0.25 }] },
];
const columns = [
  ['f1', 'F1'],
  ['own', 'own score'],
] as const;

describe('scores over seeds', () => {
  it('have the sample standard deviation, and none for one seed', () => {
    const { mean, sd } = overSeeds(methods[0]!.runs, 'f1');
    expect(mean).toBeCloseTo(0.6, 12);
    expect(sd).toBeCloseTo(Math.sqrt(0.02), 12); // n - 1 = 1
    expect(overSeeds(methods[1]!.runs, 'f1')).toEqual({ mean: 0.25, sd: undefined });
  });

  it('stand in a table with aligned columns, and a dash where a method has no such score', () => {
    expect(methodLines(methods, columns)).toEqual([
      '                   F1      own score', //
      'ScDiVa  0.600 ± 0.141  3.000 ± 1.414',
      'PCA             0.250              –',
    ]);
    expect(tableHead({ split: 'test', numCells: { train: 1, validation: 2, test: 3 }, seeds: [0, 1] })).toBe('test split, 3 cells, mean ± sd of 2 seeds');
  });

  it('go to --json as the first run, the mean over seeds and the baselines', () => {
    expect(methodsJson({ methods, seeds: [0, 1] }, columns)).toMatchObject({
      f1: 0.5,
      own: 2,
      meanOverSeeds: { own: { mean: 3 } },
      baselines: { pca: { f1: 0.25 } },
    });
    expect(methodsJson({ methods, seeds: [0] }, columns)).not.toHaveProperty('meanOverSeeds');
  });
});
