import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { loadTraining } from '../../src/plan/load-training.js';
import type { Plan } from '../../src/plan/plan.js';
import type { Training } from '../../src/plan/probe-spec.js';
import { duration } from '../../src/plan/describe.js';
import { describeScale } from '../../src/plan/scale/describe.js';
import { DEVICES, findDevice } from '../../src/plan/scale/device.js';
import { costHere, parseWorkers } from '../../src/plan/scale/here.js';
import { planScale } from '../../src/plan/scale/plan-scale.js';
import { scaleRows, type ScaleRow } from '../../src/plan/scale/scale.js';
import { planSubject } from '../../src/plan/subject.js';
import { largestShare, parameterOwners } from '../../src/train/parameter-shares.js';
import { PretrainingConfig } from '../../src/tasks/pretraining/config.js';

const configs = resolve(import.meta.dirname, '../../configs');
const training = (train: object, model: object = {}): Training => ({
  task: 'pretraining',
  config: parseConfig(PretrainingConfig, {
    data: { corpus: 'not/there' },
    model: { hiddenDim: 64, numLayers: 2, numHeads: 4, ffnDim: 128, maxGenes: 128, ...model },
    train: { steps: 100, batchSize: 64, ...train },
  }),
});
const rowsOf = async (of: Training, workers: number[], device = 'A100-40GB', more: object = {}) =>
  (await planScale(of, { device, workers, numCells: 59_162_450, ...more })).scale.rows as ScaleRow[];

