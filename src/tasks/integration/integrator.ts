// n cells, D cell embedding, P coordinates of the integrated space
import type * as tf from '@tensorflow/tfjs-core';
import type { Executor, HostTensors } from '../../runtime/program/program.js';
import { inRowChunks } from '../row-chunks.js';
import { integratedCells, type IntegrationHeadInfo } from './head.js';

/** The trained projection alone, applied to cell embeddings. */
export interface Integrator {
  /** P */
  readonly outputDim: number;
  /** @param embeddings [n, D] @returns [n, P] */
  place(embeddings: Float32Array): Promise<Float32Array>;
  dispose(): void;
}

/** @param head as `readHead` gives it */
export async function createIntegrator(executor: Executor, { info, parameters }: { info: IntegrationHeadInfo; parameters: HostTensors }): Promise<Integrator> {
  const { embeddingDim: D, outputDim: P } = info;
  const variables = await executor.createVariables(parameters);
  const program = executor.compile((state, inputs) => ({ outputs: { places: integratedCells(state, inputs['embedding'] as tf.Tensor2D) } }), {
    variables,
    name: 'integration head',
  });
  return {
    outputDim: P,
    place: (embeddings) => inRowChunks(embeddings, D, P, async (embedding) => (await program.run({ embedding }))['places']!.data),
    dispose() {
      program.dispose();
      variables.dispose();
    },
  };
}
