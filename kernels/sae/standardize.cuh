// Row standardisation, SAELens' layer_norm (jbloomAus/SAELens sae_lens/saes/sae.py, run_time_activation_ln_in and _out), f32
//   forward             mean = mean_j x;  std = (sum_j (x - mean)^2 / (n - 1))^1/2;  y = (x - mean) / (std + eps)
//   backward            with c = x - mean, w = 1 / (std + eps):
//                       dx_j = w (dy_j - mean(dy)) + c_j / ((n - 1) std) (dstd - w^2 sum(dy c)) + dmean / n;  dmean, dstd NULL: 0
//   unstandardize       y = x std + mean;   dx = dy std,  dmean = sum_j dy,  dstd = sum_j dy x
//   x, y [n_rows, n_cols], mean, std [n_rows]; n = n_cols >= 2; y may alias x, dx of unstandardize may alias dy
// Grid: a block of 256 threads a row, which is read two or three times, from cache but for the first; unstandardize forward as in
// elementwise/elementwise.cuh.
// Bytes: every tensor once. FLOPs 6, 10, 2 and 4 an element.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kStandardizeThreads = 256;

// Calls body(j) for the packs of a row; n_cols is a multiple of kLanes.
template <int kLanes, typename Body>
__device__ __forceinline__ void for_row_packs(int64_t n_cols, Body &&body) {
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * kLanes; j < n_cols; j += static_cast<int64_t>(blockDim.x) * kLanes) body(j);
}

template <int kLanes>
__global__ void __launch_bounds__(kStandardizeThreads)
    standardize_forward(float *y, float *mean, float *std, const float *x, int64_t n_rows, int64_t n_cols, float eps) {
  SAILS_SHARED(float, scratch, kWarp);
  for (int64_t row = blockIdx.x; row < n_rows; row += gridDim.x) {
    const float *from = x + row * n_cols;
    float values[kLanes];
    float sum = 0, squares = 0;
    for_row_packs<kLanes>(n_cols, [&](int64_t j) {
      load_lanes(values, from + j);
      for (int i = 0; i < kLanes; i++) sum += values[i];
    });
    const float m = block_sum(sum, scratch) / static_cast<float>(n_cols);
    for_row_packs<kLanes>(n_cols, [&](int64_t j) {
      load_lanes(values, from + j);
      for (int i = 0; i < kLanes; i++) squares += (values[i] - m) * (values[i] - m);
    });
    const float s = sqrtf(block_sum(squares, scratch) / static_cast<float>(n_cols - 1));
    if (threadIdx.x == 0) {
      mean[row] = m;
      std[row] = s;
    }
    const float inverse = 1.0f / (s + eps);
    for_row_packs<kLanes>(n_cols, [&](int64_t j) {
      load_lanes(values, from + j);
      for (int i = 0; i < kLanes; i++) values[i] = (values[i] - m) * inverse;
      store_lanes(y + row * n_cols + j, values);
    });
  }
}

struct StandardizeSaved {
  const float *dmean, *dstd;  // or NULL
  const float *mean, *std;
};

template <int kLanes>
__global__ void __launch_bounds__(kStandardizeThreads)
    standardize_backward(float *dx, const float *dy, const float *x, const StandardizeSaved saved, int64_t n_rows, int64_t n_cols,
                         float eps) {
  SAILS_SHARED(float, scratch, kWarp);
  SAILS_SHARED(float, factors, 3);
  for (int64_t row = blockIdx.x; row < n_rows; row += gridDim.x) {
    const float *dy_row = dy + row * n_cols, *x_row = x + row * n_cols;
    const float m = saved.mean[row], s = saved.std[row];
    float gradient[kLanes], values[kLanes];
    float sum = 0, dot = 0;
    for_row_packs<kLanes>(n_cols, [&](int64_t j) {
      load_lanes(gradient, dy_row + j);
      load_lanes(values, x_row + j);
      for (int i = 0; i < kLanes; i++) {
        sum += gradient[i];
        dot += gradient[i] * (values[i] - m);
      }
    });
    sum = block_sum(sum, scratch);
    dot = block_sum(dot, scratch);
    if (threadIdx.x == 0) {  // in double: dstd - w^2 dot cancels
      const double n = static_cast<double>(n_cols), w = 1.0 / (static_cast<double>(s) + eps);
      const double through_std = (saved.dstd == nullptr ? 0.0 : saved.dstd[row]) - w * w * dot;
      factors[0] = static_cast<float>(w);
      factors[1] = s > 0.0f ? static_cast<float>(through_std / ((n - 1) * s)) : 0.0f;
      factors[2] = static_cast<float>(((saved.dmean == nullptr ? 0.0 : saved.dmean[row]) - w * sum) / n);
    }
    __syncthreads();
    const float w = factors[0], slope = factors[1], constant = factors[2];
    for_row_packs<kLanes>(n_cols, [&](int64_t j) {
      load_lanes(gradient, dy_row + j);
      load_lanes(values, x_row + j);
      for (int i = 0; i < kLanes; i++) gradient[i] = gradient[i] * w + (values[i] - m) * slope + constant;
      store_lanes(dx + row * n_cols + j, gradient);
    });
  }
}

