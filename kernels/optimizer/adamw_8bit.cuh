// AdamW as in optimizer/adamw.cuh with the moments in 8 bits (arXiv:2110.02861, section 2)
//   m = m_code[q_m] m_absmax, v = v_code[q_v] v_absmax of the element's block of 256;  param moves by the new moments;
//   absmax = the block's largest |moment|, q = the nearest code of moment / absmax, the lower one on a tie
//   param, grad [size] f32; q_m, q_v u8 [ceil(size / 256) * 256]; m_absmax, v_absmax f32 [ceil(size / 256)]; m_code, v_code [256] f32
//   rising; no aliasing
//
// A warp a block of 256 elements, 8 a lane in steps of 32; both code books and the scalars in shared memory. Up to kAdamw8MostTensors
// tensors a launch, by value in the kernel's parameters; x = chunks of 8 blocks of one tensor after the other, 256 threads.
// Bytes 16 an element, FLOPs about 15 and two searches of 8 steps.
#pragma once

#include "optimizer/adamw.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kAdamw8Block = 256, kAdamw8Threads = 256, kAdamw8Lanes = kAdamw8Block / kWarp;
constexpr int kAdamw8Chunk = kAdamw8Block * (kAdamw8Threads / kWarp);
constexpr int kAdamw8MostTensors = 48;

struct Adamw8Tensor {
  float *param;
  uint8_t *m, *v;
  float *m_absmax, *v_absmax;
  const float *grad;
  int64_t size;
};

struct Adamw8Set {
  Adamw8Tensor tensor[kAdamw8MostTensors];
  int32_t first_chunk[kAdamw8MostTensors];
  int32_t count;
  const AdamwScalars *scalars;
  const float *m_code, *v_code;
};
static_assert(sizeof(Adamw8Set) <= 4096, "kernel parameters");

// The last code below x by steps of a half, then the better of it and the next.
__device__ __forceinline__ uint8_t nearest_code(const float *code, float x) {
  int at = 0;
#pragma unroll
  for (int step = 128; step > 0; step /= 2) at += code[at + step] < x ? step : 0;
  const int next = at < 255 ? at + 1 : 255;
  return static_cast<uint8_t>(code[next] - x < x - code[at] ? next : at);
}

// The warp's block: all 32 lanes call.
__device__ __forceinline__ void quantise_block(uint8_t *q, float *absmax, const float (&moment)[kAdamw8Lanes], const float *code,
                                               int lane) {
  float largest = 0;
#pragma unroll
  for (int j = 0; j < kAdamw8Lanes; j++) largest = fmaxf(largest, fabsf(moment[j]));
  largest = warp_max(largest);
  const float inverse = largest > 0 ? 1.0f / largest : 0.0f;
#pragma unroll
  for (int j = 0; j < kAdamw8Lanes; j++)
    q[lane + j * kWarp] = nearest_code(code, inverse > 3e38f ? moment[j] / largest : moment[j] * inverse);
  if (lane == 0) *absmax = largest;
}

template <int kThreads>
__global__ void __launch_bounds__(kThreads) adamw_8bit(const __grid_constant__ Adamw8Set set) {
  SAILS_SHARED(float, m_code, 256);
  SAILS_SHARED(float, v_code, 256);
  SAILS_SHARED(AdamwScalars, scalars, 1);
  for (int i = threadIdx.x; i < 256; i += kThreads) {
    m_code[i] = set.m_code[i];
    v_code[i] = set.v_code[i];
  }
  if (threadIdx.x == 0) scalars[0] = *set.scalars;
  __syncthreads();
  const int32_t chunk = static_cast<int32_t>(blockIdx.x);
  int i = 0;
  while (i + 1 < set.count && set.first_chunk[i + 1] <= chunk) i++;
  const Adamw8Tensor &tensor = set.tensor[i];
  const int lane = threadIdx.x % kWarp;
  const int64_t block = static_cast<int64_t>(chunk - set.first_chunk[i]) * (kThreads / kWarp) + threadIdx.x / kWarp,
                first = block * kAdamw8Block;
  if (first >= tensor.size) return;
  const float m_absmax = tensor.m_absmax[block], v_absmax = tensor.v_absmax[block];
  float m[kAdamw8Lanes] = {}, v[kAdamw8Lanes] = {};
#pragma unroll
  for (int j = 0; j < kAdamw8Lanes; j++) {
    const int64_t at = first + lane + j * kWarp;
    if (at >= tensor.size) continue;
    const AdamwScalars &s = scalars[0];
    const float g = s.grad_scale * tensor.grad[at];
    m[j] = s.beta1 * (m_code[tensor.m[at]] * m_absmax) + s.one_minus_beta1 * g;
    v[j] = s.beta2 * (v_code[tensor.v[at]] * v_absmax) + s.one_minus_beta2 * (g * g);
    tensor.param[at] = s.decay * tensor.param[at] - s.step_size * (m[j] / (sqrtf(v[j]) * s.inverse_root + s.eps));
  }
  quantise_block(tensor.m + first, tensor.m_absmax + block, m, m_code, lane);
  quantise_block(tensor.v + first, tensor.v_absmax + block, v, v_code, lane);
}

// ---- launcher

inline cudaError_t launch_adamw_8bit(cudaStream_t stream, const Adamw8Tensor *tensors, int64_t count, const float *m_code,
                                     const float *v_code, const AdamwScalars *scalars) {
  for (int64_t first = 0; first < count; first += kAdamw8MostTensors) {
    Adamw8Set set = {};
    set.count = static_cast<int32_t>(smaller(kAdamw8MostTensors, count - first));
    set.scalars = scalars;
    set.m_code = m_code;
    set.v_code = v_code;
    int64_t chunks = 0;
    for (int32_t i = 0; i < set.count; i++) {
      set.tensor[i] = tensors[first + i];
      set.first_chunk[i] = static_cast<int32_t>(chunks);
      chunks += ceil_div(set.tensor[i].size, kAdamw8Chunk);
    }
    SAILS_TRY(launch("adamw_8bit", stream, adamw_8bit<kAdamw8Threads>, dim3(static_cast<unsigned>(chunks)), dim3(kAdamw8Threads), 0, set));
  }
  return cudaSuccess;
}

}  // namespace sails::kernels
