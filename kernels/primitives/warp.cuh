// Sums and maxima over a warp, four lanes of it, and a block, always in the same order.
#pragma once

#include "platform.cuh"

namespace sails::kernels {

constexpr unsigned kFullMask = 0xffffffffu;

// threadIdx.x, for what comes after a loop that has no register to keep it in.
__device__ __forceinline__ int thread_read_again() {
#ifdef SAILS_EMULATOR
  return static_cast<int>(threadIdx.x);
#else
  int thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
#endif
}

// All 32 lanes call; all receive the result.
template <typename T>
__device__ __forceinline__ T warp_sum(T x) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kFullMask, x, distance);
  return x;
}
// NaN is passed over by fmaxf.
__device__ __forceinline__ float warp_max(float x) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(kFullMask, x, distance));
  return x;
}

// Over the four lanes that hold a row of a C fragment (mma.cuh, wgmma.cuh).
__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(kFullMask, x, 1);
  return x + __shfl_xor_sync(kFullMask, x, 2);
}
__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(kFullMask, x, 1));
  return fmaxf(x, __shfl_xor_sync(kFullMask, x, 2));
}

// All threads of the block (a multiple of 32, at most 1024) call; all receive the sum. `scratch` is a shared array of 32, free again when
// the call returns.
template <typename T>
__device__ __forceinline__ T block_sum(T x, T *scratch) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  x = warp_sum(x);
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  x = warp_sum(lane < warps ? scratch[lane] : T(0));
  __syncthreads();
  return x;
}
__device__ __forceinline__ float block_max(float x, float *scratch) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  x = warp_max(x);
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  x = warp_max(lane < warps ? scratch[lane] : -INFINITY);
  __syncthreads();
  return x;
}

}  // namespace sails::kernels
