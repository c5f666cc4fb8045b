// Exponentials by the special function units: one instruction each, good to about 2 units in the last place of f32, numbers below 2^-126 as 0.
//
// tanh(x) = 1 - 2 / (2^(2 x log2 e) + 1) from them is off by less than 3e-7 (absolute), while tanh.approx is off by 5e-4, which a soft-cap of 50 would
// turn into 0.025 of a score.
#pragma once

#include <cmath>

#include "platform.cuh"

namespace sails::kernels {

constexpr float kLog2E = 1.44269504088896341f;

// 2^x; 0 at -inf, inf at +inf.
__device__ __forceinline__ float fast_exp2(float x) {
#ifdef SAILS_EMULATOR
  return std::exp2(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}
// 1 / x; 0 at inf.
__device__ __forceinline__ float fast_reciprocal(float x) {
#ifdef SAILS_EMULATOR
  return 1.0f / x;
#else
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}
// x within [-limit, limit]; NaN stays NaN.
__device__ __forceinline__ float clamp_keeping_nan(float x, float limit) {
#ifdef SAILS_EMULATOR
  return x < -limit ? -limit : x > limit ? limit : x;
#else
  float y;
  asm("{\n.reg .f32 low;\nmax.NaN.f32 low, %1, %2;\nmin.NaN.f32 %0, low, %3;\n}" : "=f"(y) : "f"(x), "f"(-limit), "f"(limit));
  return y;
#endif
}

}  // namespace sails::kernels
