// How the elementwise kernels are laid out on the device, and packs of elements as f32.
//
// An operation is a struct with a member
//   template <int kLanes> __device__ void at(int64_t i) const;                 elements i to i + kLanes - 1
//   template <int kLanes> __device__ void at(int64_t row, int64_t column) const;   of one row
// that reads all of its elements before it writes them, so that an output may be an input. A thread does one pack of kLanes elements, 16
// bytes of the widest type where the addresses allow it, and single elements elsewhere.
//
// Grid: x = blocks of 256 packs; for rows x = tiles of 128 packs of a row, y = rows (all of them by going on from y to y + gridDim.y).
#pragma once

#include <algorithm>

#include "primitives/types.cuh"

namespace sails::kernels {

constexpr int kElementThreads = 256;
// d_model 2304, 3584 and 4608 are 2.25, 3.5 and 4.5 tiles of bf16 packs, 4.5, 7 and 9 of f32 packs.
constexpr int kRowThreads = 128;
constexpr int64_t kMostBlocks = 0x7fffffff, kMostBlocksY = 65535;  // grid.x, grid.y

// Elements of the widest of the types in 16 bytes.
template <typename... T>
constexpr int kLanesOf = static_cast<int>(16 / std::max({sizeof(T)...}));

// kLanes elements as f32, in accesses of at most 16 bytes.
template <typename T, int kLanes>
constexpr int kAccessLanes = kLanes * sizeof(T) <= 16 ? kLanes : kPackLanes<T>;

template <int kLanes, typename T>
__device__ __forceinline__ void load_lanes(float (&values)[kLanes], const T *from) {
  constexpr int kStep = kAccessLanes<T, kLanes>;
#pragma unroll
  for (int i = 0; i < kLanes; i += kStep) {
    const Pack<T, kStep> pack = load_pack<kStep>(from + i);
#pragma unroll
    for (int j = 0; j < kStep; j++) values[i + j] = to_float(pack.lane[j]);
  }
}
template <int kLanes, typename T>
__device__ __forceinline__ void store_lanes(T *to, const float (&values)[kLanes]) {
  constexpr int kStep = kAccessLanes<T, kLanes>;
#pragma unroll
  for (int i = 0; i < kLanes; i += kStep) {
    Pack<T, kStep> pack;
#pragma unroll
    for (int j = 0; j < kStep; j++) pack.lane[j] = from_float<T>(values[i + j]);
    store_pack(to + i, pack);
  }
}
// Whether load_lanes<kLanes> may read from here.
template <int kLanes, typename T>
bool lanes_aligned(const T *pointer) {
  return aligned_to(pointer, kAccessLanes<T, kLanes> * static_cast<int64_t>(sizeof(T)));
}

// ---- kernels

template <int kLanes, typename Operation>
__global__ void __launch_bounds__(kElementThreads) for_elements(const Operation operation, int64_t n) {
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kElementThreads + threadIdx.x) * kLanes;
  if (begin + kLanes <= n) {
    operation.template at<kLanes>(begin);
  } else {
    for (int64_t i = begin; i < n; i++) operation.template at<1>(i);
  }
}

// n_cols is a multiple of kLanes.
template <int kLanes, typename Operation>
__global__ void __launch_bounds__(kRowThreads) for_row_elements(const Operation operation, int64_t n_rows, int64_t n_cols) {
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kRowThreads + threadIdx.x) * kLanes;
  if (begin >= n_cols) return;
  for (int64_t row = blockIdx.y; row < n_rows; row += gridDim.y) operation.template at<kLanes>(row, begin);
}

// ---- launchers; `aligned`: packs of kLanes may be read and written

template <int kLanes, typename Operation>
cudaError_t launch_elements(const char *name, cudaStream_t stream, const Operation &operation, int64_t n, bool aligned) {
  const int64_t blocks = ceil_div(n, kElementThreads * (aligned ? kLanes : 1));
  return launch(name, stream, aligned ? for_elements<kLanes, Operation> : for_elements<1, Operation>, dim3(static_cast<unsigned>(blocks)),
                dim3(kElementThreads), 0, operation, n);
}

// `aligned` speaks of the first row; a row of a length that is no multiple of kLanes leaves the others unaligned.
template <int kLanes, typename Operation>
cudaError_t launch_row_elements(const char *name, cudaStream_t stream, const Operation &operation, int64_t n_rows, int64_t n_cols,
                                bool aligned) {
  const bool packed = aligned && n_cols % kLanes == 0;
  const dim3 grid(static_cast<unsigned>(ceil_div(n_cols, kRowThreads * (packed ? kLanes : 1))),
                  static_cast<unsigned>(smaller(n_rows, kMostBlocksY)));
  return launch(name, stream, packed ? for_row_elements<kLanes, Operation> : for_row_elements<1, Operation>, grid, dim3(kRowThreads), 0,
                operation, n_rows, n_cols);
}

}  // namespace sails::kernels
