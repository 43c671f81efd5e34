// n cells, D cell embedding, C classes
import type * as tf from '@tensorflow/tfjs-core';
import type { Executor, HostTensors } from '../../runtime/program/program.js';
import { headLogits, type AnnotationHeadInfo } from './head.js';

/** The trained head alone, applied to embeddings. */
export interface HeadClassifier {
  /** @param embeddings [n, D] @returns [n, C] logits */
  logits(embeddings: Float32Array): Promise<Float32Array>;
  dispose(): void;
}

/** Cells a call: bounds memory, and keeps the number of compiled shapes at two. */
const CHUNK = 4096;

/** @param head as `readHead` gives it */
export async function createHeadClassifier(executor: Executor, { info, parameters }: { info: AnnotationHeadInfo; parameters: HostTensors }): Promise<HeadClassifier> {
  const [D, C] = [info.embeddingDim, info.classes.length];
  const variables = await executor.createVariables(parameters);
  const program = executor.compile((state, inputs) => ({ outputs: { logits: headLogits(state, inputs['embedding'] as tf.Tensor2D) } }), { variables, name: 'annotation head' });
  return {
    async logits(embeddings) {
      const n = embeddings.length / D;
      const out = new Float32Array(n * C);
      for (let start = 0; start < n; start += CHUNK) {
        const end = Math.min(n, start + CHUNK);
        const { logits } = await program.run({ embedding: { dtype: 'float32', shape: [end - start, D], data: embeddings.subarray(start * D, end * D) } });
        out.set(logits!.data as Float32Array, start * C);
      }
      return out;
    },
    dispose() {
      program.dispose();
      variables.dispose();
    },
  };
}
