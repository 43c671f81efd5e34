// n cells, D cell embedding
import { basename } from 'node:path';
import { parseConfig } from '../config/load.js';
import { ConfigError, InterruptedError } from '../errors.js';
import { locateModel } from '../hub/locate.js';
import { silentProgress, type Progress } from '../progress.js';
import type { FileBatches } from '../data/loader/file-batches.js';
import { loadTensorFlow } from '../runtime/native/load.js';
import { createExecutor, type ExecutorKind } from '../runtime/program/executor.js';
import type { Executor, Variables } from '../runtime/program/program.js';
import { cellEncoderOf, isOfEmbedding, type CellEncoder } from '../tasks/cell-encoder.js';
import { readHead as readVariationalHead } from '../tasks/variational/head.js';
import { createLatentSpace, type LatentSpace } from '../tasks/variational/latent-space.js';
import { allParameters, openCheckpoint, type Checkpoint, type OpenCheckpoint } from '../train/checkpoint.js';
import type { ReleaseOptions } from '../train/release-options.js';
import { addParameters } from './add-parameters.js';
import { cellSource, type CellSource, type ReadOptions } from './cell-source.js';
import { asCellFile, type Cells } from './cells.js';
import { GenerateConfig } from './config.js';
import { ScDiVaInference, type AnnotateOptions, type Annotation } from './engine.js';
import { generateCells, type Generation } from './generate.js';

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

/** One row a cell, in file order. */
export interface CellRows {
  readonly dtype: 'float32';
  readonly shape: readonly [n: number, D: number];
  /** [n, D], row after row. */
  readonly data: Float32Array;
}

/** The embeddings of cells. */
export interface EncodedCells {
  /** [n, D]. NaN where the cell has no gene of the vocabulary. */
  readonly latent: CellRows;
  /** Mean and logarithm of the variance of each cell's place in the variational latent space, [n, Z], NaN as above: of a checkpoint of finetune variational alone. */
  readonly mu?: CellRows;
  readonly logvar?: CellRows;
  /** Rows without any gene of the vocabulary. */
  readonly emptyRows: readonly number[];
  /** What was read, and how. */
  readonly source: Pick<CellSource, 'matrix' | 'coverage' | 'notes'> & {
    /** Of all expression in the file, the share in genes the model knows. */
    readonly shareOfExpression: number;
  };
}

/** Embeddings of some cells, as they are computed. */
export interface EncodedBatch {
  /** [B] row of each cell among all. */
  readonly rows: Int32Array;
  /** [B, D] */
  readonly latent: CellRows;
}

/** What `predict` can be asked for, and what it gives. */
export interface Predictions {
  /** Cell types with calibrated confidence. */
  readonly annotation: Annotation;
  /** Places in the space where sequencing batches are integrated. */
  readonly integration: EncodedCells;
}

/**
 * A trained model, ready to use. Holds TensorFlow memory until `dispose`.
 *
 * Whatever it says of a cell depends on that cell alone: not on batch size, neighbours, order or padding.
 */
