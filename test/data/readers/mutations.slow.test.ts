import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tableText, transpose, writeSmallLoom, writeSmallMtx, writeSmallMuData, writeSmallZarr, type SmallCells } from '../../support/small-formats.js';
import { writeSmallH5ad, writeSmallLegacy, writeSmallTenx } from '../../support/small-h5ad.js';

// How many seeds; SCDIVA_MUTATIONS=10000 is the full run (half an hour). SCDIVA_MUTATIONS_FROM starts later, so that it can be run in
// pieces; SCDIVA_MUTATIONS_OUT is a file that the outcomes are appended to, a line of JSON each.
const COUNT = Number(process.env['SCDIVA_MUTATIONS'] ?? 250);
const FIRST = Number(process.env['SCDIVA_MUTATIONS_FROM'] ?? 0);
const KEPT = process.env['SCDIVA_MUTATIONS_OUT'];
/** No progress for so long is a hang: calls into the libraries are given up after three seconds, and a file needs few of them. */
const HANG_MS = 60_000;

interface Outcome {
  readonly seed: number;
  readonly name: string;
  readonly outcome: 'equal' | 'refused' | 'timeout' | 'noted' | 'differs' | 'bug' | 'crash' | 'hang';
  readonly different?: readonly string[];
  readonly message?: string;
  readonly ms?: number;
}

const folder = mkdtempSync(join(tmpdir(), 'scdiva-mutations-'));
const samples = join(folder, 'samples');
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(async () => {
  mkdirSync(samples);
  const rows = Array.from({ length: 20 }, (_, cell) => Array.from({ length: 12 }, (_, gene) => ((cell * 7 + gene * 5) % 4 === 0 ? 1 + ((cell * 31 + gene * 17) % 90) : 0)));
  const cells: SmallCells = { cellIds: rows.map((_, i) => `AAACCTGA${'ACGT'[i % 4]}C-${i}`), geneNames: ['CD3E', 'MS4A1', 'LYZ', 'NKG7', 'ACTB', 'GAPDH', 'B2M', 'PPBP', 'CD8A', 'FTL', 'VIM', 'CD74'], rows, cellTypes: rows.map((_, i) => ['T cell', 'B cell', 'NK cell'][i % 3]!) };
  const { cellIds, geneNames, cellTypes } = cells;
  const obs = { cell_type: cellTypes, size: Float64Array.from(cellIds, (_, i) => i * 100) };
  const at = (name: string) => join(samples, name);
  for (const [name, chunk] of [['plain.h5ad', undefined], ['packed.h5ad', 64]] as const) {
    const storage = chunk === undefined ? {} : { chunk };
    await writeSmallH5ad(at(name), { cellIds, geneNames, obs, x: { encoding: 'csr', rows, ...storage }, layers: { csc: { encoding: 'csc', rows, ...storage }, dense: { encoding: 'dense', rows, ...storage } } });
  }
  await writeSmallH5ad(at('latest.h5ad'), { cellIds, geneNames, obs, x: { encoding: 'csr', rows, chunk: 64 } }, { libver: 'latest' });
  await writeSmallLegacy(at('legacy.h5ad'));
  await writeSmallTenx(at('tenx.h5'));
  await writeSmallLoom(at('cells.loom'), cells, { chunk: 8 });
  await writeSmallMuData(at('cells.h5mu'), { rna: cells });
  await writeSmallZarr(at('two.zarr'), cells, { version: 2, codec: 'blosc', chunkRows: 16 });
  await writeSmallZarr(at('three.zarr'), cells, { version: 3, codec: 'zstd', chunkRows: 16 });
  writeSmallMtx(at('mtx'), cells, { isPacked: false });
  writeSmallMtx(at('mtx.gz'), cells);
  writeFileSync(at('cells.csv'), tableText(cellIds, geneNames, rows));
  writeFileSync(at('genes.tsv.gz'), gzipSync(tableText(geneNames, cellIds, transpose(rows), { delimiter: '\t' })));
});

describe(`${COUNT} damaged files`, () => {
  it('are read as they were, refused in one line, or differ where nothing in the file could tell', { timeout: 3_600_000 }, async () => {
    const outcomes = await readMutants(FIRST, FIRST + COUNT);
    console.info(summary(outcomes));
    if (KEPT) appendFileSync(KEPT, outcomes.map((outcome) => `${JSON.stringify(outcome)}\n`).join(''));
    expect(outcomes).toHaveLength(COUNT);
    expect(outcomes.filter(({ outcome }) => ['bug', 'crash', 'hang'].includes(outcome))).toEqual([]);
    // Sizes, names of columns and matrices come from structure: they do not change without a word.
    expect(outcomes.filter(({ outcome, ms = 0 }) => outcome !== 'timeout' && ms > HANG_MS / 2)).toEqual([]);
  });
});

/** All seeds in [first, last), going on behind one that took the process with it. */
async function readMutants(first: number, last: number): Promise<Outcome[]> {
  const out = join(folder, 'outcomes.jsonl');
  writeFileSync(out, '');
  const outcomes: Outcome[] = [];
  for (let next = first; next < last; ) {
    writeFileSync(out, '');
    const end = await runProcess(next, last, out);
    const lines = readFileSync(out, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line) as Outcome & { started?: boolean });
    outcomes.push(...lines.filter(({ started }) => !started));
    const cut = lines.at(-1);
    if (cut?.started) outcomes.push({ seed: cut.seed, name: cut.name, outcome: end.isHang ? 'hang' : 'crash', message: end.stderr });
    else if (cut?.seed !== last - 1) throw new Error(`the reading process ended early: ${end.stderr}`);
    next = (cut?.seed ?? last) + 1;
  }
  return outcomes;
}

async function runProcess(first: number, last: number, out: string): Promise<{ isHang: boolean; stderr: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('read-mutants.mjs', import.meta.url)), samples, String(first), String(last), out], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr = (stderr + text.toString()).slice(-2000)));
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

/** One line an outcome, and of those that differ what differs, per sample. */
function summary(outcomes: readonly Outcome[]): string {
  const tally = (keys: readonly string[]) => {
    const counts = new Map<string, number>();
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]).map(([key, count]) => `${key} ${count}`).join(', ');
  };
  const differing = outcomes.filter(({ outcome }) => outcome === 'differs');
  return [
    `${outcomes.length} mutations: ${tally(outcomes.map(({ outcome }) => outcome))}`,
    `what differs: ${tally(differing.map(({ different }) => different!.join('+')))}`,
    ...[...new Set(outcomes.map(({ name }) => name))].sort().map((name) => `  ${name}: ${tally(outcomes.filter((outcome) => outcome.name === name).map(({ outcome }) => outcome))}`),
    ...outcomes.filter(({ outcome }) => ['bug', 'crash', 'hang', 'timeout'].includes(outcome)).map((outcome) => JSON.stringify(outcome)),
    ...differing.filter(({ different }) => different!.includes('shape')).slice(0, 20).map((outcome) => JSON.stringify(outcome)),
  ].join('\n');
}
