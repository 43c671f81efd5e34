/**
 * The inner loops of serialisation, compiled to WebAssembly by AssemblyScript: normalising the counts of a cell, scoring,
 * ranking, and handing out the best genes. src/data/loader/rank.ts owns the memory and says what the loops are for.
 *
 * All arrays lie in linear memory, at the addresses exported below; n is the number of genes of the cell at hand.
 */
@external("host", "log1p")
declare function log1p(x: f64): f64;

const NUM_COUNTS: u32 = 1 << 16;
const LEVEL_BITS: i32 = 12;
const NUM_LEVELS: u32 = 1 << LEVEL_BITS;
/** Genes on one level up to which they are put in order one by one. */
const SMALL_LEVEL: usize = 64;

// [65536] of 8 bytes: the value of each count as float32, and above it the cell it was computed for.
const TABLE: usize = __heap_base;
// [4096 + 1] uint32: how many genes have each level, then where the next of them goes; the last for what no level takes.
const PLACES: usize = TABLE + (NUM_COUNTS << 3);

/** [V] float32 */
export const weights: usize = PLACES + ((NUM_LEVELS + 4) << 2);
/** [n] uint16 or int32 */
export let geneIds: usize = 0;
/** [n] uint16 */
export let counts: usize = 0;
/** [n] float32 */
export let values: usize = 0;
/** [n] float32, >= 0 */
export let scores: usize = 0;
/** [n] int32: the indices in order */
export let order: usize = 0;
/** [n] int32 and float32: the ranked genes */
export let rankedIds: usize = 0;
export let rankedValues: usize = 0;
// [n] uint64: a gene's score above its index, so that ascending keys are descending scores, equal ones by ascending index; room for [n] more
let keys: usize = 0;
let merged: usize = 0;
// [n] uint16
let levels: usize = 0;

let cell: u32 = 0;

/** The largest gene id of the cell that was scored last: it says whether all of them were genes. */
export let largestId: u32 = 0;

/** Makes room for V weights and cells of n genes; what the arrays of n entries held is lost. */
export function reserve(numWeights: i32, n: i32): void {
  const bytes = ((<usize>n << 2) + 79) & ~15;
  geneIds = weights + (<usize>numWeights << 2);
  counts = geneIds + bytes;
  values = counts + bytes;
  scores = values + bytes;
  order = scores + bytes;
  rankedIds = order + bytes;
  rankedValues = rankedIds + bytes;
  keys = rankedValues + bytes;
  merged = keys + 2 * bytes;
  levels = merged + 2 * bytes;
  const missing = <i32>((levels + bytes + 0xffff) >> 16) - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable();
}

/** values = float32(log1p(count · factor)), one logarithm for each distinct count. @returns how many counts are not 0 */
export function normaliseCounts(n: i32, factor: f64): i32 {
  cell++;
  let numZeros = 0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const count = <usize>load<u16>(counts + (i << 1));
    numZeros += <i32>(count == 0);
    store<f32>(values + (i << 2), valueOf(count, factor));
  }
  return n - numZeros;
}

