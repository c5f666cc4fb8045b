// GeGLU (arXiv:2002.05202 with the tanh form of arXiv:1606.08415) and the soft-cap of logits.
#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

constexpr float kRoot = 0.7978845608028654f;  // sqrt(2 / pi)
constexpr float kCubic = 0.044715f;

// gelu(z) = z/2 (1 + t), gelu'(z) = (1 + t)/2 + z/2 (1 - t^2) sqrt(2/pi) (1 + 3 * 0.044715 z^2), t = tanh(...)
struct Gelu {
  vf value, slope;
};
inline Gelu gelu(vf z) {
  const vf z2 = z * z;
  const vf t = vtanh(kRoot * z * (1.0f + kCubic * z2));
  const vf half = 0.5f * (1.0f + t);
  return {z * half, half + 0.5f * z * (1.0f - t * t) * kRoot * (1.0f + 3.0f * kCubic * z2)};
}

// Runs body(load(i), store(i, v)) style loops: whole vectors in parallel, then the tail.
template <typename Body>
inline void for_vectors(int64_t n, int threads, Body &&body) {
  const int64_t blocks = n / kWidth;
#pragma omp parallel for num_threads(threads) schedule(static) if (n > 8192)
  for (int64_t b = 0; b < blocks; b++) body(b * kWidth, kWidth);
  if (blocks * kWidth < n) body(blocks * kWidth, n - blocks * kWidth);
}
template <typename T>
void geglu_forward_run(T *y, const T *gate, const T *up, int64_t n, int threads) {
  for_vectors(n, threads, [=](int64_t i, int64_t m) { store_n(y + i, gelu(load_n(gate + i, m)).value * load_n(up + i, m), m); });
}

void geglu_forward(void *y, const void *gate, const void *up, int64_t n, int32_t dtype, int threads) {
  if (dtype == SAILS_F32)
    geglu_forward_run(static_cast<float *>(y), static_cast<const float *>(gate), static_cast<const float *>(up), n, threads);
  else
    geglu_forward_run(static_cast<bf16 *>(y), static_cast<const bf16 *>(gate), static_cast<const bf16 *>(up), n, threads);
}

template <typename T>
void geglu_backward_run(T *dgate, T *dup, const T *dy, const T *gate, const T *up, int64_t n, int threads) {
  for_vectors(n, threads, [=](int64_t i, int64_t m) {
    const Gelu g = gelu(load_n(gate + i, m));
    const vf d = load_n(dy + i, m), u = load_n(up + i, m);
    store_n(dgate + i, d * u * g.slope, m);
    store_n(dup + i, d * g.value, m);
  });
}

void geglu_backward(void *dgate, void *dup, const void *dy, const void *gate, const void *up, int64_t n, int32_t dtype, int threads) {
  if (dtype == SAILS_F32)
    geglu_backward_run(static_cast<float *>(dgate), static_cast<float *>(dup), static_cast<const float *>(dy),
                       static_cast<const float *>(gate), static_cast<const float *>(up), n, threads);
  else
    geglu_backward_run(static_cast<bf16 *>(dgate), static_cast<bf16 *>(dup), static_cast<const bf16 *>(dy),
                       static_cast<const bf16 *>(gate), static_cast<const bf16 *>(up), n, threads);
}

void softcap_forward(float *y, const float *x, int64_t n, float cap, int threads) {
  const float inverse = 1.0f / cap;
  for_vectors(n, threads, [=](int64_t i, int64_t m) { store_n(y + i, vtanh(load_n(x + i, m) * inverse) * cap, m); });
}

void softcap_backward(float *dx, const float *dy, const float *y, int64_t n, float cap, int threads) {
  const float inverse = 1.0f / cap;
  for_vectors(n, threads, [=](int64_t i, int64_t m) {
    const vf t = load_n(y + i, m) * inverse;
    store_n(dx + i, load_n(dy + i, m) * (1.0f - t * t), m);
  });
}

}  // namespace

extern const ActivationKernels activation_kernels;
const ActivationKernels activation_kernels = {geglu_forward, geglu_backward, softcap_forward, softcap_backward};

}  // namespace sails::SAILS_ISA
