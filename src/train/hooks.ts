import type { Logger } from '../log.js';
import type { ProgressBar } from '../progress.js';
import type { TrainConfig } from './config.js';
import type { Evaluator } from './evaluation.js';
import type { Hook } from './loop.js';
import type { MetricsLog, MetricsRecord } from './metrics-log.js';
import type { RunFolder } from './run-folder.js';
import { isDue, recordValidation, type TrainState } from './state.js';
import type { EventWriter } from './tensorboard.js';

/** Where numbers go: metrics.jsonl, and TensorBoard where it can be written. */
export interface Reporter {
  report(record: MetricsRecord): Promise<void>;
}

export function createReporter(log: MetricsLog, events: EventWriter | undefined): Reporter {
  return {
    async report(record) {
      await log.append(record);
      const { step, split, ...values } = record;
      events?.scalars(step, Object.fromEntries(Object.entries(values).map(([name, value]) => [`${split}/${name}`, Number(value)])));
    },
  };
}

/** Every `logEvery` steps: what the step computed and how long it took. Values of that step, not means over the steps before. */
export function logSteps(reporter: Reporter, { logEvery }: TrainConfig, logger: Logger): Hook {
  return {
    async afterStep({ step, cursor }, { loss, aux, gradNorm, lr, stepMs, waitMs, numCells }) {
      if (step % logEvery !== 0) return;
      const cellsPerSec = (1000 * numCells) / (stepMs + waitMs);
      const record = {
        step,
        split: 'train',
        loss,
        ...aux,
        lr,
        gradNorm,
        epoch: cursor.epoch,
        stepMs: round(stepMs),
        waitMs: round(waitMs),
        cellsPerSec: round(cellsPerSec),
      } as const;
      logger.info(record, 'train step');
      await reporter.report(record);
    },
  };
}

/** Every `evaluateEvery` steps and at the end: a validation pass, which decides the best checkpoint and early stopping. */
export function validate(evaluator: Evaluator, reporter: Reporter, { evaluateEvery, earlyStopping }: TrainConfig): Hook {
  const evaluate = async (state: TrainState): Promise<void> => {
    const metrics = await evaluator.evaluate('validation');
    recordValidation(state, metrics, earlyStopping);
    await reporter.report({ step: state.step, split: 'validation', loss: metrics['loss']!, ...metrics });
  };
  return {
    async afterStep(state) {
      if (isDue(evaluateEvery, state)) await evaluate(state);
    },
    async atEnd(state, { isInterrupted }) {
      if (!isInterrupted && state.validation?.step !== state.step) await evaluate(state);
    },
  };
}

/** Writes checkpoints into the run folder, `whenSaving`. */
export function saveCheckpoints(
  save: (folder: string, state: TrainState) => Promise<void>,
  runFolder: RunFolder,
  log: MetricsLog,
  config: TrainConfig,
  resumedFrom?: TrainState,
): Hook {
  const saveNow = async (state: TrainState): Promise<void> => {
    await log.sync();
    await save(runFolder.checkpoint(state.step), state);
    await runFolder.point('last', state.step);
    if (state.best?.step === state.step) await runFolder.point('best', state.step);
    await runFolder.prune(config.keepCheckpoints, [state.step, state.best?.step ?? -1]);
  };
  return whenSaving(saveNow, config, resumedFrom);
}

/** Every `checkpointEvery` steps, whenever weights are the best so far, and at the end, interrupted or not. Comes after `validate`. The same moments on every worker. */
export function whenSaving(saveNow: (state: TrainState) => Promise<void>, { checkpointEvery }: TrainConfig, resumedFrom?: TrainState): Hook {
  // What the newest checkpoint holds: the end of a run saves again only what has moved on since.
  let saved = JSON.stringify(resumedFrom);
  const save = async (state: TrainState): Promise<void> => {
    await saveNow(state);
    saved = JSON.stringify(state);
  };
  return {
    async afterStep(state) {
      if (isDue(checkpointEvery, state) || state.best?.step === state.step) await save(state);
    },
    async atEnd(state) {
      if (JSON.stringify(state) !== saved) await save(state);
    },
  };
}

/** A bar over the whole run, with the latest loss and validation beside it. */
export function showProgress(bar: ProgressBar, { earlyStopping: { metric } }: TrainConfig): Hook {
  return {
    afterStep({ step, validation }, { loss }) {
      bar.update(
        step,
        `loss ${loss.toPrecision(4)}${validation?.metrics[metric] === undefined ? '' : `, validation ${metric} ${validation.metrics[metric].toPrecision(4)}`}`,
      );
    },
  };
}

const round = (x: number): number => Math.round(x * 100) / 100;
