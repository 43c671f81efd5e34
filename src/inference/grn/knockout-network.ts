// B variants of a cell, L gene slots, H hidden ones at most, R regulators, G genes of the network, V gene vocabulary
import * as tf from '@tensorflow/tfjs-core';
import type { CellBatch } from '../../data/batch.js';
import { geneLogits, predictedValues, slotStates } from '../../model/scdiva.js';
import type { Rng } from '../../rng.js';
import type { Executor } from '../../runtime/program/program.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import type { CellPass } from './attention-network.js';
import type { NetworkGenes } from './genes.js';
import { PairSums } from './pair-sums.js';

/** What the model expects of each target when a regulator is touched; [R, G] each, above 0 where the regulator promotes. */
export interface KnockoutNetwork {
  /** Mean change of the expected value of a target when the regulator is raised from its low to its high level. */
  readonly dosage: Float64Array;
  /** Mean of what is expected with the regulator in sight minus what is expected with it hidden. */
  readonly removal: Float64Array;
  readonly numCells: Int32Array;
}

export interface KnockoutOptions {
  /** Cells, drawn evenly from the pass: each costs 2 + 3 · (its regulators) forward passes. */
  readonly maxCells: number;
  readonly numCells: number;
  readonly minCells?: number;
  readonly rng: Rng;
  readonly onCells?: (done: number) => void;
}

/** Probabilities held at once, variants · hidden slots · vocabulary: 128 MB. */
const MAX_PROBABILITIES = 2 ** 25;
const MAX_VARIANTS = 32;

/**
 * In-silico knock-outs of a pretrained model. Half of a cell's genes are hidden at a time. The model says of each hidden slot which gene it may be
 * and how much of it there is, so that of every gene t that is not in sight it expects
 *
 *     E[t] = Σ over hidden slots of p(slot holds t) · value of the slot,
 *
 * whether the cell expresses it or not. (The value of a slot alone would be the wrong question: the model reads it from the slot's rank, whatever gene
 * is there.) Then each regulator in sight is set one standard deviation below its mean, one above, and hidden, and what changes in E is the edge:
 * conditional on all other visible genes, which correlation is not.
 */
