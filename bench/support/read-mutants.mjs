// Damages samples by seed, reads what is left of them, and appends one line of JSON a seed to a file: what became of it against the
// truth. Run as its own process by bench/mutations.mjs, so that a crash or a hang is seen from outside.
//   node read-mutants.mjs SAMPLES FIRST_SEED LAST_SEED OUT
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildCorpus } from '../../dist/data/corpus/build.js';
import { openCellFile } from '../../dist/data/readers/open.js';
import { ScDivaError } from '../../dist/errors.js';

/** Damage can make what unpacks a file loop for ever; nobody waits a minute for each. */
const ANSWER_LIMIT_MS = 3000;
const [samples, first, last, out] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4]), process.argv[5]];
const names = readdirSync(samples).sort();
const truths = new Map();
for (const name of names) truths.set(name, { ...(await digest(join(samples, name), 60_000)), corpus: await corpusOf(join(samples, name)) });

for (let seed = first; seed < last; seed++) {
  const random = generator(seed);
  const name = names[Math.floor(random() * names.length)];
  const folder = mkdtempSync(join(tmpdir(), 'scdiva-mutant-'));
  const mutant = join(folder, name);
  cpSync(join(samples, name), mutant, { recursive: true });
  const files = filesOf(mutant);
  const file = files[Math.floor(random() * files.length)];
  writeFileSync(file, mutate(readFileSync(file), random));
  appendFileSync(out, `${JSON.stringify({ seed, name, started: true })}\n`);
  const start = performance.now();
  const outcome = await judge(mutant, truths.get(name));
  appendFileSync(out, `${JSON.stringify({ seed, name, ...outcome, ms: Math.round(performance.now() - start) })}\n`);
  rmSync(folder, { recursive: true });
}

/** What reading gives and, where that is not the truth and nobody said so, what a corpus built from it gives. */
async function judge(mutant, { corpus, ...truth }) {
  const found = await attempt(mutant, () => digest(mutant));
  if (found.outcome) return found;
  const different = Object.keys(truth).filter((part) => found.value[part] !== truth[part]);
  if (different.length === 0) return { outcome: 'equal' };
  const facts = { different, first: Object.fromEntries(different.map((part) => [part, difference(truth[part], found.value[part])])) };
  // A note is a word: what was left out, or is unlike the rest.
  if (different.includes('notes')) return { outcome: 'noted', ...facts };
  const built = await attempt(mutant, () => corpusOf(mutant));
  if (built.outcome) return { ...built, outcome: built.outcome === 'refused' ? 'refusedByBuild' : built.outcome, ...facts };
  return { outcome: built.value === corpus ? 'notInCorpus' : 'silent', ...facts };
}

async function attempt(mutant, work) {
  try {
    return { value: await work() };
  } catch (error) {
    if (!(error instanceof ScDivaError) || error.exitCode !== 2) return { outcome: 'bug', message: String(error?.stack ?? error) };
    if (error.message.includes('\n')) return { outcome: 'bug', message: `two lines: ${error.message}` };
    return { outcome: /gave no answer/.test(error.message) ? 'timeLimit' : 'refused', message: error.message.replaceAll(mutant, '').slice(0, 200) };
  }
}

/** Everything that training reads of a corpus built from a file, in one word. */
async function corpusOf(path) {
  const out = mkdtempSync(join(tmpdir(), 'scdiva-mutant-corpus-'));
  try {
    const { scale, obs, genes, shards } = await buildCorpus([path], { out, numWorkers: 0, sync: false });
    return JSON.stringify([scale, obs, genes.sha256, shards.map(({ sha256 }) => sha256)]);
  } finally {
    rmSync(out, { recursive: true });
  }
}

/** Where two texts part, and how long they are: enough to see what became of a value or a name. */
function difference(was, is) {
  let at = 0;
  while (was[at] === is[at]) at++;
  const from = Math.max(0, at - 30);
  return { was: was.slice(from, at + 40), is: is.slice(from, at + 40), ...(was.length !== is.length && { longer: is.length - was.length }) };
}

/** Everything that a reader gives of a file, by what it is. */
async function digest(path, answerLimitMs = ANSWER_LIMIT_MS) {
  const file = await openCellFile(path, { answerLimitMs });
  try {
    const all = { shape: '', notes: JSON.stringify(file.notes), names: JSON.stringify(file.cellIds), obs: '', indices: '', values: '' };
    all.shape = JSON.stringify([file.format, file.numCells, file.obsKeys, file.matrices]);
    for (const key of file.obsKeys) all.obs += JSON.stringify(file.obs(key));
    for (const { key } of file.matrices) {
      const matrix = file.matrix(key);
      all.names += JSON.stringify(matrix.genes);
      for await (const { indptr, indices, values } of matrix.rowBlocks()) {
        all.indices += `${indptr.join()};${indices.join()};`;
        all.values += `${values.join()};`;
      }
    }
    return all;
  } finally {
    file.close();
  }
}

function mutate(original, random) {
  let bytes = Buffer.from(original);
  const place = () => Math.floor(random() * bytes.length);
  const count = 1 + Math.floor(random() * 2);
  for (let i = 0; i < count && bytes.length > 0; i++) {
    const kind = random();
    if (kind < 0.65) bytes[place()] = Math.floor(random() * 256);
    else if (kind < 0.75) bytes = bytes.subarray(0, place());
    else if (kind < 0.9) {
      const [a, b, length] = [place(), place(), 1 + Math.floor(random() * 64)];
      const [x, y] = [Buffer.from(bytes.subarray(a, a + length)), Buffer.from(bytes.subarray(b, b + length))];
      y.copy(bytes, a);
      x.copy(bytes, b);
    } else {
      const from = place();
      bytes.fill(random() < 0.5 ? 0 : 255, from, Math.min(bytes.length, from + 1 + Math.floor(random() * 32)));
    }
  }
  return bytes;
}

function filesOf(path) {
  return statSync(path).isDirectory()
    ? readdirSync(path)
        .sort()
        .flatMap((name) => filesOf(join(path, name)))
    : [path];
}

/** Numbers in [0, 1) by seed (mulberry32). */
function generator(seed) {
  let state = (seed * 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
