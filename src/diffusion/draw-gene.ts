import type { Rng } from '../rng.js';

export interface DrawnGene {
  readonly id: number;
  /** Of this gene among the available ones, at the temperature and within the top K it was drawn with (at temperature 0: at temperature 1). */
  readonly probability: number;
}

/**
 * Draws a gene from softmax(logits / temperature) over the available ids; with topK over the K most likely of them.
 * @param logits [V]
 * @param isAvailable [V] 1 = may be drawn; at least one is
 * @param temperature 0 takes the most likely gene and draws nothing
 */
export function drawGene(
  logits: Float32Array,
  isAvailable: Uint8Array,
  { temperature, topK }: { temperature: number; topK: number | null },
  rng: Rng,
): DrawnGene {
  let best = -1;
  for (let id = 0; id < logits.length; id++) if (isAvailable[id] && (best < 0 || logits[id]! > logits[best]!)) best = id;
  if (best < 0) throw new Error('no gene is available');
  const threshold =
    topK === null
      ? -Infinity
      : kthLargest(
          logits.filter((_, id) => isAvailable[id]),
          topK,
        );
  const weight = (id: number): number => (isAvailable[id] && logits[id]! >= threshold ? Math.exp((logits[id]! - logits[best]!) / (temperature || 1)) : 0);
  let total = 0;
  for (let id = 0; id < logits.length; id++) total += weight(id);
  if (temperature === 0) return { id: best, probability: 1 / total };
  let left = rng.uniform() * total;
  let drawn = best;
  for (let id = 0; id < logits.length; id++) {
    const w = weight(id);
    if (w === 0) continue;
    drawn = id;
    left -= w;
    if (left < 0) break;
  }
  return { id: drawn, probability: weight(drawn) / total };
}

/** The k-th largest value (the smallest when there are fewer), by quickselect; reorders its argument. */
export function kthLargest(values: Float32Array, k: number): number {
  const target = values.length - Math.min(k, values.length);
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const pivot = values[(low + high) >> 1]!;
    let [i, j] = [low, high];
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      [values[i], values[j]] = [values[j]!, values[i]!];
      i++;
      j--;
    }
    if (target <= j) high = j;
    else if (target >= i) low = i;
    else break;
  }
  return values[target]!;
}
