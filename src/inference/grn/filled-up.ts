// R regulators, G genes

/**
 * A network that knows some regulators, with what another one says of the rest: brought to the same scale by the least-squares slope of the first on the
 * second over the known regulators. A second network that foretells those badly gives the others small weights.
 * @param weights [R, G]
 * @param others [R, G]
 * @param isKnown [R] regulators of which `weights` tells
 */
export function filledUp(weights: Float64Array, others: Float64Array, isKnown: readonly boolean[]): Float64Array {
  const G = weights.length / isKnown.length;
  let product = 0;
  let squares = 0;
  others.forEach((other, at) => {
    if (!isKnown[Math.floor(at / G)]) return;
    product += other * weights[at]!;
    squares += other * other;
  });
  // Of no known regulator there is no scale to keep to.
  const slope = squares > 0 ? product / squares : 1;
  return weights.map((weight, at) => (isKnown[Math.floor(at / G)] ? weight : slope * others[at]!));
}