struct Unstandardize {
  float *y;
  const float *x, *mean, *std;
  int64_t n_cols;
  template <int kLanes>
  __device__ void at(int64_t row, int64_t column) const {
    float values[kLanes];
    load_lanes(values, x + row * n_cols + column);
#pragma unroll
    for (int i = 0; i < kLanes; i++) values[i] = values[i] * std[row] + mean[row];
    store_lanes(y + row * n_cols + column, values);
  }
};

template <int kLanes>
__global__ void __launch_bounds__(kStandardizeThreads)
    unstandardize_backward(float *dx, float *dmean, float *dstd, const float *dy, const float *x, const float *std, int64_t n_rows,
                           int64_t n_cols) {
  SAILS_SHARED(float, scratch, kWarp);
  for (int64_t row = blockIdx.x; row < n_rows; row += gridDim.x) {
    const float s = n_cols > 0 ? std[row] : 0.0f;  // rows of no columns need no std, which may be NULL
    float gradient[kLanes], values[kLanes];
    float sum = 0, dot = 0;
    for_row_packs<kLanes>(n_cols, [&](int64_t j) {
      load_lanes(gradient, dy + row * n_cols + j);
      load_lanes(values, x + row * n_cols + j);
      for (int i = 0; i < kLanes; i++) {
        sum += gradient[i];
        dot += gradient[i] * values[i];
        gradient[i] *= s;
      }
      store_lanes(dx + row * n_cols + j, gradient);
    });
    sum = block_sum(sum, scratch);
    dot = block_sum(dot, scratch);
    if (threadIdx.x == 0) {
      dmean[row] = sum;
      dstd[row] = dot;
    }
  }
}

// ---- launchers

inline dim3 standardize_grid(int64_t n_rows) { return dim3(static_cast<unsigned>(smaller(kMostBlocks, n_rows))); }

inline cudaError_t launch_standardize_forward(cudaStream_t stream, float *y, float *mean, float *std, const float *x, int64_t n_rows,
                                              int64_t n_cols, float eps) {
  const bool packed = n_cols % 4 == 0 && aligned_to(y, 16) && aligned_to(x, 16);
  return launch("standardize_forward", stream, packed ? standardize_forward<4> : standardize_forward<1>, standardize_grid(n_rows),
                dim3(kStandardizeThreads), 0, y, mean, std, x, n_rows, n_cols, eps);
}

inline cudaError_t launch_standardize_backward(cudaStream_t stream, float *dx, const float *dy, const float *x,
                                               const StandardizeSaved &saved, int64_t n_rows, int64_t n_cols, float eps) {
  const bool packed = n_cols % 4 == 0 && aligned_to(dx, 16) && aligned_to(dy, 16) && aligned_to(x, 16);
  return launch("standardize_backward", stream, packed ? standardize_backward<4> : standardize_backward<1>, standardize_grid(n_rows),
                dim3(kStandardizeThreads), 0, dx, dy, x, saved, n_rows, n_cols, eps);
}

inline cudaError_t launch_unstandardize_forward(cudaStream_t stream, float *y, const float *x, const float *mean, const float *std,
                                                int64_t n_rows, int64_t n_cols) {
  return launch_row_elements<4>("unstandardize_forward", stream, Unstandardize{y, x, mean, std, n_cols}, n_rows, n_cols,
                                aligned_to(y, 16) && aligned_to(x, 16));
}

// A row without columns has sums of 0.
inline cudaError_t launch_unstandardize_backward(cudaStream_t stream, float *dx, float *dmean, float *dstd, const float *dy, const float *x,
                                                 const float *std, int64_t n_rows, int64_t n_cols) {
  const bool packed = n_cols % 4 == 0 && aligned_to(dx, 16) && aligned_to(dy, 16) && aligned_to(x, 16);
  return launch("unstandardize_backward", stream, packed ? unstandardize_backward<4> : unstandardize_backward<1>, standardize_grid(n_rows),
                dim3(kStandardizeThreads), 0, dx, dmean, dstd, dy, x, std, n_rows, n_cols);
}

}  // namespace sails::kernels
