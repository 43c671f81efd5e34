import type { TrainState } from './state.js';
import type { Feed } from './feed.js';
import type { StepStats, TrainStep } from './step.js';

/** One step as the hooks see it. */
export interface StepEvent extends StepStats {
  readonly numCells: number;
  /** Time the step computed, and time it waited for its batch before that. */
  readonly stepMs: number;
  readonly waitMs: number;
}

/** Something that happens beside the steps, each at its own period. Hooks run in order, after the state has moved on. */
export interface Hook {
  afterStep?(state: TrainState, event: StepEvent): Promise<void> | void;
  /** Once after the last step, or after the step during which the run was interrupted. */
  atEnd?(state: TrainState, end: { readonly isInterrupted: boolean }): Promise<void> | void;
}

export interface LoopOptions {
  readonly step: TrainStep;
  readonly feed: AsyncGenerator<Feed>;
  readonly state: TrainState;
  readonly hooks: readonly Hook[];
  readonly totalSteps: number;
  /** Asked after every step: early stopping. */
  readonly isOver: (state: TrainState) => boolean;
  readonly signal: AbortSignal;
  /** Whether other workers take the same steps. */
  readonly isShared?: boolean;
}

/** Takes steps until the run is long enough, over, or interrupted. @returns whether it was interrupted */
export async function trainLoop({ step, feed, state, hooks, totalSteps, isOver, signal, isShared = false }: LoopOptions): Promise<{ isInterrupted: boolean }> {
  let isStopped = signal.aborted && !isShared;
  while (state.step < totalSteps && !isOver(state) && !isStopped) {
    const asked = performance.now();
    const batch = await nextOf(feed);
    const started = performance.now();
    const stats = await step.run(batch.microBatches, state.step, batch.place, { numCells: batch.numCells, wantsStop: signal.aborted });
    const ended = performance.now();
    state.step += 1;
    state.cursor = batch.next;
    const event = { numCells: batch.numCells, ...stats, stepMs: ended - started, waitMs: started - asked };
    for (const hook of hooks) await hook.afterStep?.(state, event);
    isStopped = stats.wantsStop ?? signal.aborted; // workers stop together, and only that way
  }
  const isInterrupted = isStopped && state.step < totalSteps && !isOver(state);
  for (const hook of hooks) await hook.atEnd?.(state, { isInterrupted });
  return { isInterrupted };
}

async function nextOf(feed: AsyncGenerator<Feed>): Promise<Feed> {
  const item = await feed.next();
  if (item.done) throw new Error('the stream of training batches ended');
  return item.value;
}
