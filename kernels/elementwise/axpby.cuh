// Scaled sums
//   axpby     y [n] f32 = alpha x [n] f32|bf16 + beta y; beta 0 does not read y
//   add_row   y [n_rows, n_cols] f32 = x f32|bf16 + alpha row [n_cols] f32; y may alias x
// Grid: elementwise/elementwise.cuh. Bytes an element: x, y, and y again unless beta is 0. FLOPs 3 and 2.
#pragma once

#include "elementwise/elementwise.cuh"

namespace sails::kernels {

template <typename X>
struct Axpby {
  float *y;
  const X *x;
  float alpha, beta;
  template <int kLanes>
  __device__ void at(int64_t i) const {
    float values[kLanes], before[kLanes];
    load_lanes(values, x + i);
#pragma unroll
    for (int j = 0; j < kLanes; j++) values[j] *= alpha;
    if (beta != 0.0f) {
      load_lanes(before, y + i);
#pragma unroll
      for (int j = 0; j < kLanes; j++) values[j] += beta * before[j];
    }
    store_lanes(y + i, values);
  }
};

template <typename X>
struct AddRow {
  float *y;
  const X *x;
  const float *row;
  int64_t n_cols;
  float alpha;
  template <int kLanes>
  __device__ void at(int64_t i, int64_t column) const {
    float values[kLanes], added[kLanes];
    load_lanes(values, x + i * n_cols + column);
    load_lanes(added, row + column);
#pragma unroll
    for (int j = 0; j < kLanes; j++) values[j] += alpha * added[j];
    store_lanes(y + i * n_cols + column, values);
  }
};

template <typename X>
cudaError_t launch_axpby(cudaStream_t stream, float *y, const X *x, int64_t n, float alpha, float beta) {
  return launch_elements<4>("axpby", stream, Axpby<X>{y, x, alpha, beta}, n, lanes_aligned<4>(y) && lanes_aligned<4>(x));
}

template <typename X>
cudaError_t launch_add_row(cudaStream_t stream, float *y, const X *x, const float *row, int64_t n_rows, int64_t n_cols, float alpha) {
  const bool aligned = lanes_aligned<4>(y) && lanes_aligned<4>(x) && lanes_aligned<4>(row);
  return launch_row_elements<4>("add_row", stream, AddRow<X>{y, x, row, n_cols, alpha}, n_rows, n_cols, aligned);
}

}  // namespace sails::kernels
