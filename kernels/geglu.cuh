// GeGLU with the tanh approximation (arXiv:2002.05202; arXiv:1606.08415)
//   forward    y = gelu(gate) up,  gelu(z) = z/2 (1 + tanh u),  u = sqrt(2/pi) (z + 0.044715 z^3)
//   backward   dgate = dy up gelu'(gate),  dup = dy gelu(gate)
// (1 + tanh u)/2 = s = 1 / (1 + exp(-2u)): one exponential. gelu'(z) = s + 2 z s (1 - s) sqrt(2/pi) (1 + 3 * 0.044715 z^2), where 1 - s is
// exp(-2u) s, which keeps its digits where s is near 1.
// All [n] of one dtype f32|bf16; y may alias gate or up; dgate may alias gate, dup may alias up or dy.
// Grid: elementwise.cuh. Bytes an element: 3 and 5 accesses. FLOPs about 10 and 20.
#pragma once

#include "elementwise.cuh"

namespace sails::kernels {

struct Gelu {
  float value, slope;
};

__device__ __forceinline__ Gelu gelu(float z) {
  constexpr float kRoot = 0.7978845608028654f, kCubic = 0.044715f;
  const float z2 = z * z;
  // Where exp is above e^80, s is 0 beside everything it is added to or multiplied with; infinity would make it NaN.
  const float e = expf(fminf(-2.0f * kRoot * z * (1.0f + kCubic * z2), 80.0f));
  const float s = 1.0f / (1.0f + e);
  return {z * s, s + 2.0f * z * s * (e * s) * kRoot * (1.0f + 3.0f * kCubic * z2)};
}

template <typename T>
struct GegluForward {
  T *y;
  const T *gate, *up;
  template <int kLanes>
  __device__ void at(int64_t i) const {
    float z[kLanes], u[kLanes];
    load_lanes(z, gate + i);
    load_lanes(u, up + i);
#pragma unroll
    for (int j = 0; j < kLanes; j++) z[j] = gelu(z[j]).value * u[j];
    store_lanes(y + i, z);
  }
};

template <typename T>
struct GegluBackward {
  T *dgate, *dup;
  const T *dy, *gate, *up;
  template <int kLanes>
  __device__ void at(int64_t i) const {
    float d[kLanes], z[kLanes], u[kLanes];
    load_lanes(d, dy + i);
    load_lanes(z, gate + i);
    load_lanes(u, up + i);
#pragma unroll
    for (int j = 0; j < kLanes; j++) {
      const Gelu g = gelu(z[j]);
      z[j] = d[j] * u[j] * g.slope;
      d[j] *= g.value;
    }
    store_lanes(dgate + i, z);
    store_lanes(dup + i, d);
  }
};

template <typename T>
cudaError_t launch_geglu_forward(cudaStream_t stream, T *y, const T *gate, const T *up, int64_t n) {
  return launch_elements<kPackLanes<T>>("geglu_forward", stream, GegluForward<T>{y, gate, up}, n,
                                        aligned_to(y, 16) && aligned_to(gate, 16) && aligned_to(up, 16));
}

template <typename T>
cudaError_t launch_geglu_backward(cudaStream_t stream, T *dgate, T *dup, const T *dy, const T *gate, const T *up, int64_t n) {
  const bool aligned = aligned_to(dgate, 16) && aligned_to(dup, 16) && aligned_to(dy, 16) && aligned_to(gate, 16) && aligned_to(up, 16);
  return launch_elements<kPackLanes<T>>("geglu_backward", stream, GegluBackward<T>{dgate, dup, dy, gate, up}, n, aligned);
}

}  // namespace sails::kernels
