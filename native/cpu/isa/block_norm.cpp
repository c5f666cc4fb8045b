// RMSNorm and SAELens' row standardisation; formulas in sails.h.
#include <cmath>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

// Calls body(i, n) for runs of at most kWidth elements of a row.
template <typename Body>
inline void for_row(int64_t d, Body &&body) {
  int64_t j = 0;
  for (; j + kWidth <= d; j += kWidth) body(j, kWidth);
  if (j < d) body(j, d - j);
}

// v with the lanes from n on set to 0.
inline vf first_lanes(vf v, int64_t n) {
  float lanes[kWidth];
  store(lanes, v);
  return n == kWidth ? v : load_tail(lanes, n);
}

template <typename Y, typename X>
void forward_row(Y *y, float *rstd, const X *x, const float *weight, const Y *residual, int64_t d, float eps, float weight_offset) {
  vf squares = {};
  for_row(d, [&](int64_t j, int64_t n) {
    const vf a = load_n(x + j, n);
    squares += a * a;
  });
  const float r = static_cast<float>(1.0 / std::sqrt(static_cast<double>(hsum(squares)) / static_cast<double>(d) + eps));
  if (rstd != nullptr) *rstd = r;
  for_row(d, [&](int64_t j, int64_t n) {
    vf value = load_n(x + j, n) * r * (weight_offset + load_n(weight + j, n));
    if (residual != nullptr) value += load_n(residual + j, n);
    store_n(y + j, value, n);
  });
}

template <typename Y, typename X>
void forward_rows(Y *y, float *rstd, const X *x, const float *weight, const Y *residual, int64_t n_rows, int64_t d, float eps,
                  float weight_offset, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * d > 8192)
  for (int64_t i = 0; i < n_rows; i++)
    forward_row(y + i * d, rstd == nullptr ? nullptr : rstd + i, x + i * d, weight, residual == nullptr ? nullptr : residual + i * d, d,
                eps, weight_offset);
}

void forward(void *y, float *rstd, const void *x, const float *weight, const void *residual, int64_t n_rows, int64_t d, float eps,
             float weight_offset, int32_t y_dtype, int32_t x_dtype, int threads) {
  const auto run = [&](auto *typed_y, auto *typed_x) {
    forward_rows(typed_y, rstd, typed_x, weight, static_cast<decltype(typed_y)>(const_cast<void *>(residual)), n_rows, d, eps,
                 weight_offset, threads);
  };
  auto *y32 = static_cast<float *>(y);
  auto *y16 = static_cast<bf16 *>(y);
  auto *x32 = static_cast<const float *>(x);
  auto *x16 = static_cast<const bf16 *>(x);
  if (y_dtype == SAILS_F32)
    x_dtype == SAILS_F32 ? run(y32, x32) : run(y32, x16);
  else
    x_dtype == SAILS_F32 ? run(y16, x32) : run(y16, x16);
}

template <typename DY, typename X>
void backward_row(float *dx, float *dweight, const DY *dy, const X *x, const float *weight, float rstd, int64_t d, float weight_offset,
                  bool accumulate) {
  vf dot = {};
  for_row(d, [&](int64_t j, int64_t n) {
    const vf dy_v = load_n(dy + j, n), x_v = load_n(x + j, n);
    dot += dy_v * (weight_offset + load_n(weight + j, n)) * x_v;
    if (dweight != nullptr) store_n(dweight + j, load_n(dweight + j, n) + dy_v * x_v * rstd, n);
  });
  const float c = static_cast<float>(static_cast<double>(hsum(dot)) / static_cast<double>(d) * rstd * rstd);
  for_row(d, [&](int64_t j, int64_t n) {
    const vf g = load_n(dy + j, n) * (weight_offset + load_n(weight + j, n));
    vf value = (g - load_n(x + j, n) * c) * rstd;
    if (accumulate) value += load_n(dx + j, n);
    store_n(dx + j, value, n);
  });
}

template <typename DY, typename X>
void backward_rows(float *dx, float *dweight, const DY *dy, const X *x, const float *weight, const float *rstd, int64_t n_rows, int64_t d,
                   float weight_offset, bool accumulate, float *partial, int threads) {
  if (dweight == nullptr) {  // the frozen norms of LoRA training: every row on its own
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * d > 8192)
    for (int64_t i = 0; i < n_rows; i++)
      backward_row(dx + i * d, nullptr, dy + i * d, x + i * d, weight, rstd[i], d, weight_offset, accumulate);
    return;
  }
  const int64_t blocks = (n_rows + kNormRowBlock - 1) / kNormRowBlock;
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * d > 8192)
  for (int64_t b = 0; b < blocks; b++) {
    float *block_dweight = partial + b * d;
    std::memset(block_dweight, 0, static_cast<size_t>(d) * sizeof(float));
    const int64_t end = (b + 1) * kNormRowBlock < n_rows ? (b + 1) * kNormRowBlock : n_rows;
    for (int64_t i = b * kNormRowBlock; i < end; i++)
      backward_row(dx + i * d, block_dweight, dy + i * d, x + i * d, weight, rstd[i], d, weight_offset, accumulate);
  }
  for (int64_t b = 0; b < blocks; b++)
    for_row(d, [&](int64_t j, int64_t n) { store_n(dweight + j, load_n(dweight + j, n) + load_n(partial + b * d + j, n), n); });
}

