/** Category codes of cells, -1 = missing, in the narrowest type that holds every category. */
export type Codes = Int8Array | Int16Array | Int32Array;

export function newCodes(numCategories: number, length: number): Codes {
  return new (numCategories <= 127 ? Int8Array : numCategories <= 32_767 ? Int16Array : Int32Array)(length);
}

/** The same codes in the type that so many categories take. */
export function fittingCodes(codes: Codes, numCategories: number): Codes {
  const fitting = newCodes(numCategories, 0);
  if (fitting.BYTES_PER_ELEMENT === codes.BYTES_PER_ELEMENT) return codes;
  const copy = newCodes(numCategories, codes.length);
  copy.set(codes);
  return copy;
}
