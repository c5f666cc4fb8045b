// The language-model head: cross entropy over whole logits, and the chunked head that never holds them.
#include <cmath>
#include <cstring>

#include "cpu/device.h"
#include "cpu/matmul.h"
#include "shell/backend.h"

namespace sails {
namespace {

// Rows of logits at once. Each chunk reads the embedding twice: 128 rows of 256 000 (128 MiB of f32 logits) do that at 75 to 90 %
// of the speed of a large matmul (two Zen 5 cores, bf16), 64 rows at 65 to 75 %.
constexpr int64_t kChunkLogits = int64_t{32} << 20;

int64_t chunk_rows(int64_t n_tokens, int64_t vocab) {
  const int64_t rows = kChunkLogits / (vocab > 0 ? vocab : 1);
  return std::min(n_tokens, std::max<int64_t>(rows, 16));
}

void require_targets(const int32_t *targets, int64_t n_tokens, int64_t vocab) {
  for (int64_t t = 0; t < n_tokens; t++)
    require(targets[t] == SAILS_IGNORE_INDEX || (targets[t] >= 0 && targets[t] < vocab), "targets[", t, "] is ", targets[t],
            ", the vocabulary has ", vocab, " entries and -100 means not counted");
}

struct HeadSizes {
  int64_t rows, element;
  MatmulShape logits, dhidden, dembed;
};

HeadSizes head_sizes(const HeadLossSizes &s) {
  HeadSizes chunk;
  chunk.rows = chunk_rows(s.n_tokens, s.vocab);
  chunk.element = s.dtype == SAILS_F32 ? 4 : 2;
  chunk.logits = MatmulShape::dense(chunk.rows, s.vocab, s.d_model, SAILS_F32, s.dtype, false, true);
  chunk.dhidden = MatmulShape::dense(chunk.rows, s.d_model, s.vocab, SAILS_F32, s.dtype, false, false);
  chunk.dembed = MatmulShape::dense(s.vocab, s.d_model, chunk.rows, SAILS_F32, s.dtype, true, false);
  return chunk;
}

// Chunks are always `rows` high; a shorter last one is filled up with zero rows, whose gradient is zero, so that one set of
// compiled matmuls serves all.
struct Head {
  CpuDevice &device;
  const HeadLoss &p;
  HeadSizes sizes;
  char *rows_hidden;
  float *logits;
  char *dlogits;
  float *rows_dhidden;
  int64_t *rows;
  Workspace matmul_workspace;

  void run() {
    const int64_t d_model = p.sizes.d_model;
    int64_t count = 0;
    for (int64_t t = 0; t < p.sizes.n_tokens; t++) {
      if (p.targets[t] == SAILS_IGNORE_INDEX) {
        p.token_loss[t] = 0;
        if (p.dhidden != nullptr) std::memset(p.dhidden + t * d_model, 0, static_cast<size_t>(d_model) * 4);
        continue;
      }
      rows[count++] = t;
      if (count == sizes.rows) {
        chunk(count);
        count = 0;
      }
    }
    if (count > 0) chunk(count);
  }

