#include "ranking.h"

#include <algorithm>
#include <cstring>

#include "log1p.h"

// Two keys as one number, the first below the second, wherever they lie.
typedef uint64_t Pair __attribute__((may_alias, aligned(4)));

int32_t Ranker::rank(int32_t n, double factor, const float *weights, int32_t numWeights, int32_t most, int32_t *toIds, float *toValues) {
  // Outside of this the logarithm's bound does not hold. Such cells are damaged, or nothing but outliers.
  if (!(factor > 0 && factor < 1e10)) return -1;
  uint16_t largest = 0;
  int32_t numZeros = 0;
  for (int32_t i = 0; i < n; i++) {
    largest = std::max(largest, ids[i]);
    numZeros += counts[i] == 0;
  }
  if (n > 0 && largest >= numWeights) return -1;
  int32_t wanted = std::min(most, n - numZeros);
  if (wanted == 0) return 0;
  if (!score(n, factor, weights)) return -1;
  fillKeys(n);
  deal(n);
  settle(n);
  settleEqualKeys(n, wanted);
  uint32_t index = (1u << indexBits) - 1;
  for (int32_t k = 0; k < wanted; k++) {
    uint32_t i = sorted[k] & index;
    toIds[k] = ids[i];
    toValues[k] = values[i];
  }
  return wanted;
}

/** Values and scores. @return whether every value is certain */
bool Ranker::score(int32_t n, double factor, const float *weights) {
  double logs[USUAL_COUNTS];
  for (int count = 0; count < USUAL_COUNTS; count++) logs[count] = logOnePlus(count * factor);
  float usual[USUAL_COUNTS];
  bool isSure = true;
  for (int count = 0; count < USUAL_COUNTS; count++) {
    usual[count] = float(logs[count] - logs[count] * LOG_ERROR);
    isSure &= usual[count] == float(logs[count] + logs[count] * LOG_ERROR);
  }
  for (int32_t i = 0; i < n; i++) {
    values[i] = usual[std::min<uint16_t>(counts[i], USUAL_COUNTS - 1)];
    scores[i] = values[i] * weights[ids[i]];
  }
  constexpr int32_t PIECE = 32;
  for (int32_t from = 0; from < n; from += PIECE) {
    uint16_t largest = 0;
    for (int32_t i = from; i < from + PIECE; i++) largest = std::max(largest, counts[i]);
    if (largest < USUAL_COUNTS) continue;
    for (int32_t i = from; i < std::min(n, from + PIECE); i++) {
      if (counts[i] < USUAL_COUNTS) continue;
      values[i] = floatLogOnePlus(counts[i] * factor, isSure);
      scores[i] = values[i] * weights[ids[i]];
    }
  }
  return isSure;
}

/**
 * Keys that ascend as scores descend, and at equal scores as the index does: as many of the leading bits of the score, within the range
 * of this cell's, as 32 bits leave room for above the index. (The bits of a float32 >= 0, read as an integer, grow with it.)
 */
void Ranker::fillKeys(int32_t n) {
  uint32_t most = 0, least = ~0u;
  for (int32_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &scores[i], 4);
    most = std::max(most, bits);
    least = std::min(least, bits);
  }
  auto width = [](uint32_t x) { return x == 0 ? 0 : 32 - __builtin_clz(x); };
  indexBits = width(n - 1);
  int excess = width(most - least) + indexBits - 32, down = std::max(0, excess), up = indexBits + std::max(0, -excess);
  // All scores are the same: nothing but the index tells them apart.
  if (most == least) down = up = 0;
  for (int32_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &scores[i], 4);
    keys[i] = (((most - bits) >> down) << up) | i;
  }
}

