import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../../src/cli/main.js';
import { writeNewH5ad } from '../../../src/data/writers/new-h5ad.js';
import { golden } from '../../metrics/golden.js';
import { integrationGolden } from '../../metrics/integration/golden.js';
import { perturbationGolden } from '../../metrics/perturbation/golden.js';

let folder: string;
const path = (name: string) => join(folder, name);

/** Runs a verb as a user would, in this process. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [write, writeError] = [process.stdout.write, process.stderr.write];
  let out = '';
  let err = '';
  process.stdout.write = ((text: string) => ((out += text), true)) as typeof process.stdout.write;
  process.stderr.write = ((text: string) => ((err += text), true)) as typeof process.stderr.write;
  try {
    return { code: await main(['metrics', ...args]), out, err };
  } finally {
    process.stdout.write = write;
    process.stderr.write = writeError;
    process.exitCode = 0;
  }
}

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await run(...args, '--json');
  expect([code, code === 0 ? '' : err]).toEqual([0, '']);
  return JSON.parse(out.trim().split('\n').at(-1)!) as Record<string, unknown>;
}

const csv = (name: string, header: string, rows: readonly (readonly (string | number)[])[]) =>
  writeFileSync(path(name), `${[header, ...rows.map((row) => row.join(','))].join('\n')}\n`);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'metrics-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('scdiva metrics', () => {
  it('annotation gives scikit-learn’s numbers, leaves unlabelled cells out and counts unanswered ones as wrong', async () => {
    const { truth, predicted, accuracy, macroF1 } = golden.labels;
    csv(
      'labels.csv',
      'cell,type,guess,other',
      truth.map((label, i) => [`c${i}`, `type ${label}`, `type ${predicted[i]}`, 'elsewhere']),
    );
    expect(await json('annotation', path('labels.csv'), '--true', 'type', '--predicted', 'guess')).toMatchObject({ accuracy, macroF1, numCells: 80 });
    csv('gaps.csv', 'type,guess', [
      ['A', 'A'],
      ['A', ''],
      ['', 'A'],
      ['B', 'B'],
    ]);
    expect(await json('annotation', path('gaps.csv'), '--true', 'type', '--predicted', 'guess')).toMatchObject({
      accuracy: 2 / 3,
      numCells: 3,
      numUnlabelled: 1,
      numUnanswered: 1,
    });
    const foreign = await run('annotation', path('labels.csv'), '--true', 'type', '--predicted', 'other');
    expect(foreign.code).toBe(2);
    expect(foreign.err).toContain('no label in common');
  });

  it('integration gives scib-metrics’ numbers from a table of coordinates', async () => {
    const { points, numColumns, labels, batches, aswLabel, aswBatch, ilisi, clisi, graphConnectivity, kbetExact } = integrationGolden.shifted;
    csv(
      'cells.csv',
      'type,batch,Z1,Z2,Z3,Z4,Z5,Z6',
      labels.map((label, i) => [label === undefined ? '' : `t${label}`, `b${batches[i]}`, ...points.slice(i * numColumns, (i + 1) * numColumns)]),
    );
    const found = await json('integration', path('cells.csv'), '--embedding', 'Z', '--batch', 'batch', '--label', 'type');
    for (const [key, expected] of Object.entries({ aswLabel, aswBatch, ilisi, clisi, graphConnectivity, kbet: kbetExact }))
      expect(Math.abs(Number(found[key]) - expected), key).toBeLessThan(1e-4);
    for (const key of ['nmi', 'ari', 'avgBio', 'avgBatch', 'scibTotal']) expect(found[key], key).toBeTypeOf('number');
    const wrong = await run('integration', path('cells.csv'), '--embedding', 'Z', '--batch', 'donor', '--label', 'type');
    expect([wrong.code, wrong.err.trim().split('\n').length]).toEqual([2, 1]);
    expect(wrong.err).toContain('one of type, batch, Z1');
  });

  it('reconstruction matches cells by name, and names the line that is no ranking', async () => {
    const { truth, predicted, bleu4Corpus, levenshtein } = perturbationGolden.sequences;
    const write = (name: string, lists: readonly number[][], isReversed = false) => {
      const lines = lists.map((genes, i) => JSON.stringify({ cell: `c${i}`, genes }));
      writeFileSync(path(name), (isReversed ? lines.reverse() : lines).join('\n'));
    };
    write('true.jsonl', truth);
    write('predicted.jsonl', predicted, true);
    const found = await json('reconstruction', '--true', path('true.jsonl'), '--predicted', path('predicted.jsonl'));
    expect(found['bleu4Corpus']).toBeCloseTo(bleu4Corpus, 10);
    expect(found['lDistMean']).toBeCloseTo(levenshtein.reduce((a, b) => a + b, 0) / levenshtein.length, 10);
    writeFileSync(path('broken.jsonl'), '["A","B"]\n["A","A"]\n');
    const wrong = await run('reconstruction', '--true', path('broken.jsonl'), '--predicted', path('true.jsonl'));
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('line 2: a gene twice')]);
  });

  it('grn scores the truth against itself as perfect, its mirror below, and reads headers and signs', async () => {
    csv('truth.csv', 'Gene1,Gene2,Type', [
      ['A', 'B', '+'],
      ['A', 'C', '-'],
      ['B', 'D', '+'],
      ['D', 'C', '-'],
    ]);
    csv('edges.csv', 'TF,target,importance', [
      ['A', 'B', 0.9],
      ['A', 'C', -0.8],
      ['B', 'D', 0.7],
      ['D', 'C', -0.6],
      ['X', 'A', 5],
    ]);
    const found = await json('grn', '--edges', path('edges.csv'), '--truth', path('truth.csv'));
    expect(found).toMatchObject({ auprc: 1, auroc: 1, epr: 3, auprcRatio: 3, numEdges: 5, numEdgesScored: 4, signed: { signAccuracy: 1, numSigned: 4 } });
    expect(Number((found['reversed'] as Record<string, number>)['auroc'])).toBeLessThan(0.5);
    csv('other.csv', 'TF,target,importance', [['a', 'b', 1]]);
    const wrong = await run('grn', '--edges', path('other.csv'), '--truth', path('truth.csv'));
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('no edge between genes')]);
  });

  it('perturbation scores real cells against themselves as perfect, whatever the order of the genes, and names what is missing', async () => {
    const rows = perturbationGolden.tests.x;
    const perturbations = ['control', 'up'];
    const codes = Array.from({ length: rows.numRows }, (_, i) => (i < perturbationGolden.tests.numControl ? 0 : 1));
    const geneNames = Array.from({ length: rows.numColumns }, (_, g) => `G${g}`);
    const write = (name: string, columnOf: (gene: number) => number) => {
      const indices = new Int32Array(rows.indices.length);
      const values = new Float32Array(rows.values.length);
      for (let row = 0; row < rows.numRows; row++) {
        const entries = rows.indices
          .slice(rows.indptr[row], rows.indptr[row + 1])
          .map((gene, i) => [columnOf(gene), Math.abs(rows.values[rows.indptr[row]! + i]!)] as const)
          .sort((a, b) => a[0] - b[0]);
        entries.forEach(([column, value], i) => {
          indices[rows.indptr[row]! + i] = column;
          values[rows.indptr[row]! + i] = value;
        });
      }
      return writeNewH5ad({
        output: path(name),
        cellIds: codes.map((_, i) => `c${i}`),
        geneNames: geneNames.map((_, column) => geneNames[[...geneNames.keys()].find((g) => columnOf(g) === column)!]!),
        x: { indptr: Int32Array.from(rows.indptr), indices, values },
        obs: { what: { kind: 'categorical', categories: perturbations, codes } },
      });
    };
    await write('real.h5ad', (gene) => gene);
    await write('mirrored.h5ad', (gene) => geneNames.length - 1 - gene);
    const found = await json('perturbation', path('real.h5ad'), path('mirrored.h5ad'), '--perturbation', 'what', '--control', 'control');
    expect(found).toMatchObject({ mse: 0, hitRate20: 1, numPerturbations: 1, numGenes: 16 });
    expect(found['pearsonDelta']).toBeCloseTo(1, 10);
    const wrong = await run('perturbation', path('real.h5ad'), path('mirrored.h5ad'), '--perturbation', 'what', '--control', 'ctrl');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("no cell is 'ctrl'")]);
  });
});
