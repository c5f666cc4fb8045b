// Cross entropy of one row of logits and its gradient, with the soft-cap's derivative folded in where asked.
#include <cmath>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

constexpr int64_t kSumBlock = 1024;  // partial sums of exponentials go to double after so many

double exp_sum(const float *logits, int64_t vocab, float max) {
  double total = 0;
  for (int64_t begin = 0; begin < vocab; begin += kSumBlock) {
    const int64_t end = begin + kSumBlock < vocab ? begin + kSumBlock : vocab;
    vf sum = {};
    int64_t j = begin;
    for (; j + kWidth <= end; j += kWidth) sum += vexp(load(logits + j) - max);
    double tail = 0;
    if (j < end) {
      float lanes[kWidth];
      store(lanes, vexp(load_tail(logits + j, end - j) - max));
      for (int64_t i = 0; i < end - j; i++) tail += lanes[i];
    }
    total += hsum(sum) + tail;
  }
  return total;
}

float row_max(const float *logits, int64_t vocab) {
  vf max = splat(-__builtin_inff());
  int64_t j = 0;
  for (; j + kWidth <= vocab; j += kWidth) {
    const vf x = load(logits + j);
    max = select((vi)(x > max) | (vi)(x != x), x, max);  // a NaN must reach the loss
  }
  float m = -__builtin_inff();
  float lanes[kWidth];
  store(lanes, max);
  for (int64_t i = 0; i < kWidth; i++) m = lanes[i] > m || lanes[i] != lanes[i] ? lanes[i] : m;
  for (; j < vocab; j++) m = logits[j] > m || logits[j] != logits[j] ? logits[j] : m;
  return m;
}

template <typename D>
void gradient(D *dlogits, const float *logits, int64_t vocab, int64_t target, float weight, float cap, float max, float inverse_sum) {
  const float inverse_cap = cap == 0.0f ? 0.0f : 1.0f / cap;
  const auto at = [&](vf x, vf one_hot) {
    const vf t = x * inverse_cap;
    return (vexp(x - max) * inverse_sum - one_hot) * weight * (1.0f - t * t);
  };
  int64_t j = 0;
  const float target_logit = logits[target];
  for (; j + kWidth <= vocab; j += kWidth) store(dlogits + j, at(load(logits + j), (vf){}));
  if (j < vocab) store_tail(dlogits + j, at(load_tail(logits + j, vocab - j), (vf){}), vocab - j);
  const vf corrected = at(splat(target_logit), splat(1.0f));
  store_one(dlogits + target, corrected[0]);
}

float row(void *dlogits, const float *logits, int64_t vocab, int64_t target, float weight, float cap, int32_t dlogits_dtype) {
  const float max = row_max(logits, vocab);
  const double sum = exp_sum(logits, vocab, max);
  const float loss = static_cast<float>((static_cast<double>(max) - logits[target]) + std::log(sum));
  const float inverse_sum = static_cast<float>(1.0 / sum);
  if (dlogits != nullptr) {
    if (dlogits_dtype == SAILS_F32)
      gradient(static_cast<float *>(dlogits), logits, vocab, target, weight, cap, max, inverse_sum);
    else
      gradient(static_cast<bf16 *>(dlogits), logits, vocab, target, weight, cap, max, inverse_sum);
  }
  return loss;
}

}  // namespace

extern const LossKernels loss_kernels;
const LossKernels loss_kernels = {row};

}  // namespace sails::SAILS_ISA
