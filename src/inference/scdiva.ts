// n cells, D cell embedding
import { basename } from 'node:path';
import { InterruptedError } from '../errors.js';
import { locateModel } from '../hub/locate.js';
import { silentProgress, type Progress } from '../progress.js';
import type { CellFile } from '../data/readers/reader.js';
import { loadTensorFlow } from '../runtime/native/load.js';
import { createExecutor, type ExecutorKind } from '../runtime/program/executor.js';
import type { Executor, Variables } from '../runtime/program/program.js';
import { cellEncoderOf, isOfEmbedding, type CellEncoder } from '../tasks/cell-encoder.js';
import { readHead as readVariationalHead } from '../tasks/variational/head.js';
import { createLatentSpace, type LatentSpace } from '../tasks/variational/latent-space.js';
import { openCheckpoint, type OpenCheckpoint } from '../train/checkpoint.js';
import type { ReleaseOptions } from '../train/release-options.js';
import { addParameters } from './add-parameters.js';
import { cellSource, type CellSource, type ReadOptions } from './cell-source.js';

export interface LoadOptions extends ReleaseOptions {
  /** Default auto: graphs where native TensorFlow is set up. */
  readonly executor?: ExecutorKind;
  /** bf16: matrix products in bfloat16, faster and about three digits precise. Default f32. */
  readonly precision?: 'f32' | 'bf16';
  /** Of a download. */
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Puts something between the model and its callers, such as a `BatchingEncoder`; what it gives back is disposed with the model. */
  readonly wrapEncoder?: (encoder: CellEncoder, checkpoint: OpenCheckpoint) => CellEncoder;
  /** Told in one line why WebAssembly is used, where it is. Default: a warning of the process. */
  readonly notice?: (line: string) => void;
}

/** The embeddings of a file's cells. */
export interface EncodedCells {
  /** One row a cell, in file order: [n, D]. NaN where the cell has no gene of the vocabulary. */
  readonly latent: { readonly dtype: 'float32'; readonly shape: readonly [n: number, D: number]; readonly data: Float32Array };
  /** Mean and log variance of each cell's place in the variational latent space, [n, Z], NaN as above: of a checkpoint of finetune variational alone. */
  readonly mu?: { readonly dtype: 'float32'; readonly shape: readonly [n: number, Z: number]; readonly data: Float32Array };
  readonly logvar?: { readonly dtype: 'float32'; readonly shape: readonly [n: number, Z: number]; readonly data: Float32Array };
  /** Rows without any gene of the vocabulary. */
  readonly emptyRows: readonly number[];
  /** What was read, and how. */
  readonly source: Pick<CellSource, 'matrix' | 'coverage' | 'notes'> & {
    /** Of all expression in the file, the share in genes the model knows. */
    readonly shareOfExpression: number;
  };
}

/** A trained model, ready to use. Holds TensorFlow memory until `dispose`. */
export class ScDiVa {
  private constructor(
    readonly checkpoint: OpenCheckpoint,
    readonly executor: Executor,
    private readonly variables: Variables,
    private readonly encoder: CellEncoder,
    private readonly space: LatentSpace | undefined,
  ) {}

  /**
   * Loads a checkpoint folder, the best checkpoint of a run folder, or a model of the hub by its name, `owner/name[/folder][@revision]`.
   * @throws CheckpointError naming the file or tensor that is missing, damaged or of another size
   */
  static async fromPretrained(path: string, { executor: kind = 'auto', precision = 'f32', notice, progress, signal, wrapEncoder, ...release }: LoadOptions = {}): Promise<ScDiVa> {
    const checkpoint = await openCheckpoint(await locateModel(path, { progress, signal }), release);
    await loadTensorFlow(notice && { notice });
    const executor = await createExecutor({ kind });
    try {
      const variables = await executor.createVariables({});
      const encoder = cellEncoderOf(executor, variables, checkpoint, precision);
      await addParameters(variables, checkpoint.readParameters(isOfEmbedding));
      const space = checkpoint.head?.info.task === 'variational' ? await createLatentSpace(executor, readVariationalHead(checkpoint)) : undefined;
      return new ScDiVa(checkpoint, executor, variables, wrapEncoder?.(encoder, checkpoint) ?? encoder, space);
    } catch (error) {
      executor.dispose();
      throw error;
    }
  }

  /** D */
  get embeddingDim(): number {
    return this.encoder.embeddingDim;
  }

  /**
   * Embeds every cell of a file. A cell's row depends on that cell alone: not on batch size, neighbours or order.
   * @param cells as `readH5ad` gives them; the caller closes the file
   * @throws DataError when the values or genes of the file cannot be used; InterruptedError after the signal
   */
  async encode(cells: CellFile, options: ReadOptions = {}): Promise<EncodedCells> {
    const { batches, ...source } = await cellSource(cells, this.checkpoint, options);
    const { progress = silentProgress, signal } = options;
    const D = this.embeddingDim;
    const data = new Float32Array(batches.numCells * D).fill(NaN);
    const bar = progress.start(`Embed ${basename(cells.path)}`, batches.numCells, 'cells');
    try {
      let done = 0;
      for await (const batch of batches) {
        const embedded = await this.encoder.encode(batch);
        batch.cellIndex.forEach((row, i) => data.set(embedded.subarray(i * D, (i + 1) * D), row * D));
        bar.update((done += batch.numCells));
        if (signal?.aborted) throw new InterruptedError({ file: cells.path, found: `interrupted after ${done} of ${batches.numCells} cells`, hint: 'nothing was written' });
      }
    } finally {
      bar.stop();
    }
    return { latent: { dtype: 'float32', shape: [batches.numCells, D], data }, ...(this.space && (await placeInSpace(this.space, data, batches.emptyRows))), emptyRows: [...batches.emptyRows], source: { ...source, shareOfExpression: batches.shareOfExpression } };
  }

  dispose(): void {
    this.space?.dispose();
    this.encoder.dispose();
    this.variables.dispose();
    this.executor.dispose();
  }
}

/** @param embeddings [n, D] @param emptyRows those without a place */
async function placeInSpace(space: LatentSpace, embeddings: Float32Array, emptyRows: readonly number[]): Promise<Required<Pick<EncodedCells, 'mu' | 'logvar'>>> {
  const { latentDim: Z, embeddingDim: D } = space.info;
  const { mu, logvar } = await space.encode(embeddings);
  for (const row of emptyRows) for (const data of [mu, logvar]) data.fill(NaN, row * Z, (row + 1) * Z);
  const matrix = (data: Float32Array) => ({ dtype: 'float32', shape: [embeddings.length / D, Z], data }) as const;
  return { mu: matrix(mu), logvar: matrix(logvar) };
}
