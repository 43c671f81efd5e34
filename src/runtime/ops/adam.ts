// S shape of the parameter
import * as tf from '@tensorflow/tfjs-core';

/** The kernel behind `adamUpdate`, on backends that have the whole update as one op. */
export const ADAM = 'AdamUpdate';

/** Scalars all parameters share in one step, each a float32 tensor of rank 0. */
export interface AdamScalars {
  /** Multiplies the gradient; 0 stands for a gradient of zeros, whatever the gradient holds. */
  readonly gradScale: tf.Tensor;
  /** 1 - beta1 and 1 - beta2; 0 leaves the moment as it is. */
  readonly momentRate: tf.Tensor;
  readonly squareRate: tf.Tensor;
  /** Learning rate times the first moment's bias correction. */
  readonly stepSize: tf.Tensor;
  /** 1 / sqrt(1 - beta2^n), the second moment's bias correction under the root. */
  readonly rootScale: tf.Tensor;
  readonly epsilon: tf.Tensor;
}

/** S float32 each */
export interface AdamState<T extends tf.TensorInfo = tf.Tensor> {
  readonly parameter: T;
  /** First and second moment. */
  readonly m: T;
  readonly v: T;
}

/**
 * One Adam update (Kingma & Ba, 2015) after the parameter has been multiplied by `decay` (AdamW):
 * m += momentRate · (g - m), v += squareRate · (g² - v), parameter = decay · parameter - stepSize · m / (rootScale · √v + epsilon).
 *
 * Compiled, the three must be variables of the program and their new values its updates: TensorFlow then updates them in one
 * pass, where they stand.
 * @param grad S float32
 * @param decay scalar; none when absent
 */
export function adamUpdate({ parameter, m, v }: AdamState, grad: tf.Tensor, scalars: AdamScalars, decay?: tf.Tensor): AdamState {
  if (tf.getKernel(ADAM, tf.getBackend())) {
    const inputs = { parameter, m, v, grad, ...scalars, ...(decay && { decay }) };
    const [newParameter, newM, newV] = tf.engine().runKernel(ADAM, inputs) as tf.Tensor[];
    return { parameter: newParameter!, m: newM!, v: newV! };
  }
  const { gradScale, momentRate, squareRate, stepSize, rootScale, epsilon } = scalars;
  // Selected, not multiplied: 0 · NaN is NaN.
  const g = tf.where(tf.equal(gradScale, 0), tf.zerosLike(grad), tf.mul(grad, gradScale));
  const newM = lerp(m, g, momentRate);
  const newV = lerp(v, tf.square(g), squareRate);
  const direction = tf.div(newM, tf.add(tf.mul(tf.sqrt(newV), rootScale), epsilon));
  return { parameter: tf.sub(decay ? tf.mul(parameter, decay) : parameter, tf.mul(direction, stepSize)), m: newM, v: newV };
}

const lerp = (from: tf.Tensor, to: tf.Tensor, rate: tf.Tensor): tf.Tensor => tf.add(from, tf.mul(tf.sub(to, from), rate));
