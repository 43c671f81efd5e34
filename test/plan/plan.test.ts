import { readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { smallCorpus, randomCells, temporaryFolder } from '../support/small-corpus.js';
import { describePlan } from '../../src/plan/describe.js';
import { loadTraining } from '../../src/plan/load-training.js';
import { evenSize } from '../../src/plan/micro-batch.js';
import { assemblePlan, expectedStepMs } from '../../src/plan/plan.js';
import { extrapolate } from '../../src/plan/probe-model.js';
import type { MeasuredStep, ProbeResult } from '../../src/plan/probe-spec.js';
import { planSubject } from '../../src/plan/subject.js';

const folder = temporaryFolder('plan');
const configs = resolve(import.meta.dirname, '../../configs');

/** A machine on which a micro-batch takes 10 ms, 0.1 ms a slot and 0.01 ms a value beyond the usual, and an update 7 ms. */
const step = (seqLen: number, inputSize: number, meanInputSize: number, options: { extra?: number; ms2?: boolean } = {}): MeasuredStep => {
  const micro = 10 + 0.1 * seqLen + 0.01 * (options.extra ?? 0);
  return { seqLen, inputSize, meanInputSize, ms: micro + 7, ...(options.ms2 && { ms2: 2 * micro + 7 }) };
};

const result = (layers: number, cells: number): ProbeResult => ({
  seconds: 1,
  device: 'cpu',
  executor: 'graph',
  parameters: { gene_embedding: 1000, layers: 50 * layers },
  numTrainable: 1000 + 50 * layers,
  steps: [{ seqLen: 128, inputSize: 100 * cells, meanInputSize: 90 * cells, ms: 5 + layers * (2 + 3 * cells) }],
  compileMs: 100 * layers,
  bytesPerShape: 1e6 * layers,
  numShapes: 1,
  numShapesOfRun: 4,
  evaluationMs: layers * cells,
  snapshotMs: layers,
  memory: {
    loaded: 4e8,
    withVariables: 4e8 + 1e6 * layers,
    peakBeforeSteps: 5e8,
    peakAfterSteps: 6e8 + 1e7 * layers * cells,
    peak: 7e8 + 1e7 * layers * cells,
  },
});

describe('the time of a step', () => {
  it('is that of the measured length, with as much to predict as usual', () => {
    // The largest batch has 1,000 values and 10 ms more than the typical one; the mean has 200 values more than the typical one.
    expect(expectedStepMs([step(100, 5000, 4200, { extra: 1000 }), step(100, 4000, 4200)], [{ seqLen: 100, share: 1 }], { accumulation: 1 })).toBeCloseTo(
      27 + 2,
      6,
    );
  });

  it('is the mean over the lengths of the run, those between two measured ones on the line', () => {
    const steps = [step(300, 900, 900), step(100, 300, 300)];
    const lengths = [
      { seqLen: 100, share: 0.25 },
      { seqLen: 200, share: 0.5 },
      { seqLen: 300, share: 0.25 },
    ];
    expect(expectedStepMs(steps, lengths, { accumulation: 1 })).toBeCloseTo(10 + 20 + 7, 6);
  });

  it('counts the update once however many micro-batches there are', () => {
    expect(expectedStepMs([step(100, 300, 300, { ms2: true })], [{ seqLen: 100, share: 1 }], { accumulation: 6 })).toBeCloseTo(6 * 20 + 7, 6);
  });
});

describe('a model too large to try', () => {
  it('is the point on the line through smaller ones, in layers and then in cells', () => {
    const all = (cells: number): ProbeResult => extrapolate(result(1, cells), result(3, cells), (12 - 1) / 2);
    expect(extrapolate(all(2), all(3), 6)).toEqual(result(12, 8));
  });
});

describe('the size of a micro-batch', () => {
  it('divides the batch where a divisor is not far below', () => {
    expect(evenSize(768, 50)).toBe(48);
    expect(evenSize(256, 1000)).toBe(256);
    expect(evenSize(31, 10)).toBe(8); // 31 is prime: 4 parts of at most 8
    expect(evenSize(5, 0)).toBe(1);
  });
});

describe('a plan', () => {
  // What can be planned; every one of the published protocols is among it.
  const files = readdirSync(configs, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(pretrain|annotation|perturbation|integration|multitask|variational|multimodal)[^/]*\.yaml$/.test(name),
  );

  it.each(files)('can be made of %s before there is any data', async (name) => {
    const [task] = basename(name, '.yaml').split('-') as [string];
    const training = await loadTraining(join(configs, name), ['data.corpus=not/there', ...(task === 'pretrain' ? [] : ['checkpoint=not/there'])]);
    expect(training.task === 'annotation' ? (training.standsFor ?? training.task) : training.task).toBe(task === 'pretrain' ? 'pretraining' : task);
    const subject = await planSubject(training, { numCells: 5000, numGenes: 2000 });
    expect(subject.numCells!.train).toBe(5000);
    expect(subject.lengths).toEqual([{ seqLen: subject.model.maxGenes, share: 1 }]);
    expect(subject.assumptions.join()).toContain('no corpus at not/there');
    const plan = assemblePlan(training, subject, { ...result(12, 8), runs: [], isExtrapolated: true });
    expect(plan.total.steps).toBe(training.config.train.steps ?? training.config.train.epochs! * Math.ceil(5000 / training.config.train.batchSize));
    expect(plan.memory.peakBytes).toBeGreaterThanOrEqual(result(12, 8).memory.peak);
    expect(describePlan(plan)).toMatch(/time to finish/);
  });

  it('is of cells as they are read', async () => {
    const genes = await loadTraining(join(configs, 'variational.yaml'), ['data.corpus=not/there', 'checkpoint=not/there', 'cellState=genes', 'maxGenes=96']);
    expect(genes).toMatchObject({ standsFor: 'variational', config: { cellState: 'genes', maxGenes: 96 } });
    expect((await planSubject(genes, { numCells: 5000, numGenes: 2000 })).lengths).toEqual([{ seqLen: 96, share: 1 }]);
  });

  it('does not invent a number of cells', async () => {
    const training = await loadTraining(join(configs, 'pretrain.yaml'), ['data.corpus=not/there']);
    const subject = await planSubject(training);
    const plan = assemblePlan(training, subject, { ...result(12, 8), runs: [], isExtrapolated: false });
    expect(plan.total).toEqual({ steps: null, tokens: null, seconds: null, secondsOf: null });
    expect(subject.assumptions.join()).toContain('--cells');
    expect(describePlan(plan)).toMatch(/not known without the number of cells/);
  });

  it('reads cells, lengths and vocabulary from a corpus that is there', async () => {
    const corpus = await smallCorpus(await folder(), randomCells(1, 60, 40));
    const training = await loadTraining(join(configs, 'debug/pretrain.yaml'), [
      `data.corpus=${corpus.path}`,
      'train.batchSize=4',
      'preprocessing.lengthMultiple=4',
      'train.steps=null',
      'train.epochs=2',
    ]);
    const subject = await planSubject(training);
    expect(subject.numCells!.train).toBe(corpus.splitRows('train').length);
    expect(subject.numGenes).toBe(corpus.vocabulary.genes.length);
    expect(subject.assumptions).toEqual([]);
    expect(subject.lengths.length).toBeGreaterThan(1);
    expect(subject.lengths.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    const lengths = Array.from(corpus.splitRows('train'), (row) => corpus.readCell(row).geneIds.length);
    expect(subject.meanGenes).toBeCloseTo(lengths.reduce((a, b) => a + b, 0) / lengths.length, 9);
    expect(assemblePlan(training, subject, { ...result(2, 4), runs: [], isExtrapolated: false }).total.steps).toBe(2 * Math.ceil(lengths.length / 4));
    corpus.close();
  });
});