void backward(float *dx, float *dweight, const void *dy, const void *x, const float *weight, const float *rstd, int64_t n_rows, int64_t d,
              float weight_offset, bool accumulate_dx, int32_t dy_dtype, int32_t x_dtype, float *partial, int threads) {
  const auto run = [&](auto *typed_dy, auto *typed_x) {
    backward_rows(dx, dweight, typed_dy, typed_x, weight, rstd, n_rows, d, weight_offset, accumulate_dx, partial, threads);
  };
  auto *dy32 = static_cast<const float *>(dy);
  auto *dy16 = static_cast<const bf16 *>(dy);
  auto *x32 = static_cast<const float *>(x);
  auto *x16 = static_cast<const bf16 *>(x);
  if (dy_dtype == SAILS_F32)
    x_dtype == SAILS_F32 ? run(dy32, x32) : run(dy32, x16);
  else
    x_dtype == SAILS_F32 ? run(dy16, x32) : run(dy16, x16);
}

void standardize_forward(float *y, float *mean, float *std, const float *x, int64_t n_rows, int64_t n_cols, float eps, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * n_cols > 8192)
  for (int64_t i = 0; i < n_rows; i++) {
    const float *row = x + i * n_cols;
    vf sum = {};
    for_row(n_cols, [&](int64_t j, int64_t n) { sum += load_n(row + j, n); });
    const float m = static_cast<float>(static_cast<double>(hsum(sum)) / static_cast<double>(n_cols));
    vf squares = {};
    for_row(n_cols, [&](int64_t j, int64_t n) {
      const vf centred = first_lanes(load_n(row + j, n) - m, n);
      squares += centred * centred;
    });
    const float s = static_cast<float>(std::sqrt(static_cast<double>(hsum(squares)) / static_cast<double>(n_cols - 1)));
    mean[i] = m;
    std[i] = s;
    const float inverse = 1.0f / (s + eps);
    for_row(n_cols, [&](int64_t j, int64_t n) { store_n(y + i * n_cols + j, (load_n(row + j, n) - m) * inverse, n); });
  }
}

// With c = x - mean, w = 1 / (std + eps): y = c w. dstd/dx_j = c_j / ((n - 1) std), dmean/dx_j = 1/n, so
//   dx_j = w (dy_j - mean(dy)) + c_j / ((n - 1) std) * (dstd - w^2 sum(dy c)) + dmean / n.
void standardize_backward(float *dx, const float *dy, const float *dmean, const float *dstd, const float *x, const float *mean,
                          const float *std, int64_t n_rows, int64_t n_cols, float eps, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * n_cols > 8192)
  for (int64_t i = 0; i < n_rows; i++) {
    const float *dy_row = dy + i * n_cols;
    const float *x_row = x + i * n_cols;
    vf sum = {}, dot = {};
    for_row(n_cols, [&](int64_t j, int64_t n) {
      const vf g = load_n(dy_row + j, n);
      sum += g;
      dot += g * (load_n(x_row + j, n) - mean[i]);
    });
    const double count = static_cast<double>(n_cols);
    const double w = 1.0 / (static_cast<double>(std[i]) + eps);
    const double through_std = (dstd == nullptr ? 0.0 : dstd[i]) - w * w * hsum(dot);
    const float constant = static_cast<float>(((dmean == nullptr ? 0.0 : dmean[i]) - w * hsum(sum)) / count);
    const float slope = std[i] > 0.0f ? static_cast<float>(through_std / ((count - 1) * std[i])) : 0.0f;
    const float w32 = static_cast<float>(w);
    for_row(n_cols, [&](int64_t j, int64_t n) {
      store_n(dx + i * n_cols + j, load_n(dy_row + j, n) * w32 + (load_n(x_row + j, n) - mean[i]) * slope + constant, n);
    });
  }
}

void unstandardize_forward(float *y, const float *x, const float *mean, const float *std, int64_t n_rows, int64_t n_cols, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * n_cols > 8192)
  for (int64_t i = 0; i < n_rows; i++)
    for_row(n_cols, [&](int64_t j, int64_t n) { store_n(y + i * n_cols + j, load_n(x + i * n_cols + j, n) * std[i] + mean[i], n); });
}

void unstandardize_backward(float *dx, float *dmean, float *dstd, const float *dy, const float *x, const float *std, int64_t n_rows,
                            int64_t n_cols, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * n_cols > 8192)
  for (int64_t i = 0; i < n_rows; i++) {
    vf sum = {}, dot = {};
    for_row(n_cols, [&](int64_t j, int64_t n) {
      const vf g = load_n(dy + i * n_cols + j, n);
      sum += g;
      dot += g * load_n(x + i * n_cols + j, n);
      store_n(dx + i * n_cols + j, g * std[i], n);
    });
    dmean[i] = hsum(sum);
    dstd[i] = hsum(dot);
  }
}

}  // namespace

extern const NormKernels norm_kernels;
const NormKernels norm_kernels = {
    forward, backward, standardize_forward, standardize_backward, unstandardize_forward, unstandardize_backward};

}  // namespace sails::SAILS_ISA