describe('a plan for several workers', () => {
  it.each(readdirSync(configs, { recursive: true, encoding: 'utf8' }).filter((name) => /pretrain[^/]*\.yaml$/.test(name)))(
    'can be made of %s on every device',
    async (name) => {
      const of = await loadTraining(join(configs, name), ['data.corpus=not/there']);
      for (const { name: device } of DEVICES) {
        const { scale } = await planScale(of, { device, workers: [1, 4, 32, 256, 1024], numCells: 59_162_450 });
        expect(scale.rows).toHaveLength(5);
        for (const row of scale.rows) expect('reason' in row ? row.reason : row.step.ms).toBeTruthy();
        expect(describeScale(scale)).toContain(device);
      }
    },
  );

  it('counts the steps of the published run, and of two thirds of a cell a worker says why not', async () => {
    const { scale } = await planScale(await loadTraining(join(configs, 'paper/pretrain.yaml'), []), {
      device: 'a100-40gb',
      workers: [4, 1024],
      numCells: 59_162_450,
    });
    expect(scale).toMatchObject({ parameters: 94_482_433, steps: 4 * Math.ceil(59_162_450 / 768), cells: 768 });
    expect(scale.rows[0]).toMatchObject({ workers: 4, cells: 192, fits: true });
    expect(scale.rows[1]).toEqual({ workers: 1024, reason: expect.stringMatching(/768 cells.*train\.batchSize/) });
    expect(scale.assumptions.join()).toMatch(/312 TFLOP\/s.*40 %.*--utilisation/);
  });

  it('takes the largest micro-batch that fits, and more of them on a smaller device', async () => {
    const of = training({ batchSize: 4096 }, { hiddenDim: 512, numLayers: 12, numHeads: 8, ffnDim: 2048, maxGenes: 1200 });
    const [small, large] = [(await rowsOf(of, [4], 'A100-40GB'))[0]!, (await rowsOf(of, [4], 'A100-80GB'))[0]!];
    for (const row of [small, large]) expect(row.fits).toBe(true);
    expect(small.memory.total).toBeLessThan(40e9);
    expect(large.memory.total).toBeGreaterThan(40e9);
    expect(small.accumulation).toBeGreaterThan(large.accumulation);
    expect(small.microBatch * small.accumulation).toBeGreaterThanOrEqual(small.cells);
  });

  it('says that a model does not fit at all', async () => {
    const [row] = await rowsOf(training({}, { hiddenDim: 8192, numHeads: 64, ffnDim: 16_384, numLayers: 24 }), [1]);
    expect(row).toMatchObject({ fits: false, microBatch: 1 });
  });

  it('loses what gradients take on the way: a slower network, a lower efficiency; hidden ones cost nothing', async () => {
    const of = training({ batchSize: 1024 }, { hiddenDim: 512, numLayers: 12, numHeads: 8, ffnDim: 2048, maxGenes: 1200 });
    const at = async (more: object): Promise<ScaleRow> => (await rowsOf(of, [64], 'H100-80GB', more))[0]!;
    const [fast, slow, hidden] = [await at({ networkGbps: 400 }), await at({ networkGbps: 25 }), await at({ networkGbps: 25, overlap: 1 })];
    expect(slow.efficiency).toBeLessThan(fast.efficiency);
    // 2 · 63/64 · 4 bytes a parameter at 25 Gb/s
    const parameters = fast.memory.weights / 4;
    expect(slow.step.reduceMs).toBeCloseTo((1e3 * 2 * (63 / 64) * 4 * parameters) / (25e9 / 8) + 1e3 * 24 * 10e-6 * Math.ceil((4 * parameters) / 16e6), 0);
    expect(hidden.step.reduceMs).toBe(0);
  });

  it('gives the table of docs/clusters.md', async () => {
    const page = readFileSync(join(configs, '../docs/clusters.md'), 'utf8');
    const table = [4, 32, 256].map((workers) =>
      new RegExp(`^\\| ${workers} \\|(.*)\\|$`, 'm')
        .exec(page)![1]!
        .split('|')
        .map((cell) => cell.trim()),
    );
    const columns = [
      ['A100-40GB', false],
      ['A100-40GB', true],
      ['H100-80GB', false],
      ['H100-80GB', true],
    ] as const;
    for (const [column, [device, xla]] of columns.entries()) {
      const rows = await rowsOf(
        await loadTraining(join(configs, 'paper/pretrain.yaml'), ['data.corpus=not/there', `train.session.xla=${xla}`]),
        [4, 32, 256],
        device,
      );
      expect(table.map((cells) => cells[column]!.replace(' efficient', ''))).toEqual(
        rows.map(({ seconds, efficiency }) => `${duration(seconds!)} (${Math.round(100 * efficiency)} %)`),
      );
    }
  });

  it('refuses what it cannot plan in one line', async () => {
    expect(() => findDevice('TPU')).toThrow(/--device: TPU \(expected one of A100-40GB/);
    expect(() => parseWorkers('4,x')).toThrow(/--workers: 4,x/);
    const finetuning = await loadTraining(join(configs, 'annotation.yaml'), ['data.corpus=not/there', 'checkpoint=not/there']);
    await expect(planScale(finetuning, { device: 'H100-80GB', workers: [1] })).rejects.toThrow(/fine-tuning.*leave --device out/);
  });
});

describe('workers on machines like this one', () => {
  const plan = (cells: number, ms: number): Plan =>
    ({
      step: { ms, cells, microBatch: cells, accumulation: 1, tokens: 0, cellsPerSec: 0 },
      memory: { weightsBytes: 4e8, gradientsBytes: 4e8, optimizerBytes: 8e8, activationsBytes: 1e7 * cells, peakBytes: 3e9, availableBytes: 20e9 },
    }) as Plan;

  it('lie on the line through two measured steps, and share the cores where they share the machine', async () => {
    const of = training({ batchSize: 16 });
    const subject = { training: of, subject: await planSubject(of), steps: 10 };
    // 100 ms whatever the cells, 50 ms a cell
    const measured = { all: plan(16, 900), few: plan(4, 300) };
    const assumed = { utilisation: 1, networkRate: 1e12, overlap: 0 };
    const apart = scaleRows(subject, [1, 2, 4], costHere(measured, 1e12, { ...assumed, devicesPerNode: 1 }), 0) as ScaleRow[];
    expect(apart.map(({ step }) => Math.round(step.computeMs + step.updateMs))).toEqual([900, 500, 300]);
    const together = scaleRows(subject, [1, 2, 4], costHere(measured, 1e12, { ...assumed, devicesPerNode: 4 }), 0) as ScaleRow[];
    expect(together.map(({ step }) => Math.round(step.computeMs + step.updateMs))).toEqual([900, 1000, 1200]);
  });
});

describe('shares of the optimiser', () => {
  const sizes = { embedding: 40, head: 40, a: 10, b: 10, c: 10, d: 10, norm: 1 };

  it('give every parameter one owner, and no worker much more than another while parameters are smaller than a share', () => {
    for (const workers of [1, 2, 3]) {
      const owners = parameterOwners(sizes, workers);
      expect(Object.keys(owners)).toEqual(Object.keys(sizes));
      for (const owner of Object.values(owners)) expect(owner).toBeLessThan(workers);
      expect(largestShare(sizes, workers)).toBeLessThanOrEqual(Math.max(40, Math.ceil(121 / workers) + 10));
    }
  });

  it('shrink no further than the largest parameter', () => expect(largestShare(sizes, 7)).toBe(40));

  it('take memory off every worker, and send the new weights after the gradients', async () => {
    const large = await loadTraining(join(configs, 'pretrain-large.yaml'), ['data.corpus=not/there']);
    const [whole, divided] = await Promise.all(
      [false, true].map(
        async (shardOptimizer) =>
          (await rowsOf({ ...large, config: { ...large.config, train: { ...large.config.train, shardOptimizer } } } as Training, [8], 'H100-80GB'))[0]!,
      ),
    );
    expect(whole!.memory.optimizer).toBe(8 * 1_534_590_977);
    expect(divided!.memory.optimizer).toBeLessThan(0.13 * whole!.memory.optimizer);
    expect(divided!.step.reduceMs).toBeCloseTo(2 * whole!.step.reduceMs, 6);
  });
});
