// Number types of kernels. Everything is computed in float; bfloat16 is how it is stored between matrix products.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "op.h"

// Before a loop whose turns do not depend on each other even where an output lies in the memory of an input. (omp simd says as much, but makes
// GCC 12 keep bfloat16 temporaries in memory, at six times the time.)
#define INDEPENDENT _Pragma("GCC ivdep")

inline uint32_t bitsOf(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
inline float floatOf(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

/** The upper half of a float; rounded to nearest, ties to even. */
struct bf16 {
  uint16_t bits;
  bf16() = default;
  bf16(float x) {
    uint32_t u = bitsOf(x);
    uint16_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    bits = x == x ? rounded : 0x7fc0;
  }
  operator float() const { return floatOf(uint32_t(bits) << 16); }
};
template <>
constexpr int typeNumber<bf16>() { return TF_BFLOAT16; }

/** e^x to 2 units in the last place, in code that compilers turn into vector instructions (the method of Cody and Waite, 1980). */
inline float expOf(float x) {
  x = x > 88.3f ? 88.3f : x;
  x = x < -87.3f ? -87.3f : x; // NaN passes both
  float n = std::nearbyint(x * 1.44269504f);
  float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.f / 5040;
  p = p * r + 1.f / 720;
  p = p * r + 1.f / 120;
  p = p * r + 1.f / 24;
  p = p * r + 1.f / 6;
  p = p * r + 0.5f;
  p = p * r + 1;
  p = p * r + 1;
  return p * floatOf(uint32_t(int32_t(n) + 127) << 23);
}

inline float sigmoid(float x) { return 1 / (1 + expOf(-x)); }

/** Calls `f` with a value of the type that TensorFlow gives this number. */
template <class F>
void withType(int type, F f) {
  if (type == TF_BFLOAT16) f(bf16());
  else if (type == TF_FLOAT) f(float());
  else throw std::invalid_argument("float or bfloat16 expected");
}
