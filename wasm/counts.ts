/**
 * The inner loops of building a corpus from counts, compiled to WebAssembly by AssemblyScript: rows as they are stored are checked, brought
 * to the genes of the vocabulary and added to the gene statistics, in one go each. src/data/corpus/count-loops.ts owns the memory and says
 * what the loops are for; src/data/corpus/statistics.ts holds the formulas.
 *
 * All arrays lie in linear memory, at the addresses exported below. C columns, V vocabulary ids, E entries and R rows of a block.
 */
@external("host", "log1p")
declare function log1p(x: f64): f64;
@external("host", "log")
declare function log(x: f64): f64;

/** Counts below this have their logarithms looked up. */
const TABLE_SIZE: u32 = 1024;
const LARGEST_COUNT: u32 = 65535;
/** Entries of a row whose counts add up in four sums of 32 bits. */
const MOST_IN_FOURS: usize = 1 << 18;

// Bits of an entry of `table`, above the vocabulary id plus one (0: the gene is in none).
const ID_MASK: u32 = 0x00ff_ffff;
const IS_MITOCHONDRIAL: u32 = 1 << 24;
const IS_RENAMED: u32 = 1 << 25;
const IS_LEFT_OUT: u32 = 1 << 26;

// [1024] pairs of float64, x and x·ln x, and the cell they were computed for.
const LOGS: usize = (__heap_base + 15) & ~15;
const LOGS_CELL: usize = LOGS + (TABLE_SIZE << 4);

/** [2 V] float64: for each gene Σ x and Σ x ln x */
export const sums: usize = LOGS_CELL + (TABLE_SIZE << 2);
/** [V] int32 */
export let numDetected: usize = 0;
/** [C] uint32: what a stored column is, see above */
export let table: usize = 0;
// [V] uint32 and one bit for each id: a row whose genes do not come in ascending order is added up here.
let scattered: usize = 0;
let isUsed: usize = 0;
/** [R + 1] int32: first entry of each row */
export let starts: usize = 0;
/** [R] int32: genes of each row, and the place of the first */
export let numGenes: usize = 0;
export let places: usize = 0;
/** [R] float64: sums over a row: of all columns, of those in the vocabulary, the mitochondrial, the renamed */
export let totals: usize = 0;
export let matched: usize = 0;
export let mitochondrial: usize = 0;
export let renamed: usize = 0;
/** [E] columns and values as they are stored, 8 bytes an entry at most; then as int32 and float32 */
export let columns: usize = 0;
export let values: usize = 0;
/** [E] uint16: genes and counts */
export let geneIds: usize = 0;
export let counts: usize = 0;

let numColumns: u32 = 0;
let numIds: u32 = 0;
let cell: i32 = 0;

