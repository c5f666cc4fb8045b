// DoRA (arXiv:2402.09353): norms of the adapted rows, and rows times their gain.
#include <cmath>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

constexpr int64_t kParallel = 16384;

// |weight[i] + scale lora_b[i] lora_a| without forming the sum: a vector of columns at a time, squares added in double at the end of each
// row.
template <typename T>
double row_squares(const T *weight, const float *lora_a, const float *lora_b, int64_t d_in, int64_t r, float scale) {
  double total = 0;
  for (int64_t j = 0; j < d_in; j += kWidth) {
    const int64_t n = d_in - j < kWidth ? d_in - j : kWidth;
    vf low_rank = {};
    for (int64_t k = 0; k < r; k++) low_rank += load_n(lora_a + k * d_in + j, n) * lora_b[k];
    const vf value = load_n(weight + j, n) + low_rank * scale;
    total += hsum(value * value);
  }
  return total;
}

template <typename T>
void norm_run(float *norm, const T *weight, const float *lora_a, const float *lora_b, int64_t d_out, int64_t d_in, int64_t r, float scale,
              int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (d_out * d_in > kParallel)
  for (int64_t i = 0; i < d_out; i++)
    norm[i] = static_cast<float>(std::sqrt(row_squares(weight + i * d_in, lora_a, lora_b + i * r, d_in, r, scale)));
}

void norm(float *norm, const void *weight, const float *lora_a, const float *lora_b, int64_t d_out, int64_t d_in, int64_t r, float scale,
          int32_t dtype, int threads) {
  if (dtype == SAILS_F32)
    norm_run(norm, static_cast<const float *>(weight), lora_a, lora_b, d_out, d_in, r, scale, threads);
  else
    norm_run(norm, static_cast<const bf16 *>(weight), lora_a, lora_b, d_out, d_in, r, scale, threads);
}

template <typename T>
void forward_run(T *y, const float *u, const float *magnitude, const float *norm, int64_t n, int64_t d_out, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n * d_out > kParallel)
  for (int64_t row = 0; row < n; row++) {
    for (int64_t j = 0; j < d_out; j += kWidth) {
      const int64_t lanes = d_out - j < kWidth ? d_out - j : kWidth;
      const vf gain = load_n(magnitude + j, lanes) / (lanes == kWidth ? load(norm + j) : load_tail(norm + j, lanes));
      store_n(y + row * d_out + j, load_n(u + row * d_out + j, lanes) * gain, lanes);
    }
  }
}

void forward(void *y, const float *u, const float *magnitude, const float *norm, int64_t n, int64_t d_out, int32_t y_dtype, int threads) {
  if (y_dtype == SAILS_F32)
    forward_run(static_cast<float *>(y), u, magnitude, norm, n, d_out, threads);
  else
    forward_run(static_cast<bf16 *>(y), u, magnitude, norm, n, d_out, threads);
}

// A vector of columns a piece of work: its sum runs down the rows in order, whoever computes it.
template <typename T>
void backward_run(T *du, float *dmagnitude, const T *dy, const float *u, const float *magnitude, const float *norm, int64_t n,
                  int64_t d_out, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n * d_out > kParallel)
  for (int64_t j = 0; j < d_out; j += kWidth) {
    const int64_t lanes = d_out - j < kWidth ? d_out - j : kWidth;
    const vf norms = load_n(norm + j, lanes), gain = load_n(magnitude + j, lanes) / norms;
    vf sum = {};
    for (int64_t row = 0; row < n; row++) {
      const vf gradient = load_n(dy + row * d_out + j, lanes);
      sum += gradient * load_n(u + row * d_out + j, lanes);
      store_n(du + row * d_out + j, gradient * gain, lanes);
    }
    if (dmagnitude != nullptr) store_n(dmagnitude + j, load_n(dmagnitude + j, lanes) + sum / norms, lanes);
  }
}

void backward(void *du, float *dmagnitude, const void *dy, const float *u, const float *magnitude, const float *norm, int64_t n,
              int64_t d_out, int32_t dtype, int threads) {
  if (dtype == SAILS_F32)
    backward_run(static_cast<float *>(du), dmagnitude, static_cast<const float *>(dy), u, magnitude, norm, n, d_out, threads);
  else
    backward_run(static_cast<bf16 *>(du), dmagnitude, static_cast<const bf16 *>(dy), u, magnitude, norm, n, d_out, threads);
}

}  // namespace

extern const DoraKernels dora_kernels;
const DoraKernels dora_kernels = {norm, forward, backward};

}  // namespace sails::SAILS_ISA
