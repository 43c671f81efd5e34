import { describe, expect, it } from 'vitest';
import { drawConfusionMatrix, gatherSmallClasses } from '../../../src/report/figures/confusion-matrix.js';

const results = (classes: string[], confusion: number[][]) => ({ classes, confusion, scores: [] });

describe('confusion matrix', () => {
  it('takes the smallest classes together without losing a cell', () => {
    const gathered = gatherSmallClasses(
      results(
        ['a', 'b', 'c', 'd'],
        [
          [5, 1, 0, 0],
          [0, 1, 1, 0],
          [1, 0, 8, 2],
          [0, 0, 0, 1],
        ],
      ),
      3,
    );
    expect(gathered).toEqual({
      classes: ['a', 'c', '2 smaller classes'],
      confusion: [
        [5, 0, 1],
        [1, 8, 2],
        [0, 1, 2],
      ],
    });
  });

  it('leaves few classes as they are', () => {
    expect(
      gatherSmallClasses(
        results(
          ['a', 'b'],
          [
            [1, 0],
            [2, 3],
          ],
        ),
        2,
      ),
    ).toEqual({
      classes: ['a', 'b'],
      confusion: [
        [1, 0],
        [2, 3],
      ],
    });
  });

  it('draws no row for a class without cells, but keeps its column', async () => {
    const { text } = await drawConfusionMatrix(
      results(
        ['seen', 'unknown'],
        [
          [3, 2],
          [0, 0],
        ],
      ),
      'm',
    );
    expect(text).toContain('>seen · 1<');
    expect(text).not.toContain('>unknown · 2<');
    expect(text).toContain('seen: 3 of 5 right');
  });
});