export async function knockoutNetwork(
  checkpoint: Checkpoint,
  executor: Executor,
  genes: NetworkGenes,
  cells: CellPass,
  options: KnockoutOptions,
): Promise<KnockoutNetwork> {
  const { modelConfig, vocabulary, preprocessing } = checkpoint;
  const L = preprocessing.maxGenes;
  const H = Math.ceil(L / 2);
  const B = Math.max(1, Math.min(MAX_VARIANTS, Math.floor(MAX_PROBABILITIES / (H * vocabulary.size))));
  const G = genes.genes.length;
  const levels = await regulatorLevels(genes, cells);
  const variables = await executor.createVariables(checkpoint.parameters);
  const program = executor.compile(
    (state, inputs) => {
      const given = {
        geneIds: inputs['geneIds'] as tf.Tensor2D,
        values: inputs['values'] as tf.Tensor2D,
        isReplaced: inputs['isReplaced'] as tf.Tensor2D,
        isSummarised: inputs['isSummarised'] as tf.Tensor2D,
      };
      const rows = slotStates(state, given, inputs['slots'] as tf.Tensor1D, modelConfig, vocabulary); // [B · H, D]
      const probabilities = tf.reshape(tf.softmax(geneLogits(state, rows)), [B, H, vocabulary.size]);
      const values = tf.mul(tf.reshape(predictedValues(state, rows), [B, 1, H]), tf.expandDims(inputs['isAsked']!, 1));
      const expected = tf.reshape(tf.matMul(values, probabilities), [B, vocabulary.size]);
      return { outputs: { expected: tf.gather(expected, inputs['wanted'] as tf.Tensor1D, 1) } }; // [B, G]
    },
    { variables, name: 'grn/knockout' },
  );
  const dosage = new PairSums(genes.regulators.length, G);
  const removal = new PairSums(genes.regulators.length, G);
  try {
    let seen = 0;
    let taken = 0;
    for await (const batch of cells()) {
      for (let b = 0; b < batch.numCells; b++, seen++) {
        // Evenly: the k-th is taken where the share that was seen reaches it.
        if (Math.floor(((seen + 1) * options.maxCells) / options.numCells) <= taken || taken >= options.maxCells) continue;
        await visitCell(readCell(batch, b), options.rng.fork(`cell/${batch.cellIndex[b]}`));
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
    for (const hidden of [order.slice(0, half).sort(), order.slice(half).sort()]) {
      const isInSight = new Uint8Array(G);
      const isHidden = new Set(hidden);
      cell.geneIds.forEach((id, slot) => !isHidden.has(slot) && genes.geneAt(id) >= 0 && (isInSight[genes.geneAt(id)] = 1));
      const regulators = Array.from(cell.geneIds.keys()).filter((slot) => !isHidden.has(slot) && genes.regulatorAt(cell.geneIds[slot]!) >= 0);
      const variants = regulators.flatMap((slot): Variant[] => {
        const { low, high } = levels[genes.regulatorAt(cell.geneIds[slot]!)]!;
        return [
          { kind: 'set', slot, value: low },
          { kind: 'set', slot, value: high },
          { kind: 'hide', slot },
        ];
      });
      const [base, ...changed] = await predict(cell, hidden, [{ kind: 'none' }, ...variants]);
      regulators.forEach((slot, i) => {
        const [low, high, without] = changed.slice(3 * i, 3 * i + 3) as [Float32Array, Float32Array, Float32Array];
        const regulator = genes.regulatorAt(cell.geneIds[slot]!);
        for (let gene = 0; gene < G; gene++) {
          if (isInSight[gene]) continue;
          dosage.add(regulator, gene, high[gene]! - low[gene]!);
          removal.add(regulator, gene, base![gene]! - without[gene]!);
        }
      });
    }
  }

  /** Expected values of the genes of the network under each variant. */
  async function predict(cell: Cell, hidden: Int32Array, variants: readonly Variant[]): Promise<Float32Array[]> {
    const out: Float32Array[] = [];
    for (let start = 0; start < variants.length; start += B) {
      const geneIds = new Int32Array(B * L).fill(vocabulary.padId);
      const slots = new Int32Array(B * H);
      const [values, isReplaced, isSummarised] = [new Float32Array(B * L), new Float32Array(B * L), new Float32Array(B * L)];
      const isAsked = new Float32Array(B * H);
      for (let b = 0; b < B; b++) {
        const variant = variants[Math.min(start + b, variants.length - 1)]!;
        geneIds.set(cell.geneIds, b * L);
        values.set(cell.values, b * L);
        // The summary of a cell must not tell what is hidden.
        isSummarised.fill(1, b * L, b * L + cell.geneIds.length);
        const hide = (slot: number): void => {
          isReplaced[b * L + slot] = 1;
          isSummarised[b * L + slot] = 0;
        };
        hidden.forEach((slot, h) => {
          hide(slot);
          slots[b * H + h] = b * L + slot;
          isAsked[b * H + h] = 1;
        });
        if (variant.kind === 'set') values[b * L + variant.slot] = variant.value;
        if (variant.kind === 'hide') hide(variant.slot);
      }
      const tensor = (data: Float32Array | Int32Array, ...shape: number[]) => ({
        dtype: data instanceof Int32Array ? ('int32' as const) : ('float32' as const),
        shape,
        data,
      });
      const { expected } = await program.run({
        geneIds: tensor(geneIds, B, L),
        values: tensor(values, B, L),
        isReplaced: tensor(isReplaced, B, L),
        isSummarised: tensor(isSummarised, B, L),
        slots: tensor(slots, B * H),
        isAsked: tensor(isAsked, B, H),
        wanted: tensor(genes.ids, G),
      });
      for (let b = 0; b < B && start + b < variants.length; b++) out.push((expected!.data as Float32Array).slice(b * G, (b + 1) * G));
    }
    return out;
  }
}

interface Cell {
  readonly geneIds: Int32Array;
  readonly values: Float32Array;
}

type Variant =
  { readonly kind: 'none' } | { readonly kind: 'set'; readonly slot: number; readonly value: number } | { readonly kind: 'hide'; readonly slot: number };

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
