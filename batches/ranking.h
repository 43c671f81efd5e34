// n genes of a cell, V gene ids
#pragma once
#include <cstdint>

/** Genes a cell can have here: their places are numbers of 16 bits. */
constexpr int32_t LARGEST_CELL = 0xffff;

/**
 * A cell's counts become its best genes: value = float32(ln(1 + count · factor)), score = value · weight, descending, equal scores in the
 * order they came. src/data/loader/serialize.ts says what that is for, wasm/ranking.ts computes the same to the bit. One a thread.
 */
class Ranker {
 public:
  /** [n] what the caller fills; room for LARGEST_CELL. */
  alignas(64) uint16_t ids[LARGEST_CELL + 1];
  alignas(64) uint16_t counts[LARGEST_CELL + 1];

  /**
   * @param weights [V] finite, >= 0
   * @param most genes that are wanted; `toIds` and `toValues` have room for them
   * @return how many were written: as many as have a count, at most `most`; -1 where it is not certain to be what JavaScript would give
   */
  int32_t rank(int32_t n, double factor, const float *weights, int32_t numWeights, int32_t most, int32_t *toIds, float *toValues);

 private:
  // Rows and lanes of the levels: see `sumPlaces`.
  static constexpr int LEVEL_BITS = 12, LANE_BITS = 5, LANES = 1 << LANE_BITS, ROWS = 1 << (LEVEL_BITS - LANE_BITS);
  /** Counts below this are so frequent that their values are computed whether or not a cell has them, one beside the other. */
  static constexpr int USUAL_COUNTS = 128;

  // Vectors may reach beyond n.
  static constexpr int ROOM = LARGEST_CELL + 65;
  alignas(64) float values[ROOM];
  alignas(64) float scores[ROOM];
  alignas(64) uint32_t keys[ROOM];
  alignas(64) uint32_t sorted[ROOM];
  alignas(64) uint16_t levels[ROOM];
  alignas(64) uint16_t places[2][ROWS * LANES]; // of each half of the genes
  int indexBits = 0;

  bool score(int32_t n, double factor, const float *weights);
  void fillKeys(int32_t n);
  void deal(int32_t n);
  void sumPlaces();
  void settle(int32_t n);
  void settleEqualKeys(int32_t n, int32_t wanted);
};
