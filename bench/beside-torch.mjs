// npm run -s bench -- beside-torch --script PEER.py [--python python3] [--rounds 3] [step's own flags]
//
// The step of `bench -- step` and the same step in PyTorch, one after the other in turn, so that both see the same machine. PEER.py takes
// --mode f32|bf16|bf16-compile, --task, --hidden … --seed and prints a JSON line with step_ms and peak_rss_mb. Prints every run, then
// medians over the rounds, of times and of each round's ratio.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    script: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    rounds: { type: 'string', default: '3' },
    precision: { type: 'string', default: 'bf16' },
    compile: { type: 'boolean', default: false },
  },
  strict: false,
});
if (typeof flags.script !== 'string') {
  console.error('--script: the PyTorch side, a Python file that takes --mode, --task and the sizes');
  process.exit(2);
}
/** What both sides are told alike. */
const pairs = pairUp(process.argv.slice(2));

const own = () => runJson(process.execPath, [fileURLToPath(new URL('run.mjs', import.meta.url)), 'step', '--json', '--precision', flags.precision, ...pairs]);
const peer = () => runJson(flags.python, ['-W', 'ignore', flags.script, '--mode', flags.compile ? `${flags.precision}-compile` : flags.precision, ...pairs]);
const runs = { scdiva: [], pytorch: [] };
for (let round = 0; round < Number(flags.rounds); round++)
  for (const [name, run] of [
    ['scdiva', own],
    ['pytorch', peer],
  ]) {
    const result = run();
    runs[name].push(result);
    console.log(JSON.stringify(result));
  }
const middle = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
};
const median = (name, field) => middle(runs[name].map((run) => run[field]));
// Of each round's two runs: what slows the machine for a while slows both.
const ratio = (field) => Number(middle(runs.scdiva.map((run, round) => run[field] / runs.pytorch[round][field])).toFixed(3));
console.log(
  JSON.stringify({
    rounds: runs.scdiva.length,
    scdiva_step_ms: median('scdiva', 'step_ms'),
    pytorch_step_ms: median('pytorch', 'step_ms'),
    time_ratio: ratio('step_ms'),
    memory_ratio: ratio('peak_rss_mb'),
  }),
);

/** The flags that are not this bench's own, with their values. */
function pairUp(args) {
  const mine = new Set(['script', 'python', 'rounds', 'precision']);
  const found = [];
  for (let i = 0; i < args.length; i++) {
    const name = /^--([a-z]+)$/.exec(args[i])?.[1];
    if (name === 'compile' || name === 'json') continue;
    if (name && !mine.has(name)) found.push(args[i], args[i + 1]);
    if (name) i++;
  }
  return found;
}

function runJson(program, args) {
  const lines = execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    .trim()
    .split('\n');
  return JSON.parse(lines.at(-1));
}
