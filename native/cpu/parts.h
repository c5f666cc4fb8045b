// What the vector code knows of a pool (pool.h, whose inline functions are not for isa/*.cpp).
#pragma once

#include <cstdint>

namespace sails {

class Pool;

int threads_of(const Pool &pool);

// One part, on the thread of that number below threads_of.
using PartFunction = void (*)(const void *context, int64_t part, int thread);

// function once for every part below parts, at most kMostParts, in any order on any thread; all are done when it returns. What one
// wrote the caller sees. function throws nothing. One caller at a time.
void run_parts(Pool &pool, int64_t parts, PartFunction function, const void *context);
constexpr int64_t kMostParts = 0xffff;

}  // namespace sails
