// npm run -s bench -- startup [--json] [--runs 11]
//
// Wall time of `scdiva --help` as a whole process, start of Node included, beside an empty Node process: the median of the runs,
// alternating.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { print, round } from './support/measure.mjs';

const { values: flags } = parseArgs({ options: { json: { type: 'boolean', default: false }, runs: { type: 'string', default: '11' } } });
const bin = fileURLToPath(new URL('../bin/scdiva.js', import.meta.url));

function milliseconds(args) {
  const start = process.hrtime.bigint();
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`${args.join(' ')} exited with ${status}`);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

const help = [];
const empty = [];
for (let i = 0; i < Number(flags.runs); i++) {
  help.push(milliseconds([bin, '--help']));
  empty.push(milliseconds(['-e', '0']));
}
print({ bench: 'startup', runs: help.length, help_ms: round(median(help)), node_ms: round(median(empty)) }, flags.json);
