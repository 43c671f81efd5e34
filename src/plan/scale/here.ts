import { ConfigError } from '../../errors.js';
import type { Plan } from '../plan.js';
import { HOP_SECONDS, type CostOfWorker, type ScaleAssumptions } from './scale.js';

/** Two plans of the same training on this machine, as measured: with all cells of a step, and with a few. */
export interface MeasuredTwice {
  readonly all: Plan;
  readonly few: Plan;
}

/**
 * Costs of workers on machines like this one, or, with `devicesPerNode` above 1, of as many that share one: each then has a part of the cores.
 * A step is a line through the two plans: what it takes whatever the number of cells (the update), and what a cell adds.
 * @param linkRate between workers of one machine, bytes a second
 */
export function costHere({ all, few }: MeasuredTwice, linkRate: number, { devicesPerNode, networkRate }: ScaleAssumptions): CostOfWorker {
  const cellMs = Math.max(0, (all.step.ms - few.step.ms) / (all.step.cells - few.step.cells || 1));
  const fixedMs = Math.max(0, all.step.ms - cellMs * all.step.cells);
  const { weightsBytes, gradientsBytes, optimizerBytes, activationsBytes, peakBytes, availableBytes } = all.memory;
  const activationsPerCell = Math.max(0, (activationsBytes - few.memory.activationsBytes) / (all.step.microBatch - few.step.microBatch || 1));
  return ({ workers, cells, owned }) => {
    const onOne = Math.min(workers, devicesPerNode);
    const microBatch = Math.min(cells, all.step.microBatch);
    return {
      microBatch,
      computeMs: onOne * cellMs * cells,
      updateMs: onOne * fixedMs * owned,
      activationBytes: activationsBytes - activationsPerCell * (all.step.microBatch - microBatch),
      otherBytes: Math.max(0, peakBytes - weightsBytes - gradientsBytes - optimizerBytes - activationsBytes),
      availableBytes: availableBytes / onOne,
      rate: workers <= devicesPerNode ? linkRate : networkRate,
      hopSeconds: 10 * HOP_SECONDS,
      numHops: 2 * (workers - 1),
    };
  };
}

/** `1,4,32` @throws ConfigError */
export function parseWorkers(text: string): number[] {
  const workers = text.split(',').map(Number);
  if (workers.every((n) => Number.isInteger(n) && n >= 1 && n <= 65_536)) return workers;
  throw new ConfigError({ key: '--workers', found: text, expected: 'numbers of workers such as 1,4,32' });
}
