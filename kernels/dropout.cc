#include "dropout.h"

#include "numbers.h"
#include "parallel.h"
#include "register.h"

namespace {

constexpr int64_t ROWS = 64;

struct Site {
  float rate;
  int32_t site;
  explicit Site(Attributes &attributes) : rate(attributes.number("rate")), site(attributes.integer("site")) {}
};

/** x + branch, of whose entries a share `rate` counts as 0 and the others are scaled by 1 / (1 - rate). */
struct AddDropped : Site {
  using Site::Site;

  void run(Call &call) {
    withType(call.type(1), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t D = shape.back();
      const float *x = call.input<float>(0);
      const T *branch = call.input<T>(1);
      Dropout dropout(rate, call.input<int32_t>(2), site);
      float *y = call.outputOver<float>(0, 0, shape);
      float rate = this->rate;
      parallel(sizeOf(shape) / D, ROWS, [=](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; n++) {
          Dropout::Row row = dropout.row(n);
          const T *from = branch + n * D;
          if (rate > 0) {
            INDEPENDENT
            for (int64_t i = 0; i < D; i++) y[n * D + i] = x[n * D + i] + float(from[i]) * row.factor(i);
          } else {
            INDEPENDENT
            for (int64_t i = 0; i < D; i++) y[n * D + i] = x[n * D + i] + float(from[i]);
          }
        }
      });
    });
  }
};

/** What AddDropped makes of the gradient of its branch: the same entries dropped, the same scale. */
struct AddDroppedGrad : Site {
  using Site::Site;

  void run(Call &call) {
    withType(call.outputType(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t D = shape.back();
      const float *dy = call.input<float>(0);
      Dropout dropout(rate, call.input<int32_t>(1), site);
      T *dx = call.output<T>(0, shape);
      float rate = this->rate;
      parallel(sizeOf(shape) / D, ROWS, [=](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; n++) {
          Dropout::Row row = dropout.row(n);
          if (rate > 0) {
            INDEPENDENT
            for (int64_t i = 0; i < D; i++) dx[n * D + i] = dy[n * D + i] * row.factor(i);
          } else {
            INDEPENDENT
            for (int64_t i = 0; i < D; i++) dx[n * D + i] = dy[n * D + i];
          }
        }
      });
    });
  }
};

} // namespace

void defineDropout() {
  defineOp<AddDropped>("ScdivaAddDropped", {"x: float", "branch: T", "seed: int32"}, {"y: float"}, {"T: {float, bfloat16}", "rate: float", "site: int"});
  defineOp<AddDroppedGrad>("ScdivaAddDroppedGrad", {"dy: float", "seed: int32"}, {"dx: T"}, {"T: {float, bfloat16}", "rate: float", "site: int"});
}
