import { loadNativeFolder } from './native-backend.js';

// Run by probe.ts as a process of its own; the last line of stdout is the answer.
const { tf, version, hasGpu } = loadNativeFolder(process.argv[2]!);
await tf.ready();
const ones = tf.ones([64, 64]);
const [sum] = await tf.sum(tf.matMul(ones, ones)).data();
if (sum !== 64 ** 3) throw new Error(`Error: a matrix product came out as ${sum}, not ${64 ** 3}`);
process.stdout.write(`${JSON.stringify({ version, hasGpu })}\n`);
