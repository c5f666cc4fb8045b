// The language-model head: cross entropy over whole logits, and the chunked head that never holds them.
#include <cstring>

#include "device.h"
#include "matmul.h"

using sails::aligned_bytes;
using sails::elements;
using sails::guarded;
using sails::MatmulShape;
using sails::require;
using sails::require_f32;
using sails::require_pointer;
using sails::require_tensor;

namespace {

// Rows of logits at once. Each chunk reads the embedding twice: 128 rows of 256 000 (128 MiB of f32 logits) do that at 75 to 90 %
// of the speed of a large matmul (two Zen 5 cores, bf16), 64 rows at 65 to 75 %.
constexpr int64_t kChunkLogits = int64_t{32} << 20;

int64_t chunk_rows(int64_t n_tokens, int64_t vocab) {
  const int64_t rows = kChunkLogits / (vocab > 0 ? vocab : 1);
  return std::min(n_tokens, std::max<int64_t>(rows, 16));
}

void require_targets(const int32_t *targets, int64_t n_tokens, int64_t vocab) {
  require_pointer(targets, n_tokens, 4, "targets");
  for (int64_t t = 0; t < n_tokens; t++)
    require(targets[t] == SAILS_IGNORE_INDEX || (targets[t] >= 0 && targets[t] < vocab),
            "targets[" + std::to_string(t) + "] is " + std::to_string(targets[t]) + ", the vocabulary has " + std::to_string(vocab) +
                " entries and -100 means not counted");
}

struct HeadSizes {
  int64_t rows, element;
  MatmulShape logits, dhidden, dembed;
  int64_t matmul_bytes;
};

HeadSizes head_sizes(sails_device &device, int64_t n_tokens, int64_t d_model, int64_t vocab, int32_t dtype) {
  HeadSizes s;
  s.rows = chunk_rows(n_tokens, vocab);
  s.element = dtype == SAILS_F32 ? 4 : 2;
  s.logits = MatmulShape::dense(s.rows, vocab, d_model, SAILS_F32, dtype, false, true);
  s.dhidden = MatmulShape::dense(s.rows, d_model, vocab, SAILS_F32, dtype, false, false);
  s.dembed = MatmulShape::dense(vocab, d_model, s.rows, SAILS_F32, dtype, true, false);
  s.matmul_bytes = 0;
  // The last chunk may be shorter; its primitives ask for no more scratch than these plus a page.
  for (const auto &shape : {s.logits, s.dhidden, s.dembed})
    s.matmul_bytes = std::max(s.matmul_bytes, sails::matmul_workspace_bytes(device, shape));
  return s;
}

int64_t head_bytes(sails_device &device, int64_t n_tokens, int64_t d_model, int64_t vocab, int32_t dtype) {
  if (n_tokens == 0 || vocab == 0) return 0;
  const HeadSizes s = head_sizes(device, n_tokens, d_model, vocab, dtype);
  return aligned_bytes(s.rows * d_model * s.element) + aligned_bytes(s.rows * vocab * 4) + aligned_bytes(s.rows * vocab * s.element) +
         aligned_bytes(s.rows * d_model * 4) + aligned_bytes(s.rows * 8) + s.matmul_bytes;
}

// Chunks are always `rows` high; a shorter last one is filled up with zero rows, whose gradient is zero, so that one set of
// compiled matmuls serves all.
struct Head {
  sails_device &device;
  float *token_loss, *dhidden, *dembed;
  const char *hidden;
  const void *embed;
  const int32_t *targets;
  const float *token_weight;
  int64_t d_model, vocab;
  float softcap;
  int32_t dtype;
  HeadSizes sizes;
  char *rows_hidden;
  float *logits;
  char *dlogits;
  float *rows_dhidden;
  int64_t *rows;
  void *matmul_workspace;

