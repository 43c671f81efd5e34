import { describe, expect, it } from 'vitest';
import { planRun, splitFractions } from '../../../src/cli/quickstart/plan.js';

describe('splitFractions', () => {
  it('gives a small file a tenth to validate and a fifth to test', () => {
    expect(splitFractions(700)).toEqual([expect.closeTo(0.7, 12), 0.1, 0.2]);
  });

  it('holds validation and test to what is enough in a large one', () => {
    const [train, validation, test] = splitFractions(1_000_000);
    expect([validation * 1_000_000, test * 1_000_000]).toEqual([expect.closeTo(1000, 6), expect.closeTo(2000, 6)]);
    expect(train + validation + test).toBeCloseTo(1, 12);
  });
});

describe('planRun', () => {
  it('binds the configs to the folders, label and seed of the run, and bounds the steps', async () => {
    const { pretraining, annotation } = await planRun({
      configs: undefined,
      seed: 7,
      numCells: 700,
      corpus: 'a b/corpus',
      pretrained: 'a b/pretrain',
      labelKey: 'louvain: "x"',
    });
    expect(pretraining).toMatchObject({ data: { corpus: 'a b/corpus' }, train: { seed: 7, steps: expect.any(Number) as number } });
    expect(annotation).toMatchObject({
      data: { corpus: 'a b/corpus', labelKey: 'louvain: "x"' },
      checkpoint: 'a b/pretrain',
      train: { seed: 7, steps: expect.any(Number) as number },
    });
  });
});
