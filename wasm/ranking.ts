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
/** Counts below this are so frequent that their values are computed whether or not a cell has them, one beside the other. */
const NUM_USUAL_COUNTS: usize = 32;
/** Counts that have a level of their own. */
const NUM_COUNT_LEVELS: u32 = 1024;
/** Genes on one level up to which they are put in order one by one. */
const SMALL_LEVEL: u32 = 64;
/** Genes of a cell up to which places are numbers of 16 bits. */
const LARGEST_NARROW: i32 = 0xffff;

// [65536] of 8 bytes: the value of each count as float32, and above it the cell it was computed for.
const TABLE: usize = __heap_base;
// [4096] uint16: how many genes have each level, then where the next of them goes.
const PLACES: usize = TABLE + (NUM_COUNTS << 3);

/** [V] float32 */
export const weights: usize = PLACES + (NUM_LEVELS << 1);
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
  nextCell(factor);
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
  nextCell(factor);
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

function nextCell(factor: f64): void {
  cell++;
  for (let count: usize = 0; count < NUM_USUAL_COUNTS; count++) computeValue(count, factor);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function valueOf(count: usize, factor: f64): f32 {
  const entry = load<u64>(TABLE + (count << 3));
  return <u32>(entry >> 32) == cell ? reinterpret<f32>(<u32>entry) : computeRareValue(count, factor);
}

function computeRareValue(count: usize, factor: f64): f32 {
  return computeValue(count, factor);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
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
 * Puts the first `numWanted` (<= n) of `keys` in order: descending score, equal scores by ascending index.
 *
 * The bits of a float32 >= 0, read as an integer, grow with it. Their range in this cell is cut into up to 4096 levels, 0 the best.
 * Genes are dealt to their levels, which leaves few of them out of place, and none far away: those are put right by insertion. Where
 * very many scores are nearly the same, as the levels of a cell with one outlier are, a level is sorted by merging instead.
 */
export function rank(n: i32, numWanted: i32): void {
  if (numWanted == 0) return;
  const firstScore = scores;
  const firstKey = keys;
  if (n > LARGEST_NARROW) {
    for (let i: usize = 0; i < <usize>n; i++) store<u64>(firstKey + (i << 3), keyOf(firstScore, i));
    return mergeKeys(firstKey, firstKey + (<usize>n << 3));
  }
  fillLevels(n);
  const firstLevel = levels;
  memory.fill(PLACES, 0, NUM_LEVELS << 1);
  for (let at = firstLevel, end = at + (<usize>n << 1); at < end; at += 2) {
    const place = PLACES + (<usize>load<u16>(at) << 1);
    store<u16>(place, load<u16>(place) + 1);
  }
  const largestLevel = placesFromSizes(NUM_LEVELS);
  for (let i: usize = 0; i < <usize>n; i++) {
    const place = PLACES + (<usize>load<u16>(firstLevel + (i << 1)) << 1);
    const at = load<u16>(place);
    store<u16>(place, at + 1);
    store<u64>(firstKey + (<usize>at << 3), keyOf(firstScore, i));
  }
  // Each place is now where its level ends; the level of the last wanted gene is wanted as a whole.
  const lastLevel = <usize>load<u16>(firstLevel + (<usize>load<u32>(firstKey + (<usize>(numWanted - 1) << 3)) << 1));
  const lastPlace = PLACES + (lastLevel << 1);
  if (largestLevel <= SMALL_LEVEL) insertKeys(firstKey, firstKey + (<usize>load<u16>(lastPlace) << 3));
  else sortLevels(lastPlace);
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function keyOf(firstScore: usize, i: usize): u64 {
  return (<u64>~load<u32>(firstScore + (i << 2)) << 32) | <u64>i;
}

/** Turns the sizes of levels, in PLACES, into where each of them begins. @returns the largest size */
function placesFromSizes(numLevels: u32): u32 {
  const none = i16x8.splat(0);
  let before = none;
  let most = none;
  for (let at = PLACES, end = PLACES + (<usize>numLevels << 1); at < end; at += 16) {
    const sizes = v128.load(at);
    most = i16x8.max_u(most, sizes);
    let sums = i16x8.add(sizes, i16x8.shuffle(none, sizes, 7, 8, 9, 10, 11, 12, 13, 14));
    sums = i16x8.add(sums, i16x8.shuffle(none, sums, 6, 7, 8, 9, 10, 11, 12, 13));
    sums = i16x8.add(sums, i16x8.shuffle(none, sums, 4, 5, 6, 7, 8, 9, 10, 11));
    sums = i16x8.add(sums, before);
    v128.store(at, i16x8.sub(sums, sizes));
    before = i16x8.shuffle(sums, sums, 7, 7, 7, 7, 7, 7, 7, 7);
  }
  const wide = i32x4.max_u(i32x4.extend_low_i16x8_u(most), i32x4.extend_high_i16x8_u(most));
  return max(max(i32x4.extract_lane(wide, 0), i32x4.extract_lane(wide, 1)), max(i32x4.extract_lane(wide, 2), i32x4.extract_lane(wide, 3)));
}

/**
 * Counts ranked by themselves, as they are where no gene weighs more than another: dealt to one level a count, which leaves nothing to
 * put in order but what lies beyond the levels. Fills rankedIds and rankedValues, values by `factor` as in normaliseCounts.
 * @returns how many counts are not 0; -1 where too many are too large for this way
 */
export function rankCountsNarrow(n: i32, factor: f64): i32 {
  if (n > LARGEST_NARROW) return -1;
  const firstCount = counts;
  const firstId = geneIds;
  memory.fill(PLACES, 0, NUM_COUNT_LEVELS << 1);
  for (let at = firstCount, end = at + (<usize>n << 1); at < end; at += 2) {
    const place = PLACES + (<usize>countLevel(load<u16>(at)) << 1);
    store<u16>(place, load<u16>(place) + 1);
  }
  const numLarge = <usize>load<u16>(PLACES);
  const numZeros = <i32>load<u16>(PLACES + ((NUM_COUNT_LEVELS - 1) << 1));
  if (numLarge > SMALL_LEVEL) return -1;
  placesFromSizes(NUM_COUNT_LEVELS);
  nextCell(factor);
  const firstRankedId = rankedIds;
  const firstRankedValue = rankedValues;
  let largest: u32 = 0;
  for (let i: usize = 0; i < <usize>n; i++) {
    const count = <u32>load<u16>(firstCount + (i << 1));
    const place = PLACES + (<usize>countLevel(count) << 1);
    const at = <usize>load<u16>(place);
    store<u16>(place, <u16>at + 1);
    const id = <u32>load<u16>(firstId + (i << 1));
    largest = max(largest, id);
    store<u32>(firstRankedId + (at << 2), id);
    store<f32>(firstRankedValue + (at << 2), valueOf(count, factor));
  }
  largestId = largest;
  for (let at: usize = 1; at < numLarge; at++) {
    const id = load<u32>(firstRankedId + (at << 2));
    const value = load<f32>(firstRankedValue + (at << 2));
    let to = at;
    for (; to > 0 && load<f32>(firstRankedValue + ((to - 1) << 2)) < value; to--) {
      store<u32>(firstRankedId + (to << 2), load<u32>(firstRankedId + ((to - 1) << 2)));
      store<f32>(firstRankedValue + (to << 2), load<f32>(firstRankedValue + ((to - 1) << 2)));
    }
    store<u32>(firstRankedId + (to << 2), id);
    store<f32>(firstRankedValue + (to << 2), value);
  }
  return n - numZeros;
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function countLevel(count: u32): u32 {
  return NUM_COUNT_LEVELS - 1 - min(count, NUM_COUNT_LEVELS - 1);
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

/** Sorts each level up to the one whose place is given; places say where the levels end. */
function sortLevels(lastPlace: usize): void {
  let first = keys;
  for (let place = PLACES; place <= lastPlace; place += 2) {
    const last = keys + (<usize>load<u16>(place) << 3);
    if (last - first <= <usize>SMALL_LEVEL << 3) insertKeys(first, last);
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
  const RUN = <usize>SMALL_LEVEL << 3;
  for (let run = first; run < end; run += RUN) insertKeys(run, min(run + RUN, end));
  for (let width = RUN; width < end - first; width *= 2) {
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

/** rankedIds and rankedValues of the first n keys. */
export function gatherNarrow(n: i32): void {
  const firstKey = keys;
  const firstId = geneIds;
  const firstValue = values;
  const toId = rankedIds;
  const toValue = rankedValues;
  for (let k: usize = 0; k < <usize>n; k++) {
    const i = <usize>load<u32>(firstKey + (k << 3));
    store<i32>(toId + (k << 2), load<u16>(firstId + (i << 1)));
    store<f32>(toValue + (k << 2), load<f32>(firstValue + (i << 2)));
  }
}

export function gatherWide(n: i32): void {
  for (let k: usize = 0; k < <usize>n; k++) {
    const i = <usize>load<u32>(keys + (k << 3));
    store<i32>(rankedIds + (k << 2), load<i32>(geneIds + (i << 2)));
    store<f32>(rankedValues + (k << 2), load<f32>(values + (i << 2)));
  }
}

/** The indices of the first n keys, in `order`. */
export function gatherOrder(n: i32): void {
  for (let k: usize = 0; k < <usize>n; k++) store<u32>(order + (k << 2), load<u32>(keys + (k << 3)));
}