/** Makes room; what the arrays held is lost, the statistics too. */
export function reserve(C: u32, V: u32, R: u32, E: u32): void {
  numColumns = C;
  numIds = V;
  numDetected = sums + (<usize>V << 4);
  table = aligned(numDetected + (<usize>V << 2));
  scattered = aligned(table + (<usize>C << 2));
  isUsed = aligned(scattered + (<usize>V << 2));
  starts = aligned(isUsed + (<usize>((V + 63) >> 6) << 3));
  numGenes = aligned(starts + (<usize>(R + 1) << 2));
  places = aligned(numGenes + (<usize>R << 2));
  totals = aligned(places + (<usize>R << 2));
  matched = totals + (<usize>R << 3);
  mitochondrial = matched + (<usize>R << 3);
  renamed = mitochondrial + (<usize>R << 3);
  columns = aligned(renamed + (<usize>R << 3));
  values = columns + (<usize>E << 3);
  geneIds = values + (<usize>E << 3);
  counts = aligned(geneIds + (<usize>E << 1) + 16);
  const end = counts + (<usize>E << 1) + 16;
  const missing = <i32>((end + 0xffff) >> 16) - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable();
  memory.fill(scattered, 0, starts - scattered);
  clearStatistics();
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function aligned(address: usize): usize {
  return (address + 15) & ~15;
}

/** Narrows n stored columns in place. What does not fit becomes a column that no matrix has. */
export function columnsFromInt64(n: u32): void {
  for (let i: usize = 0; i < <usize>n; i++) {
    const wide = load<u64>(columns + (i << 3));
    store<u32>(columns + (i << 2), wide > 0xffff_fffe ? 0xffff_ffff : <u32>wide);
  }
}

/** Brings n stored values to float32, in place. Integers that float32 does not hold are larger than any count, too. */
export function valuesFromFloat64(n: u32): void {
  for (let i: usize = 0; i < <usize>n; i++) store<f32>(values + (i << 2), <f32>load<f64>(values + (i << 3)));
}

export function valuesFromInt64(n: u32): void {
  for (let i: usize = 0; i < <usize>n; i++) store<f32>(values + (i << 2), <f32>load<i64>(values + (i << 3)));
}

export function valuesFromInt32(n: u32): void {
  for (let i: usize = 0; i < <usize>n; i++) store<f32>(values + (i << 2), <f32>load<i32>(values + (i << 2)));
}

export function valuesFromUint32(n: u32): void {
  for (let i: usize = 0; i < <usize>n; i++) store<f32>(values + (i << 2), <f32>load<u32>(values + (i << 2)));
}

/** From the last on: each takes more room than before. */
export function valuesFromUint16(n: u32): void {
  for (let i: usize = n; i > 0; i--) store<f32>(values + ((i - 1) << 2), <f32>load<u16>(values + ((i - 1) << 1)));
}

export function valuesFromUint8(n: u32): void {
  for (let i: usize = n; i > 0; i--) store<f32>(values + ((i - 1) << 2), <f32>load<u8>(values + (i - 1)));
}

/**
 * Brings rows to genes and counts. @returns how many rows from the first on are as they should be: below R, the next has a value that is no
 * count of 16 bits, or lies in a column that is not there
 */
export function translate(R: u32): u32 {
  const firstColumn = columns;
  const firstValue = values;
  const firstEntry = table;
  const C = numColumns;
  let place: usize = 0;
  for (let row: usize = 0; row < <usize>R; row++) {
    const start = <usize>load<i32>(starts + (row << 2));
    const end = <usize>load<i32>(starts + ((row + 1) << 2));
    let total: u64 = 0;
    let unmatched: u64 = 0;
    let ofMitochondria: u64 = 0;
    let ofRenamed: u64 = 0;
    let toId = geneIds + (place << 1);
    let toCount = counts + (place << 1);
    let last: u32 = 0;
    let isDescending: u32 = 0;
    let fours = i32x4.splat(0);
    for (let i = start << 2; i < end << 2; ) {
      // Four at a time, as long as each is of one gene of the vocabulary and of nothing else.
      if (i + 16 <= end << 2 && end - start < MOST_IN_FOURS) {
        const four = v128.load(firstValue + i);
        const countOfFour = i32x4.trunc_sat_f32x4_u(four);
        // NaN and what is below zero come out as 0, which is not what they were.
        const isBad = v128.or(v128.or(f32x4.ne(f32x4.convert_i32x4_u(countOfFour), four), i32x4.gt_u(countOfFour, i32x4.splat(LARGEST_COUNT))), i32x4.ge_u(v128.load(firstColumn + i), i32x4.splat(C)));
        if (!v128.any_true(isBad)) {
          const id0 = load<u32>(firstEntry + (<usize>load<u32>(firstColumn + i) << 2));
          const id1 = load<u32>(firstEntry + (<usize>load<u32>(firstColumn + i, 4) << 2));
          const id2 = load<u32>(firstEntry + (<usize>load<u32>(firstColumn + i, 8) << 2));
          const id3 = load<u32>(firstEntry + (<usize>load<u32>(firstColumn + i, 12) << 2));
          const isInOrder = u32(id0 > last) & u32(id1 > id0) & u32(id2 > id1) & u32(id3 > id2) & u32((id0 | id1 | id2 | id3) <= ID_MASK);
          if (isInOrder & u32(i32x4.all_true(countOfFour))) {
            last = id3;
            store<u64>(toId, <u64>(id0 - 1) | (<u64>(id1 - 1) << 16) | (<u64>(id2 - 1) << 32) | (<u64>(id3 - 1) << 48));
            v128.store64_lane(toCount, i16x8.narrow_i32x4_u(countOfFour, countOfFour), 0);
            fours = i32x4.add(fours, countOfFour);
            toId += 8;
            toCount += 8;
            i += 16;
            continue;
          }
        }
      }
      const column = load<u32>(firstColumn + i);
      const value = load<f32>(firstValue + i);
      const count = <u32>value;
      if (u32(<f32>count != value) | u32(count > LARGEST_COUNT) | u32(column >= C)) return <u32>row;
      i += 4;
      const entry = load<u32>(firstEntry + (<usize>column << 2));
      if (entry > ID_MASK) {
        if (entry & IS_LEFT_OUT) continue;
        if (entry & IS_MITOCHONDRIAL) ofMitochondria += count;
        if (entry & IS_RENAMED) ofRenamed += count;
      }
      total += count;
      const id = entry & ID_MASK;
      if (u32(id == 0) | u32(count == 0)) {
        unmatched += count;
        continue;
      }
      isDescending |= u32(id <= last);
      last = id;
      store<u16>(toId, <u16>(id - 1));
      store<u16>(toCount, <u16>count);
      toId += 2;
      toCount += 2;
    }
    const pairs = i64x2.add(i64x2.extend_low_i32x4_u(fours), i64x2.extend_high_i32x4_u(fours));
    total += i64x2.extract_lane(pairs, 0) + i64x2.extract_lane(pairs, 1);
    let at = (toId - geneIds) >> 1;
    if (isDescending != 0) {
      at = inOrder(place, at);
      if (at == usize.MAX_VALUE) return <u32>row;
    }
    store<i32>(numGenes + (row << 2), <i32>(at - place));
    store<i32>(places + (row << 2), <i32>place);
    store<f64>(totals + (row << 3), <f64>total);
    store<f64>(matched + (row << 3), <f64>(total - unmatched));
    store<f64>(mitochondrial + (row << 3), <f64>ofMitochondria);
    store<f64>(renamed + (row << 3), <f64>ofRenamed);
    place = at;
  }
  return R;
}

/** Sorts the genes [start, end) and adds up what a gene has several times. @returns the new end, or MAX_VALUE where a sum is too large */
function inOrder(start: usize, end: usize): usize {
  for (let i = start; i < end; i++) {
    const id = <u32>load<u16>(geneIds + (i << 1));
    const slot = scattered + (<usize>id << 2);
    store<u32>(slot, load<u32>(slot) + load<u16>(counts + (i << 1)));
    const word = isUsed + (<usize>(id >> 6) << 3);
    store<u64>(word, load<u64>(word) | (<u64>1 << (id & 63)));
  }
  let at = start;
  let isTooLarge = false;
  for (let word: u32 = 0; word < (numIds + 63) >> 6; word++) {
    let bits = load<u64>(isUsed + (<usize>word << 3));
    if (bits == 0) continue;
    store<u64>(isUsed + (<usize>word << 3), 0);
    while (bits != 0) {
      const id = (word << 6) + <u32>ctz(bits);
      bits &= bits - 1;
      const slot = scattered + (<usize>id << 2);
      const sum = load<u32>(slot);
      store<u32>(slot, 0);
      if (sum > LARGEST_COUNT) isTooLarge = true;
      store<u16>(geneIds + (at << 1), <u16>id);
      store<u16>(counts + (at << 1), <u16>sum);
      at++;
    }
  }
  return isTooLarge ? usize.MAX_VALUE : at;
}

export function clearStatistics(): void {
  memory.fill(sums, 0, (<usize>numIds << 4) + (<usize>numIds << 2));
  memory.fill(LOGS_CELL, 0, TABLE_SIZE << 2);
  cell = 0;
}

/** Adds the n genes at `place`; counts times `factor` are linear expression at the target sum. */
export function addCell(place: usize, n: usize, factor: f64): void {
  cell++;
  const its = cell;
  const firstId = geneIds;
  const firstCount = counts;
  const firstDetected = numDetected;
  for (let i = place; i < place + n; i++) {
    const gene = <usize>load<u16>(firstId + (i << 1));
    const count = <u32>load<u16>(firstCount + (i << 1));
    const detected = firstDetected + (gene << 2);
    store<i32>(detected, load<i32>(detected) + 1);
    let logs: v128;
    if (count < TABLE_SIZE) {
      const entry = LOGS + (<usize>count << 4);
      const stamp = LOGS_CELL + (<usize>count << 2);
      // A cell holds few distinct counts: one pair of logarithms each.
      if (load<i32>(stamp) != its) {
        store<i32>(stamp, its);
        v128.store(entry, pairOf(count, factor));
      }
      logs = v128.load(entry);
    } else {
      logs = pairOf(count, factor);
    }
    const pair = sums + (gene << 4);
    v128.store(pair, f64x2.add(v128.load(pair), logs));
  }
}

function pairOf(count: u32, factor: f64): v128 {
  const x = log1p(<f64>count * factor);
  return f64x2.replace_lane(f64x2.splat(x), 1, x * log(x));
}
