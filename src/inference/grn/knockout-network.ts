// L gene slots, R regulators, G genes
import * as tf from '@tensorflow/tfjs-core';
import type { CellBatch } from '../../data/batch.js';
import { geneHidden, hiddenStates, predictedValues } from '../../model/scdiva.js';
import type { Rng } from '../../rng.js';
import type { Executor } from '../../runtime/program/program.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import type { CellPass } from './attention-network.js';
import type { NetworkGenes } from './genes.js';
import { PairSums } from './pair-sums.js';

/** What the model's prediction of each target does when a regulator is touched; [R, G] each. */
export interface KnockoutNetwork {
  /** Mean change of the predicted value of a hidden target when the regulator is raised from its low to its high level: the sign of the edge. */
  readonly dosage: Float64Array;
  /** Mean absolute change when the regulator is taken away. No sign: a gene may be missed in either direction. */
  readonly removal: Float64Array;
  readonly numCells: Int32Array;
}

export interface KnockoutOptions {
  /** Cells, drawn evenly from the pass: each costs 2 · (1 + 3 · its regulators) forward passes. */
  readonly maxCells: number;
  readonly numCells: number;
  readonly batchSize: number;
  readonly minCells?: number;
  readonly rng: Rng;
  readonly onCells?: (done: number) => void;
}

/**
 * In-silico knock-outs. Half of a cell's genes are hidden at a time, so that every gene is predicted from the others and not copied; then each
 * regulator that is not hidden is set one standard deviation below its mean, one above, and taken away, and what changes at the hidden genes is
 * the edge. Conditional on all the other visible genes, which correlation is not.
 */
export async function knockoutNetwork(checkpoint: Checkpoint, executor: Executor, genes: NetworkGenes, cells: CellPass, options: KnockoutOptions): Promise<KnockoutNetwork> {
  const { modelConfig, vocabulary, preprocessing } = checkpoint;
  const L = preprocessing.maxGenes;
  const { batchSize: B, rng } = options;
  const levels = await regulatorLevels(genes, cells);
  const variables = await executor.createVariables(Object.fromEntries(Object.entries(checkpoint.parameters).filter(([name]) => !name.startsWith('gene_head.'))));
  const program = executor.compile((state, inputs) => {
    const hidden = hiddenStates(state, { geneIds: inputs['geneIds'] as tf.Tensor2D, values: inputs['values'] as tf.Tensor2D, isReplaced: inputs['isReplaced'] as tf.Tensor2D, isSummarised: inputs['isSummarised'] as tf.Tensor2D }, modelConfig, vocabulary);
    const rows = tf.reshape(geneHidden(hidden), [B * L, modelConfig.hiddenDim]) as tf.Tensor2D;
    return { outputs: { values: predictedValues(state, rows) } };
  }, { variables, name: 'grn/knockout' });
  const dosage = new PairSums(genes.regulators.length, genes.genes.length);
  const removal = new PairSums(genes.regulators.length, genes.genes.length);
  try {
    let seen = 0;
    let taken = 0;
    for await (const batch of cells()) {
      for (let b = 0; b < batch.numCells; b++, seen++) {
        // Evenly: the k-th is taken where the share that was seen reaches it.
        if (Math.floor(((seen + 1) * options.maxCells) / options.numCells) <= taken || taken >= options.maxCells) continue;
        await visitCell(readCell(batch, b), rng.fork(`cell/${batch.cellIndex[b]}`));
        options.onCells?.(++taken);
      }
    }
    return { dosage: dosage.means(options.minCells), removal: removal.means(options.minCells), numCells: dosage.numCells };
  } finally {
    program.dispose();
    variables.dispose();
  }

  async function visitCell(cell: Cell, cellRng: Rng): Promise<void> {
    const order = cellRng.permutation(cell.geneIds.length);
    const half = order.length >> 1;
    for (const hiddenSlots of [order.subarray(0, half), order.subarray(half)]) {
      const isHidden = new Uint8Array(cell.geneIds.length);
      hiddenSlots.forEach((slot) => (isHidden[slot] = 1));
      const regulators = Array.from(cell.geneIds.keys()).filter((slot) => !isHidden[slot] && genes.regulatorAt(cell.geneIds[slot]!) >= 0);
      const base = (await predict(cell, isHidden, [{ kind: 'none' }]))[0]!;
      const variants = regulators.flatMap((slot): Variant[] => {
        const { low, high } = levels[genes.regulatorAt(cell.geneIds[slot]!)]!;
        return [{ kind: 'set', slot, value: low }, { kind: 'set', slot, value: high }, { kind: 'remove', slot }];
      });
      const predictions = await predict(cell, isHidden, variants);
      regulators.forEach((slot, i) => {
        const [low, high, removed] = predictions.slice(3 * i, 3 * i + 3) as [Float32Array, Float32Array, Float32Array];
        const regulator = genes.regulatorAt(cell.geneIds[slot]!);
        for (const target of hiddenSlots) {
          const gene = genes.geneAt(cell.geneIds[target]!);
          if (gene < 0) continue;
          dosage.add(regulator, gene, high[target]! - low[target]!);
          removal.add(regulator, gene, Math.abs(base[target]! - removed[target]!));
        }
      });
    }
  }

  async function predict(cell: Cell, isHidden: Uint8Array, variants: readonly Variant[]): Promise<Float32Array[]> {
    const out: Float32Array[] = [];
    for (let start = 0; start < variants.length; start += B) {
      const geneIds = new Int32Array(B * L).fill(vocabulary.padId);
      const [values, isReplaced, isSummarised] = [new Float32Array(B * L), new Float32Array(B * L), new Float32Array(B * L)];
      for (let b = 0; b < B; b++) {
        const variant = variants[Math.min(start + b, variants.length - 1)]!;
        geneIds.set(cell.geneIds, b * L);
        values.set(cell.values, b * L);
        isHidden.forEach((hidden, slot) => {
          isReplaced[b * L + slot] = hidden;
          // The summary of a cell must not tell what is hidden.
          isSummarised[b * L + slot] = 1 - hidden;
        });
        if (variant.kind === 'set') values[b * L + variant.slot] = variant.value;
        if (variant.kind === 'remove') {
          isReplaced[b * L + variant.slot] = 1;
          isSummarised[b * L + variant.slot] = 0;
        }
      }
      const tensor = (data: Float32Array | Int32Array) => ({ dtype: data instanceof Int32Array ? ('int32' as const) : ('float32' as const), shape: [B, L], data });
      const { data } = (await program.run({ geneIds: tensor(geneIds), values: tensor(values), isReplaced: tensor(isReplaced), isSummarised: tensor(isSummarised) }))['values']!;
      for (let b = 0; b < B && start + b < variants.length; b++) out.push((data as Float32Array).slice(b * L, (b + 1) * L));
    }
    return out;
  }
}

