import { describe, expect, it } from 'vitest';
import { trainingPanels } from '../../src/report/training-curves.js';

const pretraining = [
  { step: 0, split: 'validation' as const, loss: 16, identityLoss: 6, valueLoss: 1 },
  { step: 1, split: 'train' as const, loss: 15, identityLoss: 5.5, valueLoss: 0.9, lr: 1e-4, stepMs: 12 },
  { step: 2, split: 'train' as const, loss: 14, identityLoss: 5, valueLoss: 0.8, lr: 1e-4, stepMs: 12 },
  { step: 2, split: 'validation' as const, loss: 14.5, identityLoss: 5.2, valueLoss: 0.85 },
];

describe('trainingPanels', () => {
  it('draws the parts of a loss instead of their sum, and no step times', () => {
    expect(trainingPanels(pretraining).map(({ title }) => title)).toEqual([expect.stringMatching(/^Which gene/), expect.stringMatching(/^How much/)]);
  });

  it('keeps the splits apart and adds the baseline of the same metric as a level', () => {
    const [identity] = trainingPanels(pretraining, { unigram: { identityLoss: 5.9, valueLoss: 1.1 }, rank: { identityLoss: 5.6 } });
    expect(identity!.series).toEqual([
      {
        name: 'train',
        kind: 'steps',
        points: [
          [1, 5.5],
          [2, 5],
        ],
      },
      {
        name: 'validation',
        kind: 'checks',
        points: [
          [0, 6],
          [2, 5.2],
        ],
      },
      { name: 'guess', kind: 'level', points: [[0, 5.9]] },
      { name: 'guess by rank', kind: 'level', points: [[0, 5.6]] },
    ]);
  });

  it('draws loss and macro-F1 of an annotation', () => {
    const records = [
      { step: 1, split: 'train' as const, loss: 2, accuracy: 0.3 },
      { step: 1, split: 'validation' as const, loss: 2.1, accuracy: 0.2, macroF1: 0.1 },
    ];
    expect(trainingPanels(records).map(({ yTitle }) => yTitle)).toEqual(['loss', 'macro-F1']);
    expect(trainingPanels(records)[1]!.series).toEqual([{ name: 'validation', kind: 'checks', points: [[1, 0.1]] }]);
  });
});
