// n cells, D cell embedding, P coordinates of the integrated space
import type * as tf from '@tensorflow/tfjs-core';
import type { Executor, HostTensors } from '../../runtime/program/program.js';
import { integratedCells, type IntegrationHeadInfo } from './head.js';

/** The trained projection alone, applied to cell embeddings. */
export interface Integrator {
  /** P */
  readonly outputDim: number;
  /** @param embeddings [n, D] @returns [n, P] */
  place(embeddings: Float32Array): Promise<Float32Array>;
  dispose(): void;
}

/** Cells a call: bounds memory, and keeps the number of compiled shapes at two. */
const CHUNK = 4096;

/** @param head as `readHead` gives it */
export async function createIntegrator(executor: Executor, { info, parameters }: { info: IntegrationHeadInfo; parameters: HostTensors }): Promise<Integrator> {
  const { embeddingDim: D, outputDim: P } = info;
  const variables = await executor.createVariables(parameters);
  const program = executor.compile((state, inputs) => ({ outputs: { places: integratedCells(state, inputs['embedding'] as tf.Tensor2D) } }), { variables, name: 'integration head' });
  return {
    outputDim: P,
    async place(embeddings) {
      const n = embeddings.length / D;
      const out = new Float32Array(n * P);
      for (let start = 0; start < n; start += CHUNK) {
        const end = Math.min(n, start + CHUNK);
        const { places } = await program.run({ embedding: { dtype: 'float32', shape: [end - start, D], data: embeddings.subarray(start * D, end * D) } });
        out.set(places!.data as Float32Array, start * P);
      }
      return out;
    },
    dispose() {
      program.dispose();
      variables.dispose();
    },
  };
}
