import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildCorpus } from '../../../src/data/corpus/build.js';
import { openCorpus } from '../../../src/data/corpus/corpus.js';
import { needsConversion, scaleOfTarget, whyNotConvertible } from '../../../src/data/corpus/convert-values.js';
import { randomCells, temporaryFolder } from '../../support/small-corpus.js';
import { writeSmallH5ad, type SmallH5ad } from '../../support/small-h5ad.js';

const newFolder = temporaryFolder('convert');
const counts = randomCells(4, 24, 15);

function scaled(target: number, finish: (value: number) => number): SmallH5ad {
  return { ...counts, x: { encoding: 'csr', rows: counts.x!.rows.map((row) => row.map((value) => finish((target * value) / row.reduce((a, b) => a + b)))) } };
}

describe('conversion', () => {
  it.each([
    ['cpm', 0],
    ['log1p', 1],
  ] as const)('brings counts, CPM and log1p of any total to the same %s values', async (target, isLog) => {
    const folder = await newFolder();
    const contents = {
      counts,
      cpm: scaled(1e6, (x) => x),
      'per-10k': scaled(1e4, (x) => x),
      'log-10k': scaled(1e4, Math.log1p),
      'log-1m': scaled(1e6, Math.log1p),
    };
    const paths: string[] = [];
    for (const [name, content] of Object.entries(contents)) {
      await writeSmallH5ad(join(folder, name), content);
      paths.push(join(folder, name));
    }
    await expect(buildCorpus(paths, { out: join(folder, 'out') })).rejects.toThrow(/cpm: X: cpm \(expected counts, as in .*counts; .*pass --convert log1p/);
    await buildCorpus(paths, { out: join(folder, 'out'), convert: target });
    const corpus = await openCorpus(join(folder, 'out'));
    expect(corpus.scale).toEqual(scaleOfTarget(target));
    expect(corpus.manifest.sources.map(({ scale }) => scale)).toEqual([
      { kind: 'counts' },
      { kind: 'cpm' },
      { kind: 'cpm' },
      { kind: 'log1p', targetSum: 1e4 },
      { kind: 'log1p', targetSum: 1e6 },
    ]);
    for (let cell = 0; cell < 24; cell++) {
      const row = counts.x!.rows[cell]!;
      const total = row.reduce((a, b) => a + b);
      const expected = row.filter((value) => value > 0).map((value) => (isLog ? Math.log1p((1e4 * value) / total) : (1e6 * value) / total));
      for (let file = 0; file < paths.length; file++) {
        const { values, total: sum } = corpus.readCell(file * 24 + cell);
        expect(values.length).toBe(expected.length);
        values.forEach((value, i) => expect(value / expected[i]!).toBeCloseTo(1, 4));
        expect(sum / (isLog ? 1e4 : 1e6)).toBeCloseTo(1, 4);
      }
    }
    corpus.close();
  });

  it('refuses what cannot be done without guessing', async () => {
    expect(whyNotConvertible({ kind: 'log1p', targetSum: 1e4 }, { kind: 'counts' })).toMatch(/no longer tell the counts/);
    expect(whyNotConvertible({ kind: 'log1p' }, { kind: 'cpm' })).toMatch(/total that cells had before the logarithm is not known/);
    expect(whyNotConvertible({ kind: 'log1p' }, { kind: 'log1p', targetSum: 1e4 })).toMatch(/not known/);
    expect(whyNotConvertible({ kind: 'log1p', targetSum: 1e4 }, { kind: 'cpm' })).toBeUndefined();
    expect(needsConversion({ kind: 'log1p' }, { kind: 'log1p', targetSum: 1e4 }, undefined)).toBe(true);
    const folder = await newFolder();
    await writeSmallH5ad(join(folder, 'log'), scaled(1e4, Math.log1p));
    await expect(buildCorpus([join(folder, 'log')], { out: join(folder, 'out'), convert: 'counts' })).rejects.toThrow(
      /log: X: log1p, which cannot become counts: log1p values no longer tell the counts they came from/,
    );
  });
});
