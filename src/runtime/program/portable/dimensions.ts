/**
 * Sizes that are left open: how a whole number in a graph depends on them, told from the same graph made at several sizes.
 *
 * Shapes of tensors are products and sums of sizes, each size at most once in a product (B · L + B, 8 · B …), so a number n of a graph
 * with the open sizes s₁ … sₖ is n = Σ over subsets S of c_S · Π_{i in S} s_i, with whole c_S. Two values of each size give as many
 * equations as there are subsets; a third value of each checks that the form holds.
 */

/** Open sizes by name, each with a value. */
export type Sizes = Readonly<Record<string, number>>;

/** Σ coefficient · product of the named sizes; no name is the constant term. Coefficients are not 0. */
export type SizeFormula = readonly { readonly coefficient: number; readonly names: readonly string[] }[];

/** Primes, so that a sum or product of sizes is never mistaken for another; large enough that filled tensors are not written out, small enough that no op is split up. */
const FIRST = [17, 29, 41];
const SECOND = [19, 31, 43];
const CHECK = [23, 37, 47];

/** Sizes to make a graph at: all combinations of two values of each, and a last one to check by. */
export function sampleSizes(names: readonly string[]): Sizes[] {
  if (names.length > FIRST.length) throw new RangeError(`${names.length} open sizes, at most ${FIRST.length}`);
  const corners = Array.from({ length: 1 << names.length }, (_, corner) =>
    Object.fromEntries(names.map((name, i) => [name, ((corner >> i) & 1 ? SECOND : FIRST)[i]!])),
  );
  return [...corners, Object.fromEntries(names.map((name, i) => [name, CHECK[i]!]))];
}

/**
 * @param values one for each of `sampleSizes(names)`
 * @returns undefined when no formula of the form above gives these values
 */
export function fitSizeFormula(names: readonly string[], values: readonly number[]): SizeFormula | undefined {
  // Divided differences along one size after the other: f(s) = f(first) + (s - first) · slope, and both again formulas of the other sizes.
  const coefficients = values.slice(0, 1 << names.length);
  names.forEach((_, i) => {
    const step = SECOND[i]! - FIRST[i]!;
    for (let corner = 0; corner < coefficients.length; corner++) {
      if (!((corner >> i) & 1)) continue;
      const slope = (coefficients[corner]! - coefficients[corner ^ (1 << i)]!) / step;
      coefficients[corner] = slope;
      coefficients[corner ^ (1 << i)]! -= slope * FIRST[i]!;
    }
  });
  const formula = coefficients
    .map((coefficient, corner) => ({ coefficient, names: names.filter((_, i) => (corner >> i) & 1) }))
    .filter(({ coefficient }) => coefficient !== 0);
  const isExact =
    formula.every(({ coefficient }) => Number.isInteger(coefficient)) && sampleSizes(names).every((sizes, i) => evaluateFormula(formula, sizes) === values[i]);
  return isExact ? formula : undefined;
}

export function evaluateFormula(formula: SizeFormula, sizes: Sizes): number {
  return formula.reduce((sum, { coefficient, names }) => sum + names.reduce((product, name) => product * sizes[name]!, coefficient), 0);
}

/** Whether it is the same at any size. */
export const isConstant = (formula: SizeFormula): boolean => formula.every(({ names }) => names.length === 0);