  void run(int64_t n_tokens) {
    int64_t count = 0;
    for (int64_t t = 0; t < n_tokens; t++) {
      if (targets[t] == SAILS_IGNORE_INDEX) {
        token_loss[t] = 0;
        if (dhidden != nullptr) std::memset(dhidden + t * d_model, 0, static_cast<size_t>(d_model) * 4);
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
    const size_t row_bytes = static_cast<size_t>(d_model * sizes.element);
    for (int64_t i = 0; i < sizes.rows; i++) {
      char *to = rows_hidden + i * static_cast<int64_t>(row_bytes);
      if (i < count)
        std::memcpy(to, hidden + rows[i] * static_cast<int64_t>(row_bytes), row_bytes);
      else
        std::memset(to, 0, row_bytes);
    }
    sails::matmul(device, logits, rows_hidden, embed, sizes.logits, 1.0f, 0.0f, matmul_workspace, sizes.matmul_bytes);
    const bool gradients = dhidden != nullptr || dembed != nullptr;
    // The gradient of an f32 head goes where the logits were.
    char *gradient = dtype == SAILS_F32 ? reinterpret_cast<char *>(logits) : dlogits;
#pragma omp parallel for num_threads(device.threads) schedule(dynamic, 1)
    for (int64_t i = 0; i < sizes.rows; i++) {
      char *row = gradient + i * vocab * sizes.element;
      if (i >= count) {
        if (gradients) std::memset(row, 0, static_cast<size_t>(vocab * sizes.element));
        continue;
      }
      float *logits_row = logits + i * vocab;
      if (softcap != 0.0f) device.kernels->activation->softcap_forward(logits_row, logits_row, vocab, softcap, 1);
      token_loss[rows[i]] = device.kernels->loss->row(gradients ? row : nullptr, logits_row, vocab, targets[rows[i]],
                                                      gradients ? token_weight[rows[i]] : 0.0f, softcap, dtype);
    }
    if (dhidden != nullptr) {
      sails::matmul(device, rows_dhidden, gradient, embed, sizes.dhidden, 1.0f, 0.0f, matmul_workspace, sizes.matmul_bytes);
      for (int64_t i = 0; i < count; i++)
        std::memcpy(dhidden + rows[i] * d_model, rows_dhidden + i * d_model, static_cast<size_t>(d_model) * 4);
    }
    if (dembed != nullptr)
      sails::matmul(device, dembed, gradient, rows_hidden, sizes.dembed, 1.0f, 1.0f, matmul_workspace, sizes.matmul_bytes);
  }
};

}  // namespace

extern "C" {

int32_t sails_cross_entropy(sails_device *device, float *token_loss, float *dlogits, const float *logits, const int32_t *targets,
                            const float *token_weight, int64_t n_tokens, int64_t vocab) {
  return guarded(device, "sails_cross_entropy", [&] {
    const int64_t n = elements({n_tokens, vocab}, "n_tokens, vocab");
    require_f32(token_loss, n_tokens, "token_loss");
    require_f32(logits, n, "logits");
    require_targets(targets, n_tokens, vocab);
    if (dlogits != nullptr) {
      require_f32(dlogits, n, "dlogits");
      require_f32(token_weight, n_tokens, "token_weight");
    }
#pragma omp parallel for num_threads(device->threads) schedule(static)
    for (int64_t t = 0; t < n_tokens; t++) {
      float *gradient = dlogits == nullptr ? nullptr : dlogits + t * vocab;
      if (targets[t] == SAILS_IGNORE_INDEX) {
        token_loss[t] = 0;
        if (gradient != nullptr) std::memset(gradient, 0, static_cast<size_t>(vocab) * 4);
        continue;
      }
      token_loss[t] = device->kernels->loss->row(gradient, logits + t * vocab, vocab, targets[t],
                                                 gradient == nullptr ? 0.0f : token_weight[t], 0.0f, SAILS_F32);
    }
  });
}

int32_t sails_head_loss_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_tokens, int64_t d_model, int64_t vocab,
                                        int32_t dtype) {
  return guarded(device, "sails_head_loss_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    elements({n_tokens, d_model}, "n_tokens, d_model");
    elements({vocab, d_model}, "vocab, d_model");
    sails::require_f32_or_bf16(dtype, "hidden");
    *out_bytes = head_bytes(*device, n_tokens, d_model, vocab, dtype);
  });
}

int32_t sails_head_loss(sails_device *device, float *token_loss, float *dhidden, float *dembed, const void *hidden, const void *embed,
                        const int32_t *targets, const float *token_weight, int64_t n_tokens, int64_t d_model, int64_t vocab,
                        float softcap, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_head_loss", [&] {
    const int64_t n = elements({n_tokens, d_model}, "n_tokens, d_model"), n_embed = elements({vocab, d_model}, "vocab, d_model");
    require_f32(token_loss, n_tokens, "token_loss");
    require_tensor(hidden, n, dtype, "hidden");
    require_tensor(embed, n_embed, dtype, "embed");
    require_targets(targets, n_tokens, vocab);
    require(softcap >= 0, "softcap is negative");
    if (dhidden != nullptr) require_f32(dhidden, n, "dhidden");
    if (dembed != nullptr) require_f32(dembed, n_embed, "dembed");
    if (dhidden != nullptr || dembed != nullptr) require_f32(token_weight, n_tokens, "token_weight");
    if (n_tokens == 0 || vocab == 0) return;
    sails::require_workspace(workspace, workspace_bytes, head_bytes(*device, n_tokens, d_model, vocab, dtype));
    const HeadSizes s = head_sizes(*device, n_tokens, d_model, vocab, dtype);
    sails::Workspace pieces(workspace, workspace_bytes);
    Head head{*device, token_loss, dhidden, dembed, static_cast<const char *>(hidden), embed, targets, token_weight, d_model, vocab,
              softcap, dtype, s, pieces.take<char>(s.rows * d_model * s.element), pieces.take<float>(s.rows * vocab),
              pieces.take<char>(s.rows * vocab * s.element), pieces.take<float>(s.rows * d_model), pieces.take<int64_t>(s.rows),
              nullptr};
    head.matmul_workspace = pieces.take<char>(s.matmul_bytes);
    head.run(n_tokens);
  });
}

}  // extern "C"
