// The end of one half of a block and the start of the next, for few rows (decoding)
//   out = residual + x rstd(x) (offset + x_weight), x_weight NULL: residual + x;   y = out rstd(out) (offset + y_weight)
//   rstd(z) = (mean_i z_i^2 + eps)^-1/2 (arXiv:1910.07467 eq. 4)
//   x, residual, out [n_rows, d] f32, out may alias either;  y [n_rows, d] f32|bf16;  weights [d] f32
//
// Grid: a block a row, of 512 or 1024 threads. held: a thread keeps its 8 elements of all tensors in registers, and reads the weights
// before it waits for the kernels before it. Longer rows are read again where they are needed: a thread reads only what it has written
// itself. Bytes 4 reads and 1.5 or 2 writes of 4 d a row; what counts is latency: one access to memory and two sums over a block, about 2
// us.
#pragma once

#include "primitives/dependent_launch.cuh"
#include "primitives/types.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kResidualNormHeld = 8;  // elements of a row a thread

template <typename Y>
struct ResidualNorm {
  float *out;
  Y *y;
  const float *x, *x_weight, *residual, *y_weight;
  int64_t n_rows, d;
  float eps, offset;

  __device__ __forceinline__ float rstd(float squares) const { return 1.0f / sqrtf(squares / static_cast<float>(d) + eps); }
};

template <typename Y>
__global__ void __launch_bounds__(1024) residual_norm_held(const ResidualNorm<Y> p) {
  SAILS_SHARED(float, scratch, 32);
  float x_scale[kResidualNormHeld], y_scale[kResidualNormHeld], x[kResidualNormHeld], sum[kResidualNormHeld];
  const int64_t row = blockIdx.x * p.d;
  const auto each = [&](auto &&f) {
#pragma unroll
    for (int j = 0; j < kResidualNormHeld; j++) {
      const int64_t i = static_cast<int64_t>(j) * blockDim.x + threadIdx.x;
      if (i < p.d) f(j, i);
    }
  };
  each([&](int j, int64_t i) {
    x_scale[j] = p.x_weight == nullptr ? 1.0f : p.offset + p.x_weight[i];
    y_scale[j] = p.offset + p.y_weight[i];
  });
  wait_for_grids_before();
  let_next_grid_start();
  each([&](int j, int64_t i) {
    x[j] = p.x[row + i];
    sum[j] = p.residual[row + i];
  });
  float squares = 0.0f;
  each([&](int j, int64_t) { squares = fmaf(x[j], x[j], squares); });
  squares = block_sum(squares, scratch);
  const float x_rstd = p.x_weight == nullptr ? 1.0f : p.rstd(squares);
  squares = 0.0f;
  each([&](int j, int64_t i) {
    sum[j] += x[j] * x_rstd * x_scale[j];
    squares = fmaf(sum[j], sum[j], squares);
    p.out[row + i] = sum[j];
  });
  squares = block_sum(squares, scratch);
  const float y_rstd = p.rstd(squares);
  each([&](int j, int64_t i) { p.y[row + i] = from_float<Y>(sum[j] * y_rstd * y_scale[j]); });
}

template <typename Y>
__global__ void __launch_bounds__(1024) residual_norm_any(const ResidualNorm<Y> p) {
  SAILS_SHARED(float, scratch, 32);
  wait_for_grids_before();
  let_next_grid_start();
  const int64_t row = blockIdx.x * p.d;
  float squares = 0.0f;
  for (int64_t i = threadIdx.x; i < p.d; i += blockDim.x) squares = fmaf(p.x[row + i], p.x[row + i], squares);
  squares = block_sum(squares, scratch);
  const float x_rstd = p.rstd(squares);
  squares = 0.0f;
  for (int64_t i = threadIdx.x; i < p.d; i += blockDim.x) {
    const float scale = p.x_weight == nullptr ? 1.0f : x_rstd * (p.offset + p.x_weight[i]);
    const float sum = p.residual[row + i] + p.x[row + i] * scale;
    squares = fmaf(sum, sum, squares);
    p.out[row + i] = sum;
  }
  squares = block_sum(squares, scratch);
  const float y_rstd = p.rstd(squares);
  for (int64_t i = threadIdx.x; i < p.d; i += blockDim.x)
    p.y[row + i] = from_float<Y>(p.out[row + i] * y_rstd * (p.offset + p.y_weight[i]));
}

template <typename Y>
cudaError_t launch_residual_norm(EarlyStream queue, const ResidualNorm<Y> &p) {
  const int threads = p.d <= 512 * kResidualNormHeld ? 512 : 1024;
  const bool held = p.d <= static_cast<int64_t>(threads) * kResidualNormHeld;
  return launch_early(held ? "residual_norm_held" : "residual_norm_any", queue, held ? residual_norm_held<Y> : residual_norm_any<Y>,
                      dim3(static_cast<unsigned>(p.n_rows)), dim3(threads), 0, p);
}

}  // namespace sails::kernels
