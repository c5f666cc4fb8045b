// The output matrix and the losses on top of it.
#include <algorithm>

#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "cuda/matmul.h"
#include "head/cross_entropy.cuh"
#include "head/head_hopper.cuh"
#include "head/preference_loss.cuh"
#include "head/softcap.cuh"

namespace sails::backend {
namespace {

struct HeadSizes {
  int64_t rows, chunks;  // rows of a chunk, chunks that there could be
  int64_t matmul_bytes;
  int64_t tile_cols;  // of the vocabulary, 0 where warpgroup products cannot be chosen
};

HeadSizes head_sizes(const CudaDevice &d, int64_t n_tokens, int64_t d_model, int64_t vocab, bool bf16) {
  HeadSizes s;
  s.rows = kernels::head_chunk_rows(n_tokens, vocab, d.head_logits);
  s.chunks = n_tokens == 0 ? 0 : kernels::ceil_div(n_tokens, s.rows);
  s.matmul_bytes =
      std::max({matmul_bytes(d, s.rows, vocab, d_model, bf16, false, true), matmul_bytes(d, s.rows, d_model, vocab, bf16, false, false),
                matmul_bytes(d, vocab, d_model, s.rows, bf16, true, false)});
  s.tile_cols = bf16 && d.hopper_kernels ? kernels::head_tile_cols(vocab) : 0;
  return s;
}

template <typename T>
struct Head {
  CudaDevice &device;
  float *token_loss, *dhidden, *dembed;
  const T *hidden, *embed;
  const int32_t *targets;
  const float *token_weight;  // NULL where no gradient is wanted
  int64_t n_tokens, d_model, vocab;
  float softcap;
  HeadSizes sizes;
  kernels::HeadRows rows;
  T *chunk_hidden;
  float *logits;
  float *chunk_dhidden;
  void *matmul_workspace;
  kernels::HeadTiles tiles;  // sums NULL: the portable kernels

  void run() {
    check(kernels::launch_head_rows(device.stream, rows, token_loss, targets, n_tokens, vocab, sizes.rows, sizes.chunks, device.fault));
    if (dhidden != nullptr) check(kernels::launch_head_zero(device.stream, dhidden, targets, n_tokens, vocab, d_model));
    if (vocab == 0) return;
    for (int64_t i = 0; i < sizes.chunks; i++) chunk(i);
  }

  void chunk(int64_t i) {
    constexpr bool kBf16 = sizeof(T) == 2;
    const int32_t *filled = rows.chunk_rows + i;
    check(kernels::launch_head_gather(device.stream, chunk_hidden, hidden, rows, i, sizes.rows, d_model));
    loss(i);
    // The gradient lies where the logits were, with their rows' distance in bytes.
    const T *gradient = reinterpret_cast<const T *>(logits);
    const int64_t ld = vocab * static_cast<int64_t>(sizeof(float) / sizeof(T));
    if (dhidden != nullptr) {
      matmul(device,
             {chunk_dhidden, gradient, embed, sizes.rows, d_model, vocab, d_model, ld, d_model, false, kBf16, false, false, 1.0f, 0.0f,
              filled},
             matmul_workspace);
      check(kernels::launch_head_scatter(device.stream, dhidden, chunk_dhidden, rows, i, sizes.rows, d_model));
    }
    if (dembed != nullptr)
      matmul(device,
             {dembed, gradient, chunk_hidden, vocab, d_model, sizes.rows, d_model, ld, d_model, false, kBf16, true, false, 1.0f, 1.0f,
              rows.chunk_vocab + i},
             matmul_workspace);
  }

