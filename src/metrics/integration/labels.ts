/** Checks codes 0 … and tells how many kinds there are and how often each occurs. @throws RangeError for another number of cells or a missing label */
export function countCodes(codes: ArrayLike<number>, numCells: number): Int32Array {
  if (codes.length !== numCells) throw new RangeError(`${codes.length} labels for ${numCells} cells`);
  let numKinds = 0;
  for (let i = 0; i < numCells; i++) {
    const code = codes[i]!;
    if (!Number.isInteger(code) || code < 0) throw new RangeError(`cell ${i} has the label code ${code}: leave out cells without a label`);
    numKinds = Math.max(numKinds, code + 1);
  }
  const counts = new Int32Array(numKinds);
  for (let i = 0; i < numCells; i++) counts[codes[i]!]!++;
  return counts;
}

/** How many kinds occur at all. */
export function numKindsPresent(counts: Int32Array): number {
  return counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
}

/** The cells of every code, in order. */
export function cellsByCode(codes: ArrayLike<number>, counts: Int32Array): Int32Array[] {
  const cells = Array.from(counts, (count) => new Int32Array(count));
  const filled = new Int32Array(counts.length);
  for (let i = 0; i < codes.length; i++) cells[codes[i]!]![filled[codes[i]!]!++] = i;
  return cells;
}
