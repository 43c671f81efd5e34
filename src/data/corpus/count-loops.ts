import type { StoredType } from '../readers/dataset-storage.js';
import type { RawCell } from '../loader/depth.js';
import { wasmLoops, type Address } from '../wasm.js';
import { STATISTICS_TARGET_SUM, type GeneSums } from './statistics.js';

/** wasm/counts.ts, compiled. Addresses are bytes in `memory`. */
interface Loops {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly sums: Address;
  readonly numDetected: Address;
  readonly table: Address;
  readonly starts: Address;
  readonly numGenes: Address;
  readonly places: Address;
  readonly totals: Address;
  readonly matched: Address;
  readonly mitochondrial: Address;
  readonly renamed: Address;
  readonly columns: Address;
  readonly values: Address;
  readonly geneIds: Address;
  readonly counts: Address;
  reserve(numColumns: number, vocabularySize: number, rows: number, entries: number): void;
  columnsFromInt64(n: number): void;
  valuesFromFloat64(n: number): void;
  valuesFromInt64(n: number): void;
  valuesFromInt32(n: number): void;
  valuesFromUint32(n: number): void;
  valuesFromUint16(n: number): void;
  valuesFromUint8(n: number): void;
  translate(rows: number): number;
  clearStatistics(): void;
  addCell(place: number, n: number, factor: number): void;
}

const instantiate = wasmLoops<Loops>(new URL('./counts.wasm', import.meta.url), { log1p: Math.log1p, log: Math.log });

/** Entries of a block, about: small enough for the processor's cache, large enough that reading them is no work for the system. */
export const BLOCK_ENTRIES = 1 << 15;
/** Vocabularies the loops can take: ids of 16 bits. */
export const LARGEST_VOCABULARY = 65_536;

const COLUMN_TYPES: Partial<Record<StoredType, keyof Loops | null>> = { int32: null, uint32: null, int64: 'columnsFromInt64', uint64: 'columnsFromInt64' };
const VALUE_TYPES: Partial<Record<StoredType, keyof Loops | null>> = {
  float32: null,
  float64: 'valuesFromFloat64',
  int64: 'valuesFromInt64',
  int32: 'valuesFromInt32',
  uint32: 'valuesFromUint32',
  uint16: 'valuesFromUint16',
  uint8: 'valuesFromUint8',
};

/** Whether the loops know these types of stored columns and values. */
export function knowsTypes(columns: StoredType, values: StoredType): boolean {
  return columns in COLUMN_TYPES && values in VALUE_TYPES;
}

/** What the columns of a stored matrix are. C columns. */
export interface ColumnMeaning {
  /** [C] vocabulary id, -1 = none. */
  readonly vocabularyIds: Int32Array;
  /** [C] 1 for those of mitochondrial genes. */
  readonly isMitochondrial?: Uint8Array | undefined;
  /** [C] 1 for columns that only the gene table knows. */
  readonly isRenamed?: Uint8Array | undefined;
  /** [C] 1 for columns that count as if they were not there. */
  readonly isLeftOut?: Uint8Array | undefined;
}

/**
 * Rows of counts in the memory of the WebAssembly loops: checked, brought to the vocabulary, counted. Takes what it is sure of (whole numbers up
 * to 65,535 in columns that exist); for the rest the readers have words. Also collects the gene statistics of a shard, cell by cell.
 */
export class CountLoops {
  private readonly loops = instantiate();
  private numColumns = 0;
  private rowCapacity = 0;
  private entryCapacity = 0;
  private numCells = 0;
  private starts!: Int32Array;
  private places!: Int32Array;
  // [R] genes of each row of the block after `translate`, and sums over it: of all columns, of those in the vocabulary, the mitochondrial, the renamed.
  // Views that the next block overwrites or moves.
  numGenes!: Int32Array;
  totals!: Float64Array;
  matched!: Float64Array;
  mitochondrial!: Float64Array;
  renamed!: Float64Array;
  private geneIds!: Uint16Array;
  private counts!: Uint16Array;
  private meaning: ColumnMeaning | undefined;

  constructor(private readonly vocabularySize: number) {
    this.reserve(0, 1024, BLOCK_ENTRIES);
  }

  /** The matrix that blocks come from. */
  setColumns(meaning: ColumnMeaning): void {
    if (this.meaning === meaning) return;
    this.meaning = meaning;
    this.reserve(meaning.vocabularyIds.length, this.rowCapacity, this.entryCapacity);
  }

