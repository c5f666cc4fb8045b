// What attention's forward and backward share: packing into f32 panels, masks, blocks.
#pragma once

#include <omp.h>

#include <cmath>

#include "cpu/isa/kernels.h"
#include "cpu/isa/matmul_panels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

inline int64_t omp_thread() { return omp_get_thread_num(); }

constexpr int64_t kBlock = 64;  // queries and keys in a block; a multiple of every kWidth

inline int64_t round_up(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }
inline int64_t n_blocks(int64_t n) { return (n + kBlock - 1) / kBlock; }
inline int64_t padded_dim(const AttentionCall &c) { return round_up(c.head_dim, kWidth); }

// One block of rows [n, head_dim], row stride `stride`, as f32: plain [kBlock, padded_dim] times factor, and/or transposed
// [head_dim, kBlock]. What lies outside is 0.
template <typename T>
void pack_block(float *plain, float *transposed, const T *rows, int64_t n, int64_t head_dim, int64_t padded, int64_t stride, float factor) {
  if (plain != nullptr) {
    std::memset(plain, 0, static_cast<size_t>(kBlock * padded) * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
      int64_t j = 0;
      for (; j + kWidth <= head_dim; j += kWidth) store(plain + i * padded + j, load(rows + i * stride + j) * factor);
      if (j < head_dim) store_tail(plain + i * padded + j, load_tail(rows + i * stride + j, head_dim - j) * factor, head_dim - j);
    }
  }
  if (transposed != nullptr) {
    if (n < kBlock) std::memset(transposed, 0, static_cast<size_t>(kBlock * head_dim) * sizeof(float));
    // 8 columns at a time keep both sides in cache lines that are used whole.
    for (int64_t j0 = 0; j0 < head_dim; j0 += 8) {
      const int64_t j1 = min_of(j0 + 8, head_dim);
      for (int64_t i = 0; i < n; i++)
        for (int64_t j = j0; j < j1; j++) transposed[j * kBlock + i] = load_one(rows + i * stride + j) * factor;
    }
  }
}

// Which keys block `key_block` holds that queries at key indices [first, last] can see at all.
inline bool block_visible(const AttentionCall &c, int64_t key_block, int64_t first, int64_t last) {
  const int64_t begin = key_block * kBlock;
  const int64_t end = min_of(begin + kBlock, c.n_keys) - 1;
  return begin <= last && (c.window == 0 || end > first - c.window);
}

inline vi iota() {
  vi v = {};
  for (int i = 0; i < kWidth; i++) v[i] = i;
  return v;
}

template <typename T>
inline const T *head_rows(const void *base, int64_t batch, int64_t batch_stride, int64_t row, int64_t row_stride, int64_t head,
                          int64_t head_dim) {
  return static_cast<const T *>(base) + batch * batch_stride + row * row_stride + head * head_dim;
}

}  // namespace
}  // namespace sails::SAILS_ISA
