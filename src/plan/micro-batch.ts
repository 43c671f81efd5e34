import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import type { MicroBatchChoice, RunManifest } from '../train/run-manifest.js';
import { bytes } from './describe.js';
import { availableBytes } from './plan.js';
import { ProbeError, runProbe } from './probe.js';
import type { ProbeResult, Training } from './probe-spec.js';
import { planSubject } from './subject.js';

/** Share of the free memory that is used where no budget is given: the rest is for what else runs here. */
const DEFAULT_SHARE = 0.8;
/** Sizes tried after the first two. */
const MAX_TRIES = 5;

export interface SettleOptions {
  /** The run's folder: a resumed run keeps what was chosen when it began. */
  readonly out: string;
  readonly isResumed: boolean;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Puts a number in the place of `train.microBatch: auto`: the largest micro-batch whose training fits the memory budget, found by
 * trying. Other configs come back as they are.
 * @returns the config with `train.accumulation` set, and what run.json is to say of the choice
 * @throws ConfigError when not even one cell fits, or where memory cannot be measured
 */
export async function settleMicroBatch<T extends Training>(
  training: T,
  options: SettleOptions,
): Promise<{ config: T['config']; microBatch?: MicroBatchChoice }> {
  const { config } = training;
  if (config.train.microBatch !== 'auto') return { config };
  const microBatch = options.isResumed ? await earlierChoice(options.out) : await chooseMicroBatch(training, options);
  options.say(`micro-batch: ${microBatch.cells} cells at once, ${microBatch.accumulation} times a step; ${microBatch.reason}`);
  return { config: { ...config, train: { ...config.train, accumulation: microBatch.accumulation } }, microBatch };
}

async function earlierChoice(out: string): Promise<MicroBatchChoice> {
  const file = join(out, 'run.json');
  const manifest = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as RunManifest,
    () => undefined,
  );
  if (manifest?.microBatch) return { ...manifest.microBatch, reason: 'as when the run began' };
  throw new ConfigError({ file, key: 'train.microBatch', found: 'auto, but the run was begun without it', hint: 'set it to null to resume' });
}

export async function chooseMicroBatch(training: Training, { signal }: Pick<SettleOptions, 'signal'> = {}): Promise<MicroBatchChoice> {
  const { batchSize, memoryBudgetGb } = training.config.train;
  const subject = await planSubject(training);
  const longest = subject.lengths.at(-1)!;
  // Accumulating takes a variable more for each parameter: counted from the start.
  const accumulating = { ...training, config: { ...training.config, train: { ...training.config.train, accumulation: batchSize > 1 ? 2 : 1 } } } as Training;
  const free = availableBytes();
  const budget = memoryBudgetGb === null ? DEFAULT_SHARE * free : memoryBudgetGb * 1e9;
  const origin = memoryBudgetGb === null ? `${100 * DEFAULT_SHARE} % of the ${bytes(free)} that are free` : `train.memoryBudgetGb`;

  const needs = new Map<number, number>();
  /** Memory of a run that computes so many cells at once; Infinity where it ended the attempt. */
  const need = async (cells: number): Promise<number> => {
    const known = needs.get(cells);
    if (known !== undefined) return known;
    const probe = await runProbe(
      {
        training: accumulating,
        model: subject.model,
        numGenes: subject.numGenes,
        numClasses: subject.numClasses,
        numCells: cells,
        lengths: [longest],
        goal: 'memory',
      },
      signal,
    ).catch((error: unknown) => {
      if (error instanceof ProbeError && cells > 1) return undefined;
      throw error;
    });
    if (probe?.device === 'gpu')
      throw new ConfigError({
        key: 'train.microBatch',
        found: 'auto, but memory of a GPU is not measured',
        hint: 'set train.accumulation, and train.microBatch to null',
      });
    const bytesNeeded = probe ? peakOfRun(probe, subject.lengths.length) : Infinity;
    needs.set(cells, bytesNeeded);
    return bytesNeeded;
  };
  const one = await need(1);
  if (one > budget)
    throw new ConfigError({
      key: 'train.memoryBudgetGb',
      found: `one cell at a time needs ${bytes(one)}, the budget is ${bytes(budget)} (${origin})`,
      hint: 'give it more, or make the model smaller',
    });
  let best = 1;
  let latest = Math.min(2, batchSize);
  for (let tries = 0; tries <= MAX_TRIES && latest > best; tries++) {
    const bytesNeeded = await need(latest);
    if (bytesNeeded <= budget) best = latest;
    // On the line through one cell and the latest, then to the next size that divides the batch.
    const perCell = Math.max(1, (Math.min(bytesNeeded, 2 * free) - one) / (latest - 1 || 1));
    const guess = Math.floor(1 + (budget - one) / perCell);
    latest = evenSize(batchSize, bytesNeeded <= budget ? guess : Math.min(guess, latest - 1));
    if (needs.has(latest)) break;
  }
  best = Math.max(...[...needs].filter(([, bytesNeeded]) => bytesNeeded <= budget).map(([size]) => size));
  const accumulation = Math.ceil(batchSize / best);
  const next = [...needs].filter(([, bytesNeeded]) => bytesNeeded > budget).sort(([a], [b]) => a - b)[0];
  const why =
    best === batchSize
      ? 'the whole batch'
      : next
        ? `${next[0]} cells need ${Number.isFinite(next[1]) ? bytes(next[1]) : 'more than there is'}`
        : 'the next size would not fit';
  return {
    cells: best,
    accumulation,
    budgetBytes: Math.round(budget),
    peakBytes: Math.round(needs.get(best)!),
    reason: `${bytes(needs.get(best)!)} of a budget of ${bytes(budget)} (${origin}): ${why}`,
  };
}

/** What was tried, and the batch shapes that are still to come. */
function peakOfRun({ memory, numShapes, numShapesOfRun, bytesPerShape }: ProbeResult, numLengths: number): number {
  return memory.peak + Math.max(0, numShapesOfRun * numLengths - numShapes) * bytesPerShape;
}

/** The largest micro-batch of at most `cells` that divides the batch evenly, where one is more than half as large; else `cells`. */
export function evenSize(batchSize: number, cells: number): number {
  const most = Math.max(1, Math.min(batchSize, cells));
  for (let size = most; size > most / 2; size--) if (batchSize % size === 0) return size;
  return Math.ceil(batchSize / Math.ceil(batchSize / most));
}
