#pragma once
#include <cstdint>

/**
 * Which entries dropout keeps: a function of seed, site, row and column, so that a backward pass draws the same ones again. The bits
 * are MurmurHash3's finaliser (Appleby, 2011) of a counter, which vector units compute in a few instructions an entry.
 */
class Dropout {
 public:
  Dropout(float rate, const int32_t *seed, int32_t site)
      : threshold(uint32_t(rate * 4294967296.0)), scale(1 / (1 - rate)), key(mix(uint32_t(seed[0]) ^ mix(uint32_t(seed[1]) + 0x9e3779b9u * uint32_t(site + 1)))) {}

  class Row {
   public:
    Row(uint32_t key, uint32_t threshold, float scale) : key(key), threshold(threshold), scale(scale) {}
    /** 0 for a dropped entry, else 1 / (1 - rate). */
    float factor(uint32_t column) const { return mix(key + column * 0x9e3779b9u) >= threshold ? scale : 0.f; }

   private:
    uint32_t key, threshold;
    float scale;
  };
  Row row(int64_t index) const { return Row(mix(key + uint32_t(index) * 0x85ebca6bu + uint32_t(index >> 32)), threshold, scale); }

 private:
  uint32_t threshold;
  float scale;
  uint32_t key;

  static uint32_t mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ x >> 16;
  }
};
