// Gated linear units (arXiv:2002.05202) with GELU's tanh approximation (arXiv:1606.08415) or SiLU
//   forward    y = act(gate) up
//   backward   dgate = dy up act'(gate),  dup = dy act(gate)
// Both activations are z s(v), s(v) = 1 / (1 + exp(-v)): one exponential.
//   gelu(z) = z/2 (1 + tanh u),  u = sqrt(2/pi) (z + 0.044715 z^3):  v = 2u;   silu:  v = z
//   act'(z) = s + z s (1 - s) dv/dz, where 1 - s is exp(-v) s, which keeps its digits where s is near 1.
// All [n] of one dtype f32|bf16; y may alias gate or up; dgate may alias gate, dup may alias up or dy.
// Grid: elementwise/elementwise.cuh. Bytes an element: 3 and 5 accesses. FLOPs about 10 and 20.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/exponential.cuh"
#include "sails.h"

namespace sails::kernels {

struct Activated {
  float value, slope;
};

// z s(v) and its slope; dv: v's slope.
__device__ __forceinline__ Activated gated_by_sigmoid(float z, float v, float dv) {
  // Where exp is above e^80, s is 0 beside everything it is added to or multiplied with; infinity would make it NaN.
  const float e = expf(fminf(-v, 80.0f));
  const float s = 1.0f / (1.0f + e);
  return {z * s, s + z * s * (e * s) * dv};
}

struct GeluTanh {
  static constexpr float kRoot = 0.7978845608028654f, kCubic = 0.044715f;
  __device__ static float exponent(float z) { return 2.0f * kRoot * z * (1.0f + kCubic * (z * z)); }
  __device__ static Activated of(float z) { return gated_by_sigmoid(z, exponent(z), 2.0f * kRoot * (1.0f + 3.0f * kCubic * (z * z))); }
};

struct Silu {
  __device__ static float exponent(float z) { return z; }
  __device__ static Activated of(float z) { return gated_by_sigmoid(z, z, 1.0f); }
};

// act(z) on its way into an element of type T. A bf16 has no use for more than the special function units give, in a quarter of the
// instructions.
template <typename Activation, typename T>
__device__ __forceinline__ float activated(float z) {
  if (sizeof(T) == 4) return Activation::of(z).value;
  return z * fast_reciprocal(1.0f + fast_exp2(fminf(-kLog2E * Activation::exponent(z), 115.0f)));
}

template <typename Activation, typename T>
struct GluForward {
  T *y;
  const T *gate, *up;
  template <int kLanes>
  __device__ void at(int64_t i) const {
    float z[kLanes], u[kLanes];
    load_lanes(z, gate + i);
    load_lanes(u, up + i);
#pragma unroll
    for (int j = 0; j < kLanes; j++) z[j] = activated<Activation, T>(z[j]) * u[j];
    store_lanes(y + i, z);
  }
};

template <typename Activation, typename T>
struct GluBackward {
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
      const Activated g = Activation::of(z[j]);
      z[j] = d[j] * u[j] * g.slope;
      d[j] *= g.value;
    }
    store_lanes(dgate + i, z);
    store_lanes(dup + i, d);
  }
};

template <typename T>
cudaError_t launch_glu_forward(cudaStream_t stream, T *y, const T *gate, const T *up, int64_t n, int32_t activation) {
  const bool aligned = aligned_to(y, 16) && aligned_to(gate, 16) && aligned_to(up, 16);
  if (activation == SAILS_GLU_SILU)
    return launch_elements<kPackLanes<T>>("glu_forward", stream, GluForward<Silu, T>{y, gate, up}, n, aligned);
  return launch_elements<kPackLanes<T>>("glu_forward", stream, GluForward<GeluTanh, T>{y, gate, up}, n, aligned);
}

template <typename T>
cudaError_t launch_glu_backward(cudaStream_t stream, T *dgate, T *dup, const T *dy, const T *gate, const T *up, int64_t n,
                                int32_t activation) {
  const bool aligned = aligned_to(dgate, 16) && aligned_to(dup, 16) && aligned_to(dy, 16) && aligned_to(gate, 16) && aligned_to(up, 16);
  if (activation == SAILS_GLU_SILU)
    return launch_elements<kPackLanes<T>>("glu_backward", stream, GluBackward<Silu, T>{dgate, dup, dy, gate, up}, n, aligned);
  return launch_elements<kPackLanes<T>>("glu_backward", stream, GluBackward<GeluTanh, T>{dgate, dup, dy, gate, up}, n, aligned);
}

}  // namespace sails::kernels
