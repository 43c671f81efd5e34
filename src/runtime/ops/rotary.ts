// B cells, H heads, T positions, K head width
import * as tf from '@tensorflow/tfjs-core';
import { inLowPrecision } from '../program/autocast.js';

/** Cosine and sine of every position's angles, [T, K/2] each: column i turns by position · theta^(-2i/K). */
export interface RotaryTable {
  readonly cos: tf.Tensor2D;
  readonly sin: tf.Tensor2D;
}

/** Angles are taken in double precision and rounded once. The caller owns both tensors. */
export function rotaryTable(numPositions: number, headDim: number, theta: number): RotaryTable {
  const half = headDim / 2;
  const cos = new Float32Array(numPositions * half);
  const sin = new Float32Array(numPositions * half);
  for (let i = 0; i < half; i++) {
    const frequency = theta ** ((-2 * i) / headDim);
    for (let position = 0; position < numPositions; position++) {
      cos[position * half + i] = Math.cos(position * frequency);
      sin[position * half + i] = Math.sin(position * frequency);
    }
  }
  return { cos: tf.tensor2d(cos, [numPositions, half]), sin: tf.tensor2d(sin, [numPositions, half]) };
}

/** The rows of a table's first positions. */
export function firstPositions(table: RotaryTable, numPositions: number): RotaryTable {
  if (table.cos.shape[0] === numPositions) return table;
  const rows = (x: tf.Tensor2D) => tf.slice(x, [0, 0], [numPositions, -1]);
  return { cos: rows(table.cos), sin: rows(table.sin) };
}

/** The table that turns nothing: positions are not told apart. The caller owns both tensors. */
export function unturned(numPositions: number, headDim: number): RotaryTable {
  return { cos: tf.ones([numPositions, headDim / 2]), sin: tf.zeros([numPositions, headDim / 2]) };
}

/**
 * Rotary positions in the rotate-half convention (Su et al., 2021): entry i of a head and entry i + K/2 form one pair.
 * @param x [B, H, T, K] float32, queries or keys
 * @param table of T positions and width K
 * @returns [B, H, T, K] float32
 */
export function applyRotary(x: tf.Tensor4D, { cos, sin }: RotaryTable): tf.Tensor4D {
  return tf.tidy(() => {
    const run = tf.customGrad((...args) => {
      const [x, save] = args as unknown as [tf.Tensor4D, tf.GradSaveFunc];
      save([cos, sin]);
      return {
        value: turn(x, cos, sin),
        // A turn's gradient is the turn back.
        gradFunc: (dy: tf.Tensor, [cos, sin]: tf.Tensor[]) => turn(dy as tf.Tensor4D, cos!, tf.neg(sin!)),
      };
    });
    return run(x) as tf.Tensor4D;
  });
}

/** Stands between matrix products, and runs in their precision. */
function turn(x: tf.Tensor4D, cos: tf.Tensor, sin: tf.Tensor): tf.Tensor4D {
  return inLowPrecision(() => {
    const [first, second] = tf.split(x, 2, -1) as [tf.Tensor4D, tf.Tensor4D]; // [B, H, T, K/2]
    const turnedFirst = tf.sub(tf.mul(first, cos), tf.mul(second, sin));
    const turnedSecond = tf.add(tf.mul(second, cos), tf.mul(first, sin));
    return tf.concat([turnedFirst, turnedSecond], -1) as tf.Tensor4D; // [B, H, T, K]
  });
}
