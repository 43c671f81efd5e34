/** What page and worker say to each other. */

/** Of the site: settings.json, written by `scdiva web`. */
export interface SiteSettings {
  /** Shown as the title's second half. */
  readonly name: string;
  readonly version: string;
  readonly checkpointSha256: Readonly<Record<string, string>>;
  readonly weights: 'f32' | 'f16' | 'u8';
  /** Bytes of the model's weights. */
  readonly numBytes: number;
  readonly embeddingDim: number;
  readonly numHeads: number;
  readonly classes: readonly string[];
  /** Cells of no one and their embeddings as Node computes them: what a browser's arithmetic is tried on before it is used. */
  readonly probe: {
    readonly numCells: number;
    readonly seqLen: number;
    readonly geneIds: readonly number[];
    readonly values: readonly number[];
    readonly latent: readonly number[];
  };
}

export type BackendName = 'webgpu' | 'webgl' | 'wasm';

export type Request =
  | { readonly kind: 'start'; readonly backend?: BackendName | undefined }
  | { readonly kind: 'analyse'; readonly file: File }
  | { readonly kind: 'gene'; readonly name: string }
  | { readonly kind: 'save' };

export interface Ready {
  readonly kind: 'ready';
  readonly backend: BackendName;
  /** Largest difference to Node on the probe. */
  readonly difference: number;
  /** Why faster ones are not used, one sentence each. */
  readonly refused: readonly string[];
  readonly settings: SiteSettings;
}

/** What was found in a file. Arrays have one entry a cell of the file unless said otherwise. */
export interface Analysis {
  readonly kind: 'analysis';
  readonly fileName: string;
  readonly numCells: number;
  /** Cells without any gene the model knows. */
  readonly numEmpty: number;
  readonly cellIds: readonly string[];
  /** Absent without an annotation head. */
  readonly labels?: {
    readonly categories: readonly string[];
    readonly codes: Int32Array;
    readonly confidence: Float32Array;
    readonly numUnknown: number;
    readonly threshold: number;
  };
  /** [m] rows that are on the map, with their places. */
  readonly map: { readonly rows: Int32Array; readonly x: Float32Array; readonly y: Float32Array; readonly method: string };
  /** Columns of obs with few values. */
  readonly columns: readonly { readonly name: string; readonly categories: readonly string[]; readonly codes: Int32Array }[];
  /** Names of the genes that the model knows. */
  readonly genes: readonly string[];
  /** What was read, and assumptions, one sentence each. */
  readonly facts: readonly string[];
  readonly seconds: { readonly read: number; readonly embed: number; readonly map: number };
}

export type Reply =
  | Ready
  | Analysis
  | { readonly kind: 'progress'; readonly what: string; readonly done: number; readonly total: number }
  | { readonly kind: 'expression'; readonly gene: string; readonly values: Float32Array }
  | { readonly kind: 'saved'; readonly fileName: string; readonly bytes: Uint8Array<ArrayBuffer> }
  /** `of`: what failed. */
  | { readonly kind: 'error'; readonly of: Request['kind']; readonly message: string };
