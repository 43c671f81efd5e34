import { ConfigError } from '../../errors.js';
import type { Executor } from '../../runtime/program/program.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { isOfEmbedding } from '../cell-encoder.js';
import type { RankedCell } from './cells.js';
import { effectsOfParts } from './effects.js';
import { readPerturbationHead, SINGLE_EFFECTS, type PerturbationHead } from './head.js';
import { predictedChange } from './model.js';
import { perturbedCells, predictChanges, type Question } from './predict.js';
import type { Perturbation } from './perturbations.js';

/** Control cells that stand for others: their own mean, or that of the group they come from. */
export interface ControlCell {
  readonly cell: RankedCell;
  /** [G] */
  readonly reference: Float64Array;
}

/** A fine-tuned model ready to predict perturbations. */
export interface PerturbationPredictor extends PerturbationHead {
  /** @returns for every control cell its expression after the perturbation, and the predicted changes; [G] each */
  predict(
    controls: readonly ControlCell[],
    perturbation: Perturbation,
    onCells?: (done: number) => void,
  ): Promise<{ cells: Float32Array[]; changes: Float32Array[] }>;
  dispose(): void;
}

export interface PredictorOptions {
  readonly precision?: 'f32' | 'bf16';
  /** Cells computed at once. */
  readonly batchSize: number;
}

/** @throws CheckpointError when the checkpoint has no perturbation head; ConfigError while predicting, for more genes at once than the head was made for */
export async function createPredictor(
  executor: Executor,
  checkpoint: Checkpoint,
  { precision = 'f32', batchSize }: PredictorOptions,
): Promise<PerturbationPredictor> {
  const head = readPerturbationHead(checkpoint);
  const { info, panel, singles } = head;
  const { modelConfig, vocabulary } = checkpoint;
  const used = Object.entries({ ...checkpoint.parameters, ...head.parameters }).filter(([name]) => name !== SINGLE_EFFECTS && isOfEmbedding(name));
  const variables = await executor.createVariables(Object.fromEntries(used));
  const program = executor.compile((state, inputs) => ({ outputs: { change: predictedChange(state, inputs, modelConfig, vocabulary) } }), {
    variables,
    precision,
    name: 'perturbation/predict',
  });
  return {
    ...head,
    async predict(controls, perturbation, onCells) {
      if (perturbation.parts.length > info.numSlots)
        throw new ConfigError({
          key: perturbation.name,
          found: `${perturbation.parts.length} genes at once`,
          expected: `at most ${info.numSlots}: no cell of the training had more`,
        });
      const effects = effectsOfParts(perturbation, singles, panel.ids.length);
      const questions: Question[] = controls.map(({ cell, reference }) => ({ control: cell, perturbation, reference, ...effects }));
      const run = async (inputs: Parameters<typeof program.run>[0]) => (await program.run(inputs))['change']!.data as Float32Array;
      const changes = await predictChanges(questions, {
        panel,
        contextGenes: info.contextGenes,
        numSlots: info.numSlots,
        padId: vocabulary.padId,
        batchSize,
        run,
        ...(onCells && { onCells }),
      });
      return { cells: perturbedCells(questions, changes, panel), changes };
    },
    dispose() {
      program.dispose();
      variables.dispose();
    },
  };
}
