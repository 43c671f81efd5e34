import type { HostTensor } from '../runtime/program/program.js';
import type { SafetensorsDtype } from './safetensors-header.js';

/**
 * Little-endian bytes to the array types of host tensors (every platform Node runs TensorFlow on is little-endian).
 * @param outOfRange makes the error for an integer that does not fit int32
 */
export function decodeTensor(buffer: ArrayBuffer, dtype: SafetensorsDtype, outOfRange: (found: string) => Error): Pick<HostTensor, 'dtype' | 'data'> {
  switch (dtype) {
    case 'F32':
      return { dtype: 'float32', data: new Float32Array(buffer) };
    case 'F64':
      return { dtype: 'float32', data: new Float32Array(new Float64Array(buffer)) };
    case 'F16':
      return { dtype: 'float32', data: widenHalf(new Uint16Array(buffer)) };
    case 'BF16':
      return { dtype: 'float32', data: widenBfloat16(new Uint16Array(buffer)) };
    case 'I32':
      return { dtype: 'int32', data: new Int32Array(buffer) };
    case 'I64':
      return {
        dtype: 'int32',
        data: Int32Array.from(new BigInt64Array(buffer), (value) => {
          if (BigInt.asIntN(32, value) !== value) throw outOfRange(`the integer ${value}`);
          return Number(value);
        }),
      };
    case 'I16':
      return { dtype: 'int32', data: new Int32Array(new Int16Array(buffer)) };
    case 'I8':
      return { dtype: 'int32', data: new Int32Array(new Int8Array(buffer)) };
    case 'U8':
      return { dtype: 'int32', data: new Int32Array(new Uint8Array(buffer)) };
    case 'BOOL':
      return { dtype: 'bool', data: new Uint8Array(buffer) };
  }
}

/** bfloat16 is the upper half of float32. */
function widenBfloat16(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return new Float32Array(wide.buffer);
}

function widenHalf(bits: Uint16Array): Float32Array {
  const table = (halfTable ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => halfToNumber(half)));
  const wide = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = table[bits[i]!]!;
  return wide;
}

/** Every half precision number: made once, where a file has them. */
let halfTable: Float32Array | undefined;

/** IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
