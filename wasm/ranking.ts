/**
 * The inner loops of serialisation, compiled to WebAssembly by AssemblyScript: normalising the counts of a cell, scoring,
 * ranking, and handing out the best genes. src/data/loader/rank.ts owns the memory and says what the loops are for.
 *
 * All arrays lie in linear memory, at the addresses exported below; n is the number of genes of the cell at hand.
 */
@external("host", "log1p")
declare function log1p(x: f64): f64;

const LOW_BITS: u32 = 9;
const NUM_LOW: u32 = 1 << LOW_BITS;
const HIGH_BITS: u32 = 10;
const NUM_HIGH: u32 = 1 << HIGH_BITS;
const NUM_COUNTS: u32 = 1 << 16;

// [65536] float32, the value of each count, and int32, the cell it was computed for.
const TABLE: usize = __heap_base;
const TABLE_CELL: usize = TABLE + (NUM_COUNTS << 2);
const LOW: usize = TABLE_CELL + (NUM_COUNTS << 2);
const HIGH: usize = LOW + (NUM_LOW << 2);

/** [V] float32 */
export const weights: usize = HIGH + (NUM_HIGH << 2);
/** [n] uint16 or int32 */
export let geneIds: usize = 0;
/** [n] uint16 */
export let counts: usize = 0;
/** [n] float32 */
export let values: usize = 0;
/** [n] float32, >= 0 */
export let scores: usize = 0;
/** [n] int32: keys while ranking, then the indices in order */
export let order: usize = 0;
/** [n] int32 and float32: the ranked genes */
export let rankedIds: usize = 0;
export let rankedValues: usize = 0;
let sorted: usize = 0;

let cell: i32 = 0;

/** The largest gene id of the cell that was scored last: it says whether all of them were genes. */
export let largestId: u32 = 0;

/** Makes room for V weights and cells of n genes; what the arrays of n entries held is lost. */
export function reserve(numWeights: i32, n: i32): void {
  const bytes = (<usize>n << 2) + 16;
  geneIds = weights + (<usize>numWeights << 2);
  counts = geneIds + bytes;
  values = counts + bytes;
  scores = values + bytes;
  order = scores + bytes;
  sorted = order + bytes;
  rankedIds = sorted + bytes;
  rankedValues = rankedIds + bytes;
  const missing = <i32>((rankedValues + bytes + 0xffff) >> 16) - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable();
}

/**
 * values = float32(log1p(count · factor)), one logarithm for each distinct count, and scores = values · weights[geneIds]: the common
 * case in one go. @returns how many counts are not 0
 */
export function scoreCountsNarrow(n: i32, factor: f64): i32 {
  cell++;
  let numZeros = 0;
  let largest: u32 = 0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const count = <usize>load<u16>(counts + (i << 1));
    const id = <u32>load<u16>(geneIds + (i << 1));
    if (load<i32>(TABLE_CELL + (count << 2)) != cell) fillEntry(count, factor);
    numZeros += <i32>(count == 0);
    largest = max(largest, id);
    const value = load<f32>(TABLE + (count << 2));
    store<f32>(values + (i << 2), value);
    store<f32>(scores + (i << 2), value * load<f32>(weights + (<usize>id << 2)));
  }
  largestId = largest;
  return n - numZeros;
}

/** values alone, for those that are scored in another way. */
export function normaliseCounts(n: i32, factor: f64): i32 {
  cell++;
  let numZeros = 0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const count = <usize>load<u16>(counts + (i << 1));
    if (load<i32>(TABLE_CELL + (count << 2)) != cell) fillEntry(count, factor);
    numZeros += <i32>(count == 0);
    store<f32>(values + (i << 2), load<f32>(TABLE + (count << 2)));
  }
  return n - numZeros;
}

function fillEntry(count: usize, factor: f64): void {
  store<i32>(TABLE_CELL + (count << 2), cell);
  store<f32>(TABLE + (count << 2), <f32>log1p(<f64>count * factor));
}

/** scores = values · weights[geneIds] */
export function scoreNarrow(n: i32): void {
  let largest: u32 = 0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const id = <u32>load<u16>(geneIds + (i << 1));
    largest = max(largest, id);
    store<f32>(scores + (i << 2), load<f32>(values + (i << 2)) * load<f32>(weights + (<usize>id << 2)));
  }
  largestId = largest;
}

export function scoreWide(n: i32, numWeights: u32): void {
  let largest: u32 = 0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const id = load<u32>(geneIds + (i << 2));
    largest = max(largest, id);
    store<f32>(scores + (i << 2), load<f32>(values + (i << 2)) * load<f32>(weights + (<usize>min(id, numWeights - 1) << 2)));
  }
  largestId = largest;
}

/**
 * Fills the first `numWanted` (<= n < 2^20) entries of `order` with indices by descending score, equal scores by ascending
 * index, without comparing them: the bits of a float32 >= 0, read as an integer, grow with it. The range of the cell's scores
 * is cut into up to 2^19 levels, 0 the best. A key holds the level above the index, so that sorting moves single integers.
 * A histogram of the upper digit says where the last wanted gene lies; what is better goes through two passes of a radix
 * sort, and neighbours that share a level are put right by insertion.
 */
