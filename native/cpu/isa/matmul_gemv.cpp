// Products of few rows with a matrix, widened in registers, where oneDNN does not do it: what decoding spends its time on, bound by
// reading the weights once.
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

}  // namespace

extern const GemvKernels gemv_kernels;
const GemvKernels gemv_kernels = {dot_rows};

}  // namespace sails::SAILS_ISA
