// RMSNorm (arXiv:1910.07467 eq. 4), with an optional residual; o is what the scale is stored as an offset from: 1 in Gemma, 0 in Llama
//   forward    y[n,i] = residual[n,i] + x[n,i] rstd[n] (o + weight[i]),  rstd[n] = (mean_i x[n,i]^2 + eps)^-1/2
//   backward   g = dy (o + weight);  dx = [dx +] rstd (g - x rstd^2 mean_j(g x));  dweight += sum_n dy x rstd
//   x, y, dy [n_rows, d] f32|bf16; residual [n_rows, d] of y's dtype or NULL; weight, dweight [d], rstd [n_rows], dx [n_rows, d] f32;
//   rstd of the forward and dweight may be NULL. y may alias x (same dtype) or residual; dx may alias dy (f32) if not accumulating.
//
// Forward: a block a row, which its threads hold in registers: x is read once. Backward: a block a row too, or, where dweight is wanted, a
// block a slab of rows; it adds up dweight of its slab in registers and writes it to `partial` [slabs, d], and a second kernel sums the
// slabs in order.
// Slabs depend on n_rows alone, so dweight does not depend on the device. Rows that are longer than kHeld elements a thread, or not
// aligned, are read twice, one element at a time.
// Bytes: forward x, y (and residual) once; backward dy, x, dx once, dweight 8 d * slabs. FLOPs about 6 and 10 an element.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kNormHeld = 16;  // elements of a row that a thread holds: d_model 2304 takes 160 threads
constexpr int kNormForwardThreads = 1024, kNormBackwardThreads = 512;
constexpr int kNormAnyThreads = 256;
constexpr int64_t kNormSlabs = 512;
constexpr int kNormColumns = 32, kNormGroups = 8;  // of the second stage

inline int64_t rmsnorm_slab_rows(int64_t n_rows) { return larger(1, ceil_div(n_rows, kNormSlabs)); }
inline int64_t rmsnorm_slabs(int64_t n_rows) { return ceil_div(n_rows, rmsnorm_slab_rows(n_rows)); }

inline int whole_warps(int64_t threads) { return static_cast<int>(larger(1, ceil_div(threads, kWarp)) * kWarp); }

// ---- forward

struct RmsNormScalars {
  float eps, weight_offset;
};

template <int kLanes, typename Y, typename X>
__global__ void __launch_bounds__(kNormForwardThreads)
    rmsnorm_forward_held(Y *y, float *rstd, const X *x, const float *weight, const Y *residual, int64_t n_rows, int64_t d,
                         const RmsNormScalars scalars) {
  SAILS_SHARED(float, scratch, kWarp);
  constexpr int kPacks = kNormHeld / kLanes;
  for (int64_t row = blockIdx.x; row < n_rows; row += gridDim.x) {
    float values[kPacks][kLanes];
    float squares = 0;
#pragma unroll
    for (int p = 0; p < kPacks; p++) {
      const int64_t at = static_cast<int64_t>(p * blockDim.x + threadIdx.x) * kLanes;
      if (at >= d) continue;
      load_lanes(values[p], x + row * d + at);
#pragma unroll
      for (int i = 0; i < kLanes; i++) squares += values[p][i] * values[p][i];
    }
    const float r = 1.0f / sqrtf(block_sum(squares, scratch) / static_cast<float>(d) + scalars.eps);
    if (rstd != nullptr && threadIdx.x == 0) rstd[row] = r;
#pragma unroll
    for (int p = 0; p < kPacks; p++) {
      const int64_t at = static_cast<int64_t>(p * blockDim.x + threadIdx.x) * kLanes;
      if (at >= d) continue;
      float w[kLanes];
      load_lanes(w, weight + at);
#pragma unroll
      for (int i = 0; i < kLanes; i++) values[p][i] *= r * (scalars.weight_offset + w[i]);
      if (residual != nullptr) {
        load_lanes(w, residual + row * d + at);
#pragma unroll
        for (int i = 0; i < kLanes; i++) values[p][i] += w[i];
      }
      store_lanes(y + row * d + at, values[p]);
    }
  }
}