  // token_loss of the chunk, and the gradient over its logits where one is wanted.
  void loss(int64_t i) {
    constexpr bool kBf16 = sizeof(T) == 2;
    if constexpr (kBf16) {
      if (tiles.sums != nullptr) {
        float *kept = token_weight == nullptr ? nullptr : logits;
        check(kernels::launch_head_products(device.stream, kept, tiles, chunk_hidden, embed, targets, rows, i, sizes.rows, vocab, d_model,
                                            softcap, device.persistent()));
        check(kernels::launch_head_row_softmax(device.stream, token_loss, kept, tiles, targets, token_weight, rows, i, sizes.rows, vocab,
                                               softcap));
        return;
      }
    }
    matmul(device,
           {logits, chunk_hidden, embed, sizes.rows, vocab, d_model, vocab, d_model, d_model, false, kBf16, false, true, 1.0f, 0.0f,
            rows.chunk_rows + i},
           matmul_workspace);
    check(kernels::launch_head_row_loss<T>(device.stream, token_loss, logits, targets, token_weight, rows, i, sizes.rows, vocab, softcap));
  }
};

template <typename T>
void run_head(CudaDevice &d, float *token_loss, float *dhidden, float *dembed, const void *hidden, const void *embed,
              const int32_t *targets, const float *token_weight, int64_t n_tokens, int64_t d_model, int64_t vocab, float softcap,
              void *workspace, int64_t workspace_bytes) {
  const HeadSizes s = head_sizes(d, n_tokens, d_model, vocab, sizeof(T) == 2);
  const bool gradients = dhidden != nullptr || dembed != nullptr;
  Workspace pieces(workspace, workspace_bytes);
  // In the order of head_loss_workspace_bytes.
  int64_t *row = pieces.take<int64_t>(n_tokens);
  int32_t *chunk_rows = pieces.take<int32_t>(s.chunks), *chunk_vocab = pieces.take<int32_t>(s.chunks);
  T *chunk_hidden = pieces.take<T>(s.rows * d_model);
  float *logits = pieces.take<float>(s.rows * vocab);
  float *chunk_dhidden = pieces.take<float>(s.rows * d_model);
  void *matmul_workspace = pieces.take<char>(s.matmul_bytes);
  kernels::HeadTiles tiles = {};
  if (s.tile_cols > 0 && kernels::tma_fits(embed, d_model)) {
    tiles.sums = pieces.take<kernels::TileSum>(s.rows * s.tile_cols);
    tiles.target_logit = pieces.take<float>(s.rows);
    tiles.tile_cols = s.tile_cols;
  }
  Head<T>{d,
          token_loss,
          dhidden,
          dembed,
          static_cast<const T *>(hidden),
          static_cast<const T *>(embed),
          targets,
          gradients ? token_weight : nullptr,
          n_tokens,
          d_model,
          vocab,
          softcap,
          s,
          {row, chunk_rows, chunk_vocab},
          chunk_hidden,
          logits,
          chunk_dhidden,
          matmul_workspace,
          tiles}
      .run();
}

}  // namespace

void softcap_forward(sails_device &device, float *y, const float *x, int64_t n, float cap) {
  check(kernels::launch_softcap_forward(cuda(device).stream, y, x, n, cap));
}

void softcap_backward(sails_device &device, float *dx, const float *dy, const float *y, int64_t n, float cap) {
  check(kernels::launch_softcap_backward(cuda(device).stream, dx, dy, y, n, cap));
}

int64_t head_loss_workspace_bytes(sails_device &device, int64_t n_tokens, int64_t d_model, int64_t vocab, int32_t dtype) {
  const bool bf16 = dtype == SAILS_BF16;
  const HeadSizes s = head_sizes(cuda(device), n_tokens, d_model, vocab, bf16);
  return aligned_bytes(n_tokens * 8) + 2 * aligned_bytes(s.chunks * 4) + aligned_bytes(s.rows * d_model * (bf16 ? 2 : 4)) +
         aligned_bytes(s.rows * vocab * 4) + aligned_bytes(s.rows * d_model * 4) + aligned_bytes(s.matmul_bytes) +
         aligned_bytes(s.rows * s.tile_cols * static_cast<int64_t>(sizeof(kernels::TileSum))) +
         (s.tile_cols > 0 ? aligned_bytes(s.rows * 4) : 0);
}

void head_loss(sails_device &device, float *token_loss, float *dhidden, float *dembed, const void *hidden, const void *embed,
               const int32_t *targets, const float *token_weight, int64_t n_tokens, int64_t d_model, int64_t vocab, float softcap,
               int32_t dtype, void *workspace, int64_t workspace_bytes) {
  const auto run = dtype == SAILS_BF16 ? run_head<kernels::bf16> : run_head<float>;
  run(cuda(device), token_loss, dhidden, dembed, hidden, embed, targets, token_weight, n_tokens, d_model, vocab, softcap, workspace,
      workspace_bytes);
}

void cross_entropy(sails_device &device, float *token_loss, float *dlogits, const float *logits, const int32_t *targets,
                   const float *token_weight, int64_t n_tokens, int64_t vocab) {
  CudaDevice &d = cuda(device);
  check(kernels::launch_cross_entropy(d.stream, {token_loss, dlogits, logits, targets, token_weight, n_tokens, vocab}, d.fault));
}

void preference_loss(sails_device &device, double *results, float *token_weight, const float *token_loss, const int32_t *targets,
                     const int32_t *starts, const int32_t *ends, const double *reference, int64_t n_pairs, int64_t n_tokens, int32_t kind,
                     double strength, double loss_scale) {
  CudaDevice &d = cuda(device);
  if (token_weight != nullptr) check(cudaMemsetAsync(token_weight, 0, static_cast<size_t>(n_tokens) * sizeof(float), d.stream));
  check(kernels::launch_preference_loss(d.stream,
                                        {results, token_weight, token_loss, targets, starts, ends, reference, n_pairs, n_tokens,
                                         static_cast<kernels::PreferenceKind>(kind), strength, loss_scale},
                                        d.fault));
}

}  // namespace sails::backend
