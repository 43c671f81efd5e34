import type { EarlyStoppingConfig, Period } from './config.js';
import { ConfigError } from '../errors.js';
import type { Cursor } from './feed.js';
import type { Metrics } from './task.js';

/** Where a run stands. All of it is saved; with weights, moments and seed it decides every step that follows. */
export interface TrainState {
  /** Optimiser updates taken. */
  step: number;
  /** The next batch. */
  cursor: Cursor;
  /** The latest validation: after how many steps, and its scores. */
  validation: { readonly step: number; readonly metrics: Metrics } | null;
  /** The step whose weights scored best so far, by the metric that is watched, and all it scored. */
  best: { readonly step: number; readonly value: number; readonly metrics: Metrics } | null;
  evaluationsWithoutImprovement: number;
}

export const initialState = (): TrainState => ({
  step: 0,
  cursor: { epoch: 0, batchIndex: 0 },
  validation: null,
  best: null,
  evaluationsWithoutImprovement: 0,
});

/** Takes the scores of a validation in. @returns whether these weights are the best so far */
export function recordValidation(state: TrainState, metrics: Metrics, config: EarlyStoppingConfig): boolean {
  const value = watchedValue(metrics, config);
  const { best } = state;
  const gain = best === null ? Infinity : config.mode === 'min' ? best.value - value : value - best.value;
  const isBest = Number.isFinite(value) && gain > config.minDelta;
  state.validation = { step: state.step, metrics };
  if (isBest) state.best = { step: state.step, value, metrics };
  state.evaluationsWithoutImprovement = isBest ? 0 : state.evaluationsWithoutImprovement + 1;
  return isBest;
}

/** @throws ConfigError naming the metrics there are */
export function watchedValue(metrics: Metrics, { metric }: EarlyStoppingConfig): number {
  const value = metrics[metric];
  if (value !== undefined) return value;
  throw new ConfigError({ key: 'train.earlyStopping.metric', found: `no metric '${metric}'`, expected: `one of ${Object.keys(metrics).join(', ')}` });
}

/** Whether early stopping ends the run here. */
export function isPatienceSpent(state: TrainState, { patience }: EarlyStoppingConfig): boolean {
  return patience !== null && state.evaluationsWithoutImprovement >= patience;
}

/** Whether something that happens every so many steps, or after every epoch, happens after this step. */
export function isDue(every: Period, { step, cursor }: TrainState): boolean {
  if (every === null) return false;
  return every === 'epoch' ? cursor.batchIndex === 0 : step % every === 0;
}
