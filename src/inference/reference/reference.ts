// n cells, D cell embedding
import { join } from 'node:path';
import { CheckpointError, ConfigError, DataError } from '../../errors.js';
import { NeighbourIndex } from '../../metrics/neighbour-index.js';
import { readSafetensors } from '../../model/safetensors.js';
import { UNKNOWN_LABEL } from '../../tasks/annotation/predictions.js';
import type { EncodedCells, ScDiVa } from '../scdiva.js';
import { checkFiles, embeddingFingerprint, readManifest, REFERENCE_FILES, type ReferenceManifest } from './manifest.js';
import { typicality } from '../../metrics/typicality.js';
import { weightedVotes } from './vote.js';

/** Labels carried over from a reference, one entry a cell in the order of the cells. */
export interface MappedCells {
  /** A class of the reference, or `unknown` where the cell is less typical than the threshold or has no gene of the vocabulary. */
  readonly labels: readonly string[];
  /** Most voted class, index into `classes`, also where it was withheld; -1 for cells without genes. */
  readonly mostLikely: Int32Array;
  /** Share of the reference's own cells that lie at least as far from their neighbours, 0 … 1; 0 for cells without genes. */
  readonly confidence: Float64Array;
  /** Share of the vote for the most voted class; 0 for cells without genes. */
  readonly agreement: Float64Array;
  /** Mean distance to the neighbours in the space of embeddings; NaN for cells without genes. */
  readonly distance: Float64Array;
  readonly classes: readonly string[];
  readonly threshold: number;
  readonly numUnknown: number;
}

/** Cells searched for at a time. */
const BLOCK_ROWS = 4096;

/** A labelled atlas in the space of one model, open for mapping. */
export class Reference {
  private constructor(
    readonly folder: string,
    readonly manifest: ReferenceManifest,
    private readonly index: NeighbourIndex,
    private readonly labels: Int32Array,
  ) {}

  /**
   * Opens a folder that `buildReference` wrote. The index stays on disk and is read as it is searched.
   * @throws DataError where it is damaged; CheckpointError where it was made with another model
   */
  static async open(folder: string, model: ScDiVa): Promise<Reference> {
    const manifest = await readManifest(folder);
    const { embeddingDim, numCells, numNeighbours, classes } = manifest;
    if (manifest.model.fingerprint !== (await embeddingFingerprint(model.checkpoint)))
      throw new CheckpointError({
        file: folder,
        found: `was built with another model ('${manifest.model.name}', ${manifest.model.fingerprint.slice(0, 12)}…) than ${model.checkpoint.folder}`,
        expected: 'the model whose space it lies in',
        hint: 'name that --checkpoint, or build the reference again with this one',
      });
    await checkFiles(folder, manifest);
    const index = NeighbourIndex.view(join(folder, REFERENCE_FILES.neighbours), embeddingDim, { k: numNeighbours });
    const { labels } = await readSafetensors(join(folder, REFERENCE_FILES.labels));
    if (index.size !== numCells || labels?.data.length !== numCells || labels.data.some((code) => code < 0 || code >= classes.length))
      throw new DataError({ file: folder, found: 'index, labels and reference.json do not belong together', hint: 'build the reference again' });
    return new Reference(folder, manifest, index, labels.data as Int32Array);
  }

  /**
   * @param encoded by the model the reference was built with
   * @param options threshold: of the confidence; default the reference's own, 0 withholds no label
   */
  map({ latent, emptyRows }: Pick<EncodedCells, 'latent' | 'emptyRows'>, options: { readonly threshold?: number | undefined } = {}): MappedCells {
    const { classes, numNeighbours: k, leaveOneOut } = this.manifest;
    const threshold = options.threshold ?? this.manifest.threshold;
    if (!(threshold >= 0 && threshold <= 1)) throw new ConfigError({ key: 'threshold', found: String(threshold), expected: 'a number from 0 to 1' });
    const [n, D] = latent.shape;
    const isEmpty = new Set(emptyRows);
    const mostLikely = new Int32Array(n).fill(-1);
    const [agreement, confidence, distance] = [new Float64Array(n), new Float64Array(n), new Float64Array(n).fill(NaN)];
    const rows = Int32Array.from({ length: n }, (_, row) => row).filter((row) => !isEmpty.has(row));
    for (let start = 0; start < rows.length; start += BLOCK_ROWS) {
      const block = rows.subarray(start, start + BLOCK_ROWS);
      const queries = new Float32Array(block.length * D);
      block.forEach((row, i) => queries.set(latent.data.subarray(row * D, (row + 1) * D), i * D));
      const votes = weightedVotes(this.index.search(queries, k), this.labels, classes.length);
      block.forEach((row, i) => {
        mostLikely[row] = votes.predicted[i]!;
        agreement[row] = votes.agreement[i]!;
        distance[row] = votes.distance[i]!;
        confidence[row] = typicality(votes.distance[i]!, leaveOneOut.distances);
      });
    }
    const labels = Array.from(mostLikely, (code, row) => (code < 0 || confidence[row]! < threshold ? UNKNOWN_LABEL : classes[code]!));
    const numUnknown = mostLikely.reduce((count, code, row) => count + (code < 0 || confidence[row]! < threshold ? 1 : 0), 0);
    return { labels, mostLikely, confidence, agreement, distance, classes, threshold, numUnknown };
  }
}
