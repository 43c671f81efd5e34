// The steps between attention's products, for C of the B · H attention matrices, Q rows (queries) of each, × T positions
#include "register.h"

#include <vector>

#include "dropout.h"
#include "numbers.h"
#include "parallel.h"

namespace {

constexpr int64_t ROWS = 8;

struct Piece {
  /** Number of the first matrix, and of the first row among the rows of all matrices. */
  int64_t matrix, firstRow;
  int64_t heads;
  float rate;
  int32_t site;
  explicit Piece(Attributes &attributes)
      : matrix(attributes.integer("matrix")), firstRow(attributes.integer("row")), heads(attributes.integer("heads")), rate(attributes.number("rate")), site(attributes.integer("site")) {}
};

/** Scores into probabilities (entries dropped by dropout set to 0, the others scaled up) and the logarithm of their denominator. */
struct Softmax : Piece {
  using Piece::Piece;

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t C = shape[0], Q = shape[1], numPositions = shape[2];
      const T *scores = call.input<T>(0);
      const float *canAttend = call.input<float>(1); // [B, T]
      Dropout dropout(rate, call.input<int32_t>(2), site);
      T *p = call.outputOver<T>(0, 0, shape);
      float *logSum = call.output<float>(1, {C, Q});
      parallel(C * Q, ROWS, [=](int64_t begin, int64_t end) {
        std::vector<float> exps(numPositions);
        float *e = exps.data();
        for (int64_t row = begin; row < end; row++) {
          const T *s = scores + row * numPositions;
          const float *open = canAttend + (matrix + row / Q) / heads * numPositions;
          float top = -3e38f, sum = 0;
#pragma omp simd reduction(max : top)
          for (int64_t t = 0; t < numPositions; t++) {
            float score = open[t] > 0 ? float(s[t]) : -3e38f;
            top = top > score ? top : score;
          }
#pragma omp simd reduction(+ : sum)
          for (int64_t t = 0; t < numPositions; t++) {
            e[t] = expOf(float(s[t]) - top) * open[t];
            sum += e[t];
          }
          float share = 1 / sum;
          T *out = p + row * numPositions;
          if (rate > 0) {
            Dropout::Row kept = dropout.row(firstRow + row);
INDEPENDENT
            for (int64_t t = 0; t < numPositions; t++) out[t] = e[t] * share * kept.factor(t);
          } else {
            for (int64_t t = 0; t < numPositions; t++) out[t] = e[t] * share;
          }
          logSum[row] = top + std::log(sum);
        }
      });
    });
  }
};

/**
 * The gradient with respect to the scores, p ∘ (dP - D) with p the probabilities computed again and D = rowsum(dO ∘ O)
 * (Dao et al., 2022); beside it the probabilities as the forward pass used them. With dropout, dP counts at kept entries, scaled up.
 */
struct SoftmaxGrad : Piece {
  using Piece::Piece;

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t C = shape[0], Q = shape[1], numPositions = shape[2];
      const T *scores = call.input<T>(0), *dP = call.input<T>(1);
      const float *logSum = call.input<float>(2), *rowSum = call.input<float>(3); // [C, Q] each
      const float *canAttend = call.input<float>(4);
      Dropout dropout(rate, call.input<int32_t>(5), site);
      T *p = call.outputOver<T>(0, 0, shape), *dS = call.outputOver<T>(1, 1, shape);
      parallel(C * Q, ROWS, [=](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) {
          const T *s = scores + row * numPositions, *d = dP + row * numPositions;
          const float *open = canAttend + (matrix + row / Q) / heads * numPositions;
          T *pRow = p + row * numPositions, *dRow = dS + row * numPositions;
          float log = logSum[row], sum = rowSum[row];
          if (rate > 0) {
            Dropout::Row kept = dropout.row(firstRow + row);
INDEPENDENT
            for (int64_t t = 0; t < numPositions; t++) {
              float probability = expOf(float(s[t]) - log) * open[t], factor = kept.factor(t), dp = d[t];
              pRow[t] = probability * factor;
              dRow[t] = probability * (dp * factor - sum);
            }
          } else {
INDEPENDENT
            for (int64_t t = 0; t < numPositions; t++) {
              float probability = expOf(float(s[t]) - log) * open[t], dp = d[t];
              pRow[t] = probability;
              dRow[t] = probability * (dp - sum);
            }
          }
        }
      });
    });
  }
};

} // namespace

void defineAttention() {
  defineOp<Softmax>("ScdivaSoftmax", {"scores: T", "can_attend: float", "seed: int32"}, {"p: T", "log_sum: float"},
                    {"T: {float, bfloat16}", "matrix: int", "row: int", "heads: int", "rate: float", "site: int"});
  defineOp<SoftmaxGrad>("ScdivaSoftmaxGrad", {"scores: T", "d_p: T", "log_sum: float", "row_sum: float", "can_attend: float", "seed: int32"}, {"p: T", "d_scores: T"},
                        {"T: {float, bfloat16}", "matrix: int", "row: int", "heads: int", "rate: float", "site: int"});
}
