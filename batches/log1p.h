#pragma once
#include <cstdint>
#include <cstring>

/**
 * Share of ln(1 + x) that `logOnePlus` is certain to be right to. Its own error stays below a tenth of it, and that of any fair log1p does too:
 * where the float32 is the same at both ends, it is the float32 of the engine's Math.log1p.
 */
constexpr double LOG_ERROR = 1e-14;

/**
 * ln(1 + x), 0 <= x < 2^52, in code that compilers turn into vector instructions:
 * ln(2^k · m) = k ln 2 + 2 artanh((m - 1) / (m + 1)), m in [√½, √2), whose series ends below 1e-17.
 */
inline double logOnePlus(double x) {
  double y = 1 + x;
  uint64_t bits;
  memcpy(&bits, &y, 8);
  // The exponent as a double, without an instruction that not every processor has for vectors: it is put behind the point of 2^52.
  uint64_t exponent = 0x4330000000000000 | (bits >> 52), mantissa = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
  double k, m;
  memcpy(&k, &exponent, 8);
  memcpy(&m, &mantissa, 8);
  k -= 4503599627370496.0 + 1023;
  bool isLarge = m > 1.4142135623730951;
  m = isLarge ? m * 0.5 : m;
  k = isLarge ? k + 1 : k;
  double s = (m - 1) / (m + 1), p = s * s, q = p * p;
  double even = 1 + q * (1.0 / 5 + q * (1.0 / 9 + q * (1.0 / 13 + q * (1.0 / 17 + q * (1.0 / 21)))));
  double odd = 1.0 / 3 + q * (1.0 / 7 + q * (1.0 / 11 + q * (1.0 / 15 + q * (1.0 / 19))));
  double lost = (x - (y - 1)) / y; // what rounding took of 1 + x
  return k * 0.6931471805599453 + (2 * s * (even + p * odd) + lost);
}

/** float32(ln(1 + x)); lowers `isSure` where an error within LOG_ERROR could have given another one. */
inline float floatLogOnePlus(double x, bool &isSure) {
  double log = logOnePlus(x);
  float low = float(log - log * LOG_ERROR), high = float(log + log * LOG_ERROR);
  isSure &= low == high;
  return low;
}
