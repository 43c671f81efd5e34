// npm run -s bench -- mutations [--count 2000] [--seed 0] [--samples FOLDER] [--out outcomes.jsonl] [--json]
//
// What damaged files come to. Small files of every format (or those in FOLDER) are damaged by seed: bytes changed, swapped, cleared, the
// end cut off. Each is read as a whole and, where it then differs without a word, built into a corpus. Seed n gives the same bytes
// wherever it runs, so 10,000 can be done in pieces: --seed 0 --count 2500, --seed 2500 --count 2500 … Outcomes:
//   equal           as it was: the damage lay where nothing is
//   refused         in one line; refusedByBuild: only when a corpus was to be made of it
//   noted           read, and what is strange about it said
//   timeLimit       what unpacks it gave no answer and was stopped
//   notInCorpus     differs in what a corpus does not take from the file
//   silent          the corpus differs without a word
//   bug, crash, hang   what must not be: exit code 1
import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** No progress for so long is a hang: calls into the libraries are given up after three seconds, and a file needs few of them. */
const HANG_MS = 60_000;
const NEVER = ['bug', 'crash', 'hang'];

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    count: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '0' },
    samples: { type: 'string', default: fileURLToPath(new URL('../test/fixtures/formats/samples', import.meta.url)) },
    out: { type: 'string' },
  },
});
const [first, count] = [Number(flags.seed), Number(flags.count)];
if (!(Number.isInteger(first) && first >= 0 && Number.isInteger(count) && count > 0)) {
  console.error('--seed takes a whole number, --count one above 0');
  process.exit(2);
}

const start = performance.now();
const folder = mkdtempSync(join(tmpdir(), 'scdiva-mutations-'));
const outcomes = await readMutants(first, first + count).finally(() => rmSync(folder, { recursive: true }));
if (flags.out) appendFileSync(flags.out, outcomes.map((outcome) => `${JSON.stringify(outcome)}\n`).join(''));
const silent = outcomes.filter(({ outcome }) => outcome === 'silent');
const summary = {
  bench: 'mutations',
  seed: first,
  count: outcomes.length,
  outcomes: tally(outcomes.map(({ outcome }) => outcome)),
  /** What the silent ones differ in. */
  silent: tally(silent.map(({ different }) => different.join('+'))),
  slowest_ms: Math.max(...outcomes.map(({ ms = 0 }) => ms)),
  wall_s: Math.round((performance.now() - start) / 1000),
};
const failures = outcomes.filter(({ outcome }) => NEVER.includes(outcome));
for (const failure of failures) console.error(JSON.stringify(failure));
if (flags.json) console.log(JSON.stringify(summary));
else {
  console.log(`${summary.count} damaged files in ${summary.wall_s} s: ${words(summary.outcomes)}`);
  console.log(`silent, by what differs: ${words(summary.silent) || 'none'}`);
  for (const name of [...new Set(outcomes.map(({ name }) => name))].sort())
    console.log(`  ${name.padEnd(14)} ${words(tally(outcomes.filter((outcome) => outcome.name === name).map(({ outcome }) => outcome)))}`);
}
process.exitCode = failures.length > 0 ? 1 : 0;

function tally(keys) {
  const counts = new Map();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}

function words(counts) {
  return Object.entries(counts)
    .map(([key, times]) => `${key} ${times}`)
    .join(', ');
}

/** All seeds in [first, last), going on behind one that took the process with it. */
async function readMutants(first, last) {
  const out = join(folder, 'outcomes.jsonl');
  const outcomes = [];
  for (let next = first; next < last;) {
    writeFileSync(out, '');
    const end = await runProcess(next, last, out);
    const lines = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    outcomes.push(...lines.filter(({ started }) => !started));
    const cut = lines.at(-1);
    if (cut?.started) outcomes.push({ seed: cut.seed, name: cut.name, outcome: end.isHang ? 'hang' : 'crash', message: end.stderr });
    else if (cut?.seed !== last - 1) throw new Error(`the reading process ended early: ${end.stderr}`);
    next = cut.seed + 1;
  }
  return outcomes;
}

async function runProcess(first, last, out) {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('support/read-mutants.mjs', import.meta.url)), flags.samples, String(first), String(last), out],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let stderr = '';
  child.stderr.on('data', (text) => (stderr = (stderr + text.toString()).slice(-2000)));
  let isHang = false;
  let size = -1;
  const watch = setInterval(() => {
    const now = statSync(out).size;
    isHang = now === size;
    if (isHang) child.kill('SIGKILL');
    size = now;
  }, HANG_MS);
  await new Promise((ended) => child.on('close', ended));
  clearInterval(watch);
  return { isHang, stderr };
}
