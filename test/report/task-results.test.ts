import { describe, expect, it } from 'vitest';
import { resultSections } from '../../src/report/task-results.js';

describe('the result of any task', () => {
  it('gives the table of its methods on the cells of the scored split', () => {
    const runs = [{ avgBio: 0.5 }, { avgBio: 0.6 }];
    const sections = resultSections({
      task: 'integration',
      out: 'run',
      split: 'validation',
      numCells: { train: 9, validation: 5, test: 0 },
      seeds: [0, 1],
      headline: 'avgBio',
      methods: [{ name: 'scdiva', title: 'ScDiVa', kind: 'model', runs }],
    });
    expect(sections).toEqual({ scores: { split: 'validation', numCells: 5, headline: 'avgBio', methods: [{ name: 'ScDiVa', kind: 'model', runs }] } });
  });
});
