// B cells, L gene slots, T = L + 1, H heads, N layers, R regulators, G genes
import * as tf from '@tensorflow/tfjs-core';
import type { CellBatch } from '../../data/batch.js';
import { attentionMaps } from '../../model/attention-maps.js';
import { isOfEmbedding } from '../../tasks/cell-encoder.js';
import type { Executor } from '../../runtime/program/program.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import type { NetworkGenes } from './genes.js';
import { PairSums, PositionExpectation } from './pair-sums.js';

/** Attention of target to regulator, per head and over all of them; [R, G] each. */
export interface AttentionNetwork {
  /** Layer by layer, head by head: corrected mean attention. */
  readonly heads: readonly { readonly layer: number; readonly head: number; readonly weights: Float64Array }[];
  /** Mean over heads, each brought to unit spread first: heads that attend sharply would drown the others. */
  readonly mean: Float64Array;
  /** Cells in which both genes were shown. */
  readonly numCells: Int32Array;
}

/** Cells, as often as asked for: attention is read twice, once for what positions explain and once for the rest. */
export type CellPass = () => AsyncIterable<CellBatch>;

/**
 * How much more each gene attends to each regulator than its rank position and the regulator's explain, a mean over the cells that show both.
 * Attention goes with rank, rank with expression: uncorrected it finds the highly expressed, not the regulators.
 * @param minCells pairs seen together in fewer cells score 0
 */
export async function attentionNetwork(
  checkpoint: Checkpoint,
  executor: Executor,
  genes: NetworkGenes,
  cells: CellPass,
  { minCells = 5, isCorrected = true } = {},
): Promise<AttentionNetwork> {
  const { modelConfig, vocabulary, preprocessing } = checkpoint;
  const { numLayers, numHeads: H } = modelConfig;
  const needed = Object.fromEntries(Object.entries(checkpoint.parameters).filter(([name]) => isOfEmbedding(name)));
  const variables = await executor.createVariables(needed);
  const program = executor.compile(
    (state, inputs) => {
      const noMask = tf.zeros([modelConfig.hiddenDim]);
      const geneIds = inputs['geneIds'] as tf.Tensor2D;
      const values = inputs['values'] as tf.Tensor2D;
      const { probabilities } = attentionMaps(
        { ...state, gene_mask_emb: noMask, value_mask_emb: noMask },
        { geneIds, values, isReplaced: tf.zerosLike(values) },
        modelConfig,
        vocabulary,
      );
      return { outputs: Object.fromEntries(probabilities.map((p, layer) => [String(layer), p])) };
    },
    { variables, name: 'grn/attention' },
  );
  const numMaps = numLayers * H;
  const visit = async (each: (map: number, asking: number, asked: number, target: number, regulator: number, value: number) => void): Promise<void> => {
    for await (const { numCells: B, seqLen: L, geneIds, values, numGenes } of cells()) {
      const out = await program.run({ geneIds: { dtype: 'int32', shape: [B, L], data: geneIds }, values: { dtype: 'float32', shape: [B, L], data: values } });
      const T = L + 1;
      for (let b = 0; b < B; b++) {
        const slots = Array.from({ length: numGenes[b]! }, (_, l) => ({
          l,
          gene: genes.geneAt(geneIds[b * L + l]!),
          regulator: genes.regulatorAt(geneIds[b * L + l]!),
        }));
        const regulators = slots.filter(({ regulator }) => regulator >= 0);
        const targets = slots.filter(({ gene }) => gene >= 0);
        for (let layer = 0; layer < numLayers; layer++) {
          const p = out[layer]!.data as Float32Array; // [B, H, T, T]
          for (let h = 0; h < H; h++) {
            const matrix = (b * H + h) * T * T;
            for (const target of targets)
              for (const asked of regulators) {
                // Shares of n genes: times n, so that cells with many and with few genes count alike.
                if (target.l !== asked.l)
                  each(layer * H + h, target.l, asked.l, target.gene, asked.regulator, p[matrix + (target.l + 1) * T + asked.l + 1]! * numGenes[b]!);
              }
          }
        }
      }
    }
  };
  try {
    const expectations = Array.from({ length: numMaps }, () => new PositionExpectation(preprocessing.maxGenes));
    if (isCorrected) await visit((map, asking, asked, _target, _regulator, value) => expectations[map]!.add(asking, asked, value));
    const sums = Array.from({ length: numMaps }, () => new PairSums(genes.regulators.length, genes.genes.length));
    await visit((map, asking, asked, target, regulator, value) =>
      sums[map]!.add(regulator, target, isCorrected ? value - expectations[map]!.at(asking, asked) : value),
    );
    const heads = sums.map((sum, map) => ({ layer: Math.floor(map / H), head: map % H, weights: sum.means(minCells) }));
    return { heads, mean: meanOfScaled(heads.map(({ weights }) => weights)), numCells: sums[0]!.numCells };
  } finally {
    program.dispose();
    variables.dispose();
  }
}

/** Mean of networks, each divided by its root mean square. */
export function meanOfScaled(networks: readonly Float64Array[]): Float64Array {
  const mean = new Float64Array(networks[0]!.length);
  for (const weights of networks) {
    const scale = Math.sqrt(weights.reduce((sum, w) => sum + w * w, 0) / weights.length) || 1;
    weights.forEach((w, at) => (mean[at]! += w / scale / networks.length));
  }
  return mean;
}
