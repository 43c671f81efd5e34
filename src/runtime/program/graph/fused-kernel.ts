import type * as tf from '@tensorflow/tfjs-core';
import type { FusedAttrs } from '../../ops/fused.js';
import type { GraphBackend } from './backend.js';
import type { Attr, Node } from './builder.js';

/** Attributes of the ops in kernels/ that are floats; the others are integers. */
const FLOATS: ReadonlySet<string> = new Set(['epsilon', 'rate', 'scale']);

/** The graph's kernel of `fused` (runtime/ops/fused.ts): one op of kernels/, its inputs converted to the precision it wants them in. */
export function fusedKernel(backend: GraphBackend, inputs: tf.NamedTensorInfoMap, { op, inputs: precisions, attrs, results }: FusedAttrs): tf.Tensor[] {
  const builder = backend.recording();
  const low = backend.isLow ? 'bfloat16' : 'float32';
  let T: 'bfloat16' | 'float32' = low;
  const nodes = precisions.map((precision, i): Node => {
    const node = backend.nodeOf(inputs[String(i)]!);
    if (precision === 'int') return node;
    if (precision === 'either') {
      T = node.dtype === 'bfloat16' ? 'bfloat16' : 'float32';
      return node;
    }
    return builder.cast(node, precision === 'low' ? low : 'float32');
  });
  if (!precisions.includes('low') && !precisions.includes('either') && results.every(({ precision }) => precision === 'full')) T = 'float32';
  const converted = Object.entries(attrs).map(([name, value]): Attr => (FLOATS.has(name) ? { kind: 'float', name, value } : { kind: 'int', name, value }));
  const typed: Attr[] = [{ kind: 'type', name: 'T', value: T }, ...converted];
  const { outputs } = builder.add(op, nodes, { attrs: typed, numOutputs: results.length, shapes: results.map(({ shape }) => shape) });
  return outputs.map((node) => backend.wrap(node));
}
