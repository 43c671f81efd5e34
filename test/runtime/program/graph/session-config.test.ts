import { readdirSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { hasNative, useTensorFlow } from '../../../support/tensorflow.js';
import { GraphRewrites, type SessionConfig } from '../../../../src/runtime/program/config.js';
import { graphBackend } from '../../../../src/runtime/program/graph/backend.js';
import { createGraphExecutor } from '../../../../src/runtime/program/graph/executor.js';
import type { HostTensor } from '../../../../src/runtime/program/program.js';

useTensorFlow();

const numThreads = (): number => readdirSync('/proc/self/task').length;

const ones = (...shape: number[]): HostTensor => ({ dtype: 'float32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1) });

/** Types of the ops that relu(x · w + b) ran as. */
async function opTypes(session: Partial<SessionConfig>): Promise<string> {
  const executor = createGraphExecutor({ session });
  const variables = await executor.createVariables({ w: ones(8, 8), b: ones(8) });
  const program = executor.compile(
    ({ w, b }, { x }) => ({ outputs: { y: tf.relu(graphBackend().op('BiasAdd', [tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), b!])[0]!) } }),
    { variables },
  );
  const { result, opTimes } = await executor.profile(() => program.run({ x: ones(4, 8) }));
  expect(result['y']!.data[0]).toBe(9);
  executor.dispose();
  return opTimes.map(({ type }) => type).join();
}

describe.runIf(hasNative)('a session configuration at work', () => {
  it('gives a session as many threads inside ops as it asks for', async () => {
    // The pools that all sessions share come with the first of them; a session's own pool comes with its devices, at once.
    createGraphExecutor().dispose();
    const threads = async (intraOpThreads: number): Promise<number> => {
      const before = numThreads();
      const executor = createGraphExecutor({ session: { intraOpThreads } });
      const during = numThreads() - before;
      const variables = await executor.createVariables({ w: ones(2) });
      expect((await variables.read())['w']!.data).toEqual(Float32Array.of(1, 1));
      executor.dispose();
      return during;
    };
    expect(await threads(5)).toBe(5);
    expect(await threads(2)).toBe(2);
  });

  it('fuses ops unless the rewrite is off', async () => {
    expect(await opTypes({})).toMatch(/FusedMatMul/);
    expect(await opTypes({ rewrites: GraphRewrites.parse({ remapping: 'off' }) })).not.toMatch(/Fused/);
    expect(await opTypes({ optimizeGraph: false })).not.toMatch(/Fused/);
  });
});
