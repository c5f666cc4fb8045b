// Gated linear units (arXiv:2002.05202; GELU in the tanh form of arXiv:1606.08415, SiLU) and the soft-cap of logits.
#include <type_traits>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

constexpr float kRoot = 0.7978845608028654f;  // sqrt(2 / pi)
constexpr float kCubic = 0.044715f;

struct Activated {
  vf value, slope;
};

struct GeluTanh {
  // gelu(z) = z/2 (1 + t), gelu'(z) = (1 + t)/2 + z/2 (1 - t^2) sqrt(2/pi) (1 + 3 * 0.044715 z^2), t = tanh(...)
  static Activated of(vf z) {
    const vf z2 = z * z;
    const vf t = vtanh(kRoot * z * (1.0f + kCubic * z2));
    const vf half = 0.5f * (1.0f + t);
    return {z * half, half + 0.5f * z * (1.0f - t * t) * kRoot * (1.0f + 3.0f * kCubic * z2)};
  }
};

struct Silu {
  // silu(z) = z s, silu'(z) = s + z s (1 - s), s = 1 / (1 + e), e = exp(-z); 1 - s is e s, which keeps its digits where s is near 1.
  static Activated of(vf z) {
    // Where exp is above e^80, s is 0 beside everything it is added to or multiplied with; infinity would make it NaN.
    const vf e = vexp(vmin(-z, splat(80.0f)));
    const vf s = 1.0f / (1.0f + e);
    return {z * s, s + z * s * (e * s)};
  }
};

// A row of a wide gate takes one thread three microseconds, as long as waking another.
constexpr int64_t kParallel = 32768;

// Runs body(load(i), store(i, v)) style loops: whole vectors in parallel, then the tail.
template <typename Body>
inline void for_vectors(int64_t n, int threads, Body &&body) {
  const int64_t blocks = n / kWidth;
#pragma omp parallel for num_threads(threads) schedule(static) if (n > kParallel)
  for (int64_t b = 0; b < blocks; b++) body(b * kWidth, kWidth);
  if (blocks * kWidth < n) body(blocks * kWidth, n - blocks * kWidth);
}
// Calls run with the activation and a pointer of the type.
template <typename Run>
void with_activation(int32_t activation, int32_t dtype, Run &&run) {
  const auto typed = [&](auto type) { activation == SAILS_GLU_SILU ? run(Silu(), type) : run(GeluTanh(), type); };
  dtype == SAILS_F32 ? typed(static_cast<float *>(nullptr)) : typed(static_cast<bf16 *>(nullptr));
}

template <typename Activation, typename T>
void glu_forward_run(T *y, const T *gate, const T *up, int64_t n, int threads) {
  for_vectors(n, threads, [=](int64_t i, int64_t m) { store_n(y + i, Activation::of(load_n(gate + i, m)).value * load_n(up + i, m), m); });
}

void glu_forward(void *y, const void *gate, const void *up, int64_t n, int32_t activation, int32_t dtype, int threads) {
  with_activation(activation, dtype, [&](auto act, auto *type) {
    using T = std::remove_pointer_t<decltype(type)>;
    glu_forward_run<decltype(act)>(static_cast<T *>(y), static_cast<const T *>(gate), static_cast<const T *>(up), n, threads);
  });
}

template <typename Activation, typename T>
void glu_backward_run(T *dgate, T *dup, const T *dy, const T *gate, const T *up, int64_t n, int threads) {
  for_vectors(n, threads, [=](int64_t i, int64_t m) {
    const Activated g = Activation::of(load_n(gate + i, m));
    const vf d = load_n(dy + i, m), u = load_n(up + i, m);
    store_n(dgate + i, d * u * g.slope, m);
    store_n(dup + i, d * g.value, m);
  });
}

void glu_backward(void *dgate, void *dup, const void *dy, const void *gate, const void *up, int64_t n, int32_t activation, int32_t dtype,
                  int threads) {
  with_activation(activation, dtype, [&](auto act, auto *type) {
    using T = std::remove_pointer_t<decltype(type)>;
    glu_backward_run<decltype(act)>(static_cast<T *>(dgate), static_cast<T *>(dup), static_cast<const T *>(dy),
                                    static_cast<const T *>(gate), static_cast<const T *>(up), n, threads);
  });
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
const ActivationKernels activation_kernels = {glu_forward, glu_backward, softcap_forward, softcap_backward};

}  // namespace sails::SAILS_ISA
