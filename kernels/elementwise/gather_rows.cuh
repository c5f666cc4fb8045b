// y [n, n_cols] = x [rows[i], :] for elements of 2 or 4 bytes, moved as they are; rows [n] i32 in [0, n_rows), others are reported and
// leave their row of y as it was. No aliasing.
// Grid: elementwise/elementwise.cuh. Bytes: one read and one write an element.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/fault.cuh"

namespace sails::kernels {

template <typename T>
struct GatherRows {
  T *y;
  const T *x;
  const int32_t *rows;
  int64_t n_rows, n_cols;
  Fault *fault;
  template <int kLanes>
  __device__ void at(int64_t i, int64_t column) const {
    const int64_t from = rows[i];
    if (!in_range(fault, kFaultGatherRow, i, from, n_rows)) return;
    store_pack(y + i * n_cols + column, load_pack<kLanes>(x + from * n_cols + column));
  }
};

template <typename T>
cudaError_t launch_gather_rows(cudaStream_t stream, T *y, const T *x, const int32_t *rows, int64_t n, int64_t n_rows, int64_t n_cols,
                               Fault *fault) {
  return launch_row_elements<kPackLanes<T>>("gather_rows", stream, GatherRows<T>{y, x, rows, n_rows, n_cols, fault}, n, n_cols,
                                            aligned_to(y, 16) && aligned_to(x, 16));
}

}  // namespace sails::kernels
