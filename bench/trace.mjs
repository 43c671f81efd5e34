// npm run -s bench -- trace [--json] [--layers 12] [--hidden 512] [--heads 8] [--ffn 2048] [--vocab 41818] [--genes 1200] [--cells 2]
//
// What it takes to turn a training step (forward, dual loss, backward, clip, AdamW) into a graph: the task itself, as
// `scdiva pretrain` trains it. Nothing is computed. `trace_mb` is what the process holds beyond the weights afterwards.
import { parseArgs } from 'node:util';
import { print, residentMb, round } from './support/measure.mjs';
import { pretrainingStep } from './support/pretraining-step.mjs';

const number = (value) => ({ type: 'string', default: String(value) });
const { values: flags } = parseArgs({
  options: { json: { type: 'boolean', default: false }, layers: number(12), hidden: number(512), heads: number(8), ffn: number(2048), vocab: number(41818), genes: number(1200), cells: number(2) },
});
const { executor, program, inputs } = await pretrainingStep({ ...sizes(flags), precision: 'bf16' });
globalThis.gc?.();
const before = { mb: residentMb(), ops: executor.numOps, cpu: process.cpuUsage(), at: performance.now() };
program.trace(inputs);
const wallMs = performance.now() - before.at;
const { user, system } = process.cpuUsage(before.cpu);
print(
  {
    bench: 'trace',
    ...sizes(flags),
    ops: executor.numOps - before.ops,
    trace_ms: round(wallMs),
    trace_cpu_ms: round((user + system) / 1e3),
    trace_mb: round(residentMb() - before.mb),
    us_per_op: round((1e3 * wallMs) / (executor.numOps - before.ops), 2),
  },
  flags.json,
);
executor.dispose();

function sizes({ layers, hidden, heads, ffn, vocab, genes, cells }) {
  return { layers: Number(layers), hidden: Number(hidden), heads: Number(heads), ffn: Number(ffn), vocab: Number(vocab), genes: Number(genes), cells: Number(cells) };
}
