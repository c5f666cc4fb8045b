// A small f32 matrix product on packed panels: c [m, n] (+)= a [m, k] b [k, n], n a multiple of kWidth, rows of b and c padded.
#pragma once

#include "cpu/isa/simd.h"

namespace sails::SAILS_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kTileRows = 6, kTileVectors = 4;  // 24 of 32 registers accumulate
#else
constexpr int kTileRows = 6, kTileVectors = 2;  // 12 of 16
#endif

template <int R, int V>
inline void gemm_tile(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb, int64_t k, bool accumulate) {
  vf sum[R][V] = {};
  for (int64_t p = 0; p < k; p++) {
    vf row[V];
    for (int v = 0; v < V; v++) row[v] = load(b + p * ldb + v * kWidth);
    for (int r = 0; r < R; r++)
      for (int v = 0; v < V; v++) sum[r][v] += row[v] * a[r * lda + p];
  }
  // Added last: sums of sums round less than one long chain.
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) {
      float *to = c + r * ldc + v * kWidth;
      store(to, accumulate ? load(to) + sum[r][v] : sum[r][v]);
    }
}

template <int V>
inline void gemm_rows(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb, int64_t m, int64_t k,
                      bool accumulate) {
  int64_t i = 0;
  for (; i + kTileRows <= m; i += kTileRows) gemm_tile<kTileRows, V>(c + i * ldc, ldc, a + i * lda, lda, b, ldb, k, accumulate);
  for (; i + 2 <= m; i += 2) gemm_tile<2, V>(c + i * ldc, ldc, a + i * lda, lda, b, ldb, k, accumulate);
  for (; i < m; i++) gemm_tile<1, V>(c + i * ldc, ldc, a + i * lda, lda, b, ldb, k, accumulate);
}

inline void gemm(float *c, int64_t ldc, const float *a, int64_t lda, const float *b, int64_t ldb, int64_t m, int64_t n, int64_t k,
                 bool accumulate) {
  int64_t j = 0;
  for (; j + kTileVectors * kWidth <= n; j += kTileVectors * kWidth)
    gemm_rows<kTileVectors>(c + j, ldc, a, lda, b + j, ldb, m, k, accumulate);
  for (; j < n; j += kWidth) gemm_rows<1>(c + j, ldc, a, lda, b + j, ldb, m, k, accumulate);
}

}  // namespace
}  // namespace sails::SAILS_ISA
