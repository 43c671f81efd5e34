const asFloat = new Float32Array(1);
const asBits = new Uint32Array(asFloat.buffer);

/** Bits of IEEE half floats, rounded to the nearest, ties to even; what is too large becomes infinite. */
export function narrowHalf(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    asFloat[0] = value;
    const bits = asBits[0]!;
    const sign = (bits >>> 16) & 0x8000;
    const size = bits & 0x7fffffff;
    if (size > 0x7f800000) return sign | 0x7e00; // NaN
    // Below the smallest normal half (2^-14), halves lie 2^-24 apart; adding 0.5 leaves their number in the lowest bits, rounded.
    if (size < 0x38800000) {
      asFloat[0] = Math.abs(value) + 0.5;
      return sign | (asBits[0]! - 0x3f000000);
    }
    const rounded = size + 0xfff + ((size >>> 13) & 1);
    return sign | (rounded >= 0x47800000 ? 0x7c00 : (rounded - 0x38000000) >>> 13);
  });
}
