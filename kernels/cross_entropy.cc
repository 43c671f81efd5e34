// M rows of V logits
#include "register.h"

#include "numbers.h"
#include "parallel.h"

namespace {

/** -log softmax(logits)[target], and its gradient with respect to the logits, softmax(logits) - onehot(target). */
struct CrossEntropy {
  explicit CrossEntropy(Attributes &) {}

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t M = shape[0], V = shape[1];
      const T *logits = call.input<T>(0);
      const int32_t *targets = call.input<int32_t>(1);
      for (int64_t m = 0; m < M; m++)
        if (targets[m] < 0 || targets[m] >= V) throw std::out_of_range("target " + std::to_string(targets[m]) + " of row " + std::to_string(m) + " is not in [0, " + std::to_string(V) + ")");
      float *nll = call.output<float>(0, {M});
      T *residuals = call.outputOver<T>(1, 0, shape);
      parallel(M, 1, [=](int64_t begin, int64_t end) {
        std::vector<float> exps(V);
        float *e = exps.data();
        for (int64_t m = begin; m < end; m++) {
          const T *row = logits + m * V;
          float top = -3e38f, sum = 0, target = row[targets[m]];
#pragma omp simd reduction(max : top)
          for (int64_t v = 0; v < V; v++) {
            float logit = row[v];
            top = top > logit ? top : logit;
          }
#pragma omp simd reduction(+ : sum)
          for (int64_t v = 0; v < V; v++) {
            e[v] = expOf(float(row[v]) - top);
            sum += e[v];
          }
          nll[m] = top + std::log(sum) - target;
          float share = 1 / sum;
          T *out = residuals + m * V;
          e[targets[m]] -= sum;
          for (int64_t v = 0; v < V; v++) out[v] = e[v] * share;
        }
      });
    });
  }
};

} // namespace

void defineCrossEntropy() {
  defineOp<CrossEntropy>("ScdivaCrossEntropy", {"logits: T", "targets: int32"}, {"nll: float", "residuals: T"}, {"T: {float, bfloat16}"});
}
