// n cells, D cell embedding, C classes
import { readHead, type AnnotationHeadInfo } from '../tasks/annotation/head.js';
import { readExemplars, typicalities, type Exemplars } from '../tasks/annotation/exemplars.js';
import { createHeadClassifier, type HeadClassifier } from '../tasks/annotation/head-classifier.js';
import { predictLabels, UNKNOWN_LABEL } from '../tasks/annotation/predictions.js';
import { readHead as readIntegrationHead, type IntegrationHeadInfo } from '../tasks/integration/head.js';
import { createIntegrator, type Integrator } from '../tasks/integration/integrator.js';
import { ConfigError } from '../errors.js';
import type { OpenCheckpoint } from '../train/checkpoint.js';
import type { ReadOptions } from './cell-source.js';
import { asCellFile, type Cells } from './cells.js';
import { inferNetworks, type InferOptions, type InferredNetworks } from './grn/infer.js';
import { perturbCells, type PerturbOptions, type PerturbReport } from './perturb.js';
import type { CellRows, EncodedCells, ScDiVa } from './scdiva.js';

export interface AnnotateOptions extends ReadOptions {
  /** Smallest confidence of a label; default: the checkpoint's own, chosen on its validation split. 0 withholds none. */
  readonly threshold?: number | undefined;
}

/** Labels for the cells of a file, one entry a cell in file order. */
export interface Annotation extends EncodedCells {
  /** A class name, or `unknown` where the confidence is below the threshold or the cell has no gene of the vocabulary. */
  readonly labels: readonly string[];
  /** Calibrated probability of the most likely class, whether its label was given or withheld; 0 for cells without genes. */
  readonly confidence: Float64Array;
  /** Most likely class, index into `classes`, also where it was withheld; -1 for cells without genes. */
  readonly mostLikely: Int32Array;
  /** [n, C] calibrated probabilities; NaN rows for cells without genes. */
  readonly probabilities: Float64Array;
  /**
   * [n] how like the cells of training each is, whatever its label: the share of validation cells that lie at least as far from training cells. Little means
   * a type that training has not seen, which `confidence` does not tell. NaN for cells without genes; undefined for heads that keep no training cells.
   */
  readonly typicality: Float64Array | undefined;
  /** C names. */
  readonly classes: readonly string[];
  /** The threshold that was used. */
  readonly threshold: number;
  readonly numUnknown: number;
}

/** Several sets of cells in one space, one set after the other. */
export interface IntegratedBatches {
  /** [n, P]; NaN where a cell has no gene of the vocabulary. */
  readonly latent: CellRows;
  /** [n] which of the sets each cell is of. */
  readonly batch: Int32Array;
  /** What was read of each set. */
  readonly parts: readonly EncodedCells[];
}

/** What a trained model can do with cells. Holds the model given to it, which the caller disposes. */
export class ScDiVaInference {
  private readonly model: ScDiVa;
  private classifier: Promise<HeadClassifier> | undefined;
  private integrator: Promise<Integrator> | undefined;
  private exemplars: Promise<Exemplars | undefined> | undefined;

  constructor({ model }: { readonly model: ScDiVa }) {
    this.model = model;
  }

  /** Embeddings of every cell. @throws as ScDiVa.encode */
  embed(cells: Cells, options: ReadOptions = {}): Promise<EncodedCells> {
    return this.model.encode(cells, options);
  }

  /**
   * Cell type, confidence and embedding of every cell.
   * @throws CheckpointError when the checkpoint has no annotation head; else as ScDiVa.encode
   */
  async annotate(cells: Cells, options: AnnotateOptions = {}): Promise<Annotation> {
    const info = this.headInfo();
    const classifier = await this.loadClassifier();
    const threshold = options.threshold ?? info.unknownThreshold;
    if (!(threshold >= 0 && threshold <= 1)) throw new ConfigError({ key: 'threshold', found: String(threshold), expected: 'a number from 0 to 1' });
    const encoded = await this.model.encode(cells, options);
    const { predicted, confidence, isUnknown, probabilities } = predictLabels(await classifier.logits(encoded.latent.data), {
      ...info,
      unknownThreshold: threshold,
    });
    const exemplars = await (this.exemplars ??= readExemplars(this.checkpoint.folder, info.embeddingDim));
    for (const row of encoded.emptyRows) {
      predicted[row] = -1;
      confidence[row] = 0;
      isUnknown[row] = 1;
    }
    const labels = Array.from(predicted, (code, i) => (isUnknown[i] ? UNKNOWN_LABEL : info.classes[code]!));
    return {
      ...encoded,
      labels,
      confidence,
      mostLikely: predicted,
      probabilities,
      typicality: exemplars && typicalities(encoded.latent.data, exemplars),
      classes: info.classes,
      threshold,
      numUnknown: isUnknown.reduce((sum, flag) => sum + flag, 0),
    };
  }

