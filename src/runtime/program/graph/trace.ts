import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor, ProgramFn, Tensors } from '../program.js';
import type { GraphBackend, RecordOptions } from './backend.js';
import type { Node } from './builder.js';
import type { RunSignature } from './session.js';
import { TraceError } from './trace-error.js';
import type { GraphVariables } from './variables.js';

export interface InputSpec {
  readonly name: string;
  readonly dtype: HostTensor['dtype'];
  readonly shape: readonly number[];
}

export interface Trace extends RunSignature {
  /** Names of the feeds and fetches, in the signature's order. */
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

interface Found {
  readonly outputs: [string, Node][];
  readonly updates: [string, Node][];
  readonly inPlace: GraphBackend['updatesInPlace'];
}

/**
 * Adds the graph of `fn` for inputs of these shapes to the variables' graph. Nothing is computed, and no tensor outlives the call.
 * @param name prefix of the new ops' names
 * @throws TraceError where `fn` does what a graph cannot; whatever `fn` throws itself
 */
export function trace(
  fn: ProgramFn,
  backend: GraphBackend,
  variables: GraphVariables,
  inputs: readonly InputSpec[],
  { name, ...options }: RecordOptions & { name: string },
): Trace {
  const { builder } = variables;
  builder.scope = `${name.replace(/[^A-Za-z0-9.]+/g, '_').replace(/^_+/, '')}/`;
  const feeds = inputs.map(({ dtype, shape }) => builder.placeholder(dtype, shape));
  const numTensors = tf.memory().numTensors;

  const { outputs, updates, inPlace } = backend.record(builder, options, () =>
    tf.tidy(() => {
      const read = Object.fromEntries([...variables.variables].map(([variable, { read }]) => [variable, backend.wrap(read)]));
      const fed = Object.fromEntries(inputs.map((input, i) => [input.name, backend.wrap(feeds[i]!)]));
      const result = fn(read, fed);
      const nodes = (tensors: Tensors): [string, Node][] => Object.entries(tensors).map(([key, tensor]) => [key, exactNode(backend, tensor)]);
      // Nodes are not tensors: tidy frees every tensor the function made, and what they stood for stays in the graph.
      const found: Found = { outputs: nodes(result.outputs), updates: nodes(result.updates ?? {}), inPlace: new Map(backend.updatesInPlace) };
      return found as unknown as tf.TensorContainer;
    }),
  ) as unknown as Found;

  const kept = tf.memory().numTensors - numTensors;
  if (kept > 0)
    throw new TraceError(
      name,
      `the function keeps ${kept} tensors beyond its end (tf.keep)`,
      'they would belong to this graph alone; make them anew at each call',
    );

  const assigns = updates.map(([variable, node]) => {
    const { handle, read, dtype, shape } = variables.get(variable);
    if (node.dtype !== dtype || String(node.shape) !== String(shape))
      throw new TraceError(name, `update of ${variable} is ${node.dtype}[${String(node.shape)}], the variable is ${dtype}[${shape}]`);
    const done = inPlace.get(node.oper);
    if (done && done.handle.oper === handle.oper) {
      inPlace.delete(node.oper);
      return done.oper;
    }
    // Whoever reads the variable in this run reads it before it changes.
    return builder.add('AssignVariableOp', [handle, node], { numOutputs: 0, after: [read.oper] }).oper;
  });
  if (inPlace.size > 0)
    throw new TraceError(
      name,
      `${inPlace.size} variables would change without being among the updates`,
      'return all that adamUpdate gives as updates of the variables it was given',
    );
  return {
    feeds,
    // A feed cannot be fetched in the same run: every result passes through an op of its own.
    fetches: outputs.map(([, node]) => builder.one('Identity', [node])),
    targets: assigns.length > 0 ? [builder.group(assigns)] : [],
    inputNames: inputs.map((input) => input.name),
    outputNames: outputs.map(([key]) => key),
  };
}

/** What leaves a program is of the dtype TensorFlow.js says it is. */
function exactNode(backend: GraphBackend, tensor: tf.Tensor): Node {
  const node = backend.nodeOf(tensor);
  return node.dtype === 'bfloat16' ? backend.nodeOf(tf.cast(tensor, 'float32')) : node;
}
