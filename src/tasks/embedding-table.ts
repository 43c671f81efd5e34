// n cells, D cell embedding
import { InterruptedError } from '../errors.js';
import type { Progress } from '../progress.js';
import type { Corpus } from '../data/corpus/corpus.js';
import type { LoaderConfig } from '../data/loader/config.js';
import { createLoader } from '../data/loader/loader.js';
import type { Executor } from '../runtime/program/program.js';
import type { ModelDescription } from '../train/checkpoint.js';
import { createCellEncoder, type EncoderModel } from './cell-encoder.js';

/** Embeddings of some cells of a corpus under one fixed backbone. */
export class EmbeddingTable {
  private readonly position: Int32Array;
  private readonly data: Float32Array;

  private constructor(
    corpusSize: number,
    rows: Int32Array,
    readonly embeddingDim: number,
  ) {
    this.position = new Int32Array(corpusSize).fill(-1);
    rows.forEach((row, i) => (this.position[row] = i));
    this.data = new Float32Array(rows.length * embeddingDim);
  }

  /** @param rows corpus rows @returns [n, D] */
  gather(rows: Int32Array): Float32Array {
    const { embeddingDim: D } = this;
    const out = new Float32Array(rows.length * D);
    rows.forEach((row, i) => out.set(this.view(row), i * D));
    return out;
  }

  private view(row: number): Float32Array {
    const at = this.position[row]!;
    if (at < 0) throw new RangeError(`corpus row ${row} was not embedded`);
    return this.data.subarray(at * this.embeddingDim, (at + 1) * this.embeddingDim);
  }

  /** Runs every row through the encoder once. @throws InterruptedError after the signal */
  static async compute(corpus: Corpus, rows: Int32Array, options: EmbeddingOptions): Promise<EmbeddingTable> {
    const { model, executor, precision, batchSize, loader, progress, signal } = options;
    const table = new EmbeddingTable(corpus.numCells, rows, model.modelConfig.hiddenDim);
    const encoder = await createCellEncoder(executor, model, precision);
    const batches = createLoader(corpus, { rows, batchSize, preprocessing: model.preprocessing, entropy: model.entropy, rng: null, loader });
    const bar = progress.start('Embed cells', rows.length, 'cells');
    try {
      let done = 0;
      for await (const batch of batches) {
        const embedded = await encoder.encode(batch);
        batch.cellIndex.forEach((row, i) => table.view(row).set(embedded.subarray(i * table.embeddingDim, (i + 1) * table.embeddingDim)));
        batches.recycle?.(batch);
        bar.update((done += batch.numCells));
        if (signal.aborted) throw new InterruptedError({ found: 'interrupted while cells were embedded', hint: options.afterInterrupt });
      }
    } finally {
      bar.stop();
      await batches.close();
      encoder.dispose();
    }
    return table;
  }
}

export interface EmbeddingOptions {
  readonly model: EncoderModel & ModelDescription;
  readonly executor: Executor;
  readonly precision: 'f32' | 'bf16';
  readonly batchSize: number;
  readonly loader: LoaderConfig;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Said after an interruption: what is lost, what to do. */
  readonly afterInterrupt?: string;
}