template <typename Y, typename X>
__global__ void __launch_bounds__(kNormAnyThreads)
    rmsnorm_forward_any(Y *y, float *rstd, const X *x, const float *weight, const Y *residual, int64_t n_rows, int64_t d,
                        const RmsNormScalars scalars) {
  SAILS_SHARED(float, scratch, kWarp);
  for (int64_t row = blockIdx.x; row < n_rows; row += gridDim.x) {
    float squares = 0;
    for (int64_t j = threadIdx.x; j < d; j += blockDim.x) {
      const float value = to_float(x[row * d + j]);
      squares += value * value;
    }
    const float r = 1.0f / sqrtf(block_sum(squares, scratch) / static_cast<float>(d) + scalars.eps);
    if (rstd != nullptr && threadIdx.x == 0) rstd[row] = r;
    for (int64_t j = threadIdx.x; j < d; j += blockDim.x) {
      float value = to_float(x[row * d + j]) * (r * (scalars.weight_offset + weight[j]));
      if (residual != nullptr) value += to_float(residual[row * d + j]);
      y[row * d + j] = from_float<Y>(value);
    }
  }
}

// ---- backward

struct RmsNormGradients {
  float *dx;
  float *partial;  // [slabs, d] or NULL
  int64_t slab_rows;
  float weight_offset;
  bool accumulate_dx;
};

template <int kLanes, typename DY, typename X>
__global__ void __launch_bounds__(kNormBackwardThreads)
    rmsnorm_backward_held(const RmsNormGradients out, const DY *dy, const X *x, const float *weight, const float *rstd, int64_t n_rows,
                          int64_t d) {
  SAILS_SHARED(float, scratch, kWarp);
  constexpr int kPacks = kNormHeld / kLanes;
  float sums[kPacks][kLanes] = {};
  const int64_t begin = blockIdx.x * out.slab_rows, end = smaller(n_rows, begin + out.slab_rows);
  for (int64_t row = begin; row < end; row++) {
    const float r = rstd[row];
    float g[kPacks][kLanes], values[kPacks][kLanes];
    float dot = 0;
#pragma unroll
    for (int p = 0; p < kPacks; p++) {
      const int64_t at = static_cast<int64_t>(p * blockDim.x + threadIdx.x) * kLanes;
      if (at >= d) continue;
      float w[kLanes];
      load_lanes(g[p], dy + row * d + at);
      load_lanes(values[p], x + row * d + at);
      load_lanes(w, weight + at);
#pragma unroll
      for (int i = 0; i < kLanes; i++) {
        sums[p][i] += g[p][i] * values[p][i] * r;
        g[p][i] *= out.weight_offset + w[i];
        dot += g[p][i] * values[p][i];
      }
    }
    const float c = block_sum(dot, scratch) / static_cast<float>(d) * r * r;
#pragma unroll
    for (int p = 0; p < kPacks; p++) {
      const int64_t at = static_cast<int64_t>(p * blockDim.x + threadIdx.x) * kLanes;
      if (at >= d) continue;
#pragma unroll
      for (int i = 0; i < kLanes; i++) g[p][i] = r * (g[p][i] - values[p][i] * c);
      if (out.accumulate_dx) {
        load_lanes(values[p], out.dx + row * d + at);
#pragma unroll
        for (int i = 0; i < kLanes; i++) g[p][i] += values[p][i];
      }
      store_lanes(out.dx + row * d + at, g[p]);
    }
  }
  if (out.partial == nullptr) return;
#pragma unroll
  for (int p = 0; p < kPacks; p++) {
    const int64_t at = static_cast<int64_t>(p * blockDim.x + threadIdx.x) * kLanes;
    if (at < d) store_lanes(out.partial + blockIdx.x * d + at, sums[p]);
  }
}

template <typename DY, typename X>
__global__ void __launch_bounds__(kNormAnyThreads) rmsnorm_backward_any(const RmsNormGradients out, const DY *dy, const X *x,
                                                                        const float *weight, const float *rstd, int64_t n_rows, int64_t d) {
  SAILS_SHARED(float, scratch, kWarp);
  const int64_t begin = blockIdx.x * out.slab_rows, end = smaller(n_rows, begin + out.slab_rows);
  for (int64_t row = begin; row < end; row++) {
    const float r = rstd[row];
    float dot = 0;
    for (int64_t j = threadIdx.x; j < d; j += blockDim.x) {
      const float gradient = to_float(dy[row * d + j]), value = to_float(x[row * d + j]);
      dot += gradient * (out.weight_offset + weight[j]) * value;
      if (out.partial == nullptr) continue;
      float *sum = out.partial + blockIdx.x * d + j;  // this thread's own
      *sum = (row == begin ? 0.0f : *sum) + gradient * value * r;
    }
    const float c = block_sum(dot, scratch) / static_cast<float>(d) * r * r;
    for (int64_t j = threadIdx.x; j < d; j += blockDim.x) {
      const float gradient = r * (to_float(dy[row * d + j]) * (out.weight_offset + weight[j]) - to_float(x[row * d + j]) * c);
      out.dx[row * d + j] = out.accumulate_dx ? out.dx[row * d + j] + gradient : gradient;
    }
  }
}

