// AdamW (arXiv:1711.05101, in the order of torch.optim.AdamW) on many tensors, f32
//   g = grad_scale * grad;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
//   param = (1 - lr * weight_decay) param - lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
//   param, m, v, grad [size], no aliasing
//
// The scalars are read from the device: adamw_rates writes the nine numbers that sails_adamw_rates has combined, so that one recording of a
// step serves all steps. Up to kAdamwMostTensors tensors a launch, by value in the kernel's parameters; x = chunks of kAdamwChunk elements
// of one tensor after the other, 256 threads, 16 bytes an access where all pointers allow it. adamw_rates: one thread.
// Bytes 28 an element, FLOPs about 15.
#pragma once

#include "primitives/types.cuh"

namespace sails::kernels {

// 182 adapters of Gemma-2-2B at r = 16 (37 to 147 thousand elements a tensor) give some thousand chunks: several for each multiprocessor.
constexpr int kAdamwThreads = 256, kAdamwChunk = 4096;
constexpr int kAdamwMostTensors = 64;

struct AdamwTensor {
  float *param, *m, *v;
  const float *grad;
  int64_t size;
};

// In the order of sails_adamw_rates.
struct AdamwScalars {
  float grad_scale, decay, beta1, one_minus_beta1, beta2, one_minus_beta2, step_size, inverse_root, eps;
};
static_assert(sizeof(AdamwScalars) == 9 * sizeof(float), "nine numbers without gaps");

struct AdamwSet {
  AdamwTensor tensor[kAdamwMostTensors];
  int32_t first_chunk[kAdamwMostTensors];
  int32_t count;
  const AdamwScalars *scalars;
};
static_assert(sizeof(AdamwSet) <= 4096, "kernel parameters");

template <int kLanes>
__device__ __forceinline__ void adamw_elements(const AdamwTensor &tensor, const AdamwScalars &s, int64_t at) {
  Pack<float, kLanes> param = load_pack<kLanes>(tensor.param + at), m = load_pack<kLanes>(tensor.m + at),
                      v = load_pack<kLanes>(tensor.v + at);
  const Pack<float, kLanes> grad = load_pack<kLanes>(tensor.grad + at);
#pragma unroll
  for (int i = 0; i < kLanes; i++) {
    const float g = s.grad_scale * grad.lane[i];
    m.lane[i] = s.beta1 * m.lane[i] + s.one_minus_beta1 * g;
    v.lane[i] = s.beta2 * v.lane[i] + s.one_minus_beta2 * (g * g);
    param.lane[i] = s.decay * param.lane[i] - s.step_size * (m.lane[i] / (sqrtf(v.lane[i]) * s.inverse_root + s.eps));
  }
  store_pack(tensor.param + at, param);
  store_pack(tensor.m + at, m);
  store_pack(tensor.v + at, v);
}

__device__ __forceinline__ bool on_16_bytes(const AdamwTensor &tensor) {
  return ((reinterpret_cast<uintptr_t>(tensor.param) | reinterpret_cast<uintptr_t>(tensor.m) | reinterpret_cast<uintptr_t>(tensor.v) |
           reinterpret_cast<uintptr_t>(tensor.grad)) &
          15) == 0;
}

template <int kThreads>
__global__ void __launch_bounds__(kThreads) adamw(const __grid_constant__ AdamwSet set) {
  const int32_t block = static_cast<int32_t>(blockIdx.x);
  int i = 0;
  while (i + 1 < set.count && set.first_chunk[i + 1] <= block) i++;
  const AdamwTensor &tensor = set.tensor[i];
  const int64_t begin = static_cast<int64_t>(block - set.first_chunk[i]) * kAdamwChunk, end = smaller(tensor.size, begin + kAdamwChunk);
  const int64_t packed = on_16_bytes(tensor) ? begin + (end - begin) / 4 * 4 : begin;
  const AdamwScalars scalars = *set.scalars;
  for (int64_t at = begin + static_cast<int64_t>(threadIdx.x) * 4; at < packed; at += kThreads * 4) adamw_elements<4>(tensor, scalars, at);
  for (int64_t at = packed + threadIdx.x; at < end; at += kThreads) adamw_elements<1>(tensor, scalars, at);
}

__global__ void __launch_bounds__(1) adamw_rates(AdamwScalars *rates, const __grid_constant__ AdamwScalars values) { *rates = values; }

// ---- launchers

inline cudaError_t launch_adamw_rates(cudaStream_t stream, AdamwScalars *rates, const AdamwScalars &values) {
  return launch("adamw_rates", stream, adamw_rates, dim3(1), dim3(1), 0, rates, values);
}

inline cudaError_t launch_adamw(cudaStream_t stream, const AdamwTensor *tensors, int64_t count, const AdamwScalars *scalars) {
  for (int64_t first = 0; first < count; first += kAdamwMostTensors) {
    AdamwSet set = {};
    set.count = static_cast<int32_t>(smaller(kAdamwMostTensors, count - first));
    set.scalars = scalars;
    int64_t chunks = 0;
    for (int32_t i = 0; i < set.count; i++) {
      set.tensor[i] = tensors[first + i];
      set.first_chunk[i] = static_cast<int32_t>(chunks);
      chunks += ceil_div(set.tensor[i].size, kAdamwChunk);
    }
    SAILS_TRY(launch("adamw", stream, adamw<kAdamwThreads>, dim3(static_cast<unsigned>(chunks)), dim3(kAdamwThreads), 0, set));
  }
  return cudaSuccess;
}

}  // namespace sails::kernels
