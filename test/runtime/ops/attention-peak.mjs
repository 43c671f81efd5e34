// node attention-peak.mjs POSITIONS: attention of one cell, 16 heads of 16, forward and backward in one graph. Prints the most memory the process held, in bytes.
import { loadTensorFlow } from '../../../dist/runtime/native/load.js';
import { createExecutor } from '../../../dist/runtime/program/executor.js';
import { gradients } from '../../../dist/runtime/program/gradients.js';
import { attention } from '../../../dist/runtime/ops/attention.js';
import { rotaryTable } from '../../../dist/runtime/ops/rotary.js';

await loadTensorFlow();
const tf = await import('@tensorflow/tfjs-core');
const [T, H, K] = [Number(process.argv[2]), 16, 16];
const executor = await createExecutor({ kind: 'graph', precision: 'bf16' });
const qkv = { dtype: 'float32', shape: [1, T, 3 * H * K], data: Float32Array.from({ length: 3 * T * H * K }, (_, i) => Math.sin(i)) };
const program = executor.compile(
  (_, inputs) => {
    const { grads } = gradients(
      ({ qkv }) => ({ loss: tf.sum(tf.square(attention(qkv, { numHeads: H, rotary: rotaryTable(T, K, 10_000), canAttend: tf.ones([1, T]) }))), aux: {} }),
      inputs,
    );
    return { outputs: { sum: tf.sum(tf.square(grads.qkv)) } };
  },
  { variables: await executor.createVariables({}) },
);
const { sum } = await program.run({ qkv });
if (!Number.isFinite(sum.data[0])) throw new Error(`the gradients sum to ${sum.data[0]}`);
process.stdout.write(String(process.resourceUsage().maxRSS * 1024), () => process.exit(0));
