// When a feature of a sparse autoencoder is active, and its value
//   z = z0 * scale + bias (scale NULL: 1, bias NULL: 0)
//   active where z > 0, and z > threshold (jumprelu, arXiv:2407.14435 eq. 3), and z0 + gate_bias > 0 (gated, arXiv:2404.16014 eq. 6); value
//   z
#pragma once

#include "primitives/platform.cuh"

namespace sails::kernels {

// [d_sae] f32 each, NULL where not used.
struct FeatureTests {
  const float *bias, *threshold, *scale, *gate_bias;
};

// Those of one feature.
struct FeatureActivation {
  float scale, bias, floor, gate;
  bool gated;

  // z, and whether the feature is active.
  __device__ __forceinline__ bool value(float &z, float z0) const {
    z = fmaf(z0, scale, bias);
    return z > floor && (!gated || z0 > -gate);  // the same as z0 + gate > 0: rounding keeps a sum's sign
  }
};

// What z must exceed. A feature outside never does. threshold < 0 is as good as 0, NaN lets nothing by.
__device__ __forceinline__ float feature_floor(float threshold, bool inside) {
  return !inside ? INFINITY : threshold < 0.0f ? 0.0f : threshold;
}

__device__ __forceinline__ FeatureActivation feature_activation(const FeatureTests &tests, int64_t feature, int64_t d_sae) {
  const bool inside = feature < d_sae;
  FeatureActivation a;
  a.scale = inside && tests.scale != nullptr ? tests.scale[feature] : 1.0f;
  a.bias = inside && tests.bias != nullptr ? tests.bias[feature] : 0.0f;
  a.gate = inside && tests.gate_bias != nullptr ? tests.gate_bias[feature] : 0.0f;
  a.floor = feature_floor(inside && tests.threshold != nullptr ? tests.threshold[feature] : 0.0f, inside);
  a.gated = tests.gate_bias != nullptr;
  return a;
}

}  // namespace sails::kernels
