import * as tf from '@tensorflow/tfjs-core';
import { fused } from '../../ops/fused.js';
import type { GraphBackend } from './backend.js';
import type { Output } from './c-api.js';
import { TraceError } from './trace-error.js';

/**
 * The graph's kernel of `adamUpdate` (runtime/ops/adam.ts): TensorFlow's own ResourceApplyAdam, one pass over gradient, parameter and moments
 * instead of some fifteen. Whoever still holds a value read before gets to keep it: TensorFlow then updates a copy.
 * @returns the new parameter, first and second moment
 */
export function adamInPlace(backend: GraphBackend, inputs: tf.NamedTensorInfoMap): tf.Tensor[] {
  const builder = backend.recording();
  const tensor = (name: string) => inputs[name] as tf.Tensor;
  const reads = ['parameter', 'm', 'v'].map((name) => backend.nodeOf(tensor(name)));
  const handles = reads.map(({ oper }): Output => {
    const handle = builder.handles.get(oper);
    if (!handle) throw new TraceError('adamUpdate', 'the parameter or a moment is not a variable of the program', 'pass the tensors the function was given');
    return handle;
  });
  const scalars = tf.tidy(() => {
    const [momentRate, squareRate, stepSize, rootScale, epsilon] = ['momentRate', 'squareRate', 'stepSize', 'rootScale', 'epsilon'].map(tensor) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    // TensorFlow's form: beta powers (0: corrected already), learning rate, betas, epsilon; the root's scale moves out of the denominator.
    const all = [tf.scalar(0), tf.scalar(0), tf.div(stepSize, rootScale), tf.sub(1, momentRate), tf.sub(1, squareRate), tf.div(epsilon, rootScale)];
    return all.map((scalar) => backend.nodeOf(scalar)) as unknown as tf.TensorContainer;
  }) as unknown as Output[];
  const gradient = scaled(backend, tensor('grad'), tensor('gradScale'));
  const after = reads.map(({ oper }) => oper);
  if (inputs['decay']) {
    const decayed = backend.nodeOf(tf.tidy(() => tf.mul(tensor('parameter'), tensor('decay'))));
    after.push(builder.add('AssignVariableOp', [handles[0]!, decayed], { after: [reads[0]!.oper], numOutputs: 0 }).oper);
  }
  const { oper } = builder.add('ResourceApplyAdam', [...handles, ...scalars, backend.nodeOf(gradient)], { after, numOutputs: 0 });
  gradient.dispose();
  return handles.map((handle, i) => {
    const { dtype, shape } = reads[i]!;
    const read = builder.add('ReadVariableOp', [handle], { attrs: [{ kind: 'type', name: 'dtype', value: 'float32' }], after: [oper] }).outputs[0]!;
    backend.updatesInPlace.set(read.oper, { handle, oper });
    return backend.wrap({ ...read, dtype, shape });
  });
}

/** The gradient times its scale in float32; 0 where the scale is 0, NaN or not. */
function scaled(backend: GraphBackend, grad: tf.Tensor, scale: tf.Tensor): tf.Tensor {
  if (backend.isFusing)
    return fused(
      'ScdivaScaled',
      [
        [grad, 'either'],
        [scale, 'full'],
      ],
      {},
      [{ shape: grad.shape, precision: 'full' }],
    )[0]!;
  return backend.op('MulNoNan', [grad, scale])[0]!;
}
