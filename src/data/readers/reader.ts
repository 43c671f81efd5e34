import type { DatasetStorage } from './dataset-storage.js';

/**
 * What every reader gives, whatever the file format. A reader never holds a whole matrix: values leave it in row blocks.
 * Reading is synchronous inside a block (HDF5 is), asynchronous between blocks (other formats are).
 */

/** Where a matrix sits in an AnnData file: `X`, `raw/X` or `layers/<name>`. Formats with one matrix call it `X`. */
export type MatrixKey = string;

export interface CellFile {
  /** The path as the user gave it; messages use it. */
  readonly path: string;
  readonly format: 'h5ad' | '10x-h5' | '10x-mtx' | 'zarr' | 'h5mu' | 'loom' | 'table' | 'memory';
  readonly numCells: number;
  /** Cell names, one per row of every matrix. */
  readonly cellIds: readonly string[];
  /** Names of the cells [start, end), where they are kept so that they take no room. */
  packedCellIds?(start: number, end: number): PackedNames;
  /** Names of the obs columns, index excluded, in file order. */
  readonly obsKeys: readonly string[];
  /** @throws DataError naming the columns there are */
  obs(key: string): ObsColumn;
  /** Every matrix of the file. */
  readonly matrices: readonly MatrixInfo[];
  /** What was left out or assumed on opening, in sentences for people; empty most of the time. */
  readonly notes: readonly string[];
  /** @throws DataError naming the matrices there are */
  matrix(key: MatrixKey): CellMatrix;
  /** One obsm entry, whole; only formats that have embeddings have this. @throws DataError naming those there are */
  embedding?(key: string): Embedding;
  /** Names of the parts of the file beside this one: the other modalities of MuData. */
  readonly otherParts?: readonly string[];
  /** Names of the obsm entries, where the format has them. */
  readonly embeddingKeys?: readonly string[];
  close(): void;
}

/** Names in UTF-8, one after the other: a list of strings takes sixty bytes a name. R names. */
export interface PackedNames {
  /** [R + 1] into `bytes`, from 0. */
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
}

/** Coordinates of every cell. */
export interface Embedding {
  readonly numRows: number;
  readonly numColumns: number;
  /** [numRows, numColumns], NaN kept: cells that could not be embedded have it. */
  readonly data: Float32Array | Float64Array;
  /** Of the columns, where the entry is a table. */
  readonly names?: readonly string[];
}

export interface MatrixInfo {
  readonly key: MatrixKey;
  readonly numGenes: number;
  readonly encoding: 'dense' | 'csr' | 'csc';
  /** numpy's word for the stored type: float32, int64 … */
  readonly dtype: string;
}

export interface CellMatrix extends MatrixInfo {
  readonly numCells: number;
  readonly genes: GeneNames;
  /**
   * The cells [start, end) in blocks of at most `blockRows` rows, in order, each row's column indices ascending and unique
   * and explicit zeros dropped. Memory is bounded by the block, not by the matrix; CSC included.
   * @throws DataError for NaN or infinite values, indices out of range and a decreasing indptr
   */
  rowBlocks(options?: RowBlockOptions): AsyncIterable<RowBlock>;
  /** Where the rows lie in the file, for whoever can read and check them there; undefined where only rowBlocks can. */
  storedRows?(): Promise<CsrStorage | undefined>;
}

/** Compressed sparse rows as they lie in a file, unchecked. Plain data. */
export interface CsrStorage {
  readonly indptr: DatasetStorage;
  readonly indices: DatasetStorage;
  readonly values: DatasetStorage;
  /** Stored column → gene, -1 for columns left out; absent where they are the same. */
  readonly geneOfColumn?: Int32Array | undefined;
}

export interface RowBlockOptions {
  readonly start?: number;
  readonly end?: number;
  readonly blockRows?: number;
  /** Hands NaN and infinite values on instead of refusing them: the inspector counts them. Default false. */
  readonly allowNonFinite?: boolean;
}

/** A slice of cells × genes in compressed sparse rows. */
export interface RowBlock {
  /** Row of the matrix that row 0 of this block is. */
  readonly firstRow: number;
  readonly numRows: number;
  /** numRows + 1 offsets into `indices` and `values`, from 0. */
  readonly indptr: Int32Array;
  /** Gene columns, 0 … numGenes - 1. */
  readonly indices: Int32Array;
  readonly values: Float32Array;
}

/** The genes of one matrix (raw/X has its own). All arrays have numGenes entries. */
export interface GeneNames {
  /** The var index, as in the file. */
  readonly names: readonly string[];
  /** Gene symbols where a column beside the index holds them (feature_name, gene_symbols …). */
  readonly symbols?: readonly string[];
  /** Ensembl ids where a column beside the index holds them (gene_ids, ensembl_id …). */
  readonly ensemblIds?: readonly string[];
  /** Vocabulary ids, -1 for none, where the columns are a vocabulary's own and no name has to be looked up. */
  readonly ids?: Int32Array;
  /** Why a column stands for no gene, where names were translated from another species and this one could not be. */
  readonly lost?: readonly ('no ortholog' | 'several orthologs' | undefined)[];
}

/** One obs column. Missing entries: code -1, NaN, null. */
export type ObsColumn =
  | { readonly kind: 'categorical'; readonly categories: readonly string[]; readonly codes: Int32Array; readonly isOrdered: boolean }
  | { readonly kind: 'numeric'; readonly values: Float64Array; readonly dtype: string }
  | { readonly kind: 'boolean'; readonly values: readonly (boolean | null)[] }
  | { readonly kind: 'string'; readonly values: readonly (string | null)[] };
