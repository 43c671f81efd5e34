// B cells, L genes a cell, D hidden
import * as tf from '@tensorflow/tfjs-core';
import { ConfigError } from '../errors.js';
import type { CellBatch } from '../data/batch.js';
import type { Vocabulary } from '../data/genes/vocabulary.js';
import type { ModelConfig } from '../model/config.js';
import { latentStates, type ForwardOptions } from '../model/scdiva.js';
import type { Executor, HostTensors, Tensors, Variables } from '../runtime/program/program.js';

/** Parts of the model that the cell embedding does not depend on: they predict masked genes. */
const OUTSIDE_EMBEDDING = ['gene_head.', 'value_head.', 'gene_mask_emb', 'value_mask_emb'];

/** Whether the embedding of an unmasked cell depends on this parameter; without a config, whether that of any kind may. */
export function isOfEmbedding(name: string, config?: Pick<ModelConfig, 'cellState'>): boolean {
  if (config?.cellState === 'genes') return name === 'gene_embedding.weight';
  return !OUTSIDE_EMBEDDING.some((prefix) => name.startsWith(prefix));
}

/** What the model is shown of a batch when nothing is masked. */
export function cellInputs({ numCells: B, seqLen: L, geneIds, values }: CellBatch): HostTensors {
  return { geneIds: { dtype: 'int32', shape: [B, L], data: geneIds }, values: { dtype: 'float32', shape: [B, L], data: values } };
}

/**
 * The cell embedding as a pure function of parameters and `cellInputs`: the [LAT] state of the unmasked cell.
 * @param options dropout and recomputation, for training
 * @returns [B, D]
 */
export function embedCells(parameters: Tensors, inputs: Tensors, config: ModelConfig, vocabulary: Vocabulary, options: ForwardOptions = {}): tf.Tensor2D {
  return tf.tidy(() => {
    const geneIds = inputs['geneIds'] as tf.Tensor2D;
    const values = inputs['values'] as tf.Tensor2D;
    // The mask vectors play no part here, and their gradient would be zero: zeros stand in for them, so that they need not be there.
    const noMask = tf.zeros([config.hiddenDim]);
    return latentStates(
      { ...parameters, gene_mask_emb: noMask, value_mask_emb: noMask },
      { geneIds, values, isReplaced: tf.zerosLike(values) },
      config,
      vocabulary,
      options,
    );
  });
}

/** Embeds batches of cells; holds the parameters the embedding needs and no others. */
export interface CellEncoder {
  /** D */
  readonly embeddingDim: number;
  /** @returns [B, D], row by row as in the batch */
  encode(batch: CellBatch): Promise<Float32Array>;
  dispose(): void;
}

export interface EncoderModel {
  readonly modelConfig: ModelConfig;
  readonly vocabulary: Vocabulary;
  readonly parameters: HostTensors;
}

/** @throws ConfigError for bf16 where the executor has none */
export async function createCellEncoder(executor: Executor, { parameters, ...model }: EncoderModel, precision: 'f32' | 'bf16' = 'f32'): Promise<CellEncoder> {
  const variables = await executor.createVariables({});
  const encoder = cellEncoderOf(executor, variables, model, precision);
  await variables.create(Object.fromEntries(Object.entries(parameters).filter(([name]) => isOfEmbedding(name))));
  return {
    ...encoder,
    dispose() {
      encoder.dispose();
      variables.dispose();
    },
  };
}

/**
 * The encoder over variables that are there already and stay their owner's: at least those of which `isOfEmbedding` holds.
 * @throws ConfigError for bf16 where the executor has none
 */
export function cellEncoderOf(
  executor: Executor,
  variables: Variables,
  { modelConfig, vocabulary }: Omit<EncoderModel, 'parameters'>,
  precision: 'f32' | 'bf16' = 'f32',
): CellEncoder {
  if (precision === 'bf16' && executor.kind === 'eager')
    throw new ConfigError({ key: 'precision', found: 'bf16, which the eager executor does not have', hint: 'use f32, or the graph executor' });
  const program = executor.compile((state, inputs) => ({ outputs: { embedding: embedCells(state, inputs, modelConfig, vocabulary) } }), {
    variables,
    precision,
    name: 'embed',
  });
  return {
    embeddingDim: modelConfig.hiddenDim,
    encode: async (batch) => (await program.run(cellInputs(batch)))['embedding']!.data as Float32Array,
    dispose: () => program.dispose(),
  };
}
