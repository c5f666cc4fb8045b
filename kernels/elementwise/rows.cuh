// Rows with numbers of their own
//   dot_rows     dots [n_rows] f32 = <a[i,:], b[i,:]>;  a, b [n_rows, n_cols] f32, b may be a
//   scale_rows   y [n_rows, n_cols] f32 = beta[i] y + alpha[i] x;  alpha, beta [n_rows] f32, beta NULL: 1, alpha and x NULL: 0; x may be y
// dot_rows:    a warp per row, summed in the same order whatever the grid. Bytes: 8 an element. FLOPs: 2.
// scale_rows:  grid of elementwise/elementwise.cuh. Bytes: 12 an element (8 without x). FLOPs: 3.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kDotWarps = 8;

__global__ void __launch_bounds__(kDotWarps *kWarp)
    dot_rows_kernel(float *dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kDotWarps + threadIdx.x / kWarp;
  if (row >= n_rows) return;
  const float *left = a + row * n_cols, *right = b + row * n_cols;
  float sum = 0.0f;
  for (int64_t column = threadIdx.x % kWarp; column < n_cols; column += kWarp) sum = fmaf(left[column], right[column], sum);
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) dots[row] = sum;
}

struct ScaleRows {
  float *y;
  const float *x, *alpha, *beta;
  int64_t n_cols;
  template <int kLanes>
  __device__ void at(int64_t i, int64_t column) const {
    const float before = beta == nullptr ? 1.0f : beta[i];
    float values[kLanes];
    load_lanes(values, y + i * n_cols + column);
#pragma unroll
    for (int j = 0; j < kLanes; j++) values[j] *= before;
    if (x != nullptr) {
      float added[kLanes];
      load_lanes(added, x + i * n_cols + column);
#pragma unroll
      for (int j = 0; j < kLanes; j++) values[j] = fmaf(alpha[i], added[j], values[j]);
    }
    store_lanes(y + i * n_cols + column, values);
  }
};

inline cudaError_t launch_dot_rows(cudaStream_t stream, float *dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols) {
  const dim3 grid(static_cast<unsigned>(ceil_div(n_rows, kDotWarps)));
  return launch("dot_rows", stream, dot_rows_kernel, grid, dim3(kDotWarps * kWarp), 0, dots, a, b, n_rows, n_cols);
}

inline cudaError_t launch_scale_rows(cudaStream_t stream, float *y, const float *x, const float *alpha, const float *beta, int64_t n_rows,
                                     int64_t n_cols) {
  return launch_row_elements<4>("scale_rows", stream, ScaleRows{y, x, alpha, beta, n_cols}, n_rows, n_cols,
                                lanes_aligned<4>(y) && (x == nullptr || lanes_aligned<4>(x)));
}

}  // namespace sails::kernels
