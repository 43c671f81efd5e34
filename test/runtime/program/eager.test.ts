import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { useTensorFlow } from '../../support/tensorflow.js';
import { createEagerExecutor } from '../../../src/runtime/program/eager.js';
import { gradients } from '../../../src/runtime/program/gradients.js';
import type { HostTensor, ProgramFn } from '../../../src/runtime/program/program.js';

useTensorFlow();

const vector = (...values: number[]): HostTensor => ({ dtype: 'float32', shape: [values.length], data: Float32Array.from(values) });

/** One step of gradient descent on sum((w x)^2). */
const descend: ProgramFn = ({ w }, { x }) => {
  const { loss, aux, grads } = gradients(({ w }) => ({ loss: tf.sum(tf.square(tf.mul(w!, x!))) as tf.Scalar, aux: { half: tf.mul(w!, 0.5) } }), { w: w! });
  return { outputs: { loss, half: aux.half }, updates: { w: tf.sub(w!, tf.mul(grads['w']!, 0.1)) } };
};

describe('the eager executor', () => {
  it('computes outputs, assigns updates and keeps no tensor behind', async () => {
    const executor = createEagerExecutor();
    const before = tf.memory().numTensors;
    const variables = await executor.createVariables({ w: vector(1, 2) });
    const program = executor.compile(descend, { variables });
    const out = await program.run({ x: vector(1, 1) });
    expect(out['loss']!.data[0]).toBeCloseTo(5);
    expect([...out['half']!.data]).toEqual([0.5, 1]);
    const after = (await variables.read())['w']!.data;
    expect(after[0]).toBeCloseTo(0.8);
    expect(after[1]).toBeCloseTo(1.6);
    const steady = tf.memory().numTensors;
    await program.run({ x: vector(1, 1) });
    expect(tf.memory().numTensors).toBe(steady);
    variables.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('keeps no tensor behind after a throw', async () => {
    const executor = createEagerExecutor();
    const variables = await executor.createVariables({ w: vector(1) });
    const before = tf.memory().numTensors;
    const program = executor.compile(({ w }) => ({ outputs: { y: tf.matMul(w as tf.Tensor2D, w as tf.Tensor2D) } }), { variables });
    await expect(program.run({})).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(before);
    variables.dispose();
  });

  it('refuses a value of another shape', async () => {
    const variables = await createEagerExecutor().createVariables({ w: vector(1) });
    await expect(variables.write({ w: vector(1, 2) })).rejects.toThrow(/cannot assign float32\[2\]/);
    variables.dispose();
  });
});
