import type { SafetensorsDtype } from '../safetensors-header.js';

/** The storage classes of torch.save and the types of their values. */
export const STORAGE_DTYPES: Readonly<Record<string, SafetensorsDtype>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** The flat array behind one or more tensors: an entry of the archive. */
export interface Storage {
  readonly dtype: SafetensorsDtype;
  /** Name below `data/`. */
  readonly key: string;
  /** Values. */
  readonly length: number;
}

/** A tensor as a view of a storage; sizes in values. */
export interface StoredTensor {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Number of values of a shape; Infinity where it cannot be counted exactly. */
export function sizeOf(shape: readonly number[]): number {
  const size = shape.reduce((product, n) => product * n, 1);
  return Number.isSafeInteger(size) ? size : Infinity;
}

/** Whether the values stand one after the other in row-major order. Strides of axes of length 1 mean nothing. */
export function isContiguous({ shape, strides }: Pick<StoredTensor, 'shape' | 'strides'>): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/**
 * Index of the last value plus 1, counted from the offset; undefined where one stored value would stand at several places of the tensor, as in
 * an expanded one: such a tensor can be arbitrarily larger than its file.
 */
export function extentOf({ shape, strides }: Pick<StoredTensor, 'shape' | 'strides'>): number | undefined {
  if (shape.includes(0)) return 0;
  const axes = shape
    .map((n, axis) => ({ n, stride: strides[axis]! }))
    .filter(({ n }) => n > 1)
    .sort((a, b) => a.stride - b.stride);
  let extent = 1;
  for (const { n, stride } of axes) {
    if (stride < extent) return undefined;
    extent += (n - 1) * stride;
  }
  return extent;
}

/** Values in row-major order out of a view. @param data from the offset on */
export function gather<T extends Float32Array | Int32Array | Uint8Array>(data: T, { shape, strides }: Pick<StoredTensor, 'shape' | 'strides'>): T {
  const out = new (data.constructor as new (length: number) => T)(sizeOf(shape));
  const index = new Int32Array(shape.length);
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
