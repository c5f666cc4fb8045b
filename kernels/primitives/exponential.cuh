// Exponentials by the special function units: one instruction each, good to about 2 units in the last place of f32, numbers below 2^-126 as
// 0.
//
// tanh is a quotient with one reciprocal: tanh.approx is off by 5e-4, which a soft-cap of 50 would turn into 0.025 of a score.
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

// factor * tanh(y) = y N(y^2) / D(y^2) on |y| < 7.6, degrees 3 and 4 (minimax fit of |error| / |y|: 0.4 eps; beyond 7.6 the value there:
// 1.1 eps): 4.3 eps
// |factor y| with all roundings of f32 (eps 2^-24, simulated with an exact 1 / D). 1 - 2 / (1 + exp(2 y)) takes 2 results of the special
// function unit instead of 1, and is off by eps of 1 instead of y. Largest errors of both, and of the slopes 1 - tanh^2 from them, in f32
// and eps of 1 (every few f32 of both signs, factors of 1, 30 and 72; tests/native/primitives_test.cpp holds the quotient to them):
//   |y| up to           0.01      0.3        1        3        5      7.6       20
//   quotient        0.04 0.6  1.2 1.3  3.2 6.2   5.5 13   6.9 16   8.2 18    12 22
//   1 - 2 / (...)    2.0 0.6  2.4 1.9  3.1 5.0  3.2 6.5  3.2 6.5  3.2 6.5  3.2 6.5
// Scores are mostly below |y| = 1, 0.76 of the cap; up to 4.5 the slope's error is less than a rounding to bf16.
struct TanhQuotient {
  float numerator[4];    // N, times the factor
  float denominator[4];  // D from y^2 on; it begins with 1
};
inline TanhQuotient tanh_quotient(float factor) {
  return {{factor, factor * 0.12993983581664464f, factor * 0.0030247245965800054f, factor * 1.2234762397846132e-05f},
          {0.46327289555675083f, 0.024116165768626182f, 0.00024913957211980764f, 2.719311457695209e-07f}};
}
constexpr float kMaxTanh = 7.6f;
__device__ __forceinline__ float scaled_tanh(const TanhQuotient &q, float x) {
  const float y = clamp_keeping_nan(x, kMaxTanh), z = y * y;
  const float(&a)[4] = q.numerator, (&b)[4] = q.denominator;
  const float n = fmaf(z, fmaf(z, fmaf(z, a[3], a[2]), a[1]), a[0]);
  const float d = fmaf(z, fmaf(z, fmaf(z, fmaf(z, b[3], b[2]), b[1]), b[0]), 1.0f);
  return y * n * fast_reciprocal(d);
}

}  // namespace sails::kernels
