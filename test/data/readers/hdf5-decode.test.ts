import { describe, expect, it } from 'vitest';
import { asBooleans, decodeStrings } from '../../../src/data/readers/hdf5-decode.js';

const place = { file: 'cells.h5ad', key: 'obs' };
const texts = (bytes: string, strpad: number) =>
  decodeStrings(Buffer.from(bytes, 'latin1'), { type: 3, size: 4, vlen: false, strpad } as never, place, () => '');

describe('text of fixed length', () => {
  it('ends at its first zero', () => {
    expect(texts('ab\0\0abcd\0\0\0\0', 1)).toEqual(['ab', 'abcd', '']);
  });

  it('is refused where it goes on behind its end, unless its format lets anything stand there', () => {
    expect(() => texts('ab\0\0a\0cd', 1)).toThrow('cells.h5ad: obs: text 1 goes on behind its end (expected text padded with zeros');
    expect(texts('ab\0\0a\0cd', 0)).toEqual(['ab', 'a']);
  });
});

describe('booleans', () => {
  it('are 0 or 1 and nothing else', () => {
    expect(asBooleans(Int8Array.of(1, 0, 1), place)).toEqual([true, false, true]);
    expect(() => asBooleans(Uint8Array.of(1, 77), place)).toThrow('cells.h5ad: obs: 77 among true and false (expected 0 or 1');
  });
});