/** Deals the keys to the levels that their first bits name, which leaves few of them out of place in `sorted`, and none far away. */
void Ranker::deal(int32_t n) {
  // Level l is row l mod ROWS, lane l / ROWS.
  for (int32_t i = 0; i < n; i++) {
    uint32_t level = keys[i] >> (32 - LEVEL_BITS);
    levels[i] = ((level % ROWS) << LANE_BITS) | (level / ROWS);
  }
  // In two halves side by side: where most genes are on one level, each waits for the place of the one before.
  memset(places, 0, sizeof(places));
  int32_t half = n / 2;
  auto &[first, second] = places;
  for (int32_t i = 0; i < half; i++) {
    first[levels[i]]++;
    second[levels[half + i]]++;
  }
  if (n % 2) second[levels[n - 1]]++;
  sumPlaces();
  for (int32_t i = 0; i < half; i++) {
    sorted[first[levels[i]]++] = keys[i];
    sorted[second[levels[half + i]]++] = keys[half + i];
  }
  if (n % 2) sorted[second[levels[n - 1]]++] = keys[n - 1];
}

/**
 * Turns the sizes of levels into where each of them begins. The levels of a lane follow each other, row by row, and those of the next
 * lane follow them: so all lanes are summed side by side. On each level the genes of the first half come first.
 */
void Ranker::sumPlaces() {
  auto &[first, second] = places;
  uint16_t sums[LANES] = {};
  for (int row = 0; row < ROWS; row++)
    for (int lane = 0; lane < LANES; lane++) sums[lane] += first[row * LANES + lane] + second[row * LANES + lane];
  uint16_t before = 0;
  for (int lane = 0; lane < LANES; lane++) {
    uint16_t size = sums[lane];
    sums[lane] = before;
    before += size;
  }
  for (int row = 0; row < ROWS; row++) {
    for (int lane = 0; lane < LANES; lane++) {
      uint16_t &begin = first[row * LANES + lane], &middle = second[row * LANES + lane];
      uint16_t firstSize = begin, secondSize = middle;
      begin = sums[lane];
      middle = begin + firstSize;
      sums[lane] = middle + secondSize;
    }
  }
}

/** Puts neighbours right, pair by pair, until all are: a few times over the cell where levels are small, else a sort. */
void Ranker::settle(int32_t n) {
  constexpr int TIMES = 40;
  sorted[n] = sorted[n + 1] = ~0u;
  for (int time = 0; time < TIMES; time++) {
    uint64_t changed = 0;
    for (int first = 0; first < 2; first++) {
      Pair *pairs = reinterpret_cast<Pair *>(sorted + first);
      for (int32_t k = 0; k < (n + 1) / 2; k++) {
        uint64_t a = pairs[k] & 0xffffffff, b = pairs[k] >> 32, pair = std::min(a, b) | std::max(a, b) << 32;
        changed |= pair ^ pairs[k];
        pairs[k] = pair;
      }
    }
    if (changed == 0) return;
  }
  std::sort(sorted, sorted + n);
}

/** Where the bits that keys have no room for tell scores apart, puts those right: as far as the first `wanted`. */
void Ranker::settleEqualKeys(int32_t n, int32_t wanted) {
  uint32_t index = (1u << indexBits) - 1;
  auto scoreOf = [&](uint32_t key) { return scores[key & index]; };
  auto isBetter = [&](uint32_t a, uint32_t b) { return scoreOf(a) != scoreOf(b) ? scoreOf(a) > scoreOf(b) : a < b; };
  constexpr int32_t PIECE = 32;
  for (int32_t piece = 0; piece < wanted; piece += PIECE) {
    uint32_t numEqual = 0;
    for (int32_t k = piece; k < piece + PIECE; k++) numEqual += ((sorted[k] ^ sorted[k + 1]) >> indexBits) == 0;
    if (numEqual == 0) continue;
    int32_t end = std::min(n - 1, piece + PIECE);
    bool isWrong = false;
    for (int32_t k = piece; k < end; k++) isWrong |= scoreOf(sorted[k]) < scoreOf(sorted[k + 1]);
    if (!isWrong) continue;
    for (int32_t k = piece; k < end; k++) {
      if (!(scoreOf(sorted[k]) < scoreOf(sorted[k + 1]))) continue;
      uint32_t level = sorted[k] >> indexBits;
      int32_t from = k, to = k + 2;
      while (from > 0 && sorted[from - 1] >> indexBits == level) from--;
      while (to < n && sorted[to] >> indexBits == level) to++;
      std::sort(sorted + from, sorted + to, isBetter);
      k = to - 1;
    }
  }
}
