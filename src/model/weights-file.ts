import type { HostTensor } from '../runtime/program/program.js';
import type { SafetensorsDtype } from './safetensors-header.js';

/** A file of named tensors, in whatever format: names, types and shapes at once, values one tensor at a time. */
export interface WeightsFile {
  /** For messages. */
  readonly path: string;
  /** Every file that was opened: more than one where weights are sharded. */
  readonly files: readonly string[];
  readonly names: readonly string[];
  has(name: string): boolean;
  /** Type and shape without reading the values. @throws CheckpointError where there is no such tensor */
  entry(name: string): { readonly dtype: SafetensorsDtype; readonly shape: readonly number[] };
  /** Floating types as float32, integers as int32, BOOL as bool. @throws CheckpointError */
  read(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}
