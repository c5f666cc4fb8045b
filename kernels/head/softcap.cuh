// Soft-cap of logits (arXiv:2408.00118, section 2), f32
//   forward    y = cap tanh(x / cap), [n]; y may alias x
//   backward   dx = dy (1 - (y / cap)^2); dx may alias dy
// Grid: elementwise/elementwise.cuh. Bytes an element: 8 and 12. FLOPs about 20 and 4.
#pragma once

#include "elementwise/elementwise.cuh"

namespace sails::kernels {

struct SoftcapForward {
  float *y;
  const float *x;
  float cap, inverse;
  template <int kLanes>
  __device__ void at(int64_t i) const {
    float values[kLanes];
    load_lanes(values, x + i);
#pragma unroll
    for (int j = 0; j < kLanes; j++) values[j] = cap * tanhf(values[j] * inverse);
    store_lanes(y + i, values);
  }
};

struct SoftcapBackward {
  float *dx;
  const float *dy, *y;
  float inverse;
  template <int kLanes>
  __device__ void at(int64_t i) const {
    float gradient[kLanes], capped[kLanes];
    load_lanes(gradient, dy + i);
    load_lanes(capped, y + i);
#pragma unroll
    for (int j = 0; j < kLanes; j++) {
      const float t = capped[j] * inverse;
      gradient[j] *= 1.0f - t * t;
    }
    store_lanes(dx + i, gradient);
  }
};

inline cudaError_t launch_softcap_forward(cudaStream_t stream, float *y, const float *x, int64_t n, float cap) {
  return launch_elements<4>("softcap_forward", stream, SoftcapForward{y, x, cap, 1.0f / cap}, n, aligned_to(y, 16) && aligned_to(x, 16));
}

inline cudaError_t launch_softcap_backward(cudaStream_t stream, float *dx, const float *dy, const float *y, int64_t n, float cap) {
  return launch_elements<4>("softcap_backward", stream, SoftcapBackward{dx, dy, y, 1.0f / cap}, n,
                            aligned_to(dx, 16) && aligned_to(dy, 16) && aligned_to(y, 16));
}

}  // namespace sails::kernels
