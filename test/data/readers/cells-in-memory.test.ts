import { describe, expect, it } from 'vitest';
import { CellsInMemory } from '../../../src/data/readers/cells-in-memory.js';
import { chooseMatrix } from '../../../src/data/inspect/choose-matrix.js';
import { readRows } from '../../support/read-rows.js';

const genes = { names: ['CD3E', 'LYZ', 'NKG7'] };
const cells = () =>
  new CellsInMemory('mine', {
    genes,
    indptr: [0, 2, 2, 5],
    indices: Int32Array.of(2, 0, 1, 1, 0),
    values: Float32Array.of(3, 1, 2, 4, 0),
    obs: { n: { kind: 'numeric', values: Float64Array.of(1, 2, 3), dtype: 'float64' } },
  });

describe('cells in memory', () => {
  it('are read like a file of them: columns in order, repeats added up, zeros dropped, whatever the block', async () => {
    for (const blockRows of [1, 2, 10])
      expect(await readRows(cells().matrix('X'), { blockRows })).toEqual([
        [1, 0, 3],
        [0, 0, 0],
        [0, 6, 0],
      ]);
    expect(await chooseMatrix(cells())).toMatchObject({ key: 'X', valueKind: 'counts' });
    expect(cells().cellIds).toEqual(['cell 0', 'cell 1', 'cell 2']);
    expect(cells().obs('n')).toMatchObject({ kind: 'numeric' });
  });

  it('are refused in words that name what does not fit', async () => {
    expect(() => new CellsInMemory('mine', { genes, cellIds: ['a'], indptr: [0, 0, 0], indices: new Int32Array(0), values: new Float32Array(0) })).toThrow(
      'mine: cellIds: 1 names (expected 2, one a cell)',
    );
    expect(() => new CellsInMemory('mine', { genes, indptr: [0, 1], indices: Int32Array.of(0), values: new Float32Array(2) })).toThrow(
      /mine: indices: 1 entries/,
    );
    const outside = new CellsInMemory('mine', { genes, indptr: [0, 1], indices: Int32Array.of(3), values: Float32Array.of(1) });
    await expect(readRows(outside.matrix('X'))).rejects.toThrow(/column 3 \(expected columns 0 to 2/);
    expect(() => cells().matrix('raw/X')).toThrow(/raw\/X: no such matrix/);
    expect(() => cells().obs('batch')).toThrow(/obs\['batch'\]: no such column \(expected one of n\)/);
  });
});
