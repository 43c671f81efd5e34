import * as tf from '@tensorflow/tfjs-core';

/**
 * x on the way forward, -strength · dy on the way back: what lies behind it minimises a loss that everything before it maximises
 * (the gradient reversal layer of Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks", section 5.2).
 * @param strength scalar ≥ 0; may change from step to step, gets no gradient
 */
export function reverseGradient<T extends tf.Tensor>(x: T, strength: tf.Scalar): T {
  return tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)([strength]);
    return { value: tf.clone(x as tf.Tensor), gradFunc: (dy: tf.Tensor, [strength]: tf.Tensor[]) => tf.neg(tf.mul(dy, strength!)) };
  })(x) as T;
}

/**
 * The published ramp of the strength: 2 / (1 + exp(-steepness · progress)) - 1, which rises from 0 to nearly 1, so that the encoder
 * is left alone while the adversary knows nothing yet (ibid., section 5.2.2, with steepness 10).
 * @param progress scalar in [0, 1], share of the training that is over
 */
export function adversarialRamp(progress: tf.Scalar, steepness = 10): tf.Scalar {
  return tf.tidy(() => tf.sub(tf.mul(tf.sigmoid(tf.mul(progress, steepness)), 2), 1) as tf.Scalar);
}