export function rank(n: i32, numWanted: i32): void {
  if (numWanted == 0) return;
  const indexBits = <u32>(32 - clz(n));
  const highShift = indexBits + LOW_BITS;
  memory.fill(LOW, 0, (NUM_LOW + NUM_HIGH) << 2);
  fillKeys(n, indexBits);
  let numCandidates = 0;
  let worst: u32 = 0;
  for (; numCandidates < numWanted; worst++) {
    const bucket = HIGH + (<usize>worst << 2);
    const size = load<i32>(bucket);
    store<i32>(bucket, numCandidates);
    numCandidates += size;
  }
  let k: usize = 0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const key = load<u32>(order + (i << 2));
    // Without a branch, which would be mispredicted every fourth time: what is not wanted is overwritten.
    store<u32>(sorted + (k << 2), key);
    const isCandidate = <u32>(key >> highShift < worst);
    k += isCandidate;
    const bucket = lowBucket(key, indexBits);
    store<u32>(bucket, load<u32>(bucket) + isCandidate);
  }
  let start = 0;
  for (let bucket = LOW; bucket < HIGH; bucket += 4) {
    const size = load<i32>(bucket);
    store<i32>(bucket, start);
    start += size;
  }
  for (let i: usize = 0; i < k; i++) {
    const key = load<u32>(sorted + (i << 2));
    place(lowBucket(key, indexBits), order, key);
  }
  for (let i: usize = 0; i < k; i++) {
    const key = load<u32>(order + (i << 2));
    place(HIGH + (<usize>(key >> highShift) << 2), sorted, key);
  }
  settleNeighbours(k, indexBits);
  const indexMask: u32 = (1 << indexBits) - 1;
  for (let i: usize = 0; i < <usize>numWanted; i++) store<u32>(order + (i << 2), load<u32>(sorted + (i << 2)) & indexMask);
}

/** Keys in `order`, and how many have each upper digit in HIGH. */
function fillKeys(n: i32, indexBits: u32): void {
  let least: i32 = i32.MAX_VALUE;
  let most: i32 = 0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const bits = load<i32>(scores + (i << 2));
    least = min(least, bits);
    most = max(most, bits);
  }
  const levelBits = <i32>min(LOW_BITS + HIGH_BITS, 32 - indexBits);
  const shift = <u32>max(0, 32 - <i32>clz(most - least) - levelBits);
  for (let i: usize = 0; i < <usize>n; i++) {
    const level = <u32>(most - load<i32>(scores + (i << 2))) >> shift;
    const bucket = HIGH + (<usize>(level >> LOW_BITS) << 2);
    store<i32>(bucket, load<i32>(bucket) + 1);
    store<u32>(order + (i << 2), (level << indexBits) | <u32>i);
  }
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function lowBucket(key: u32, indexBits: u32): usize {
  return LOW + (<usize>((key >> indexBits) & (NUM_LOW - 1)) << 2);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function place(bucket: usize, target: usize, key: u32): void {
  const at = load<u32>(bucket);
  store<u32>(bucket, at + 1);
  store<u32>(target + (<usize>at << 2), key);
}

function settleNeighbours(n: usize, indexBits: u32): void {
  const indexMask: u32 = (1 << indexBits) - 1;
  let previous = load<u32>(sorted);
  for (let i: usize = 1; i < n; i++) {
    const key = load<u32>(sorted + (i << 2));
    if ((key ^ previous) >> indexBits == 0) {
      const bits = load<i32>(scores + (<usize>(key & indexMask) << 2));
      let at = i;
      while (at > 0) {
        const before = load<u32>(sorted + ((at - 1) << 2));
        // A gene of a better level has more bits and ends the walk.
        if (load<i32>(scores + (<usize>(before & indexMask) << 2)) >= bits) break;
        store<u32>(sorted + (at << 2), before);
        at--;
      }
      store<u32>(sorted + (at << 2), key);
    }
    previous = key;
  }
}

/** rankedIds and rankedValues of the first n indices in `order`. */
export function gatherNarrow(n: i32): void {
  for (let k: usize = 0; k < <usize>n; k++) {
    const i = <usize>load<u32>(order + (k << 2));
    store<i32>(rankedIds + (k << 2), load<u16>(geneIds + (i << 1)));
    store<f32>(rankedValues + (k << 2), load<f32>(values + (i << 2)));
  }
}

export function gatherWide(n: i32): void {
  for (let k: usize = 0; k < <usize>n; k++) {
    const i = <usize>load<u32>(order + (k << 2));
    store<i32>(rankedIds + (k << 2), load<i32>(geneIds + (i << 2)));
    store<f32>(rankedValues + (k << 2), load<f32>(values + (i << 2)));
  }
}
