// AdamW (arXiv:1711.05101), in the order of torch.optim.AdamW; with moments in f32, or in 8 bits by blocks (arXiv:2110.02861).
#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

// What sails_adamw_rates has left, in its order.
struct AdamwRates {
  float grad_scale, decay, beta1, one_minus_beta1, beta2, one_minus_beta2, step_size, inverse_root, eps;
};
static_assert(sizeof(AdamwRates) == SAILS_ADAMW_RATES * sizeof(float), "nine numbers without gaps");

AdamwRates read(const float *rates) {
  AdamwRates values;
  __builtin_memcpy(&values, rates, sizeof values);
  return values;
}

inline void element(float &param, float &m, float &v, float grad, const AdamwRates &s) {
  const float g = s.grad_scale * grad;
  m = s.beta1 * m + s.one_minus_beta1 * g;
  v = s.beta2 * v + s.one_minus_beta2 * (g * g);
  param = s.decay * param - s.step_size * (m / (__builtin_sqrtf(v) * s.inverse_root + s.eps));
}

// Element by element in f32; the compiler vectorises it whole (sqrt included).
void adamw(float *param, float *m, float *v, const float *grad, int64_t n, const float *rates, int threads) {
  const AdamwRates s = read(rates);
#pragma omp parallel for simd num_threads(threads) schedule(static) if (parallel : n > 16384)
  for (int64_t i = 0; i < n; i++) {
    float m_new = m[i], v_new = v[i];
    element(param[i], m_new, v_new, grad[i], s);
    m[i] = m_new;
    v[i] = v_new;
  }
}

constexpr int64_t kBlock = SAILS_ADAMW_BLOCK;

// The code nearest to x, the lower one on a tie: a search without branches for the last code below x, then the better of it and the next.
inline uint8_t nearest(const float *code, float x) {
  int32_t at = 0;
  for (int32_t step = 128; step > 0; step /= 2) at += code[at + step] < x ? step : 0;
  const int32_t next = at < 255 ? at + 1 : 255;
  return static_cast<uint8_t>(code[next] - x < x - code[at] ? next : at);
}

// A block's moment back into q and absmax; what lies past the tensor is 0.
void quantise(uint8_t *q, float *absmax, const float *moment, const float *code) {
  float largest = 0;
  for (int64_t i = 0; i < kBlock; i++) largest = __builtin_fmaxf(largest, __builtin_fabsf(moment[i]));
  const float inverse = largest > 0 ? 1.0f / largest : 0.0f;
#pragma omp simd
  for (int64_t i = 0; i < kBlock; i++) q[i] = nearest(code, inverse > 3e38f ? moment[i] / largest : moment[i] * inverse);
  *absmax = largest;
}

void adamw_8bit(float *param, uint8_t *m, uint8_t *v, float *m_absmax, float *v_absmax, const float *grad, int64_t n, const float *m_code,
                const float *v_code, const float *rates, int threads) {
  const AdamwRates s = read(rates);
#pragma omp parallel for num_threads(threads) schedule(static) if (n > 16384)
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t block = first / kBlock, count = n - first < kBlock ? n - first : kBlock;
    float m_new[kBlock] = {}, v_new[kBlock] = {};
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
      m_new[i] = m_code[m[first + i]] * m_absmax[block];
      v_new[i] = v_code[v[first + i]] * v_absmax[block];
      element(param[first + i], m_new[i], v_new[i], grad[first + i], s);
    }
    quantise(m + first, m_absmax + block, m_new, m_code);
    quantise(v + first, v_absmax + block, v_new, v_code);
  }
}

}  // namespace

extern const OptimizerKernels optimizer_kernels;
const OptimizerKernels optimizer_kernels = {adamw, adamw_8bit};

}  // namespace sails::SAILS_ISA
