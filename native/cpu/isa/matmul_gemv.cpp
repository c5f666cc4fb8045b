// Products of few rows with a matrix, widened in registers, where oneDNN does not do it: what decoding spends its time on, bound by
// reading the weights once.
#include <algorithm>
#include <cstring>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

template <typename T>
float dot(const float *x, const T *w, int64_t k) {
  vf sum_0 = {}, sum_1 = {}, sum_2 = {}, sum_3 = {};
  int64_t j = 0;
  for (; j + 4 * kWidth <= k; j += 4 * kWidth) {
    sum_0 += load(x + j) * load(w + j);
    sum_1 += load(x + j + kWidth) * load(w + j + kWidth);
    sum_2 += load(x + j + 2 * kWidth) * load(w + j + 2 * kWidth);
    sum_3 += load(x + j + 3 * kWidth) * load(w + j + 3 * kWidth);
  }
  for (; j + kWidth <= k; j += kWidth) sum_0 += load(x + j) * load(w + j);
  if (j < k) sum_1 += load_tail(x + j, k - j) * load_tail(w + j, k - j);
  return hsum((sum_0 + sum_1) + (sum_2 + sum_3));
}

template <typename T>
void dot_rows_of(float *y, const float *x, const T *weights, int64_t m, int64_t n, int64_t k, int64_t ldw, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n * k > 65536)
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = 0; i < m; i++) y[i * n + j] = dot(x + i * k, weights + j * ldw, k);
}

void dot_rows(float *y, const float *x, const void *w, int64_t m, int64_t n, int64_t k, int64_t ldw, int32_t w_dtype, int threads) {
  if (w_dtype == SAILS_F32)
    dot_rows_of(y, x, static_cast<const float *>(w), m, n, k, ldw, threads);
  else
    dot_rows_of(y, x, static_cast<const bf16 *>(w), m, n, k, ldw, threads);
}

// Rows of w at a time, so that y is loaded and stored once for as many.
constexpr int64_t kTogether = 4;
// Columns of a stripe at most: kTogether of its rows stay in the first cache while all rows of x use them.
constexpr int64_t kStripe = 1024;

// y [n] += x [kTogether] times so many rows of w; `ahead` rows on, the next ones are asked for.
void add_rows(float *y, const float *x, const float *w, int64_t n, int64_t ldw, int64_t ahead) {
  const vf x_0 = splat(x[0]), x_1 = splat(x[1]), x_2 = splat(x[2]), x_3 = splat(x[3]);
  const float *w_0 = w, *w_1 = w + ldw, *w_2 = w + 2 * ldw, *w_3 = w + 3 * ldw;
  int64_t j = 0;
  for (; j + kWidth <= n; j += kWidth) {
    if (ahead > 0)
      for (const float *row : {w_0, w_1, w_2, w_3}) __builtin_prefetch(row + ahead * ldw + j);
    store(y + j, (((load(y + j) + x_0 * load(w_0 + j)) + x_1 * load(w_1 + j)) + x_2 * load(w_2 + j)) + x_3 * load(w_3 + j));
  }
  for (; j < n; j++) y[j] = (((y[j] + x[0] * w_0[j]) + x[1] * w_1[j]) + x[2] * w_2[j]) + x[3] * w_3[j];
}

void sum_stripe(float *y, const float *x, const float *w, int64_t m, int64_t n, int64_t k, int64_t ldw, int64_t ldy) {
  for (int64_t i = 0; i < m; i++) std::memset(y + i * ldy, 0, static_cast<size_t>(n) * 4);
  int64_t l = 0;
  for (; l + kTogether <= k; l += kTogether)
    for (int64_t i = 0; i < m; i++)
      add_rows(y + i * ldy, x + i * k + l, w + l * ldw, n, ldw, i == 0 && l + 2 * kTogether <= k ? kTogether : 0);
  for (; l < k; l++)
    for (int64_t i = 0; i < m; i++) {
      const float x_l = x[i * k + l];
      for (int64_t j = 0; j < n; j++) y[i * ldy + j] += x_l * w[l * ldw + j];
    }
}

void sum_rows(float *y, const float *x, const float *w, int64_t m, int64_t n, int64_t k, int64_t ldw, int threads) {
  // Whole vectors of the widest kind, so that what stands at a stripe's end does not depend on the number of threads.
  const int64_t each = (n + threads - 1) / threads, stripe = std::min(kStripe, (each + 63) / 64 * 64);
#pragma omp parallel for num_threads(threads) schedule(static) if (n * k > 65536)
  for (int64_t j = 0; j < n; j += stripe) sum_stripe(y + j, x, w + j, m, std::min(stripe, n - j), k, ldw, n);
}

}  // namespace

extern const GemvKernels gemv_kernels;
const GemvKernels gemv_kernels = {dot_rows, sum_rows};

}  // namespace sails::SAILS_ISA
