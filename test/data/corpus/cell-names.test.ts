import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { joinNames, NameSpool, packNames, pickNames, unpackNames } from '../../../src/data/corpus/cell-names.js';

const names = (n: number, prefix: string): string[] => Array.from({ length: n }, (_, i) => (i % 5 === 3 ? '' : `${prefix}-é-${'x'.repeat(i % 7)}${i}`));

describe('names of cells', () => {
  it('come back from the disk in any range, those of several files apart', () => {
    const spool = new NameSpool();
    const [a, b] = [names(10_000, 'a'), names(70, 'b')];
    const [spooledA, spooledB] = [spool.add(a), spool.add(b)];
    for (const [start, end] of [
      [0, 10_000],
      [0, 0],
      [4095, 4097],
      [4096, 8192],
      [9000, 10_000],
      [5, 6],
    ] as const)
      expect(unpackNames(spooledA.read(start, end))).toEqual(a.slice(start, end));
    expect(unpackNames(spooledB.read(3, 70))).toEqual(b.slice(3));
    expect(unpackNames(spool.add([]).read(0, 0))).toEqual([]);
    spool.close();
  });

  it('leave no file behind', async () => {
    const spool = new NameSpool();
    spool.add(names(10, 'a'));
    expect((await readdir(tmpdir())).filter((name) => name.startsWith(`scdiva-names.tmp-${process.pid}-`))).toEqual([]);
    spool.close();
  });

  it('can be joined and picked', () => {
    const [a, b] = [names(12, 'a'), names(9, 'b')];
    const all = joinNames([packNames(a), packNames(b), packNames([])]);
    expect(unpackNames(all)).toEqual([...a, ...b]);
    expect(unpackNames(pickNames(all, [0, 3, 12, 20]))).toEqual([a[0], a[3], b[0], b[8]]);
    expect(unpackNames(pickNames(all, []))).toEqual([]);
  });
});
