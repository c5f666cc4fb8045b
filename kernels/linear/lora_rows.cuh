// Rows with adapters of their own (arXiv:2310.18547 section 3), all arithmetic in f32
//   h[t] = x[t] A_i^T;  y[t] += scale_i * h[t] B_i^T  with i = row_adapter[t], -1: the row stays as it is
//   x [n, d_in], y [n, d_out] f32|bf16;  A_i [r_i, d_in], B_i [d_out, r_i], h [n, h_columns] f32;  no aliasing
// A row is computed by itself, in an order that neither other rows nor other adapters change.
//
// lora_rows_down: a warp an element of h, lanes along d_in.  lora_rows_up: a thread an element of y.
// FLOPs 2 n r (d_in + d_out). For a decoding step's few rows the factors are read once a row, from the second-level cache after the first.
#pragma once

#include "primitives/fault.cuh"
#include "primitives/types.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kLoraRowsThreads = 128, kLoraRowsWarps = kLoraRowsThreads / kWarp;
constexpr int kLoraRowsAdapters = 32;  // of a launch; their pointers are its arguments

// The adapters [first, first + count) of `total`.
struct LoraRowsSet {
  const float *a[kLoraRowsAdapters], *b[kLoraRowsAdapters];
  int64_t r[kLoraRowsAdapters];
  float scale[kLoraRowsAdapters];
  int64_t first, count, total;
};

// What a row asks for, as an index of the set; -1: nothing, or nothing of this set.
__device__ __forceinline__ int64_t adapter_of_row(const LoraRowsSet &set, const int32_t *row_adapter, int64_t t) {
  const int64_t i = row_adapter[t] - set.first;
  return i >= 0 && i < set.count ? i : -1;
}

template <typename X>
__global__ void __launch_bounds__(kLoraRowsThreads)
    lora_rows_down(float *h, const X *x, const int32_t *row_adapter, const LoraRowsSet set, int64_t d_in, int64_t h_columns, Fault *fault) {
  const int64_t groups = ceil_div(h_columns, kLoraRowsWarps), t = blockIdx.x / groups;
  const int64_t k = blockIdx.x % groups * kLoraRowsWarps + threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  if (k == 0 && lane == 0 && row_adapter[t] != -1) in_range(fault, kFaultRowAdapter, t, row_adapter[t], set.total);
  const int64_t i = adapter_of_row(set, row_adapter, t);
  if (i < 0 || k >= set.r[i]) return;
  const X *row = x + t * d_in;
  const float *a = set.a[i] + k * d_in;
  float sum = 0.0f;
  for (int64_t j = lane; j < d_in; j += kWarp) sum = fmaf(to_float(row[j]), a[j], sum);
  sum = warp_sum(sum);
  if (lane == 0) h[t * h_columns + k] = sum;
}

template <typename Y>
__global__ void __launch_bounds__(kLoraRowsThreads)
    lora_rows_up(Y *y, const float *h, const int32_t *row_adapter, const LoraRowsSet set, int64_t d_out, int64_t h_columns) {
  const int64_t groups = ceil_div(d_out, kLoraRowsThreads), t = blockIdx.x / groups;
  const int64_t j = blockIdx.x % groups * kLoraRowsThreads + threadIdx.x;
  const int64_t i = adapter_of_row(set, row_adapter, t);
  if (i < 0 || j >= d_out || set.r[i] == 0) return;
  const int64_t r = set.r[i];
  const float *row = h + t * h_columns, *b = set.b[i] + j * r;
  float sum = 0.0f;
  for (int64_t k = 0; k < r; k++) sum = fmaf(row[k], b[k], sum);
  y[t * d_out + j] = from_float<Y>(fmaf(set.scale[i], sum, to_float(y[t * d_out + j])));
}

// h: n * h_columns f32, h_columns the largest rank.
template <typename Y, typename X>
[[nodiscard]] cudaError_t launch_lora_rows(cudaStream_t stream, Y *y, const X *x, const int32_t *row_adapter, const LoraRowsSet &set,
                                           float *h, int64_t n, int64_t d_in, int64_t d_out, int64_t h_columns, Fault *fault) {
  const int64_t down = n * larger(1, ceil_div(h_columns, kLoraRowsWarps)), up = n * ceil_div(d_out, kLoraRowsThreads);
  SAILS_TRY(launch("lora_rows_down", stream, lora_rows_down<X>, dim3(static_cast<unsigned>(down)), dim3(kLoraRowsThreads), 0, h, x,
                   row_adapter, set, d_in, larger(1, h_columns), fault));
  return up == 0 ? cudaSuccess
                 : launch("lora_rows_up", stream, lora_rows_up<Y>, dim3(static_cast<unsigned>(up)), dim3(kLoraRowsThreads), 0, y, h,
                          row_adapter, set, d_out, larger(1, h_columns));
}

}  // namespace sails::kernels
