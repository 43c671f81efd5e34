// What the optimiser does to a gradient before it uses it. Gradients of matrices come in the precision of products.
#include "numbers.h"
#include "parallel.h"
#include "register.h"

namespace {

constexpr int64_t ENTRIES = 1 << 15;

/** Sum of squares, of pieces first and then of their sums in order: the same whatever the number of threads. */
struct SumOfSquares {
  explicit SumOfSquares(Attributes &) {}

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      int64_t size = sizeOf(call.shape(0));
      const T *x = call.input<T>(0);
      std::vector<double> sums((size + ENTRIES - 1) / ENTRIES);
      double *partial = sums.data(), total = 0;
      parallel(size, ENTRIES, [=](int64_t begin, int64_t end) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = begin; i < end; i++) sum += float(x[i]) * float(x[i]);
        partial[begin / ENTRIES] = sum;
      });
      for (double sum : sums) total += sum;
      *call.output<float>(0, {}) = total;
    });
  }
};

/** x · factor, in float; 0 where the factor is 0, whatever x is. */
struct Scaled {
  explicit Scaled(Attributes &) {}

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      const T *x = call.input<T>(0);
      float factor = *call.input<float>(1);
      float *y = call.output<float>(0, shape);
      parallel(sizeOf(shape), ENTRIES, [=](int64_t begin, int64_t end) {
        if (factor == 0) std::fill(y + begin, y + end, 0.f);
        else
          for (int64_t i = begin; i < end; i++) y[i] = float(x[i]) * factor;
      });
    });
  }
};

} // namespace

void defineGradients() {
  defineOp<SumOfSquares>("ScdivaSumOfSquares", {"x: T"}, {"sum: float"}, {"T: {float, bfloat16}"});
  defineOp<Scaled>("ScdivaScaled", {"x: T", "factor: float"}, {"y: float"}, {"T: {float, bfloat16}"});
}
