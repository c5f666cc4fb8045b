// Rows shared out to the threads of a pool. Of the instruction set's own namespace: the linker keeps one of what is inline elsewhere.
#pragma once

#include "cpu/parts.h"

namespace sails::SAILS_ISA {
namespace {

constexpr int64_t kPartsPerThread = 8;
// Columns of one row of x, at most, that stay in the first cache while one stream of weights passes.
constexpr int64_t kNarrow = 3072;

// body(part, thread) as run_parts.
template <typename Body>
inline void for_parts(Pool &pool, int64_t parts, const Body &body) {
  run_parts(
      pool, parts, [](const void *context, int64_t part, int thread) { (*static_cast<const Body *>(context))(part, thread); }, &body);
}

// body(item, thread) for every item, in as many parts as are worth it.
template <typename Body>
inline void for_items(Pool &pool, int64_t items, const Body &body) {
  const int64_t most = threads_of(pool) * kPartsPerThread, parts = items < most ? items : most;
  for_parts(pool, parts, [&](int64_t part, int thread) {
    for (int64_t item = items * part / parts; item < items * (part + 1) / parts; item++) body(item, thread);
  });
}

// Several parts a thread: who is let in late has fewer. A part is long enough for streams of weights (matmul_gemv.cpp).
inline int64_t parts_of_rows(int64_t rows, int threads) {
  constexpr int64_t kLeastRows = 64;
  const int64_t most = threads * kPartsPerThread, parts = rows / kLeastRows < most ? rows / kLeastRows : most;
  return threads == 1 ? 1 : parts > threads ? parts : threads < rows ? threads : rows;
}

// body(begin, end) for parts of the rows, on one thread where there is less work than waking another takes.
template <typename Body>
inline void for_rows(Pool &pool, int64_t rows, bool worth_sharing, const Body &body) {
  const int64_t parts = worth_sharing ? parts_of_rows(rows, threads_of(pool)) : 1;
  for_parts(pool, parts, [&](int64_t part, int) { body(rows * part / parts, rows * (part + 1) / parts); });
}

}  // namespace
}  // namespace sails::SAILS_ISA