  /** Room for the next block as it is stored. @param starts [R + 1] first entry of each row, from 0 */
  block(starts: Int32Array, columnBytes: number, valueBytes: number): { columns: Uint8Array; values: Uint8Array } {
    const [numRows, numEntries] = [starts.length - 1, starts.at(-1)!];
    if (numRows > this.rowCapacity || numEntries > this.entryCapacity)
      this.reserve(this.numColumns, Math.max(numRows, this.rowCapacity), Math.max(numEntries, this.entryCapacity));
    this.starts.set(starts);
    const { memory, columns, values } = this.loops;
    return {
      columns: new Uint8Array(memory.buffer, columns.value, numEntries * columnBytes),
      values: new Uint8Array(memory.buffer, values.value, numEntries * valueBytes),
    };
  }

  /** @returns how many of the block's rows, from the first on, are as they should be */
  translate(numRows: number, columns: StoredType, values: StoredType): number {
    const numEntries = this.starts[numRows]!;
    for (const widen of [COLUMN_TYPES[columns], VALUE_TYPES[values]]) if (widen) (this.loops[widen] as (n: number) => void)(numEntries);
    return this.loops.translate(numRows);
  }

  /** Genes and counts of the rows [from, to) of the block, which lie one after the other. */
  entries(from: number, to: number): [geneIds: Uint16Array, counts: Uint16Array] {
    const [start, end] = [this.places[from]!, this.places[to - 1]! + this.numGenes[to - 1]!];
    return [this.geneIds.subarray(start, end), this.counts.subarray(start, end)];
  }

  /** Adds row r of the block to the statistics. */
  addRow(r: number): void {
    this.numCells++;
    this.loops.addCell(this.places[r]!, this.numGenes[r]!, STATISTICS_TARGET_SUM / this.totals[r]!);
  }

  /** Adds a cell that came another way; the block is lost. */
  add({ geneIds, values, total }: RawCell): void {
    if (geneIds.length > this.entryCapacity) this.reserve(this.numColumns, this.rowCapacity, geneIds.length);
    this.geneIds.set(geneIds);
    this.counts.set(values);
    this.numCells++;
    this.loops.addCell(0, geneIds.length, STATISTICS_TARGET_SUM / total);
  }

  /** The statistics of the cells added since this was last asked. */
  takeSums(): GeneSums {
    const taken = this.sums();
    this.loops.clearStatistics();
    this.numCells = 0;
    return taken;
  }

  private sums(): GeneSums {
    const { memory, sums, numDetected } = this.loops;
    const V = this.vocabularySize;
    return {
      numCells: this.numCells,
      numDetected: new Int32Array(memory.buffer, numDetected.value, V).slice(),
      sums: new Float64Array(memory.buffer, sums.value, 2 * V).slice(),
    };
  }

  private reserve(C: number, R: number, E: number): void {
    const { loops, vocabularySize: V } = this;
    const soFar = this.numCells > 0 ? this.sums() : undefined;
    loops.reserve(C, V, R, E);
    [this.numColumns, this.rowCapacity, this.entryCapacity] = [C, R, E];
    const { buffer } = loops.memory;
    if (soFar) {
      new Int32Array(buffer, loops.numDetected.value, V).set(soFar.numDetected);
      new Float64Array(buffer, loops.sums.value, 2 * V).set(soFar.sums);
    }
    if (this.meaning) new Uint32Array(buffer, loops.table.value, C).set(tableOf(this.meaning));
    this.starts = new Int32Array(buffer, loops.starts.value, R + 1);
    this.numGenes = new Int32Array(buffer, loops.numGenes.value, R);
    this.places = new Int32Array(buffer, loops.places.value, R);
    this.totals = new Float64Array(buffer, loops.totals.value, R);
    this.matched = new Float64Array(buffer, loops.matched.value, R);
    this.mitochondrial = new Float64Array(buffer, loops.mitochondrial.value, R);
    this.renamed = new Float64Array(buffer, loops.renamed.value, R);
    this.geneIds = new Uint16Array(buffer, loops.geneIds.value, E);
    this.counts = new Uint16Array(buffer, loops.counts.value, E);
  }
}

/** An entry of the loops' table: the id plus one, and above it what the column is. */
function tableOf({ vocabularyIds, isMitochondrial, isRenamed, isLeftOut }: ColumnMeaning): Uint32Array {
  const table = new Uint32Array(vocabularyIds.length);
  for (let column = 0; column < table.length; column++) {
    table[column] =
      (vocabularyIds[column]! + 1) | ((isMitochondrial?.[column] ?? 0) << 24) | ((isRenamed?.[column] ?? 0) << 25) | ((isLeftOut?.[column] ?? 0) << 26);
  }
  return table;
}
