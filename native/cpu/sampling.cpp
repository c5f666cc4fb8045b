// Choosing the next token: greedy, or temperature, top-k and top-p (arXiv:1904.09751) by inversion of one uniform number.
#include <algorithm>
#include <cmath>

#include "cpu/device.h"
#include "shell/backend.h"

namespace sails {
namespace {

struct Candidate {
  float logit;
  int32_t id;
};

// Falling logit, rising id.
bool before(const Candidate &a, const Candidate &b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

int32_t argmax(const float *logits, int64_t vocab) {
  int64_t best = 0;
  for (int64_t i = 1; i < vocab; i++)
    if (logits[i] > logits[best]) best = i;
  return static_cast<int32_t>(best);
}

int32_t sample_row(const float *logits, Candidate *candidates, int64_t vocab, float temperature, int64_t top_k, float top_p,
                   float uniform) {
  for (int64_t i = 0; i < vocab; i++) candidates[i] = {logits[i], static_cast<int32_t>(i)};
  int64_t n = vocab;
  if (top_k > 0 && top_k < vocab) {
    std::nth_element(candidates, candidates + top_k - 1, candidates + vocab, before);
    n = top_k;
  }
  double max = -INFINITY;
  for (int64_t i = 0; i < n; i++) max = std::max(max, static_cast<double>(candidates[i].logit));
  const auto weight = [&](int64_t i) { return std::exp((candidates[i].logit - max) / temperature); };
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += weight(i);
  // Inversion and the cut at top_p both walk in falling probability: sort piece by piece, as far as the walk gets.
  const double target = static_cast<double>(uniform);
  int64_t sorted = 0;
  const auto sort_more = [&](int64_t i) {
    while (sorted <= i && sorted < n) {
      const int64_t end = std::min(n, std::max<int64_t>(64, sorted * 4));
      if (end < n) std::nth_element(candidates + sorted, candidates + end, candidates + n, before);
      std::sort(candidates + sorted, candidates + end, before);
      sorted = end;
    }
  };
  int64_t kept = n;
  double kept_total = total;
  if (top_p < 1.0f) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
      sort_more(i);
      sum += weight(i);
      if (sum >= static_cast<double>(top_p) * total) {
        kept = i + 1;
        kept_total = sum;
        break;
      }
    }
  }
  double sum = 0;
  for (int64_t i = 0; i < kept; i++) {
    sort_more(i);
    sum += weight(i);
    if (target * kept_total < sum) return candidates[i].id;
  }
  sort_more(kept - 1);
  return candidates[kept - 1].id;
}

}  // namespace

namespace backend {

int64_t sample_workspace_bytes(sails_device &, int64_t, int64_t vocab) {
  return aligned_bytes(vocab * static_cast<int64_t>(sizeof(Candidate)));
}

void sample(sails_device &device, int32_t *ids, const float *logits, const float *uniform, int64_t n_rows, int64_t vocab, float temperature,
            int64_t top_k, float top_p, void *workspace, int64_t) {
  CpuDevice &host = cpu(device);
  const int64_t bad = host.kernels->elementwise->count_nonfinite(logits, n_rows * vocab, SAILS_F32, host.threads);
  require(bad == 0, bad, " of the logits are NaN or infinite");
  if (temperature == 0.0f) {
    for (int64_t i = 0; i < n_rows; i++) ids[i] = argmax(logits + i * vocab, vocab);
    return;
  }
  for (int64_t i = 0; i < n_rows; i++)
    ids[i] = sample_row(logits + i * vocab, static_cast<Candidate *>(workspace), vocab, temperature, top_k, top_p, uniform[i]);
}

}  // namespace backend
}  // namespace sails
