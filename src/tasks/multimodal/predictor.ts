// n cells, B cells of a batch, P proteins, D hidden
import type * as tf from '@tensorflow/tfjs-core';
import type { CellBatch } from '../../data/batch.js';
import type { Corpus } from '../../data/corpus/corpus.js';
import { createLoader } from '../../data/loader/loader.js';
import type { Executor, HostTensors, Tensors } from '../../runtime/program/program.js';
import type { ModelDescription } from '../../train/checkpoint.js';
import { cellInputs, type EncoderModel } from '../cell-encoder.js';
import type { FinetuneConfig } from '../finetune/config.js';
import { hiddenProteinStates, proteinsFromGenes } from './task.js';
import type { MultimodalHeadInfo } from './head.js';

/** Tells something of the protein tokens of cells from their genes alone. */
export interface ProteinPredictor {
  /** Numbers a cell. */
  readonly width: number;
  /** @returns [B, width], row by row as in the batch */
  predict(batch: CellBatch): Promise<Float32Array>;
  dispose(): void;
}

interface Head {
  readonly info: MultimodalHeadInfo;
  readonly parameters: HostTensors;
}

type Precision = 'f32' | 'bf16';

/** Levels of the proteins, in the scale of the head. @param head as `readHead` gives it */
export function createProteinPredictor(executor: Executor, model: EncoderModel, head: Head, precision?: Precision): Promise<ProteinPredictor> {
  const P = head.info.proteins.length;
  return createTold(executor, model, head, P, (state, inputs) => proteinsFromGenes(state, inputs, model.modelConfig, model.vocabulary, P), precision);
}

/** What levels are told from, [B, (P + 1) · D]. @param head may lack the scaling of states */
export function createStateReader(executor: Executor, model: EncoderModel, head: Head, precision?: Precision): Promise<ProteinPredictor> {
  const P = head.info.proteins.length;
  return createTold(
    executor,
    model,
    head,
    (P + 1) * model.modelConfig.hiddenDim,
    (state, inputs) => hiddenProteinStates(state, inputs, model.modelConfig, model.vocabulary, P),
    precision,
  );
}

async function createTold(
  executor: Executor,
  model: EncoderModel,
  head: Head,
  width: number,
  tell: (state: Tensors, inputs: Tensors) => tf.Tensor,
  precision: Precision = 'f32',
): Promise<ProteinPredictor> {
  const variables = await executor.createVariables({ ...model.parameters, ...head.parameters });
  const program = executor.compile((state, inputs) => ({ outputs: { told: tell(state, inputs) } }), { variables, precision, name: 'proteins' });
  return {
    width,
    predict: async (batch) => (await program.run(cellInputs(batch)))['told']!.data as Float32Array,
    dispose() {
      program.dispose();
      variables.dispose();
    },
  };
}

/** What is told of cells of a corpus. [n, width] */
export async function ofCorpus(
  { width, predict }: ProteinPredictor,
  corpus: Corpus,
  rows: Int32Array,
  { preprocessing, entropy }: ModelDescription,
  { loader, train }: Pick<FinetuneConfig, 'loader' | 'train'>,
): Promise<Float32Array> {
  const at = new Map(Array.from(rows, (row, i) => [row, i]));
  const out = new Float32Array(rows.length * width);
  const batches = createLoader(corpus, { rows, batchSize: Math.ceil(train.batchSize / train.accumulation), preprocessing, entropy, rng: null, loader });
  try {
    for await (const batch of batches) {
      const told = await predict(batch);
      batch.cellIndex.forEach((row, i) => out.set(told.subarray(i * width, (i + 1) * width), at.get(row)! * width));
    }
  } finally {
    await batches.close();
  }
  return out;
}