/** values, and scores = values · weights[geneIds], of at most 2^16 genes: the common case in one go. @returns how many counts are not 0 */
export function scoreCountsNarrow(n: i32, factor: f64): i32 {
  cell++;
  const firstCount = counts;
  const firstId = geneIds;
  const firstValue = values;
  const firstScore = scores;
  for (let i: usize = 0; i < <usize>n; i++) {
    const value = valueOf(<usize>load<u16>(firstCount + (i << 1)), factor);
    store<f32>(firstValue + (i << 2), value);
    store<f32>(firstScore + (i << 2), value * load<f32>(weights + (<usize>load<u16>(firstId + (i << 1)) << 2)));
  }
  let largest = i16x8.splat(0);
  let numZeros = i16x8.splat(0);
  const end = <usize>n << 1;
  // What lies behind the last gene shall count neither as one nor as a zero.
  v128.store(firstId + end, i16x8.splat(0));
  v128.store(firstCount + end, i16x8.splat(1));
  for (let at: usize = 0; at < end; at += 16) {
    largest = i16x8.max_u(largest, v128.load(firstId + at));
    numZeros = i16x8.sub(numZeros, i16x8.eq(v128.load(firstCount + at), i16x8.splat(0)));
  }
  const wide = i32x4.max_u(i32x4.extend_low_i16x8_u(largest), i32x4.extend_high_i16x8_u(largest));
  largestId = max(max(i32x4.extract_lane(wide, 0), i32x4.extract_lane(wide, 1)), max(i32x4.extract_lane(wide, 2), i32x4.extract_lane(wide, 3)));
  const zeros = i32x4.extadd_pairwise_i16x8_u(numZeros);
  return n - (i32x4.extract_lane(zeros, 0) + i32x4.extract_lane(zeros, 1) + i32x4.extract_lane(zeros, 2) + i32x4.extract_lane(zeros, 3));
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function valueOf(count: usize, factor: f64): f32 {
  const entry = load<u64>(TABLE + (count << 3));
  return <u32>(entry >> 32) == cell ? reinterpret<f32>(<u32>entry) : computeValue(count, factor);
}

function computeValue(count: usize, factor: f64): f32 {
  const value = logOnePlus(<f64>count * factor);
  store<u64>(TABLE + (count << 3), ((<u64>cell) << 32) | <u64>reinterpret<u32>(value));
  return value;
}

/**
 * float32(ln(1 + x)), x >= 0, the same as the engine's: ln(2^k · m) = k ln 2 + 2 artanh((m - 1) / (m + 1)), whose series ends below
 * 1e-16. Where a relative error of 1e-12 could change the float32, the engine is asked, which costs more than the series.
 */
function logOnePlus(x: f64): f32 {
  if (x < 0.001) return <f32>log1p(x);
  const y = 1 + x;
  const bits = reinterpret<u64>(y);
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  let k = <f64>(<i64>(bits >> 52) - 1023);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    k += 1;
  }
  const s = (m - 1) / (m + 1);
  const p = s * s;
  const q = p * p;
  const even = 1 + q * (1.0 / 5 + q * (1.0 / 9 + q * (1.0 / 13 + q * (1.0 / 17 + q * (1.0 / 21)))));
  const odd = 1.0 / 3 + q * (1.0 / 7 + q * (1.0 / 11 + q * (1.0 / 15 + q * (1.0 / 19))));
  const lost = (x - (y - 1)) / y; // what rounding took of 1 + x
  const log = k * 0.6931471805599453 + (2 * s * (even + p * odd) + lost);
  const low = <f32>(log - log * 1e-12);
  return low == <f32>(log + log * 1e-12) ? low : <f32>log1p(x);
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
 * Fills the first `numWanted` (<= n) entries of `order` with indices by descending score, equal scores by ascending index.
 *
 * The bits of a float32 >= 0, read as an integer, grow with it. Their range in this cell is cut into up to 4096 levels, 0 the best.
 * Genes are dealt to their levels, which leaves few of them out of place, and none far away: those are put right by insertion. Where
 * very many scores are nearly the same, as the levels of a cell with one outlier are, a level is sorted by merging instead.
 */
export function rank(n: i32, numWanted: i32): void {
  if (numWanted == 0) return;
  fillLevels(n);
  const firstLevel = levels;
  const firstScore = scores;
  const firstKey = keys;
  memory.fill(PLACES, 0, (NUM_LEVELS + 1) << 2);
  for (let at = firstLevel, end = at + (<usize>n << 1); at < end; at += 2) {
    const place = PLACES + (<usize>load<u16>(at) << 2);
    store<u32>(place, load<u32>(place) + 1);
  }
  let numCandidates: u32 = 0;
  let largestLevel: u32 = 0;
  let place = PLACES;
  for (; numCandidates < <u32>numWanted; place += 4) {
    const size = load<u32>(place);
    store<u32>(place, numCandidates);
    numCandidates += size;
    largestLevel = max(largestLevel, size);
  }
  // What is on no wanted level goes behind: without a branch, which would be mispredicted every fourth time.
  const unwanted = <u32>((place - PLACES) >> 2);
  store<u32>(place, numCandidates);
  for (let i: usize = 0; i < <usize>n; i++) {
    const placeOf = PLACES + (<usize>min(<u32>load<u16>(firstLevel + (i << 1)), unwanted) << 2);
    const at = load<u32>(placeOf);
    store<u32>(placeOf, at + 1);
    store<u64>(firstKey + (<usize>at << 3), (<u64>~load<u32>(firstScore + (i << 2)) << 32) | <u64>i);
  }
  if (largestLevel <= <u32>SMALL_LEVEL) insertKeys(firstKey, firstKey + (<usize>numCandidates << 3));
  else sortLevels(place);
  const firstOrder = order;
  for (let k: usize = 0; k < <usize>numWanted; k++) store<u32>(firstOrder + (k << 2), load<u32>(firstKey + (k << 3)));
}

/** The level of each gene. The last vectors reach beyond n: into levels that nobody reads. */
function fillLevels(n: i32): void {
  const end = scores + (<usize>n << 2);
  const some = v128.load32_splat(scores);
  v128.store(end, some);
  v128.store(end, some, 16);
  let most = some;
  let least = some;
  for (let at = scores; at < end; at += 16) {
    const bits = v128.load(at);
    most = i32x4.max_u(most, bits);
    least = i32x4.min_u(least, bits);
  }
  const best = max(max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)), max(i32x4.extract_lane(most, 2), i32x4.extract_lane(most, 3)));
  const worst = min(min(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1)), min(i32x4.extract_lane(least, 2), i32x4.extract_lane(least, 3)));
  const shift = max(0, 32 - <i32>clz(best - worst) - LEVEL_BITS);
  const bests = i32x4.splat(best);
  let to = levels;
  for (let at = scores; at < end; at += 32, to += 16) {
    const low = i32x4.shr_u(i32x4.sub(bests, v128.load(at)), shift);
    const high = i32x4.shr_u(i32x4.sub(bests, v128.load(at, 16)), shift);
    v128.store(to, i16x8.narrow_i32x4_u(low, high));
  }
}

