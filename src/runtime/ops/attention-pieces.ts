// N attention matrices of Q rows (queries) and T columns

/** What attention works on at a time: whole matrices, or some rows of one. */
export interface AttentionPiece {
  /** The first matrix, and how many. */
  readonly matrix: number;
  readonly numMatrices: number;
  /** The first row of each, and how many. */
  readonly query: number;
  readonly numQueries: number;
  /** Number of the first row among all N · Q rows. */
  readonly row: number;
}

/** Bounds what a pass holds beside its inputs and outputs, and keeps it near the cores: 16 MB of bfloat16 in all. */
const PIECE_ENTRIES = 1 << 22;

/** Every piece is some twenty ops in the graph, which TensorFlow takes a millisecond each to prepare: long cells get larger pieces, not more of them. */
const MAX_PIECES = 256;

/** Entries that are worked on at a time, where nobody says otherwise. */
export function entriesAtOnce(N: number, Q: number, T: number): number {
  return Math.max(PIECE_ENTRIES, Math.ceil((N * Q * T) / MAX_PIECES));
}

/** All rows of all matrices in their order, in pieces of at most `entries` entries, but at least one row. */
export function attentionPieces(N: number, Q: number, T: number, entries: number): AttentionPiece[] {
  const pieces: AttentionPiece[] = [];
  if (Q * T <= entries) {
    // A power of two: heads and threads come in such numbers, and pieces of odd size leave a thread waiting.
    const atATime = 2 ** Math.floor(Math.log2(entries / (Q * T)));
    for (let matrix = 0; matrix < N; matrix += atATime)
      pieces.push({ matrix, numMatrices: Math.min(atATime, N - matrix), query: 0, numQueries: Q, row: matrix * Q });
    return pieces;
  }
  const rows = Math.max(1, Math.floor(entries / T));
  for (let matrix = 0; matrix < N; matrix++)
    for (let query = 0; query < Q; query += rows)
      pieces.push({ matrix, numMatrices: 1, query, numQueries: Math.min(rows, Q - query), row: matrix * Q + query });
  return pieces;
}
