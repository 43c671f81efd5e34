// B cells, T positions, the first Q of them ask, H heads, K head width, D = H · K
#include "register.h"

#include <algorithm>

#include "numbers.h"
#include "parallel.h"

namespace {

constexpr int64_t ROWS = 16;

/** Turns the pairs (i, i + K/2) by a position's angles: rotary positions in the rotate-half convention (Su et al., 2021), times `scale`. */
template <class T>
void turn(const T *x, const float *cos, const float *sin, float scale, int64_t half, T *y) {
INDEPENDENT
  for (int64_t i = 0; i < half; i++) {
    float a = x[i], b = x[i + half];
    y[i] = (a * cos[i] - b * sin[i]) * scale;
    y[i + half] = (b * cos[i] + a * sin[i]) * scale;
  }
}

template <class T>
void turnBack(const T *x, const float *cos, const float *sin, float scale, int64_t half, T *y) {
INDEPENDENT
  for (int64_t i = 0; i < half; i++) {
    float a = x[i], b = x[i + half];
    y[i] = (a * cos[i] + b * sin[i]) * scale;
    y[i + half] = (b * cos[i] - a * sin[i]) * scale;
  }
}

/** The rows (q, k, v) of a projection [B, T, 3D] as the factors of attention, [B · H, T, K]: q and k turned, q times `scale`. */
struct SplitHeads {
  int64_t H, Q;
  float scale;
  explicit SplitHeads(Attributes &attributes) : H(attributes.integer("heads")), Q(attributes.integer("queries")), scale(attributes.number("scale")) {}

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(0);
      int64_t B = shape[0], numPositions = shape[1], D = shape[2] / 3, K = D / H, half = K / 2;
      const T *x = call.input<T>(0);
      const float *cos = call.input<float>(1), *sin = call.input<float>(2);
      T *q = call.output<T>(0, {B * H, Q, K}), *k = call.output<T>(1, {B * H, numPositions, K}), *v = call.output<T>(2, {B * H, numPositions, K});
      parallel(B * numPositions, ROWS, [=](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) {
          int64_t b = row / numPositions, t = row % numPositions;
          const T *from = x + row * 3 * D;
          const float *c = cos + t * half, *s = sin + t * half;
          for (int64_t h = 0; h < H; h++) {
            int64_t to = ((b * H + h) * numPositions + t) * K;
            if (t < Q) turn(from + h * K, c, s, scale, half, q + ((b * H + h) * Q + t) * K);
            turn(from + D + h * K, c, s, 1, half, k + to);
            std::copy_n(from + 2 * D + h * K, K, v + to);
          }
        }
      });
    });
  }
};

struct SplitHeadsGrad {
  int64_t H;
  float scale;
  explicit SplitHeadsGrad(Attributes &attributes) : H(attributes.integer("heads")), scale(attributes.number("scale")) {}

  void run(Call &call) {
    withType(call.type(0), [&](auto zero) {
      using T = decltype(zero);
      Shape shape = call.shape(1);
      int64_t Q = call.shape(0)[1], B = shape[0] / H, numPositions = shape[1], K = shape[2], D = H * K, half = K / 2;
      const T *dQ = call.input<T>(0), *dK = call.input<T>(1), *dV = call.input<T>(2);
      const float *cos = call.input<float>(3), *sin = call.input<float>(4);
      T *dx = call.output<T>(0, {B, numPositions, 3 * D});
      parallel(B * numPositions, ROWS, [=](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) {
          int64_t b = row / numPositions, t = row % numPositions;
          T *to = dx + row * 3 * D;
          const float *c = cos + t * half, *s = sin + t * half;
          for (int64_t h = 0; h < H; h++) {
            int64_t from = ((b * H + h) * numPositions + t) * K;
            if (t < Q) turnBack(dQ + ((b * H + h) * Q + t) * K, c, s, scale, half, to + h * K);
            else std::fill_n(to + h * K, K, T(0.f));
            turnBack(dK + from, c, s, 1, half, to + D + h * K);
            std::copy_n(dV + from, K, to + 2 * D + h * K);
          }
        }
      });
    });
  }
};

} // namespace

void defineHeads() {
  defineOp<SplitHeads>("ScdivaSplitHeads", {"x: T", "cos: float", "sin: float"}, {"q: T", "k: T", "v: T"}, {"T: {float, bfloat16}", "heads: int", "queries: int", "scale: float"});
  defineOp<SplitHeadsGrad>("ScdivaSplitHeadsGrad", {"d_q: T", "d_k: T", "d_v: T", "cos: float", "sin: float"}, {"dx: T"}, {"T: {float, bfloat16}", "heads: int", "scale: float"});
}
