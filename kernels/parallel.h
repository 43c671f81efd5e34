#pragma once
#include <cstdint>
#include <functional>

/**
 * Calls `work(begin, end)` for ranges that together are [0, size), on several threads when they are free, and returns when all are done.
 * Ranges are cut at multiples of `grain` whatever the number of threads.
 */
void parallel(int64_t size, int64_t grain, const std::function<void(int64_t, int64_t)> &work);
