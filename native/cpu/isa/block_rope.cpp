// Rotary position embedding, half-split layout (arXiv:2104.09864; layout of huggingface/transformers modeling_gemma2.py, rotate_half).
#include <cmath>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

void table(float *table, const int32_t *positions, const double *inv_freq, int64_t n_tokens, int64_t half, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_tokens * half > 1024)
  for (int64_t t = 0; t < n_tokens; t++) {
    for (int64_t j = 0; j < half; j++) {
      const double angle = positions[t] * inv_freq[j];
      table[(t * half + j) * 2] = static_cast<float>(std::cos(angle));
      table[(t * half + j) * 2 + 1] = static_cast<float>(std::sin(angle));
    }
  }
}

// One token: cos and sin are pulled apart once and serve all heads.
template <typename T>
void rotate_token(T *y, const T *x, const float *table, int64_t n_heads, int64_t half, float sign) {
  for (int64_t j = 0; j < half; j += kWidth) {
    const int64_t n = half - j < kWidth ? half - j : kWidth;
    float cos_lanes[kWidth] = {}, sin_lanes[kWidth] = {};
    for (int64_t i = 0; i < n; i++) {
      cos_lanes[i] = table[(j + i) * 2];
      sin_lanes[i] = table[(j + i) * 2 + 1];
    }
    const vf c = load(cos_lanes), s = load(sin_lanes) * sign;
    for (int64_t h = 0; h < n_heads; h++) {
      const T *from = x + h * 2 * half + j;
      T *to = y + h * 2 * half + j;
      if (n == kWidth) {
        const vf a = load(from), b = load(from + half);
        store(to, a * c - b * s);
        store(to + half, b * c + a * s);
      } else {
        const vf a = load_tail(from, n), b = load_tail(from + half, n);
        store_tail(to, a * c - b * s, n);
        store_tail(to + half, b * c + a * s, n);
      }
    }
  }
}

template <typename T>
void rotate(T *y, const T *x, const float *table, int64_t n_tokens, int64_t n_heads, int64_t half, bool inverse, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_tokens * n_heads * half > 4096)
  for (int64_t t = 0; t < n_tokens; t++)
    rotate_token(y + t * n_heads * 2 * half, x + t * n_heads * 2 * half, table + t * half * 2, n_heads, half, inverse ? -1.0f : 1.0f);
}

void apply(void *y, const void *x, const float *table, int64_t n_tokens, int64_t n_heads, int64_t half, bool inverse, int32_t dtype,
           int threads) {
  if (dtype == SAILS_F32)
    rotate(static_cast<float *>(y), static_cast<const float *>(x), table, n_tokens, n_heads, half, inverse, threads);
  else
    rotate(static_cast<bf16 *>(y), static_cast<const bf16 *>(x), table, n_tokens, n_heads, half, inverse, threads);
}

}  // namespace

extern const RopeKernels rope_kernels;
const RopeKernels rope_kernels = {table, apply};

}  // namespace sails::SAILS_ISA
