// Vectors of floats by GCC's vector extensions: one source, lowered to SSE2, AVX2 or AVX-512 by the file's compile flags.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace sails::SAILS_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kWidth = 16;
#elif defined(__AVX2__)
constexpr int64_t kWidth = 8;
#else
constexpr int64_t kWidth = 4;
#endif

typedef float vf __attribute__((vector_size(kWidth * 4)));
typedef int32_t vi __attribute__((vector_size(kWidth * 4)));
typedef uint32_t vu __attribute__((vector_size(kWidth * 4)));
typedef uint16_t vh __attribute__((vector_size(kWidth * 2)));

typedef uint16_t bf16;  // the upper half of a float

inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

inline vf splat(float x) { return x - (vf){}; }  // x - 0 is exact, also for -0 and NaN
inline vi splat_i(int32_t x) { return x + (vi){}; }

inline vf load(const float *p) {
  vf v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float *p, vf v) { std::memcpy(p, &v, sizeof v); }

// GCC widens by one instruction if it is told which.
inline vf load(const bf16 *p) {
  vh h;
  std::memcpy(&h, p, sizeof h);
#if defined(__AVX512F__)
  const vu wide = (vu)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)h);
#elif defined(__AVX2__)
  const vu wide = (vu)_mm256_cvtepu16_epi32((__m128i)h);
#else
  const vu wide = __builtin_convertvector(h, vu);
#endif
  return (vf)(wide << 16);
}

// Round to nearest even; NaN stays NaN (made quiet, so that it cannot round to infinity).
inline vh to_bf16(vf v) {
  const vu bits = (vu)v;
  const vu rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const vu quiet = (bits >> 16) | 0x40u;
  const vu is_nan = (vu)((bits & 0x7fffffffu) > 0x7f800000u);
  return __builtin_convertvector((is_nan & quiet) | (~is_nan & rounded), vh);
}
inline void store(bf16 *p, vf v) {
  const vh h = to_bf16(v);
  std::memcpy(p, &h, sizeof h);
}

// IEEE half precision, which GCC converts one by one if left to itself.
struct Half {
  _Float16 value;
};
inline vf load(const Half *p) {
#if defined(__AVX512F__)
  __m256i h;
  std::memcpy(&h, p, sizeof h);
  return (vf)_mm512_maskz_cvtph_ps(0xffff, h);  // maskz: the plain form draws a false warning from GCC 12
#elif defined(__F16C__)
  __m128i h;
  std::memcpy(&h, p, sizeof h);
  return (vf)_mm256_cvtph_ps(h);
#else
  vf v;
  for (int64_t i = 0; i < kWidth; i++) v[i] = static_cast<float>(p[i].value);
  return v;
#endif
}
// Round to nearest even.
inline void store(Half *p, vf v) {
#if defined(__AVX512F__)
  const __m256i h = _mm512_maskz_cvtps_ph(0xffff, (__m512)v, _MM_FROUND_TO_NEAREST_INT);
  std::memcpy(static_cast<void *>(p), &h, sizeof h);
#elif defined(__F16C__)
  const __m128i h = _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
  std::memcpy(static_cast<void *>(p), &h, sizeof h);
#else
  for (int64_t i = 0; i < kWidth; i++) p[i].value = static_cast<_Float16>(v[i]);
#endif
}

// The first n (< kWidth) lanes; the others are 0. Never touches memory past n.
template <typename T>
inline vf load_tail(const T *p, int64_t n) {
  T lanes[kWidth] = {};
  std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(T));
  return load(lanes);
}
template <typename T>
inline void store_tail(T *p, vf v, int64_t n) {
  T lanes[kWidth];
  store(lanes, v);
  std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(T));
}

// n lanes, whole vectors without the detour.
template <typename T>
inline vf load_n(const T *p, int64_t n) {
  return n == kWidth ? load(p) : load_tail(p, n);
}
template <typename T>
inline void store_n(T *p, vf v, int64_t n) {
  if (n == kWidth)
    store(p, v);
  else
    store_tail(p, v, n);
}