interface Cell {
  readonly geneIds: Int32Array;
  readonly values: Float32Array;
}

type Variant = { readonly kind: 'none' } | { readonly kind: 'set'; readonly slot: number; readonly value: number } | { readonly kind: 'remove'; readonly slot: number };

function readCell({ seqLen, numGenes, geneIds, values }: CellBatch, b: number): Cell {
  const [start, end] = [b * seqLen, b * seqLen + numGenes[b]!];
  return { geneIds: geneIds.slice(start, end), values: values.slice(start, end) };
}

/** One standard deviation below and above the mean of each regulator where it is expressed, never below a tenth of the mean. */
async function regulatorLevels(genes: NetworkGenes, cells: CellPass): Promise<{ low: number; high: number }[]> {
  const moments = genes.regulators.map(() => ({ n: 0, sum: 0, squares: 0 }));
  for await (const { numCells, seqLen, numGenes, geneIds, values } of cells()) {
    for (let b = 0; b < numCells; b++) {
      for (let l = b * seqLen; l < b * seqLen + numGenes[b]!; l++) {
        const regulator = genes.regulatorAt(geneIds[l]!);
        if (regulator < 0) continue;
        const m = moments[regulator]!;
        m.n++;
        m.sum += values[l]!;
        m.squares += values[l]! ** 2;
      }
    }
  }
  return moments.map(({ n, sum, squares }) => {
    const mean = n > 0 ? sum / n : 0;
    const sd = n > 0 ? Math.sqrt(Math.max(0, squares / n - mean ** 2)) : 0;
    return { low: Math.max(mean / 10, mean - sd), high: mean + sd };
  });
}
