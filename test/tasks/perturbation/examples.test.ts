import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/rng.js';
import type { Panel, RankedCell } from '../../../src/tasks/perturbation/cells.js';
import { changedValue } from '../../../src/tasks/perturbation/change.js';
import { effectsOfParts } from '../../../src/tasks/perturbation/effects.js';
import { contextOrder, coverPanel, exampleInputs, positionsByMean, sampleContext } from '../../../src/tasks/perturbation/examples.js';
import { perturbedCells, predictChanges, type Question } from '../../../src/tasks/perturbation/predict.js';
import type { Perturbation } from '../../../src/tasks/perturbation/perturbations.js';

const ids = Int32Array.from({ length: 10 }, (_, i) => i + 2);
const at = new Int32Array(20).fill(-1);
ids.forEach((id, i) => (at[id] = i));
const panel: Panel = { ids, at, names: Array.from(ids, String) };
const control: RankedCell = { geneIds: Int32Array.of(7, 3, 15, 9), values: Float32Array.of(3, 2, 9, 1) }; // 15 is outside the panel
const mean = Float64Array.from({ length: 10 }, (_, i) => i / 10);
const perturbation: Perturbation = { name: 'A+B', parts: ['A', 'B'], geneIds: [11, 15], direction: 'activation' };
const order = contextOrder(control, panel, positionsByMean(mean));

describe('contexts', () => {
  it('show what the cell expresses best-ranked first, then the rest by the control’s mean', () =>
    expect(Array.from(order)).toEqual([5, 1, 7, 9, 8, 6, 4, 3, 2, 0]));

  it('always hold a perturbed gene of the panel, expressed or not', () => {
    for (let seed = 0; seed < 20; seed++) {
      const context = sampleContext(order, 3, perturbation, panel, Rng.fromSeed(seed));
      expect(context).toHaveLength(3);
      expect(Array.from(context)).toContain(9);
      expect(Array.from(context)).toEqual(Array.from(order).filter((position) => context.includes(position)));
    }
  });

  it('cover the panel, each gene once and the perturbed ones everywhere', () => {
    const parts = coverPanel(order, 4, perturbation, panel);
    expect(parts.every((part) => part.length <= 4 && part.includes(9))).toBe(true);
    expect(
      parts
        .flatMap((part) => Array.from(part))
        .filter((position) => position !== 9)
        .sort(),
    ).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(coverPanel(order, 10, perturbation, panel)).toEqual([order]);
  });
});

describe('exampleInputs', () => {
  it('gives unexpressed genes value 0, fills up with padding and names every perturbed gene', () => {
    const example = {
      control,
      perturbation,
      reference: mean,
      effects: mean.map((v) => -v),
      lowest: mean.map((v) => -v),
      highest: mean.map(() => 0),
      knownShare: 0.5,
      context: Int32Array.of(5, 9, 1),
    };
    const inputs = exampleInputs([example], 5, 3, panel, 0);
    expect(Array.from(inputs.geneIds.data)).toEqual([7, 11, 3, 0, 0]);
    expect(Array.from(inputs.values.data)).toEqual([3, 0, 2, 0, 0]);
    expect(Array.from(inputs.perturbedIds.data)).toEqual([11, 15, 0]);
    expect(Array.from(inputs.directions.data)).toEqual([1, 1, 1]);
    expect(inputs.reference.data[1]).toBeCloseTo(0.9);
    expect(inputs.effects.data[0]).toBeCloseTo(-0.5);
  });
});

describe('effectsOfParts', () => {
  const singles = new Map([
    ['A', Float64Array.of(1, 2)],
    ['C', Float64Array.of(10, 20)],
  ]);

  it('adds up what is known, and tells how much that is', () => {
    expect(effectsOfParts({ parts: ['A', 'C'] }, singles, 2)).toMatchObject({ effects: Float64Array.of(11, 22), knownShare: 1 });
    expect(effectsOfParts({ parts: ['A', 'B'] }, singles, 2)).toMatchObject({ effects: Float64Array.of(1, 2), knownShare: 0.5 });
    expect(effectsOfParts({ parts: ['A', 'C'] }, singles, 2, (part) => part === 'A')).toMatchObject({ effects: Float64Array.of(10, 20), knownShare: 0.5 });
  });

  it('tells a gene that both parts touch from one that a single part touches as hard', () => {
    const both = new Map([
      ['A', Float64Array.of(-1, 0)],
      ['C', Float64Array.of(-1, -2)],
    ]);
    const { effects, lowest, highest } = effectsOfParts({ parts: ['A', 'C'] }, both, 2);
    expect(effects).toEqual(Float64Array.of(-2, -2));
    expect(lowest).toEqual(Float64Array.of(-1, -2));
    expect(highest).toEqual(Float64Array.of(-1, 0));
  });

  it('never tells a single perturbation its own effect', () =>
    expect(effectsOfParts({ parts: ['A'] }, singles, 2)).toMatchObject({
      effects: Float64Array.of(0, 0),
      lowest: Float64Array.of(0, 0),
      highest: Float64Array.of(0, 0),
      knownShare: 0,
    }));
});

describe('predicted cells', () => {
  it('keep zeros where a gene falls, stay above zero and change the mean by what was predicted', () => {
    const values = [0, 0, 1, 3];
    const changed = (change: number) => values.map((value) => changedValue(value, 1, change));
    expect(changed(-0.5)).toEqual([0, 0, 0.5, 1.5]);
    expect(changed(-2)).toEqual([0, 0, 0, 0]);
    expect(changed(0.5)).toEqual([0, 0, 1.5, 4.5]);
    expect(changed(2).reduce((a, b) => a + b) / 4).toBeCloseTo(3);
    expect(changedValue(0, 0, 0.7)).toBeCloseTo(0.7);
  });

  it('have the reference’s mean plus the change, whichever control cells were asked, and every gene is asked once', async () => {
    const cells: RankedCell[] = [control, { geneIds: Int32Array.of(4), values: Float32Array.of(2) }];
    const reference = Float64Array.from({ length: 10 }, () => 1);
    const questions: Question[] = cells.map((cell) => ({ control: cell, perturbation, reference, ...effectsOfParts(perturbation, new Map(), 10) }));
    let numBatches = 0;
    // A stand-in for the model that answers a gene's id over 10.
    const run = async ({ geneIds }: { geneIds?: { data: ArrayLike<number> } }) => {
      numBatches++;
      return Float32Array.from(geneIds!.data, (id) => id / 10);
    };
    const changes = await predictChanges(questions, { panel, contextGenes: 4, numSlots: 2, padId: 0, batchSize: 4, run: run as never });
    expect(numBatches).toBe(2);
    for (const change of changes) change.forEach((value, gene) => expect(value).toBeCloseTo(ids[gene]! / 10));
    const predicted = perturbedCells(questions, changes, panel);
    for (let gene = 0; gene < 10; gene++) expect((predicted[0]![gene]! + predicted[1]![gene]!) / 2).toBeCloseTo(1 + ids[gene]! / 10, 5);
  });
});
