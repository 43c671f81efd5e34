// B rows, L columns
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { openGraph } from '../../../../src/runtime/program/portable/graph-session.js';
import { GRAPH_VERSIONS } from '../../../../src/runtime/program/portable/nodes.js';
import { portableGraph } from '../../../../src/runtime/program/portable/portable-graph.js';
import type { HostTensor, ProgramFn } from '../../../../src/runtime/program/program.js';
import { expectClose } from '../../../support/expect-close.js';
import { hasNative, useTensorFlow } from '../../../support/tensorflow.js';

useTensorFlow();
const x = { dtype: 'float32', shape: ['rows', 'columns'] } as const;
const make = (fn: ProgramFn) => portableGraph(fn, { name: 'f', parameters: { w: { dtype: 'float32', shape: [3] } }, inputs: { x } });
const host = (shape: number[]): HostTensor => ({ dtype: 'float32', shape, data: Float32Array.from({ length: shape[0]! * shape[1]! }, (_, i) => Math.sin(i)) });

describe.runIf(hasNative)('a portable graph', () => {
  it('computes at sizes it was never traced at what the function computes', async () => {
    const w: HostTensor = { dtype: 'float32', shape: [3], data: Float32Array.of(1, -2, 3) };
    const fn: ProgramFn = ({ w }, { x }) => {
      const [B, L] = x!.shape as [number, number];
      const flat = tf.reshape(tf.add(tf.expandDims(x!, -1), w!), [B * L, 3]);
      const padded = tf.pad(tf.reshape(flat, [B, L, 3]), [
        [0, 0],
        [1, 0],
        [0, 0],
      ]); // [B, L + 1, 3]
      return { outputs: { all: padded, first: tf.slice(padded, [0, 1, 0], [B, 1, 3]) } };
    };
    const graph = make(fn);
    expect(graph.parameters).toEqual(['w']);
    expect(graph.outputs['all']!.shape).toEqual([-1, -1, 3]);
    expect(graph.outputs['first']!.shape).toEqual([-1, 1, 3]);
    const session = openGraph({ node: graph.nodes, versions: GRAPH_VERSIONS });
    for (const shape of [
      [1, 1],
      [2, 5],
      [30, 7],
    ]) {
      const given = host(shape);
      const found = await session.run({ [graph.inputs['x']!.tensor]: given, w }, [graph.outputs['all']!.tensor, graph.outputs['first']!.tensor]);
      const { outputs } = fn({ w: tf.tensor1d(w.data) }, { x: tf.tensor(given.data, shape) });
      expectClose(found[graph.outputs['all']!.tensor]!, outputs['all']!, {});
      expectClose(found[graph.outputs['first']!.tensor]!, outputs['first']!, {});
    }
    session.dispose();
  });

  it('refuses a function whose values were made for one size', () => {
    expect(() => make((_, { x }) => ({ outputs: { y: tf.mul(x!, tf.tensor1d(Array.from({ length: x!.shape[1]! }, (_, i) => i + 1))) } }))).toThrow(
      /depends on the sizes of the inputs/,
    );
  });

  it('refuses a function that does another thing at another size', () => {
    expect(() => make((_, { x }) => ({ outputs: { y: x!.shape[0]! > 18 ? tf.neg(x!) : tf.neg(tf.neg(x!)) } }))).toThrow(/ops at one size and/);
  });
});
