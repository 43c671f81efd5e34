import type { Attr, Node } from './builder.js';

/** A matrix product in a graph: `batch` times [m, k] · [k, n]. */
export interface Product {
  readonly batch: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly dtype: Node['dtype'];
}

/** Matrix products by the names TensorFlow gives their ops, with the attribute that says the first operand is transposed. */
const TRANSPOSED: Readonly<Record<string, string>> = { MatMul: 'transpose_a', BatchMatMul: 'adj_x', BatchMatMulV2: 'adj_x' };

/** The product that an op computes, from its first operand and its result; undefined for ops that are none, or of unknown shape. */
export function productOf(type: string, first: Pick<Node, 'shape'> | undefined, result: Node | undefined, attrs: readonly Attr[]): Product | undefined {
  const flag = TRANSPOSED[type];
  if (flag === undefined || !first?.shape || !result?.shape) return undefined;
  const isTransposed = attrs.some((attr) => attr.kind === 'bool' && attr.name === flag && attr.value);
  const [m, n] = [result.shape.at(-2)!, result.shape.at(-1)!];
  const k = first.shape.at(isTransposed ? -2 : -1)!;
  return { batch: result.shape.slice(0, -2).reduce((size, dim) => size * dim, 1), m, k, n, dtype: result.dtype };
}

/** Multiplications and additions of a product. */
export const flopOf = (product: Product | undefined): number => (product ? 2 * product.batch * product.m * product.k * product.n : 0);