/** Sorts the keys between two addresses by moving each to its place: fast where few are far from it. */
function insertKeys(first: usize, end: usize): void {
  for (let at = first + 8; at < end; at += 8) {
    const key = load<u64>(at);
    let before = load<u64>(at - 8);
    if (before <= key) continue;
    let to = at;
    do {
      store<u64>(to, before);
      to -= 8;
      if (to == first) break;
      before = load<u64>(to - 8);
    } while (before > key);
    store<u64>(to, key);
  }
}

/** Sorts each level below `end` in PLACES, which says where the levels end. */
function sortLevels(end: usize): void {
  let first = keys;
  for (let place = PLACES; place < end; place += 4) {
    const last = keys + (<usize>load<u32>(place) << 3);
    if (last - first <= SMALL_LEVEL << 3) insertKeys(first, last);
    else if (!isSorted(first, last)) mergeKeys(first, last);
    first = last;
  }
}

function isSorted(first: usize, end: usize): bool {
  for (let at = first + 8; at < end; at += 8) if (load<u64>(at - 8) > load<u64>(at)) return false;
  return true;
}

/** Sorts the keys between two addresses by merging runs. */
function mergeKeys(first: usize, end: usize): void {
  for (let run = first; run < end; run += SMALL_LEVEL << 3) insertKeys(run, min(run + (SMALL_LEVEL << 3), end));
  for (let width: usize = SMALL_LEVEL << 3; width < end - first; width *= 2) {
    for (let start = first; start < end; start += 2 * width) mergeRuns(start, min(start + width, end), min(start + 2 * width, end));
  }
}

/** Merges two neighbouring runs of ascending keys. */
function mergeRuns(start: usize, middle: usize, end: usize): void {
  memory.copy(merged, start, middle - start);
  let left = merged;
  const leftEnd = merged + (middle - start);
  let right = middle;
  for (let to = start; left < leftEnd; to += 8) {
    if (right < end && load<u64>(right) < load<u64>(left)) {
      store<u64>(to, load<u64>(right));
      right += 8;
    } else {
      store<u64>(to, load<u64>(left));
      left += 8;
    }
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