export class ScDiVa {
  private inference: ScDiVaInference | undefined;

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
  static async fromPretrained(
    path: string,
    { executor: kind = 'auto', precision = 'f32', notice, progress, signal, wrapEncoder, ...release }: LoadOptions = {},
  ): Promise<ScDiVa> {
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
   * Embeds every cell.
   * @param cells a file as `readH5ad` opens it (the caller closes it), an object as AnnData, or a dense matrix cells × vocabulary
   * @throws DataError when the values or genes cannot be used; ShapeError; InterruptedError after the signal
   */
  async encode(cells: Cells, options: ReadOptions = {}): Promise<EncodedCells> {
    const { batches, source, name } = await this.open(cells, options);
    const { progress = silentProgress } = options;
    const D = this.embeddingDim;
    const data = new Float32Array(batches.numCells * D).fill(NaN);
    const bar = progress.start(`Embed ${name}`, batches.numCells, 'cells');
    try {
      let done = 0;
      for await (const { rows, latent } of this.run(batches, name, options)) {
        rows.forEach((row, i) => data.set(latent.data.subarray(i * D, (i + 1) * D), row * D));
        bar.update((done += rows.length));
      }
    } finally {
      bar.stop();
    }
    return {
      latent: { dtype: 'float32', shape: [batches.numCells, D], data },
      ...(this.space && (await placeInSpace(this.space, data, batches.emptyRows))),
      emptyRows: [...batches.emptyRows],
      source: { ...source, shareOfExpression: batches.shareOfExpression },
    };
  }

  /**
   * As `encode`, batch by batch, in file order and with nothing kept: for files whose embeddings are larger than memory, too. Cells without any
   * gene of the vocabulary are in no batch.
   */
  async *encodeBatches(cells: Cells, options: ReadOptions = {}): AsyncGenerator<EncodedBatch> {
    const { batches, name } = await this.open(cells, options);
    yield* this.run(batches, name, options);
  }

  /**
   * What the head of the checkpoint says of every cell.
   * @param task what the checkpoint was fine-tuned for
   * @throws CheckpointError when it has no such head; else as `encode`
   */
  predict<T extends keyof Predictions>(cells: Cells, task: T, options: AnnotateOptions = {}): Promise<Predictions[T]> {
    const engine = (this.inference ??= new ScDiVaInference({ model: this }));
    const answers: { [K in keyof Predictions]: () => Promise<Predictions[K]> } = {
      annotation: () => engine.annotate(cells, options),
      integration: () => engine.integrate(cells, options),
    };
    if (!Object.hasOwn(answers, task)) throw new ConfigError({ key: 'task', found: String(task), expected: Object.keys(answers).join(', ') });
    return answers[task]();
  }

  /**
   * Completes cells by reverse diffusion: hides a share of each cell's genes, or adds slots, and fills them.
   * @param config as the flags of `scdiva generate`; `maskRatio` or `extraGenes` above 0
   * @throws ConfigError for impossible settings; DataError when there is no cell to complete; InterruptedError
   */
  async generate(cells: Cells, config: Partial<GenerateConfig>, options: ReadOptions = {}): Promise<Generation> {
    const settings = parseConfig(GenerateConfig, config);
    const { batches, name } = await this.open(cells, options);
    return generateCells(await this.wholeCheckpoint(), this.executor, batches, {
      config: settings,
      file: name,
      progress: options.progress,
      signal: options.signal,
    });
  }

  /** The checkpoint with every parameter in memory, read anew: for what needs more of the model than its embedding. */
  async wholeCheckpoint(): Promise<Checkpoint> {
    return { ...this.checkpoint, parameters: await allParameters(this.checkpoint) };
  }

  private async open(cells: Cells, options: ReadOptions): Promise<{ batches: FileBatches; source: Omit<CellSource, 'batches'>; name: string }> {
    const file = asCellFile(cells, this.checkpoint.vocabulary);
    const { batches, ...source } = await cellSource(file, this.checkpoint, options);
    return { batches, source, name: basename(file.path) };
  }

  private async *run(batches: FileBatches, name: string, { signal }: ReadOptions): AsyncGenerator<EncodedBatch> {
    let done = 0;
    for await (const batch of batches) {
      const data = await this.encoder.encode(batch);
      done += batch.numCells;
      yield { rows: batch.cellIndex, latent: { dtype: 'float32', shape: [batch.numCells, this.embeddingDim], data } };
      if (signal?.aborted)
        throw new InterruptedError({ file: name, found: `interrupted after ${done} of ${batches.numCells} cells`, hint: 'nothing was written' });
    }
  }

  dispose(): void {
    this.space?.dispose();
    this.encoder.dispose();
    this.variables.dispose();
    this.executor.dispose();
  }
}

/** @param embeddings [n, D] @param emptyRows those without a place */
async function placeInSpace(
  space: LatentSpace,
  embeddings: Float32Array,
  emptyRows: readonly number[],
): Promise<Required<Pick<EncodedCells, 'mu' | 'logvar'>>> {
  const { latentDim: Z, embeddingDim: D } = space.info;
  const { mu, logvar } = await space.encode(embeddings);
  for (const row of emptyRows) for (const data of [mu, logvar]) data.fill(NaN, row * Z, (row + 1) * Z);
  const matrix = (data: Float32Array) => ({ dtype: 'float32', shape: [embeddings.length / D, Z], data }) as const;
  return { mu: matrix(mu), logvar: matrix(logvar) };
}
