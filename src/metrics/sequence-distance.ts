/** Fewest insertions, deletions and replacements, each costing 1, that turn one sequence into the other (Levenshtein 1965): 0 … the longer length. */
export function levenshtein(a: ArrayLike<number>, b: ArrayLike<number>): number {
  // What both begin and end with needs no edit.
  let start = 0;
  let endA = a.length;
  let endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) start++;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA--;
    endB--;
  }
  const width = endB - start;
  const row = Int32Array.from({ length: width + 1 }, (_, j) => j); // distances of a's first i items to every beginning of b
  for (let i = start; i < endA; i++) {
    let diagonal = row[0]!;
    row[0] = i - start + 1;
    for (let j = 1; j <= width; j++) {
      const above = row[j]!;
      const replaced = diagonal + (a[i] === b[start + j - 1] ? 0 : 1);
      row[j] = Math.min(replaced, above + 1, row[j - 1]! + 1);
      diagonal = above;
    }
  }
  return row[width]!;
}