inline float load_one(const float *p) { return *p; }
inline float load_one(const bf16 *p) {
  const uint32_t bits = static_cast<uint32_t>(*p) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}
inline void store_one(float *p, float v) { *p = v; }
inline void store_one(bf16 *p, float v) {
  const vh h = to_bf16(splat(v));
  *p = h[0];
}

inline vf select(vi mask, vf if_true, vf if_false) { return (vf)((mask & (vi)if_true) | (~mask & (vi)if_false)); }
inline vf vmax(vf a, vf b) { return select((vi)(a > b), a, b); }
inline vf vmin(vf a, vf b) { return select((vi)(a < b), a, b); }
inline vf vabs(vf a) { return (vf)((vi)a & 0x7fffffff); }

// Sum and maximum of the lanes, always in the same tree order: halves are added up until one lane is left.
typedef float vf4 __attribute__((vector_size(16)));
inline float hsum_of(vf4 v) {
  const vf4 halves = v + __builtin_shufflevector(v, v, 2, 3, 2, 3);
  return halves[0] + halves[1];
}
#if defined(__AVX2__)
typedef float vf8 __attribute__((vector_size(32)));
inline float hsum_of(vf8 v) { return hsum_of(__builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7)); }
#endif
#if defined(__AVX512F__)
inline float hsum_of(vf v) {
  return hsum_of(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
}
#endif
inline float hsum(vf v) { return hsum_of(v); }
inline float hmax(vf v) {
  float lanes[kWidth];
  store(lanes, v);
  float m = lanes[0];
  for (int64_t i = 1; i < kWidth; i++) m = lanes[i] > m ? lanes[i] : m;
  return m;
}

// The product of two rows.
template <typename A, typename B>
inline float dot(const A *a, const B *b, int64_t n) {
  vf sum_0 = {}, sum_1 = {};
  int64_t j = 0;
  for (; j + 2 * kWidth <= n; j += 2 * kWidth) {
    sum_0 += load(a + j) * load(b + j);
    sum_1 += load(a + j + kWidth) * load(b + j + kWidth);
  }
  for (; j + kWidth <= n; j += kWidth) sum_0 += load(a + j) * load(b + j);
  if (j < n) sum_1 += load_tail(a + j, n - j) * load_tail(b + j, n - j);
  return hsum(sum_0 + sum_1);
}

// e^x to about 1 ulp: x = n ln2 + r, |r| <= ln2/2, polynomial for e^r (Cephes expf, S. L. Moshier), scaled by 2^n in two
// steps so that results below the normal range come out right. NaN stays NaN; > 88.73 is infinity, < -104 is 0.
inline vf vexp(vf x) {
  const vf clamped = vmin(vmax(x, splat(-105.0f)), splat(89.0f));
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23: adding and subtracting rounds to an integer
  const vf n = (clamped * 1.44269504088896341f + magic) - magic;
  vf r = clamped - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const vi exponent = __builtin_convertvector(n, vi);
  const vi half = exponent >> 1;
  const vf scale_1 = (vf)((half + 127) << 23);
  const vf scale_2 = (vf)((exponent - half + 127) << 23);
  const vf y = p * scale_1 * scale_2;
  return select((vi)(x == x), y, x);
}

// tanh x to a few ulp: odd polynomial below 0.625 (Cephes tanhf), 1 - 2 / (e^2x + 1) above.
inline vf vtanh(vf x) {
  const vf a = vabs(x);
  const vf s = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = p * s + 2.06390887954e-2f;
  p = p * s + -5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s + -3.33332819422e-1f;
  const vf small = p * s * x + x;
  const vf large = 1.0f - 2.0f / (vexp(a + a) + 1.0f);
  const vf signed_large = (vf)((vi)large | ((vi)x & (int32_t)0x80000000));
  return select((vi)(a < 0.625f), small, select((vi)(x == x), signed_large, x));
}

}  // namespace
}  // namespace sails::SAILS_ISA
