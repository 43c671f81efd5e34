// B cells, L gene slots a cell, M slots asked about, R rows of the gene head at a time, D hidden, V gene vocabulary
import type * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../model/config.js';
import type { GeneIdLayout } from '../model/gene-ids.js';
import { geneLogits, predictedValues, slotStates } from '../model/scdiva.js';
import type { Executor, HostTensor, HostTensors, Variables } from '../runtime/program/program.js';
import { numLossRows } from './forward.js';
import type { PartialCells } from './partial-cells.js';

/** What the model believes of unknown slots. */
export interface Denoiser {
  /**
   * @param slots b · L + l of the slots asked about
   * @param visit called once a slot, in the order given, with its identity logits [V] (valid during the call alone) and its value
   */
  predict(cells: PartialCells, slots: readonly number[], visit: (slot: number, logits: Float32Array, value: number) => void): Promise<void>;
  dispose(): void;
}

/** Rows for which logits are held at once: 64 rows of the released vocabulary are 11 MB. */
const HEAD_ROWS = 64;

/**
 * The model as a denoiser of partial cells. In training the [LAT] token summarises the whole clean cell; here that cell is what is being asked
 * for, so it summarises the slots known so far, the given ones and those already filled; and the whole cell where `PartialCells.truth` tells it.
 * @param variables hold the model's parameters by state-dict name
 */
export function createDenoiser(executor: Executor, variables: Variables, config: ModelConfig, ids: GeneIdLayout): Denoiser {
  const states = executor.compile(
    (parameters, inputs) => {
      const rows = slotStates(
        parameters,
        inputs as Record<'geneIds' | 'values' | 'isReplaced' | 'isSummarised', tf.Tensor2D>,
        inputs['slots'] as tf.Tensor1D,
        config,
        ids,
      ); // [M, D]
      return { outputs: { rows, values: predictedValues(parameters, rows) } };
    },
    { variables, name: 'denoise/states' },
  );
  const head = executor.compile((parameters, { rows }) => ({ outputs: { logits: geneLogits(parameters, rows as tf.Tensor2D) } }), {
    variables,
    name: 'denoise/head',
  });
  return {
    async predict(cells, slots, visit) {
      const { rows, values } = (await states.run(denoiserInputs(cells, slots, ids))) as Record<string, HostTensor>;
      const hiddenDim = config.hiddenDim;
      for (let start = 0; start < slots.length; start += HEAD_ROWS) {
        const chunk = new Float32Array(HEAD_ROWS * hiddenDim);
        chunk.set((rows!.data as Float32Array).subarray(start * hiddenDim, Math.min(slots.length, start + HEAD_ROWS) * hiddenDim));
        const { logits } = await head.run({ rows: { dtype: 'float32', shape: [HEAD_ROWS, hiddenDim], data: chunk } });
        for (let m = start; m < Math.min(slots.length, start + HEAD_ROWS); m++)
          visit(slots[m]!, (logits!.data as Float32Array).subarray((m - start) * ids.size, (m - start + 1) * ids.size), values!.data[m]!);
      }
    },
    dispose() {
      states.dispose();
      head.dispose();
    },
  };
}

/** Slots are filled up to one of few lengths, as programs are compiled once for each. */
function denoiserInputs(
  { numCells, seqLen, geneIds, values, isUnknown, truth }: PartialCells,
  slots: readonly number[],
  { padId, padFillId }: GeneIdLayout,
): HostTensors {
  const filled = new Int32Array(numLossRows(slots.length, numCells * seqLen));
  filled.set(slots);
  const cells = (data: Float32Array | Int32Array): HostTensor => ({ dtype: data instanceof Int32Array ? 'int32' : 'float32', shape: [numCells, seqLen], data });
  return {
    geneIds: cells(truth ? geneIds.map((id, slot) => (isUnknown[slot] ? truth.geneIds[slot]! : id)) : geneIds),
    values: cells(truth ? values.map((value, slot) => (isUnknown[slot] ? truth.values[slot]! : value)) : values),
    isReplaced: cells(Float32Array.from(isUnknown)),
    isSummarised: cells(Float32Array.from(geneIds, (id, slot) => Number(id !== padId && id !== padFillId && (truth !== undefined || !isUnknown[slot])))),
    slots: { dtype: 'int32', shape: [filled.length], data: filled },
  };
}
