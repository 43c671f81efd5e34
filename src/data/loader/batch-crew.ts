import type { ShardLayout } from '../corpus/shard-layout.js';
import { paddedLength, type BatchMakerOptions, type UnlabelledBatch } from './batch-maker.js';
import type { BatchAddon } from './batch-addon.js';
import { inOrder, type BatchRequest, type BatchSource } from './batch-source.js';
import { rankingWeights } from './serialize.js';

/** Batches under way for each thread: a batch takes it less than a millisecond, and waking it a good part of that. */
const AHEAD = 4;

/** Whether batches/ makes such batches: counts as they are, 16-bit ids, ranked by value. All else is left to BatchMaker. */
export function isForCrew({ depth, preprocessing, scale }: BatchMakerOptions, layouts: readonly ShardLayout[]): boolean {
  return (
    depth.kind === 'none' &&
    preprocessing.serialisation !== 'random' &&
    scale.kind !== 'log1p' &&
    layouts.every(({ idType, valueType }) => idType === 'uint16' && valueType === 'uint16')
  );
}

/**
 * Makes batches in threads of C++, in the order of the requests: to the bit what BatchMaker makes. A batch of which that is not certain
 * is made by `instead`: where a logarithm lies too close to the middle between two float32, a cell is damaged, or a file cannot be read.
 */
export class BatchCrew implements BatchSource {
  private readonly crew: object;
  /** Memory that consumers gave back. */
  private readonly spare: ArrayBuffer[] = [];
  private isClosed = false;

  constructor(
    private readonly addon: BatchAddon,
    private readonly options: BatchMakerOptions,
    layouts: readonly ShardLayout[],
    private readonly numThreads: number,
    private readonly instead: (request: BatchRequest) => UnlabelledBatch,
  ) {
    const { preprocessing, entropy, padId } = options;
    this.crew = addon.start({ layouts, weights: rankingWeights(preprocessing, entropy), targetSum: preprocessing.targetSum, padId }, numThreads);
  }

  batches(requests: Iterable<BatchRequest>): AsyncGenerator<UnlabelledBatch> {
    return inOrder(requests, AHEAD * this.numThreads, (request) => this.make(request));
  }

  recycle({ geneIds }: Pick<UnlabelledBatch, 'geneIds'>): void {
    const buffer = geneIds.buffer as ArrayBuffer;
    if (this.spare.length < AHEAD * this.numThreads && !this.spare.includes(buffer)) this.spare.push(buffer);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.addon.stop(this.crew);
  }

  /** Not filled with zeros: every entry is written. */
  private memory(bytes: number): ArrayBuffer {
    const spare = this.spare.pop();
    return spare && spare.byteLength >= bytes ? spare : (Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer);
  }

  private make(request: BatchRequest): Promise<UnlabelledBatch> {
    const { rows, longest } = request;
    const { preprocessing } = this.options;
    const B = rows.length;
    const L = paddedLength(longest, preprocessing);
    const buffer = this.memory((2 * B * L + B) * 4);
    const geneIds = new Int32Array(buffer, 0, B * L);
    const values = new Float32Array(buffer, B * L * 4, B * L);
    const numGenes = new Int32Array(buffer, 2 * B * L * 4, B);
    return new Promise((resolve, reject) => {
      this.addon.ask(this.crew, rows, geneIds, values, numGenes, (isMade) => {
        if (this.isClosed) return reject(new Error('the loader has been closed'));
        try {
          // Counts of 0 can leave every cell shorter than its row said.
          const isWhole = isMade && paddedLength(Math.max(0, ...numGenes), preprocessing) === L;
          resolve(isWhole ? { numCells: B, seqLen: L, geneIds, values, numGenes, cellIndex: rows } : this.instead(request));
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }
}
