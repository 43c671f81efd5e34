import { describe, expect, it } from 'vitest';
import { attentionPieces } from '../../../src/runtime/ops/attention-pieces.js';

describe('attentionPieces', () => {
  it.each([
    [6, 5, 5, 1],
    [6, 5, 5, 12],
    [6, 5, 5, 25],
    [6, 5, 5, 60],
    [6, 5, 5, 1000],
    [3, 1, 7, 10],
  ])('take every row of %i matrices of %i × %i once, in order, %i entries at a time', (N, Q, T, entries) => {
    const pieces = attentionPieces(N, Q, T, entries);
    const rows = pieces.flatMap(({ matrix, numMatrices, query, numQueries }) =>
      Array.from({ length: numMatrices * numQueries }, (_, i) => (matrix + Math.floor(i / numQueries)) * Q + query + (i % numQueries)),
    );
    expect(rows).toEqual(Array.from({ length: N * Q }, (_, i) => i));
    for (const { numMatrices, numQueries, row, matrix, query } of pieces) {
      expect(numMatrices * numQueries * T).toBeLessThanOrEqual(Math.max(entries, T));
      expect(row).toBe(matrix * Q + query);
    }
  });
});
