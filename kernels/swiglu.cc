// N rows; gate and up are the halves of a row of 2F entries
#include "register.h"

#include "numbers.h"
#include "parallel.h"

namespace {

constexpr int64_t ROWS = 16;

/** y = silu(gate) · up, with silu(z) = z · sigmoid(z) */
struct SwiGlu {
  explicit SwiGlu(Attributes &) {}

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t F = shape.back() / 2, N = sizeOf(shape) / (2 * F);
      const T *x = call.input<T>(0);
      shape.back() = F;
      T *y = call.output<T>(0, shape);
      parallel(N, ROWS, [=](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; n++) {
          const T *gate = x + n * 2 * F, *up = gate + F;
          for (int64_t i = 0; i < F; i++) y[n * F + i] = float(gate[i]) * sigmoid(gate[i]) * float(up[i]);
        }
      });
    });
  }
};

/** silu'(z) = s + silu(z) · (1 - s), with s = sigmoid(z) */
struct SwiGluGrad {
  explicit SwiGluGrad(Attributes &) {}

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t F = shape.back() / 2, N = sizeOf(shape) / (2 * F);
      const T *x = call.input<T>(0), *dy = call.input<T>(1);
      T *dx = call.outputOver<T>(0, 0, shape);
      parallel(N, ROWS, [=](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; n++) {
          const T *gate = x + n * 2 * F, *up = gate + F, *dRow = dy + n * F;
          T *dGate = dx + n * 2 * F, *dUp = dGate + F;
INDEPENDENT
          for (int64_t i = 0; i < F; i++) {
            float g = gate[i], u = up[i], d = dRow[i];
            float s = sigmoid(g), silu = g * s;
            dGate[i] = d * u * (s + silu * (1 - s));
            dUp[i] = d * silu;
          }
        }
      });
    });
  }
};

} // namespace

void defineSwiGlu() {
  defineOp<SwiGlu>("ScdivaSwiGlu", {"x: T"}, {"y: T"}, {"T: {float, bfloat16}"});
  defineOp<SwiGluGrad>("ScdivaSwiGluGrad", {"x: T", "dy: T"}, {"dx: T"}, {"T: {float, bfloat16}"});
}