  void chunk(int64_t count) {
    const int64_t d_model = p.sizes.d_model, vocab = p.sizes.vocab;
    const bool gradients = p.gradients();
    const size_t row_bytes = static_cast<size_t>(d_model * sizes.element);
    for (int64_t i = 0; i < sizes.rows; i++) {
      char *to = rows_hidden + i * static_cast<int64_t>(row_bytes);
      if (i < count)
        std::memcpy(to, static_cast<const char *>(p.hidden) + rows[i] * static_cast<int64_t>(row_bytes), row_bytes);
      else
        std::memset(to, 0, row_bytes);
    }
    matmul(device, logits, rows_hidden, p.embed, sizes.logits, 1.0f, 0.0f, matmul_workspace);
    // The gradient of an f32 head goes where the logits were.
    char *gradient = p.sizes.dtype == SAILS_F32 ? reinterpret_cast<char *>(logits) : dlogits;
#pragma omp parallel for num_threads(device.threads) schedule(dynamic, 1)
    for (int64_t i = 0; i < sizes.rows; i++) {
      char *row = gradient + i * vocab * sizes.element;
      if (i >= count) {
        if (gradients) std::memset(row, 0, static_cast<size_t>(vocab * sizes.element));
        continue;
      }
      float *logits_row = logits + i * vocab;
      if (p.softcap != 0.0f) device.kernels->activation->softcap_forward(logits_row, logits_row, vocab, p.softcap, 1);
      p.token_loss[rows[i]] = device.kernels->loss->row(gradients ? row : nullptr, logits_row, vocab, p.targets[rows[i]],
                                                        gradients ? p.token_weight[rows[i]] : 0.0f, p.softcap, p.sizes.dtype);
    }
    if (p.dhidden != nullptr) {
      matmul(device, rows_dhidden, gradient, p.embed, sizes.dhidden, 1.0f, 0.0f, matmul_workspace);
      for (int64_t i = 0; i < count; i++)
        std::memcpy(p.dhidden + rows[i] * d_model, rows_dhidden + i * d_model, static_cast<size_t>(d_model) * 4);
    }
    if (p.dembed != nullptr) matmul(device, p.dembed, gradient, rows_hidden, sizes.dembed, 1.0f, 1.0f, matmul_workspace);
  }
};

// A pair's margin and loss, and the loss's derivative by the token losses of either answer; formulas: sails.h.
struct Preference {
  double margin, loss, weight[2];
};

Preference preference(int32_t kind, double strength, const double (&log_p)[2], const double (&counted)[2], double ref_a, double ref_u) {
  if (kind != SAILS_PREFERENCE_ORPO) {
    const double margin = strength * ((log_p[0] - ref_a) - (log_p[1] - ref_u));
    if (kind == SAILS_PREFERENCE_IPO) {
      const double off = (margin - 0.5) / strength;
      return {margin, off * off, {-2 * off, 2 * off}};
    }
    const double pull = strength / (1 + std::exp(margin));
    return {margin, std::fmax(0, -margin) + std::log1p(std::exp(-std::fabs(margin))), {pull, -pull}};
  }
  const double most = -1e-7, n[2] = {std::fmax(1, counted[0]), std::fmax(1, counted[1])};
  const double mean[2] = {std::fmin(most, log_p[0] / n[0]), std::fmin(most, log_p[1] / n[1])};
  const double rest[2] = {-std::expm1(mean[0]), -std::expm1(mean[1])};
  const double margin = (mean[0] - mean[1]) - (std::log(rest[0]) - std::log(rest[1]));
  const double pull = strength / (1 + std::exp(margin));
  const double loss = -mean[0] + strength * (std::fmax(0, -margin) + std::log1p(std::exp(-std::fabs(margin))));
  return {margin, loss, {(1 + pull / rest[0]) / n[0], -pull / rest[1] / n[1]}};
}

}  // namespace

namespace backend {

void softcap_forward(sails_device &device, float *y, const float *x, int64_t n, float cap) {
  CpuDevice &host = cpu(device);
  host.kernels->activation->softcap_forward(y, x, n, cap, host.threads);
}

void softcap_backward(sails_device &device, float *dx, const float *dy, const float *y, int64_t n, float cap) {
  CpuDevice &host = cpu(device);
  host.kernels->activation->softcap_backward(dx, dy, y, n, cap, host.threads);
}

void cross_entropy(sails_device &device, float *token_loss, float *dlogits, const float *logits, const int32_t *targets,
                   const float *token_weight, int64_t n_tokens, int64_t vocab) {
  CpuDevice &host = cpu(device);
  require_targets(targets, n_tokens, vocab);
#pragma omp parallel for num_threads(host.threads) schedule(static)
  for (int64_t t = 0; t < n_tokens; t++) {
    float *gradient = dlogits == nullptr ? nullptr : dlogits + t * vocab;
    if (targets[t] == SAILS_IGNORE_INDEX) {
      token_loss[t] = 0;
      if (gradient != nullptr) std::memset(gradient, 0, static_cast<size_t>(vocab) * 4);
      continue;
    }
    token_loss[t] = host.kernels->loss->row(gradient, logits + t * vocab, vocab, targets[t], gradient == nullptr ? 0.0f : token_weight[t],
                                            0.0f, SAILS_F32);
  }
}

void preference_loss(sails_device &device, double *results, float *token_weight, const float *token_loss, const int32_t *targets,
                     const int32_t *starts, const int32_t *ends, const double *reference, int64_t n_pairs, int64_t n_tokens, int32_t kind,
                     double strength, double loss_scale) {
  (void)device;
  for (int64_t i = 0; i < 2 * n_pairs; i++)
    require(starts[i] >= 0 && starts[i] <= ends[i] && ends[i] <= n_tokens, "answer ", i, " is tokens ", starts[i], " to ", ends[i],
            ", expected a range within 0 to ", n_tokens);
  if (token_weight != nullptr) std::memset(token_weight, 0, static_cast<size_t>(n_tokens) * 4);
  for (int64_t i = 0; i < n_pairs; i++) {
    double log_p[2] = {}, counted[2] = {};
    for (int64_t side = 0; side < 2; side++) {
      for (int64_t t = starts[i + side * n_pairs]; t < ends[i + side * n_pairs]; t++) {
        log_p[side] -= token_loss[t];
        counted[side] += targets[t] != SAILS_IGNORE_INDEX;
      }
    }
    const double ref_a = reference == nullptr ? 0 : reference[i], ref_u = reference == nullptr ? 0 : reference[i + n_pairs];
    const Preference pair = preference(kind, strength, log_p, counted, ref_a, ref_u);
    const double result[4] = {log_p[0], log_p[1], pair.margin, pair.loss};
    std::memcpy(results + 4 * i, result, sizeof result);
    if (token_weight == nullptr) continue;
    for (int64_t side = 0; side < 2; side++)
      for (int64_t t = starts[i + side * n_pairs]; t < ends[i + side * n_pairs]; t++)
        if (targets[t] != SAILS_IGNORE_INDEX) token_weight[t] = static_cast<float>(loss_scale * pair.weight[side]);
  }
}

int64_t head_loss_workspace_bytes(sails_device &device, const HeadLossSizes &s) {
  if (s.n_tokens == 0 || s.vocab == 0) return 0;
  const HeadSizes chunk = head_sizes(s);
  // The last chunk may be shorter; its primitives ask for no more scratch than these plus a page.
  return aligned_bytes(chunk.rows * s.d_model * chunk.element) + aligned_bytes(chunk.rows * s.vocab * 4) +
         aligned_bytes(chunk.rows * s.vocab * chunk.element) + aligned_bytes(chunk.rows * s.d_model * 4) + aligned_bytes(chunk.rows * 8) +
         largest_workspace_bytes(cpu(device), {chunk.logits, chunk.dhidden, chunk.dembed});
}

void head_loss(sails_device &device, const HeadLoss &p, Workspace workspace) {
  const int64_t n_tokens = p.sizes.n_tokens, d_model = p.sizes.d_model, vocab = p.sizes.vocab;
  require_targets(p.targets, n_tokens, vocab);
  if (vocab == 0) {  // so no target is counted
    std::memset(p.token_loss, 0, static_cast<size_t>(n_tokens) * 4);
    if (p.dhidden != nullptr) std::memset(p.dhidden, 0, static_cast<size_t>(n_tokens * d_model) * 4);
    return;
  }
  const HeadSizes chunk = head_sizes(p.sizes);
  auto *rows_hidden = workspace.take<char>(chunk.rows * d_model * chunk.element);
  auto *logits = workspace.take<float>(chunk.rows * vocab);
  auto *dlogits = workspace.take<char>(chunk.rows * vocab * chunk.element);
  auto *rows_dhidden = workspace.take<float>(chunk.rows * d_model);
  auto *rows = workspace.take<int64_t>(chunk.rows);
  Head{cpu(device), p, chunk, rows_hidden, logits, dlogits, rows_dhidden, rows, workspace}.run();
}

}  // namespace backend
}  // namespace sails
