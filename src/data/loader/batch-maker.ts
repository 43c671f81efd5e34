import { Rng } from '../../rng.js';
import type { CellBatch } from '../batch.js';
import type { DepthCorruption, Preprocessing, ValueScale } from './config.js';
import { checkDepth, corruptDepth, type CellValues, type Observation, type RawCell } from './depth.js';
import { Serializer } from './serialize.js';

/** Plain data: what a worker thread needs to make batches like everyone else. */
export interface BatchMakerOptions {
  readonly preprocessing: Preprocessing;
  readonly scale: ValueScale;
  /** [V] smoothed entropy by vocabulary id. */
  readonly entropy: Float32Array;
  /** The vocabulary's padding id. */
  readonly padId: number;
  readonly depth: DepthCorruption;
  /** Seeds the streams of single cells: corruption and random order of a cell depend on this and its row, on nothing else. */
  readonly cellSeed: number;
}

/** A batch before labels are attached to it. */
export type UnlabelledBatch = Omit<CellBatch, 'labels'>;

/** Turns rows into padded batches. B cells, L the bucket length. */
export class BatchMaker {
  private readonly options: BatchMakerOptions;
  private readonly serializer: Serializer;
  private readonly cells: Rng;
  private thinnedCounts = new Uint16Array(0);
  private thinnedFloats = new Float32Array(0);

  constructor(options: BatchMakerOptions) {
    checkDepth(options.depth, options.scale);
    this.options = options;
    this.serializer = new Serializer(options);
    this.cells = Rng.fromSeed(options.cellSeed);
  }

  /**
   * @param rows row of each cell, for its stream and for `cellIndex`
   * @param longest at least the genes of the longest of these cells
   * @param read gives the raw cell of a row; its views may be overwritten by the next call
   */
  make(rows: Int32Array, longest: number, read: (row: number, index: number) => RawCell): UnlabelledBatch {
    const { preprocessing, depth, padId } = this.options;
    const B = rows.length;
    const stride = paddedLength(longest, preprocessing);
    const geneIds = new Int32Array(B * stride);
    const values = new Float32Array(B * stride);
    const cleanValues = depth.kind === 'none' ? undefined : new Float32Array(B * stride);
    const numGenes = new Int32Array(B);
    for (let b = 0; b < B; b++) {
      const row = rows[b]!;
      const cell = read(row, b);
      const observed = depth.kind === 'none' ? undefined : this.corrupt(cell, row, depth);
      const random = preprocessing.serialisation === 'random' ? this.cells.fork(`order/${row}`) : undefined;
      numGenes[b] = this.serializer.serialize(cell, { geneIds, values, cleanValues, offset: b * stride }, observed, random);
    }
    // Thinning can leave every cell shorter than its row said.
    const L = paddedLength(Math.max(0, ...numGenes), preprocessing);
    const cut = <T extends Int32Array | Float32Array>(array: T): T => (L < stride ? restride(array, B, stride, L) : array);
    const batch: UnlabelledBatch = {
      numCells: B,
      seqLen: L,
      geneIds: cut(geneIds),
      values: cut(values),
      numGenes,
      cellIndex: rows,
      ...(cleanValues && { cleanValues: cut(cleanValues) }),
    };
    if (padId !== 0) for (let b = 0; b < B; b++) batch.geneIds.fill(padId, b * L + numGenes[b]!, (b + 1) * L);
    return batch;
  }

  /** A cell of which thinning leaves nothing is shown uncorrupted: a batch holds no empty cell. */
  private corrupt(cell: RawCell, row: number, depth: DepthCorruption): Observation | undefined {
    const { scale, preprocessing } = this.options;
    const observed = corruptDepth(cell, scale, preprocessing.targetSum, depth, this.cells.fork(`depth/${row}`), this.scratch(cell.values));
    return observed.values.some((value) => value > 0) ? observed : undefined;
  }

  private scratch(values: CellValues): CellValues {
    if (values instanceof Uint16Array)
      return values.length <= this.thinnedCounts.length ? this.thinnedCounts : (this.thinnedCounts = new Uint16Array(values.length * 2));
    return values.length <= this.thinnedFloats.length ? this.thinnedFloats : (this.thinnedFloats = new Float32Array(values.length * 2));
  }
}

/** The length bucket of a batch: a multiple of lengthMultiple that holds `longest` genes, at most maxGenes. */
export function paddedLength(longest: number, { lengthMultiple, maxGenes }: Preprocessing): number {
  return Math.min(maxGenes, Math.max(1, Math.ceil(longest / lengthMultiple)) * lengthMultiple);
}

function restride<T extends Int32Array | Float32Array>(array: T, B: number, stride: number, L: number): T {
  const out = new (array.constructor as new (n: number) => T)(B * L);
  for (let b = 0; b < B; b++) out.set(array.subarray(b * stride, b * stride + L), b * L);
  return out;
}
