// Values and gradients of single ops as PyTorch has them, on each executor
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { attention } from '../../../src/runtime/ops/attention.js';
import { crossEntropy } from '../../../src/runtime/ops/cross-entropy.js';
import { layerNorm } from '../../../src/runtime/ops/layer-norm.js';
import { linear } from '../../../src/runtime/ops/linear.js';
import { rmsNorm } from '../../../src/runtime/ops/rms-norm.js';
import { applyRotary, rotaryTable } from '../../../src/runtime/ops/rotary.js';
import { swiGlu } from '../../../src/runtime/ops/swiglu.js';
import { createExecutor } from '../../../src/runtime/program/executor.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import type { Executor, HostTensors, Tensors } from '../../../src/runtime/program/program.js';
import { expectClose } from '../../support/expect-close.js';
import { executorKinds, useTensorFlow } from '../../support/tensorflow.js';

useTensorFlow();

interface Plain {
  readonly shape: number[];
  readonly data: number[];
}
type Case = Record<'inputs' | 'constants' | 'gradients', Record<string, Plain>> & { readonly value: Plain };
/** Made by test/fixtures/ops/make.py. */
const cases = JSON.parse(readFileSync(new URL('../../fixtures/ops/ops.json', import.meta.url), 'utf8')) as Record<string, Case>;

const ops: Record<string, (inputs: Tensors, constants: Tensors) => tf.Tensor> = {
  rmsNorm: ({ x, weight }) => rmsNorm(x!, weight!),
  layerNorm: ({ x, weight, bias }) => layerNorm(x!, weight!, bias!),
  swiGlu: ({ x }) => swiGlu(x!),
  rotary: ({ x }) => applyRotary(x as tf.Tensor4D, rotaryTable(5, 4, 100)),
  attention: ({ qkv }, { canAttend }) => attention(qkv as tf.Tensor3D, { numHeads: 2, rotary: rotaryTable(5, 4, 100), canAttend: canAttend as tf.Tensor2D }),
  crossEntropy: ({ rows, head }, { targets }) => crossEntropy(rows as tf.Tensor2D, head as tf.Tensor2D, tf.cast(targets!, 'int32') as tf.Tensor1D),
  linear: ({ x, weight, bias }) => linear(x!, weight!, bias!),
};

const host = (plain: Record<string, Plain>): HostTensors =>
  Object.fromEntries(Object.entries(plain).map(([name, { shape, data }]) => [name, { dtype: 'float32', shape, data: Float32Array.from(data) }]));

describe.each(executorKinds)('ops against PyTorch (%s)', (kind) => {
  let executor: Executor;
  beforeAll(async () => {
    executor = await createExecutor({ kind });
  }, 60_000);
  afterAll(() => executor.dispose());

  it.each(Object.keys(cases))('%s', async (name) => {
    const { inputs, constants, value, gradients: expected } = cases[name]!;
    const variables = await executor.createVariables(host(inputs));
    const program = executor.compile(
      (state, fed) => {
        const { aux, grads } = gradients((at) => {
          const out = ops[name]!(at, fed);
          const weights = tf.tensor(
            Float32Array.from({ length: out.size }, (_, i) => Math.sin(1 + i)),
            out.shape,
          );
          return { loss: tf.sum(tf.mul(out, weights)) as tf.Scalar, aux: { out } };
        }, state);
        return { outputs: { ...grads, 'the value': aux.out } };
      },
      { variables },
    );
    const out = await program.run(host(constants));
    expect(Object.keys(expected)).toEqual(Object.keys(inputs));
    for (const [key, plain] of Object.entries({ ...expected, 'the value': value }))
      expectClose(out[key]!, { dtype: 'float32', shape: plain.shape, data: plain.data }, { atol: 1e-5, rtol: 1e-5 });
    program.dispose();
    variables.dispose();
  });
});
