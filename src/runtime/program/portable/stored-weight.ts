import type { HostTensor } from '../program.js';
import { narrowHalf } from './half-floats.js';

/** How the weights of a graph model are stored: as they are, as half floats, or as one of 256 levels between a tensor's extremes. */
export type WeightPrecision = 'f32' | 'f16' | 'u8';

/** What the weights manifest says of one tensor. */
export interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: HostTensor['dtype'];
  readonly quantization?:
    | { readonly dtype: 'float16'; readonly original_dtype: 'float32' }
    | { readonly dtype: 'uint8'; readonly original_dtype: 'float32'; readonly scale: number; readonly min: number };
}

export interface StoredWeight {
  readonly entry: WeightEntry;
  readonly bytes: Uint8Array;
}

/** Vectors are norms, biases and tables of sizes: little memory, and the most sensitive to rounding. */
const isWorthNarrowing = ({ dtype, shape }: HostTensor): boolean => dtype === 'float32' && shape.length >= 2;

/** A tensor as TensorFlow.js reads it back: value = level · scale + min for 8 bits. */
export function storeWeight(name: string, tensor: HostTensor, precision: WeightPrecision): StoredWeight {
  const { shape, dtype, data } = tensor;
  if (precision === 'f32' || !isWorthNarrowing(tensor)) return { entry: { name, shape, dtype }, bytes: bytesOf(data) };
  const values = data as Float32Array;
  if (precision === 'f16')
    return { entry: { name, shape, dtype, quantization: { dtype: 'float16', original_dtype: 'float32' } }, bytes: bytesOf(narrowHalf(values)) };
  const { min, scale } = levels(values);
  return {
    entry: { name, shape, dtype, quantization: { dtype: 'uint8', original_dtype: 'float32', min, scale } },
    bytes: Uint8Array.from(values, (value) => Math.round((value - min) / scale)),
  };
}

/** 256 levels from the smallest value to the largest, one of them exactly zero where zero lies between: padding and unused rows stay what they are. */
function levels(values: Float32Array): { min: number; scale: number } {
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const scale = (max - min) / 255 || 1;
  return min < 0 && max > 0 ? { scale, min: Math.round(min / scale) * scale } : { scale, min };
}

function bytesOf(data: Uint8Array | Uint16Array | Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
