// Losses of preference pairs from the token losses of both answers, and the weights that take their gradient into the head
//   log p = - sum of token_loss over an answer
//   dpo    margin = strength ((log p_a - ref_a) - (log p_u - ref_u)),  loss = -log sigmoid(margin)              (arXiv:2305.18290 eq. 7)
//   ipo    the same margin,  loss = ((margin - 1/2) / strength)^2                                                (arXiv:2310.12036 eq. 17)
//   orpo   l = min(-1e-7, log p / counted tokens);  margin = (l_a - l_u) - (log(1 - exp(l_a)) - log(1 - exp(l_u)));
//          loss = -l_a - strength log sigmoid(margin)                                                            (arXiv:2403.07691 eq. 4 to
//          7)
//   results [n_pairs, 4] f64 = log p_a, log p_u, margin, loss;  token_weight [n_tokens] f32 or NULL = loss_scale d loss / d token_loss in
//   counted
//   tokens of the answers; it is zero elsewhere before the launch. starts, ends [2 n_pairs]: aligned answers, then unaligned ones.
//
// Grid: a block of 256 threads a pair; sums in f64 in a fixed order. Bytes about 16 a token; FLOPs few.
#pragma once

#include "head/cross_entropy.cuh"

namespace sails::kernels {

constexpr int kPreferenceThreads = 256;

enum class PreferenceKind : int32_t { kDpo = 0, kIpo = 1, kOrpo = 2 };

struct PreferenceRows {
  double *results;
  float *token_weight;  // or NULL
  const float *token_loss;
  const int32_t *targets, *starts, *ends;
  const double *reference;  // or NULL
  int64_t n_pairs, n_tokens;
  PreferenceKind kind;
  double strength, loss_scale;
};

struct Preference {
  double margin, loss, weight[2];
};

__device__ inline double minus_log_sigmoid(double x) { return fmax(0.0, -x) + log1p(exp(-fabs(x))); }

__device__ inline Preference preference(PreferenceKind kind, double strength, const double (&log_p)[2], const double (&counted)[2],
                                        double ref_a, double ref_u) {
  if (kind != PreferenceKind::kOrpo) {
    const double margin = strength * ((log_p[0] - ref_a) - (log_p[1] - ref_u));
    const double off = (margin - 0.5) / strength, pull = strength / (1 + exp(margin));
    if (kind == PreferenceKind::kIpo) return {margin, off * off, {-2 * off, 2 * off}};
    return {margin, minus_log_sigmoid(margin), {pull, -pull}};
  }
  const double n_a = fmax(1.0, counted[0]), n_u = fmax(1.0, counted[1]);
  const double l_a = fmin(-1e-7, log_p[0] / n_a), l_u = fmin(-1e-7, log_p[1] / n_u);
  const double rest_a = -expm1(l_a), rest_u = -expm1(l_u);
  const double margin = (l_a - l_u) - (log(rest_a) - log(rest_u)), pull = strength / (1 + exp(margin));
  return {margin, -l_a + strength * minus_log_sigmoid(margin), {(1 + pull / rest_a) / n_a, -pull / rest_u / n_u}};
}

__global__ void __launch_bounds__(kPreferenceThreads) preference_loss(const PreferenceRows rows, Fault *fault) {
  SAILS_SHARED(double, scratch, kWarp);
  for (int64_t pair = blockIdx.x; pair < rows.n_pairs; pair += gridDim.x) {
    double log_p[2], counted[2];
    int64_t begin[2], end[2];
    bool inside = true;
    for (int side = 0; side < 2; side++) {
      const int64_t answer = pair + side * rows.n_pairs;
      begin[side] = rows.starts[answer];
      end[side] = rows.ends[answer];
      inside = inside && in_range(fault, kFaultAnswer, answer, end[side], rows.n_tokens + 1) &&
               in_range(fault, kFaultAnswer, answer, begin[side], end[side] + 1);
    }
    if (!inside) continue;
    for (int side = 0; side < 2; side++) {
      double loss = 0, count = 0;
      for (int64_t t = begin[side] + threadIdx.x; t < end[side]; t += kPreferenceThreads) {
        loss += rows.token_loss[t];
        count += rows.targets[t] != kIgnoredTarget;
      }
      log_p[side] = -block_sum(loss, scratch);
      counted[side] = block_sum(count, scratch);
    }
    const bool with_reference = rows.kind != PreferenceKind::kOrpo;
    const Preference result = preference(rows.kind, rows.strength, log_p, counted, with_reference ? rows.reference[pair] : 0,
                                         with_reference ? rows.reference[pair + rows.n_pairs] : 0);
    if (threadIdx.x == 0) {
      double *out = rows.results + 4 * pair;
      out[0] = log_p[0];
      out[1] = log_p[1];
      out[2] = result.margin;
      out[3] = result.loss;
    }
    if (rows.token_weight == nullptr) continue;
    for (int side = 0; side < 2; side++) {
      const float weight = static_cast<float>(rows.loss_scale * result.weight[side]);
      for (int64_t t = begin[side] + threadIdx.x; t < end[side]; t += kPreferenceThreads)
        if (rows.targets[t] != kIgnoredTarget) rows.token_weight[t] = weight;
    }
  }
}

// ---- launcher

inline cudaError_t launch_preference_loss(cudaStream_t stream, const PreferenceRows &rows, Fault *fault) {
  return launch("preference_loss", stream, preference_loss, dim3(static_cast<unsigned>(smaller(kMostBlocks, rows.n_pairs))),
                dim3(kPreferenceThreads), 0, rows, fault);
}

}  // namespace sails::kernels
