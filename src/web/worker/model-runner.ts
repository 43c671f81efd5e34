// B cells, L gene slots, D cell embedding, C classes
import * as tf from '@tensorflow/tfjs-core';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { CellBatch } from '../../data/batch.js';
import type { SignatureTensors } from '../../runtime/program/portable/graph-model.js';
import type { SiteSettings } from '../messages.js';

/** Largest attention matrices held at once: 64 MB of float32. */
const ATTENTION_ENTRIES = 1 << 24;
const MOST_CELLS = 32;

/** The exported model, on the active backend. */
export class ModelRunner {
  private readonly signature: SignatureTensors[string];
  private readonly outputs: readonly string[];

  constructor(
    private readonly model: GraphModel,
    private readonly settings: SiteSettings,
  ) {
    const { signatures } = (model as unknown as { artifacts: { userDefinedMetadata: { signatures: SignatureTensors } } }).artifacts.userDefinedMetadata;
    this.signature = signatures['annotate'] ?? signatures['embed']!;
    this.outputs = ['latent', ...(signatures['annotate'] ? ['probabilities'] : [])];
  }

  /** Cells to compute at once. */
  batchSize(seqLen: number): number {
    return Math.max(1, Math.min(MOST_CELLS, Math.floor(ATTENTION_ENTRIES / (this.settings.numHeads * (seqLen + 1) ** 2))));
  }

  /** @returns latent [B, D], probabilities [B, C] where there is a head */
  async run({
    numCells,
    seqLen,
    geneIds,
    values,
  }: Pick<CellBatch, 'numCells' | 'seqLen' | 'geneIds' | 'values'>): Promise<{ latent: Float32Array; probabilities?: Float32Array }> {
    const results = tf.tidy(() => {
      const given = {
        [this.signature.inputs['gene_ids']!]: tf.tensor2d(geneIds, [numCells, seqLen], 'int32'),
        [this.signature.inputs['values']!]: tf.tensor2d(values, [numCells, seqLen]),
      };
      return [
        this.model.execute(
          given,
          this.outputs.map((name) => this.signature.outputs[name]!),
        ),
      ].flat();
    });
    const [latent, probabilities] = (await Promise.all(results.map((tensor) => tensor.data()))) as [Float32Array, Float32Array | undefined];
    tf.dispose(results);
    return { latent, ...(probabilities && { probabilities }) };
  }
}
