import { closeSync, openSync } from 'node:fs';
import type { ValueScale } from '../loader/config.js';
import { STORED_BYTES } from '../readers/dataset-storage.js';
import type { CsrStorage } from '../readers/reader.js';
import { StoredElements } from '../readers/stored-elements.js';
import { BLOCK_ENTRIES, knowsTypes, type ColumnMeaning, type CountLoops } from './count-loops.js';

const MOST_ROWS = 1024;
/** Row offsets read at once. */
const OFFSETS_READ = 1 << 13;

/** What is known of the rows of a source. */
interface StoredSource {
  readonly storage?: CsrStorage | undefined;
  readonly scale: ValueScale;
  readonly conversion?: unknown;
}

/** Where the rows of a source lie, if they can be read from there; undefined where its reader must be asked. */
export function rowsInPlace({ storage, scale, conversion }: StoredSource): CsrStorage | undefined {
  return storage && !conversion && scale.kind === 'counts' && canReadCounts(storage) ? storage : undefined;
}

/** Whether rows stored like this can be read here. */
export function canReadCounts({ indptr, indices, values }: CsrStorage): boolean {
  return knowsTypes(indices.type, values.type) && ['int32', 'int64', 'uint32', 'uint64'].includes(indptr.type);
}

/**
 * Rows of counts from where they lie in a file straight into the loops: no library between, one copy. Whatever is out of the ordinary is left to
 * the readers, which know how to say what is wrong.
 */
export class StoredCounts {
  private fd: number | undefined;
  private readonly indptr: StoredElements;
  private readonly indices: StoredElements;
  private readonly values: StoredElements;
  private readonly meaning: ColumnMeaning;
  private readonly numRows: number;
  /** Offsets of the rows from `firstOffset` on. */
  private offsets: ArrayLike<number> = [];
  private firstOffset = 0;

  /** @param meaning of the genes of the matrix, which its stored columns become */
  constructor(
    private readonly storage: CsrStorage,
    meaning: ColumnMeaning,
    private readonly loops: CountLoops,
  ) {
    const fd = (): number => (this.fd ??= openSync(storage.indices.path, 'r'));
    this.indptr = new StoredElements(storage.indptr, fd);
    this.indices = new StoredElements(storage.indices, fd);
    this.values = new StoredElements(storage.values, fd);
    this.meaning = storage.geneOfColumn ? ofColumns(meaning, storage.geneOfColumn) : meaning;
    this.numRows = storage.indptr.numElements - 1;
  }

  /** Has rows from `row` on, up to `end` at most, translated. @returns how many there are now; 0 where the readers must be asked */
  read(row: number, end: number): number {
    try {
      return this.translate(row, end);
    } catch {
      return 0; // the readers come upon the same trouble and report it
    }
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private translate(row: number, end: number): number {
    const {
      loops,
      storage: { indices, values },
    } = this;
    this.haveOffsets(row, end);
    const [offsets, at] = [this.offsets, row - this.firstOffset];
    const from = offsets[at]!;
    const most = Math.min(end - row, MOST_ROWS, offsets.length - 1 - at);
    let numRows = 1;
    while (numRows < most && offsets[at + numRows + 1]! - from <= BLOCK_ENTRIES) numRows++;
    const to = offsets[at + numRows]!;
    loops.setColumns(this.meaning);
    const target = loops.block(
      Int32Array.from({ length: numRows + 1 }, (_, i) => offsets[at + i]! - from),
      STORED_BYTES[indices.type],
      STORED_BYTES[values.type],
    );
    this.indices.readInto(target.columns, from, to);
    this.values.readInto(target.values, from, to);
    return loops.translate(numRows, indices.type, values.type);
  }

  /** Reads offsets and checks them as matrix-csr.ts does, as far as they go. */
  private haveOffsets(row: number, end: number): void {
    if (row >= this.firstOffset && row + 1 < this.firstOffset + this.offsets.length) return;
    const last = Math.min(this.numRows, Math.max(end, row + 1), row + OFFSETS_READ);
    const offsets = this.indptr.numbers(row, last + 1);
    for (let i = 1; i < offsets.length; i++) if (!(offsets[i]! >= offsets[i - 1]!)) throw new RangeError('decreases');
    const numEntries = this.storage.values.numElements;
    if (!(offsets[0]! >= 0 && offsets.at(-1)! <= numEntries) || (row === 0 && offsets[0] !== 0) || (last === this.numRows && offsets.at(-1) !== numEntries))
      throw new RangeError('ends elsewhere');
    this.offsets = offsets;
    this.firstOffset = row;
  }
}

function ofColumns({ vocabularyIds, isMitochondrial, isRenamed }: ColumnMeaning, geneOfColumn: Int32Array): ColumnMeaning {
  const spread = (marks: Uint8Array | undefined): Uint8Array | undefined => marks && Uint8Array.from(geneOfColumn, (gene) => marks[gene] ?? 0);
  return {
    vocabularyIds: geneOfColumn.map((gene) => (gene < 0 ? -1 : vocabularyIds[gene]!)),
    isMitochondrial: spread(isMitochondrial),
    isRenamed: spread(isRenamed),
    isLeftOut: Uint8Array.from(geneOfColumn, (gene) => (gene < 0 ? 1 : 0)),
  };
}
