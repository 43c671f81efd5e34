export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Takes from v, in place, its parts along orthonormal vectors, four at a time: v is read and written a quarter as often, and four sums do not wait
 * for one another.
 */
export function removeParts(v: Float64Array, basis: readonly Float64Array[]): void {
  const n = v.length;
  const numInFours = basis.length - (basis.length % 4);
  for (let j = 0; j < numInFours; j += 4) {
    const a = basis[j]!,
      b = basis[j + 1]!,
      c = basis[j + 2]!,
      d = basis[j + 3]!;
    let pa = 0,
      pb = 0,
      pc = 0,
      pd = 0;
    for (let i = 0; i < n; i++) {
      const x = v[i]!;
      pa += x * a[i]!;
      pb += x * b[i]!;
      pc += x * c[i]!;
      pd += x * d[i]!;
    }
    for (let i = 0; i < n; i++) v[i]! -= pa * a[i]! + pb * b[i]! + (pc * c[i]! + pd * d[i]!);
  }
  for (let j = numInFours; j < basis.length; j++) addScaled(v, basis[j]!, -dot(v, basis[j]!));
}

/** a += factor · b, in place. */
export function addScaled(a: Float64Array, b: Float64Array, factor: number): void {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!;
}

/** a *= factor, in place; returns a. */
export function scale(a: Float64Array, factor: number): Float64Array {
  for (let i = 0; i < a.length; i++) a[i]! *= factor;
  return a;
}
