import { describe, expect, it } from 'vitest';
import type { Method, Scores } from '../../src/report/data.js';
import { judge } from '../../src/report/verdict.js';

const model = (...values: number[]): Method => ({ name: 'ScDiVa', kind: 'model', runs: values.map((macroF1) => ({ macroF1, accuracy: macroF1 })) });
const baseline = (name: string, macroF1: number): Method => ({ name, kind: 'baseline', runs: [{ macroF1, accuracy: macroF1 }] });
const scores = (numCells: number, ...methods: Method[]): Scores => ({ split: 'test', numCells, headline: 'macroF1', methods });

describe('judge', () => {
  it('says plainly that a baseline wins, which one, and by how much', () => {
    const verdict = judge(scores(5000, model(0.7, 0.71, 0.69), baseline('kNN', 0.6), baseline('logistic regression', 0.8)));
    expect(verdict.kind).toBe('behind');
    expect(verdict.sentences.join(' ')).toMatch(/0\.700 ± 0\.010.*logistic regression, reaches 0\.800: the baseline wins by 0\.100\./);
  });

  it('says that the model is ahead only beyond the noise of its seeds and of the split', () => {
    expect(judge(scores(5000, model(0.9), baseline('kNN', 0.8))).kind).toBe('ahead');
    expect(judge(scores(50, model(0.83), baseline('kNN', 0.8))).kind).toBe('level'); // sampling error of 50 cells: 0.053
    expect(judge(scores(5000, model(0.75, 0.85, 0.86), baseline('kNN', 0.8))).kind).toBe('level'); // spread of the seeds: 0.061
  });

  it('takes the model that is best on the mean', () => {
    const verdict = judge(scores(5000, { ...model(0.5), name: 'head only' }, { ...model(0.9), name: 'whole' }, baseline('kNN', 0.8)));
    expect(verdict.sentences[0]).toContain('whole reaches');
  });

  it('claims nothing about baselines where none was scored', () => {
    expect(judge(scores(10, model(0.9)))).toMatchObject({ kind: 'alone' });
    expect(judge(scores(10, baseline('kNN', 0.9)))).toMatchObject({ kind: 'alone' });
  });
});
