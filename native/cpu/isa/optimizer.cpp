// AdamW (arXiv:1711.05101), in the order of torch.optim.AdamW.
#include <cmath>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"

namespace sails::SAILS_ISA {
namespace {

// Element by element in f32 with scalars rounded once from double; the compiler vectorises it whole (sqrt included).
void adamw(float *param, float *m, float *v, const float *grad, int64_t n, const AdamwScalars &s, int threads) {
  const float scale = static_cast<float>(s.grad_scale);
  const float decay = static_cast<float>(1.0 - s.lr * s.weight_decay);
  const float beta1 = static_cast<float>(s.beta1), one_minus_beta1 = static_cast<float>(1.0 - s.beta1);
  const float beta2 = static_cast<float>(s.beta2), one_minus_beta2 = static_cast<float>(1.0 - s.beta2);
  const float step_size = static_cast<float>(s.lr / s.bias_correction1);
  const float inverse_root = static_cast<float>(1.0 / std::sqrt(s.bias_correction2));
  const float eps = static_cast<float>(s.eps);
#pragma omp parallel for simd num_threads(threads) schedule(static) if (parallel : n > 16384)
  for (int64_t i = 0; i < n; i++) {
    const float g = scale * grad[i];
    const float m_new = beta1 * m[i] + one_minus_beta1 * g;
    const float v_new = beta2 * v[i] + one_minus_beta2 * (g * g);
    m[i] = m_new;
    v[i] = v_new;
    param[i] = decay * param[i] - step_size * (m_new / (__builtin_sqrtf(v_new) * inverse_root + eps));
  }
}

}  // namespace

extern const OptimizerKernels optimizer_kernels;
const OptimizerKernels optimizer_kernels = {adamw};

}  // namespace sails::SAILS_ISA
