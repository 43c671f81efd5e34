// R rows of a table, D its width
import * as tf from '@tensorflow/tfjs-core';

/**
 * Rows of a table by index. The gradient sums the rows that were asked for more than once.
 *
 * Indices are not range-checked here (the native kernel does, on the host; a compiled graph does not): ids are validated where data enter.
 * @param table [R, …] float32 or int32
 * @param indices any shape, int32, each in [0, R)
 * @returns [...indices.shape, …], the table's dtype
 */
export function gatherRows(table: tf.Tensor, indices: tf.Tensor): tf.Tensor {
  if (table.dtype !== 'float32') return tf.gather(table, indices);
  return tf.customGrad((table, save) => {
    // Saved and not just closed over: what a forward pass makes is freed before the backward pass begins.
    (save as tf.GradSaveFunc)([indices]);
    const shape = (table as tf.Tensor).shape as [number, ...number[]];
    return {
      value: tf.gather(table as tf.Tensor, indices),
      gradFunc: (dy: tf.Tensor, [indices]: tf.Tensor[]) => scatterRows(dy, indices!, shape),
    };
  })(table);
}

/** Sum of dy's rows at their indices, in zeros of `shape`. */
function scatterRows(dy: tf.Tensor, indices: tf.Tensor, shape: [number, ...number[]]): tf.Tensor {
  const [, ...rest] = shape;
  return tf.scatterND(tf.reshape(indices, [indices.size, 1]), tf.reshape(dy, [indices.size, ...rest]), shape);
}
