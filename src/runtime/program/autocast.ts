/**
 * Which op runs in what, when a program is compiled with precision 'bf16'. Values keep the dtype 'float32' as far as
 * TensorFlow.js can see; in the graph they are bfloat16 where this table says so.
 *
 * | ops | inputs | result |
 * |---|---|---|
 * | matrix products (PRODUCTS) | bf16, converted where they are not | bf16; summed in f32 inside the product |
 * | moves (MOVES): reshape, transpose, slice, concat … | as they come; mixed ones f32 | as the inputs |
 * | fused ops (runtime/ops/fused) between products | bf16 or f32, each says which | bf16 or f32, each says which; computed in f32 |
 * | anything inside `inLowPrecision` | bf16 | bf16; sums and softmax in f32 inside the op |
 * | anything but moves inside `inFullPrecision` | f32 | f32 |
 * | everything else: norms, softmax, losses, residual sums, optimiser | f32 | f32 |
 *
 * So parameters, moments, the residual stream, statistics and losses are f32; what is bf16 is one operand or result of a
 * product at a time. `tf.cast(x, 'float32')` of a float always gives f32, whatever x is inside.
 */
export const PRODUCTS: ReadonlySet<string> = new Set(['MatMul', 'BatchMatMul', 'BatchMatMulV2', 'Einsum', 'Conv2D']);

/** Ops that copy values about and compute nothing. */
export const MOVES: ReadonlySet<string> = new Set([
  'Reshape',
  'Transpose',
  'Slice',
  'StridedSlice',
  'Split',
  'SplitV',
  'ConcatV2',
  'Pack',
  'Unpack',
  'Tile',
  'GatherV2',
  'PadV2',
  'ExpandDims',
  'Squeeze',
  'Identity',
]);

type Region = 'none' | 'low' | 'full';
let region: Region = 'none';

/**
 * Lets the element-wise ops that `fn` makes run in bf16 when the program is compiled for it: for stretches between two products
 * where the rounding of the first has been paid already. Does nothing in f32 programs and in eager execution.
 */
export const inLowPrecision = <T>(fn: () => T): T => within('low', fn);

/** Keeps the matrix products that `fn` makes in f32: for sums written as products, such as those of a norm's gradient. */
export const inFullPrecision = <T>(fn: () => T): T => within('full', fn);

/** Whether an op of this type may run in bf16, inputs that are bf16 already apart. */
export function runsLow(type: string): boolean {
  return region === 'low' || (region === 'none' && PRODUCTS.has(type));
}

function within<T>(inner: Region, fn: () => T): T {
  const outer = region;
  region = inner;
  try {
    return fn();
  } finally {
    region = outer;
  }
}
