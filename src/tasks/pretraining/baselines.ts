import type { CellBatch, CellBatches } from '../../data/batch.js';
import type { HostTensors } from '../../runtime/program/program.js';
import type { Metrics } from '../../train/task.js';

// G ranks of a cell in groups: 1, 2-3, 4-7, 8-15 … (a cell's first genes differ most); V gene vocabulary

/**
 * Simple guesses for masked genes, counted on training cells: what a model must beat to have learned more than frequencies.
 *
 * - `unigram`: every gene as likely as it is frequent, the mean value everywhere.
 * - `rank`: the same, counted separately for groups of ranks. Genes come in the order of their rank and positions are known to
 *   the model, so this much can be said of a masked slot without looking at the cell.
 */
export interface GuessTables {
  readonly unigram: GuessTable;
  readonly rank: GuessTable;
}

interface GuessTable {
  /** Group of a slot of the sequence. */
  readonly groupOf: (slot: number) => number;
  /** [G, V] probability of each gene. */
  readonly probabilities: readonly Float64Array[];
  /** [G] likeliest gene. */
  readonly likeliest: readonly number[];
  /** [G] mean value. */
  readonly meanValues: readonly number[];
}

/** Genes' worth of the coarser table that is mixed into every finer one, so that no gene is impossible. */
const PRIOR_COUNT = 100;

/** Counts up to `maxCells` cells. Closes the batches. */
export async function countGuesses(batches: CellBatches, vocabSize: number, isGene: (id: number) => boolean, maxCells: number): Promise<GuessTables> {
  const numGroups = rankGroup(2 ** 31) + 1;
  const counts = Array.from({ length: numGroups }, () => new Float64Array(vocabSize));
  const sums = new Float64Array(numGroups);
  let numCells = 0;
  try {
    for await (const batch of batches) {
      for (let b = 0; b < batch.numCells && numCells < maxCells; b++, numCells++) {
        forEachGene(batch, b, (slot, id, value) => {
          counts[rankGroup(slot)]![id]! += 1;
          sums[rankGroup(slot)]! += value;
        });
      }
      if (numCells >= maxCells) break;
    }
  } finally {
    await batches.close();
  }
  const all = counts.reduce((total, group) => total.map((count, id) => count + group[id]!), new Float64Array(vocabSize));
  const numReal = Array.from(all.keys()).filter(isGene).length;
  const uniform = all.map((_, id) => (isGene(id) ? 1 / numReal : 0));
  const unigram = smoothed(all, uniform);
  const mean = sum(sums) / Math.max(1, sum(all));
  const byRank = counts.map((group) => smoothed(group, unigram));
  const tableOf = (groupOf: (slot: number) => number, probabilities: readonly Float64Array[], meanValues: readonly number[]): GuessTable => ({
    groupOf,
    probabilities,
    meanValues,
    likeliest: probabilities.map(argMax),
  });
  return {
    unigram: tableOf(() => 0, [unigram], [mean]),
    rank: tableOf(
      rankGroup,
      byRank,
      counts.map((group, g) => (sums[g]! + PRIOR_COUNT * mean) / (sum(group) + PRIOR_COUNT)),
    ),
  };
}

/** Scores both guesses on the masked genes of an evaluation pass, in the terms of the model's own metrics. */
export async function scoreGuesses(
  tables: GuessTables,
  passes: AsyncIterable<{ readonly batch: CellBatch; readonly inputs: HostTensors }>,
  valueWeight: number,
): Promise<Record<'unigram' | 'rank', Metrics>> {
  const names = ['unigram', 'rank'] as const;
  const totals = { unigram: { nll: 0, squares: 0, right: 0 }, rank: { nll: 0, squares: 0, right: 0 } };
  let numMasked = 0;
  for await (const { batch, inputs } of passes) {
    const { lossPositions, lossWeights, targetIds, targetValues } = inputs;
    lossWeights!.data.forEach((weight: number, row: number) => {
      if (weight === 0) return;
      numMasked += 1;
      const slot = lossPositions!.data[row]! % batch.seqLen;
      const id = targetIds!.data[row]!;
      for (const name of names) {
        const table = tables[name];
        const group = table.groupOf(slot);
        totals[name].nll -= Math.log(table.probabilities[group]![id]!);
        totals[name].squares += (table.meanValues[group]! - targetValues!.data[row]!) ** 2;
        totals[name].right += table.likeliest[group] === id ? 1 : 0;
      }
    });
  }
  const score = ({ nll, squares, right }: { nll: number; squares: number; right: number }): Metrics => {
    const [identityLoss, valueLoss] = [nll / numMasked, squares / numMasked];
    return { loss: identityLoss + valueWeight * valueLoss, identityLoss, valueLoss, identityAccuracy: right / numMasked };
  };
  return { unigram: score(totals.unigram), rank: score(totals.rank) };
}

const rankGroup = (slot: number): number => Math.floor(Math.log2(slot + 1));

function forEachGene({ seqLen, geneIds, values, numGenes }: CellBatch, b: number, visit: (slot: number, id: number, value: number) => void): void {
  for (let slot = 0; slot < numGenes[b]!; slot++) visit(slot, geneIds[b * seqLen + slot]!, values[b * seqLen + slot]!);
}

/** (count + PRIOR_COUNT · prior) / (total + PRIOR_COUNT) */
function smoothed(counts: Float64Array, prior: Float64Array): Float64Array {
  const total = sum(counts);
  return counts.map((count, id) => (count + PRIOR_COUNT * prior[id]!) / (total + PRIOR_COUNT));
}

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
const argMax = (values: Float64Array): number => values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
