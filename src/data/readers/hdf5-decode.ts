import type { Metadata } from 'h5wasm/node';
import { DataError } from '../../errors.js';

/** What the elements of a dataset are to us. */
export type ElementKind = 'number' | 'string' | 'boolean' | 'compound' | 'reference' | 'other';
export type NumberArray = Float64Array | Float32Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

/** Type classes of the HDF5 library. */
const CLASS = { integer: 0, float: 1, string: 3, compound: 6, reference: 7, enum: 8 };
interface Place {
  readonly file: string;
  readonly key: string;
}

export function elementKind(metadata: Metadata): ElementKind {
  switch (metadata.type) {
    case CLASS.integer:
    case CLASS.float:
      return 'number';
    case CLASS.string:
      return 'string';
    case CLASS.compound:
      return 'compound';
    case CLASS.reference:
      return 'reference';
    case CLASS.enum:
      return isBooleanEnum(metadata) ? 'boolean' : 'number';
    default:
      return 'other';
  }
}

/** numpy's word for the stored type. */
export function numpyDtype(metadata: Metadata): string {
  const bits = metadata.size * 8;
  switch (elementKind(metadata)) {
    case 'number':
      return metadata.type === CLASS.float ? `float${bits}` : `${metadata.signed ? '' : 'u'}int${bits}`;
    case 'boolean':
      return 'bool';
    case 'string':
      return 'str';
    case 'compound':
      return 'compound';
    case 'reference':
      return 'reference';
    case 'other':
      return 'other';
  }
}

/** Python writes booleans as an enumeration of FALSE and TRUE. */
function isBooleanEnum({ enum_type: members }: Metadata): boolean {
  return members?.nmembers === 2 && members.members['FALSE'] === 0 && members.members['TRUE'] === 1;
}

/** Little-endian bytes as numbers. 64-bit integers become doubles, half floats singles. @throws DataError for other types */
export function decodeNumbers(bytes: Uint8Array, metadata: Metadata, place: Place): NumberArray {
  const { size, signed } = metadata;
  const { buffer, byteOffset } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const length = bytes.length / size;
  const isFloat = metadata.type === CLASS.float;
  const kind = elementKind(metadata);
  if (kind !== 'number' && kind !== 'boolean')
    throw new DataError({ ...place, found: `holds ${kind === 'other' ? 'a type that cannot be read here' : `${kind}s`}`, expected: 'numbers' });
  if (isFloat) {
    if (size === 4) return new Float32Array(buffer, byteOffset, length);
    if (size === 8) return new Float64Array(buffer, byteOffset, length);
    if (size === 2) return Float32Array.from(new Uint16Array(buffer, byteOffset, length), halfToNumber);
    throw new DataError({ ...place, found: `holds ${size * 8}-bit floats`, expected: '16, 32 or 64 bits' });
  }
  if (size === 1) return signed ? new Int8Array(buffer, byteOffset, length) : new Uint8Array(buffer, byteOffset, length);
  if (size === 2) return signed ? new Int16Array(buffer, byteOffset, length) : new Uint16Array(buffer, byteOffset, length);
  if (size === 4) return signed ? new Int32Array(buffer, byteOffset, length) : new Uint32Array(buffer, byteOffset, length);
  if (size === 8) return wideIntegers(new Uint32Array(buffer, byteOffset, length * 2), signed);
  throw new DataError({ ...place, found: `holds ${size * 8}-bit integers`, expected: '8, 16, 32 or 64 bits' });
}

/** Pairs of 32-bit words as doubles: exact up to 2^53, far beyond any count or row number, and ten times faster than BigInt. */
export function wideIntegers(words: Uint32Array, isSigned: boolean): Float64Array {
  const values = new Float64Array(words.length / 2);
  for (let i = 0; i < values.length; i++) {
    const high = words[2 * i + 1]!;
    values[i] = (isSigned ? high | 0 : high) * 2 ** 32 + words[2 * i]!;
  }
  return values;
}

/** IEEE 754 binary16. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export function decodeBooleans(bytes: Uint8Array, metadata: Metadata, place: Place): boolean[] {
  return asBooleans(decodeNumbers(bytes, metadata, place), place);
}

/** @throws DataError for a number that is neither 0 nor 1: no program writes one */
export function asBooleans(values: NumberArray, place: Place): boolean[] {
  return Array.from(values, (value) => {
    if (value !== 0 && value !== 1)
      throw new DataError({ ...place, found: `${value} among true and false`, expected: '0 or 1', hint: 'the file is damaged: copy or write it again' });
    return value === 1;
  });
}

/** Fixed-length strings lie in `bytes`; variable ones are pointers into the library's memory, read by `atPointer`. */
export function decodeStrings(bytes: Uint8Array, metadata: Metadata, place: Place, atPointer: (pointer: number) => string): string[] {
  if (elementKind(metadata) !== 'string') throw new DataError({ ...place, found: `holds ${numpyDtype(metadata)}`, expected: 'strings' });
  if (metadata.vlen) return Array.from(new Uint32Array(bytes.slice().buffer), (pointer) => (pointer === 0 ? '' : atPointer(pointer)));
  const texts: string[] = [];
  for (let from = 0; from < bytes.length; from += metadata.size) {
    const field = bytes.subarray(from, from + metadata.size);
    const end = field.indexOf(0);
    // What is padded with zeros, strpad 1, has nothing behind the first.
    if (metadata.strpad === 1 && end >= 0 && field.subarray(end).some((byte) => byte !== 0))
      throw new DataError({
        ...place,
        found: `text ${texts.length} goes on behind its end`,
        expected: 'text padded with zeros',
        hint: 'the file is damaged: copy or write it again',
      });
    const text = decodeText(end < 0 ? field : field.subarray(0, end));
    // Space-padded (Fortran) strings, strpad 2, carry blanks that are not theirs.
    texts.push(metadata.strpad === 2 ? text.replace(/ +$/, '') : text);
  }
  return texts;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });
const LATIN1 = new TextDecoder('latin1');

/** Text as it was meant: what is no UTF-8 is the older Latin-1, in which every byte is a letter. Signs for unreadable letters would make names alike. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    return LATIN1.decode(bytes);
  }
}
