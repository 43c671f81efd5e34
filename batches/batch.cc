#include "batch.h"

#include <algorithm>

BatchMaker::BatchMaker(const BatchSettings &settings) : settings(settings), reader(settings.layouts), ranker(new Ranker) {}

bool BatchMaker::fill(const Batch &batch) {
  const std::vector<float> &weights = settings.weights;
  int32_t *ids = batch.ids;
  float *values = batch.values;
  for (size_t b = 0; b < batch.rows.size(); b++, ids += batch.length, values += batch.length) {
    Row row;
    if (!reader.find(batch.rows[b], row) || row.n > LARGEST_CELL || !reader.read(row, ranker->ids, ranker->counts)) return false;
    int32_t n = ranker->rank(row.n, settings.targetSum / row.total, weights.data(), int32_t(weights.size()), batch.length, ids, values);
    if (n < 0) return false;
    std::fill(ids + n, ids + batch.length, settings.padId);
    std::fill(values + n, values + batch.length, 0.f);
    batch.numGenes[b] = n;
  }
  return true;
}
