// B cells, L gene slots a cell, V gene ids
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "ranking.h"
#include "rows.h"

/** How cells become batches: the same for all of a pass. */
struct BatchSettings {
  std::vector<ShardLayout> layouts;
  /** [V] what a gene's value is multiplied with to rank it */
  std::vector<float> weights;
  /** Cells are scaled to this sum. */
  double targetSum;
  /** Of the slots behind a cell's genes. */
  int32_t padId;
};

/** Ranked genes and their values, padded, in memory of the caller's. */
struct Batch {
  std::vector<int32_t> rows; // [B]
  int32_t length;            // L
  int32_t *ids;              // [B, L]
  float *values;             // [B, L]
  int32_t *numGenes;         // [B]
};

/** Fills batches. One a thread. */
class BatchMaker {
 public:
  explicit BatchMaker(const BatchSettings &settings);
  /**
   * @return whether the batch is certain to be what src/data/loader/batch-maker.ts makes of these rows. Where it is not, as with a file that
   * cannot be read or a cell that is damaged, that is asked: it knows what to say.
   */
  bool fill(const Batch &batch);

 private:
  const BatchSettings &settings;
  RowReader reader;
  std::unique_ptr<Ranker> ranker;
};