// dweight [d] += the sum over the slabs; a block 32 columns, in each of which 8 groups take every eighth slab.
template <int kGroups>
__global__ void __launch_bounds__(kNormColumns *kGroups) rmsnorm_sum_slabs(float *dweight, const float *partial, int64_t slabs, int64_t d) {
  SAILS_SHARED(float, sums, kNormColumns *kGroups);
  const int lane = threadIdx.x % kNormColumns, group = threadIdx.x / kNormColumns;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kNormColumns + lane;
  float sum = 0;
  if (column < d) {
#pragma unroll 4
    for (int64_t slab = group; slab < slabs; slab += kGroups) sum += partial[slab * d + column];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (group != 0 || column >= d) return;
  for (int other = 1; other < kGroups; other++) sum += sums[other * kNormColumns + lane];
  dweight[column] += sum;
}

// ---- launchers

template <typename Y, typename X>
cudaError_t launch_rmsnorm_forward(cudaStream_t stream, Y *y, float *rstd, const X *x, const float *weight, const Y *residual,
                                   int64_t n_rows, int64_t d, RmsNormScalars scalars) {
  constexpr int kLanes = kLanesOf<Y, X>;
  const bool held = d % kLanes == 0 && d <= kNormHeld * kNormForwardThreads && lanes_aligned<kLanes>(y) && lanes_aligned<kLanes>(x) &&
                    lanes_aligned<kLanes>(weight) && lanes_aligned<kLanes>(residual);
  const int threads = held ? whole_warps(ceil_div(d, kNormHeld)) : whole_warps(smaller(d, kNormAnyThreads));
  return launch("rmsnorm_forward", stream, held ? rmsnorm_forward_held<kLanes, Y, X> : rmsnorm_forward_any<Y, X>,
                dim3(static_cast<unsigned>(smaller(kMostBlocks, n_rows))), dim3(static_cast<unsigned>(threads)), 0, y, rstd, x, weight,
                residual, n_rows, d, scalars);
}

// partial [rmsnorm_slabs(n_rows), d], not read where dweight is NULL.
template <typename DY, typename X>
cudaError_t launch_rmsnorm_backward(cudaStream_t stream, float *dx, float *dweight, const DY *dy, const X *x, const float *weight,
                                    const float *rstd, int64_t n_rows, int64_t d, float weight_offset, bool accumulate_dx, float *partial) {
  constexpr int kLanes = 4;  // of dx, the widest tensor
  const bool held = d % kLanes == 0 && d <= kNormHeld * kNormBackwardThreads && lanes_aligned<kLanes>(dx) && lanes_aligned<kLanes>(dy) &&
                    lanes_aligned<kLanes>(x) && lanes_aligned<kLanes>(weight);
  const int threads = held ? whole_warps(ceil_div(d, kNormHeld)) : whole_warps(smaller(d, kNormAnyThreads));
  const int64_t slab_rows = dweight != nullptr ? rmsnorm_slab_rows(n_rows) : ceil_div(n_rows, kMostBlocks),
                slabs = ceil_div(n_rows, slab_rows);
  const RmsNormGradients out = {dx, dweight != nullptr ? partial : nullptr, slab_rows, weight_offset, accumulate_dx};
  SAILS_TRY(launch("rmsnorm_backward", stream, held ? rmsnorm_backward_held<kLanes, DY, X> : rmsnorm_backward_any<DY, X>,
                   dim3(static_cast<unsigned>(slabs)), dim3(static_cast<unsigned>(threads)), 0, out, dy, x, weight, rstd, n_rows, d));
  if (dweight == nullptr) return cudaSuccess;
  return launch("rmsnorm_sum_slabs", stream, rmsnorm_sum_slabs<kNormGroups>, dim3(static_cast<unsigned>(ceil_div(d, kNormColumns))),
                dim3(kNormColumns * kNormGroups), 0, dweight, static_cast<const float *>(partial), slabs, d);
}

}  // namespace sails::kernels
