// n cells, D cell embedding, C classes
import type * as tf from '@tensorflow/tfjs-core';
import type { Executor, HostTensors } from '../../runtime/program/program.js';
import { inRowChunks } from '../row-chunks.js';
import { headLogits, type AnnotationHeadInfo } from './head.js';

/** The trained head alone, applied to embeddings. */
export interface HeadClassifier {
  /** @param embeddings [n, D] @returns [n, C] logits */
  logits(embeddings: Float32Array): Promise<Float32Array>;
  dispose(): void;
}

/** @param head as `readHead` gives it */
export async function createHeadClassifier(
  executor: Executor,
  { info, parameters }: { info: AnnotationHeadInfo; parameters: HostTensors },
): Promise<HeadClassifier> {
  const [D, C] = [info.embeddingDim, info.classes.length];
  const variables = await executor.createVariables(parameters);
  const program = executor.compile((state, inputs) => ({ outputs: { logits: headLogits(state, inputs['embedding'] as tf.Tensor2D) } }), {
    variables,
    name: 'annotation head',
  });
  return {
    logits: (embeddings) => inRowChunks(embeddings, D, C, async (embedding) => (await program.run({ embedding }))['logits']!.data),
    dispose() {
      program.dispose();
      variables.dispose();
    },
  };
}
