// N rows of D entries
#include "register.h"

#include <vector>

#include "numbers.h"
#include "parallel.h"

namespace {

constexpr int64_t ROWS = 64; // worked on at a time

float inverseRoot(const float *x, int64_t D, float epsilon) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < D; i++) sum += x[i] * x[i];
  return 1 / std::sqrt(sum / D + epsilon);
}

/** y = x / sqrt(mean(x²) + ε) · weight */
struct RmsNorm {
  float epsilon;
  explicit RmsNorm(Attributes &attributes) : epsilon(attributes.number("epsilon")) {}

  void run(Call &call) {
    withType(call.outputType(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t D = shape.back();
      const float *x = call.input<float>(0), *weight = call.input<float>(1);
      T *y = call.output<T>(0, shape);
      parallel(sizeOf(shape) / D, ROWS, [=](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; n++) {
          float r = inverseRoot(x + n * D, D, epsilon);
          for (int64_t i = 0; i < D; i++) y[n * D + i] = x[n * D + i] * r * weight[i];
        }
      });
    });
  }
};

/** With r the inverse root: dx = r · (dy ∘ w) - x · r³ · Σ(dy ∘ w ∘ x) / D, dw = Σ over rows of r · dy ∘ x. */
struct RmsNormGrad {
  float epsilon;
  explicit RmsNormGrad(Attributes &attributes) : epsilon(attributes.number("epsilon")) {}

  void run(Call &call) {
    withType(call.type(2), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t D = shape.back(), N = sizeOf(shape) / D;
      const float *x = call.input<float>(0), *weight = call.input<float>(1);
      const T *dy = call.input<T>(2);
      float *dx = call.output<float>(0, shape), *dWeight = call.output<float>(1, {D});
      // Summed per piece, and the pieces in their order: the same whatever the number of threads.
      int64_t numPieces = (N + ROWS - 1) / ROWS;
      std::vector<float> sums(numPieces * D, 0);
      float *partial = sums.data();
      parallel(N, ROWS, [=](int64_t begin, int64_t end) {
        float *sum = partial + begin / ROWS * D;
        std::vector<float> scratch(D);
        float *d = scratch.data();
        for (int64_t n = begin; n < end; n++) {
          const float *row = x + n * D;
          const T *dRow = dy + n * D;
          float r = inverseRoot(row, D, epsilon), along = 0;
          for (int64_t i = 0; i < D; i++) d[i] = dRow[i];
#pragma omp simd reduction(+ : along)
          for (int64_t i = 0; i < D; i++) {
            float dyx = d[i] * row[i];
            along += dyx * weight[i];
            sum[i] += r * dyx;
          }
          float pull = r * r * r * along / D;
          for (int64_t i = 0; i < D; i++) dx[n * D + i] = r * d[i] * weight[i] - row[i] * pull;
        }
      });
      for (int64_t i = 0; i < D; i++) dWeight[i] = 0;
      for (int64_t piece = 0; piece < numPieces; piece++)
        for (int64_t i = 0; i < D; i++) dWeight[i] += partial[piece * D + i];
    });
  }
};

} // namespace

void defineRmsNorm() {
  defineOp<RmsNorm>("ScdivaRmsNorm", {"x: float", "weight: float"}, {"y: T"}, {"T: {float, bfloat16}", "epsilon: float"});
  defineOp<RmsNormGrad>("ScdivaRmsNormGrad", {"x: float", "weight: float", "dy: T"}, {"dx: float", "d_weight: float"}, {"T: {float, bfloat16}", "epsilon: float"});
}