  /** The checkpoint of the model. */
  get checkpoint(): OpenCheckpoint {
    return this.model.checkpoint;
  }

  /**
   * Every cell's place in the space where sequencing batches are integrated. A place depends on that cell alone: files of any number and at any
   * time come to lie in one space, and no batch has to be named.
   * @returns latent: [n, P]; NaN where the cell has no gene of the vocabulary
   * @throws CheckpointError when the checkpoint has no integration head; else as ScDiVa.encode
   */
  async integrate(cells: Cells, options: ReadOptions = {}): Promise<EncodedCells> {
    const head = readIntegrationHead(this.model.checkpoint);
    const integrator = await (this.integrator ??= createIntegrator(this.model.executor, head));
    const encoded = await this.model.encode(cells, options);
    const P = integrator.outputDim;
    const data = await integrator.place(encoded.latent.data);
    for (const row of encoded.emptyRows) data.fill(NaN, row * P, (row + 1) * P);
    return { ...encoded, latent: { dtype: 'float32', shape: [encoded.latent.shape[0], P], data } };
  }

  /**
   * Several sets of cells in one space, without their sequencing batches.
   * @param adatas of any genes that the model knows; each is read by itself
   * @throws as `integrate`
   */
  async integrateBatches(adatas: readonly Cells[], options: ReadOptions = {}): Promise<IntegratedBatches> {
    const parts: EncodedCells[] = [];
    for (const cells of adatas) parts.push(await this.integrate(cells, options));
    const P = parts[0]?.latent.shape[1] ?? 0;
    const n = parts.reduce((sum, { latent }) => sum + latent.shape[0], 0);
    const data = new Float32Array(n * P);
    const batch = new Int32Array(n);
    let row = 0;
    for (const [index, { latent }] of parts.entries()) {
      data.set(latent.data, row * P);
      batch.fill(index, row, (row += latent.shape[0]));
    }
    return { latent: { dtype: 'float32', shape: [n, P], data }, batch, parts };
  }

  /**
   * What cells would express after knock-outs or activations.
   * @param perturbations GENE or GENE+GENE
   * @throws CheckpointError without a perturbation head; DataError for a gene the model does not know and without control cells
   */
  async perturb(cells: Cells, perturbations: readonly string[], options: PerturbOptions = {}): Promise<PerturbReport> {
    return perturbCells(await this.model.wholeCheckpoint(), this.model.executor, asCellFile(cells, this.checkpoint.vocabulary), perturbations, options);
  }

  /**
   * The gene networks the model sees in cells: from attention, from in-silico knock-outs, and plain co-expression beside them.
   * @throws DataError when the cells cannot be used, or none of the regulators is expressed
   */
  async grn(cells: Cells, options: InferOptions = {}): Promise<InferredNetworks> {
    return inferNetworks(await this.model.wholeCheckpoint(), this.model.executor, asCellFile(cells, this.checkpoint.vocabulary), options);
  }

  /** What the integration head of the checkpoint is. @throws CheckpointError when there is none */
  integrationInfo(): IntegrationHeadInfo {
    return readIntegrationHead(this.model.checkpoint).info;
  }

  /** What the annotation head of the checkpoint is. @throws CheckpointError when there is none */
  headInfo(): AnnotationHeadInfo {
    return readHead(this.model.checkpoint).info;
  }

  /** Frees the heads; before the model itself is disposed. */
  async dispose(): Promise<void> {
    (await this.classifier)?.dispose();
    (await this.integrator)?.dispose();
    this.classifier = undefined;
    this.integrator = undefined;
  }

  private loadClassifier(): Promise<HeadClassifier> {
    return (this.classifier ??= createHeadClassifier(this.model.executor, readHead(this.model.checkpoint)));
  }
}
