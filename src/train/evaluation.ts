import { DataError } from '../errors.js';
import type { Team } from '../runtime/cluster/team.js';
import type { Executor, HostTensors, Program, ProgramFn, Tensors, Variables } from '../runtime/program/program.js';
import type { BatchPart, CellBatch } from '../data/batch.js';
import type { Rng } from '../rng.js';
import type { TrainConfig } from './config.js';
import { takePart } from './micro-batches.js';
import { averageName } from './optimizer.js';
import { addWeighted, lossOutputs, readLoss } from './step.js';
import type { EvaluationContext, Metrics, Split, Task } from './task.js';

export interface Evaluator {
  /** Scores of one whole pass over a split; `loss` is always among them. The same pass draws the same random numbers every time. */
  evaluate(split: Split): Promise<Metrics>;
  dispose(): void;
}

/**
 * Evaluates a task with the weights that would be saved now: the moving average where there is one. Workers divide the cells of
 * every batch of the mean loss among themselves; what else a task computes, each computes alike, and all go by what the first one found.
 */
export function createEvaluator(setup: {
  task: Task;
  executor: Executor;
  variables: Variables;
  config: TrainConfig;
  root: Rng;
  team?: Team | undefined;
}): Evaluator {
  const { task, executor, variables, config, root, team } = setup;
  const batchSize = evaluationBatchSize(config);
  const programs = new Map<string, Program>();
  const program = (name: string, fn: (parameters: Tensors, inputs: Tensors) => Tensors): Program => {
    let compiled = programs.get(name);
    if (!compiled) {
      const onSavedWeights: ProgramFn = (state, inputs) => ({ outputs: fn(savedWeights(task, config, state), inputs) });
      programs.set(name, (compiled = executor.compile(onSavedWeights, { variables, precision: config.precision, name: `${task.name}/${name}` })));
    }
    return compiled;
  };
  const lossProgram = () => program('loss', (parameters, inputs) => lossOutputs(task.loss(parameters, inputs, { isTraining: false })));

  const meanLoss = async (split: Split, rng: Rng): Promise<Metrics> => {
    let sum: { loss: number; aux: Record<string, number> } = { loss: 0, aux: {} };
    let totalWeight = 0;
    for await (const { inputs } of evaluationInputs(task, split, rng, batchSize, team)) {
      const weight = task.lossWeight(inputs);
      if (weight === 0) continue; // nothing to predict in this batch: its loss is 0 over 0
      sum = addWeighted(sum, readLoss(await lossProgram().run(inputs)), weight);
      totalWeight += weight;
    }
    if (team) {
      const parts = (await team.gather(JSON.stringify({ sum, totalWeight }))).map(
        (text) => JSON.parse(text, (_, value: unknown) => value ?? NaN) as { sum: typeof sum; totalWeight: number },
      );
      sum = parts.reduce((all, part) => addWeighted(all, part.sum, 1), { loss: 0, aux: {} } as typeof sum);
      totalWeight = parts.reduce((all, part) => all + part.totalWeight, 0);
    }
    if (totalWeight === 0) throw new DataError({ key: `${split} split`, found: 'no cell in it has anything to score', hint: 'give it more cells' });
    const mean = addWeighted({ loss: 0, aux: {} }, sum, 1 / totalWeight);
    return { loss: mean.loss, ...mean.aux };
  };

  return {
    async evaluate(split) {
      const rng = evaluationStream(root, split);
      const losses = new Map<Split, Promise<Metrics>>();
      const context: EvaluationContext = {
        rng,
        batchSize,
        meanLoss(wanted) {
          if (!losses.has(wanted)) losses.set(wanted, meanLoss(wanted, evaluationStream(root, wanted)));
          return losses.get(wanted)!;
        },
        run: (name, fn, inputs) => program(`run/${name}`, fn).run(inputs),
      };
      const metrics = await task.evaluate(split, context);
      const all = 'loss' in metrics ? metrics : { loss: (await context.meanLoss(split))['loss']!, ...metrics };
      // A score without a value (the F1 of no cells) is left out rather than written as NaN, which JSON does not know.
      const scores = Object.fromEntries(Object.entries(all).filter(([, value]) => Number.isFinite(value)));
      return team ? (JSON.parse(await team.tell(JSON.stringify(scores))) as Metrics) : scores;
    },
    dispose() {
      for (const compiled of programs.values()) compiled.dispose();
    },
  };
}

/** The stream of every evaluation pass over a split. @param root stream of the run's seed */
export const evaluationStream = (root: Rng, split: Split): Rng => root.fork(`evaluate/${split}`);

/** Cells an evaluation pass takes at once: as many as a training step does. */
export const evaluationBatchSize = ({ batchSize, accumulation }: TrainConfig): number => Math.ceil(batchSize / accumulation);

/**
 * The inputs of one evaluation pass, batch by batch: what they hide depends on the stream alone, so every pass asks the same.
 * @param part only these cells of every batch, with what the whole batch's inputs would hide of them
 */
export async function* evaluationInputs(
  task: Pick<Task, 'batches' | 'inputs'>,
  split: Split,
  rng: Rng,
  batchSize: number,
  part?: BatchPart,
): AsyncGenerator<{ batch: CellBatch; inputs: HostTensors }> {
  const batches = task.batches(split, { rng, batchSize });
  let index = 0;
  try {
    for await (const whole of batches) {
      const ofBatch = rng.fork(`batch/${index++}`);
      const batch = part ? takePart(whole, part) : whole;
      if (batch.numCells > 0) yield { batch, inputs: task.inputs(batch, ofBatch, split) };
    }
  } finally {
    await batches.close();
  }
}

/** The weights a checkpoint of this moment would hold, by parameter name. */
function savedWeights(task: Task, config: TrainConfig, state: Tensors): Tensors {
  const averaged = new Set(config.ema ? task.trainable : []);
  return Object.fromEntries(Object.keys(task.parameters).map((name) => [name, state[averaged.has(name) ? averageName(name) : name]!]));
}
