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

HeadSizes head_sizes(const CudaDevice &d, const HeadLossSizes &s) {
  const bool bf16 = s.dtype == SAILS_BF16;
  HeadSizes chunk;
  chunk.rows = kernels::head_chunk_rows(s.n_tokens, s.vocab, d.head_logits);
  chunk.chunks = s.n_tokens == 0 ? 0 : kernels::ceil_div(s.n_tokens, chunk.rows);
  chunk.matmul_bytes = std::max({matmul_bytes(d, chunk.rows, s.vocab, s.d_model, bf16, false, true),
                                 matmul_bytes(d, chunk.rows, s.d_model, s.vocab, bf16, false, false),
                                 matmul_bytes(d, s.vocab, s.d_model, chunk.rows, bf16, true, false)});
  chunk.tile_cols = bf16 && d.hopper_kernels ? kernels::head_tile_cols(s.vocab) : 0;
  return chunk;
}

template <typename T>
struct Head {
  CudaDevice &device;
  const HeadLoss &p;
  HeadSizes sizes;
  kernels::HeadRows rows;
  T *chunk_hidden;
  float *logits;
  float *chunk_dhidden;
  void *matmul_workspace;
  kernels::HeadTiles tiles;  // sums NULL: the portable kernels

  void run() {
    const HeadLossSizes &s = p.sizes;
    check(kernels::launch_head_rows(device.stream, rows, p.token_loss, p.targets, s.n_tokens, s.vocab, sizes.rows, sizes.chunks,
                                    device.fault));
    if (p.dhidden != nullptr) check(kernels::launch_head_zero(device.stream, p.dhidden, p.targets, s.n_tokens, s.vocab, s.d_model));
    if (s.vocab == 0) return;
    for (int64_t i = 0; i < sizes.chunks; i++) chunk(i);
  }

  void chunk(int64_t i) {
    constexpr bool kBf16 = sizeof(T) == 2;
    const int64_t d_model = p.sizes.d_model, vocab = p.sizes.vocab;
    const int32_t *filled = rows.chunk_rows + i;
    check(kernels::launch_head_gather(device.stream, chunk_hidden, static_cast<const T *>(p.hidden), rows, i, sizes.rows, d_model));
    loss(i);
    // The gradient lies where the logits were, with their rows' distance in bytes.
    const T *gradient = reinterpret_cast<const T *>(logits);
    const int64_t ld = vocab * static_cast<int64_t>(sizeof(float) / sizeof(T));
    if (p.dhidden != nullptr) {
      matmul(device,
             {chunk_dhidden, gradient, p.embed, sizes.rows, d_model, vocab, d_model, ld, d_model, false, kBf16, false, false, 1.0f, 0.0f,
              filled},
             matmul_workspace);
      check(kernels::launch_head_scatter(device.stream, p.dhidden, chunk_dhidden, rows, i, sizes.rows, d_model));
    }
    if (p.dembed != nullptr)
      matmul(device,
             {p.dembed, gradient, chunk_hidden, vocab, d_model, sizes.rows, d_model, ld, d_model, false, kBf16, true, false, 1.0f, 1.0f,
              rows.chunk_vocab + i},
             matmul_workspace);
  }

  // token_loss of the chunk, and the gradient over its logits where one is wanted.
  void loss(int64_t i) {
    constexpr bool kBf16 = sizeof(T) == 2;
    const int64_t d_model = p.sizes.d_model, vocab = p.sizes.vocab;
    const float *token_weight = p.gradients() ? p.token_weight : nullptr;
    if constexpr (kBf16) {
      if (tiles.sums != nullptr) {
        float *kept = token_weight == nullptr ? nullptr : logits;
        check(kernels::launch_head_products(device.stream, kept, tiles, chunk_hidden, static_cast<const T *>(p.embed), p.targets, rows, i,
                                            sizes.rows, vocab, d_model, p.softcap, device.persistent()));
        check(kernels::launch_head_row_softmax(device.stream, p.token_loss, kept, tiles, p.targets, token_weight, rows, i, sizes.rows,
                                               vocab, p.softcap));
        return;
      }
    }
    matmul(device,
           {logits, chunk_hidden, p.embed, sizes.rows, vocab, d_model, vocab, d_model, d_model, false, kBf16, false, true, 1.0f, 0.0f,
            rows.chunk_rows + i},
           matmul_workspace);
    check(kernels::launch_head_row_loss<T>(device.stream, p.token_loss, logits, p.targets, token_weight, rows, i, sizes.rows, vocab,
                                           p.softcap));
  }
};

template <typename T>
void run_head(CudaDevice &d, const HeadLoss &p, Workspace workspace) {
  const HeadSizes s = head_sizes(d, p.sizes);
  const int64_t d_model = p.sizes.d_model;
  // In the order of head_loss_workspace_bytes.
  int64_t *row = workspace.take<int64_t>(p.sizes.n_tokens);
  int32_t *chunk_rows = workspace.take<int32_t>(s.chunks), *chunk_vocab = workspace.take<int32_t>(s.chunks);
  T *chunk_hidden = workspace.take<T>(s.rows * d_model);
  float *logits = workspace.take<float>(s.rows * p.sizes.vocab);
  float *chunk_dhidden = workspace.take<float>(s.rows * d_model);
  void *matmul_workspace = workspace.take<char>(s.matmul_bytes);
  kernels::HeadTiles tiles = {};
  if (s.tile_cols > 0 && kernels::tma_fits(p.embed, d_model)) {
    tiles.sums = workspace.take<kernels::TileSum>(s.rows * s.tile_cols);
    tiles.target_logit = workspace.take<float>(s.rows);
    tiles.tile_cols = s.tile_cols;
  }
  Head<T>{d, p, s, {row, chunk_rows, chunk_vocab}, chunk_hidden, logits, chunk_dhidden, matmul_workspace, tiles}.run();
}

}  // namespace

void softcap_forward(sails_device &device, float *y, const float *x, int64_t n, float cap) {
  check(kernels::launch_softcap_forward(cuda(device).stream, y, x, n, cap));
}

void softcap_backward(sails_device &device, float *dx, const float *dy, const float *y, int64_t n, float cap) {
  check(kernels::launch_softcap_backward(cuda(device).stream, dx, dy, y, n, cap));
}

int64_t head_loss_workspace_bytes(sails_device &device, const HeadLossSizes &sizes) {
  const HeadSizes s = head_sizes(cuda(device), sizes);
  return aligned_bytes(sizes.n_tokens * 8) + 2 * aligned_bytes(s.chunks * 4) +
         aligned_bytes(s.rows * sizes.d_model * (sizes.dtype == SAILS_BF16 ? 2 : 4)) + aligned_bytes(s.rows * sizes.vocab * 4) +
         aligned_bytes(s.rows * sizes.d_model * 4) + aligned_bytes(s.matmul_bytes) +
         aligned_bytes(s.rows * s.tile_cols * static_cast<int64_t>(sizeof(kernels::TileSum))) +
         (s.tile_cols > 0 ? aligned_bytes(s.rows * 4) : 0);
}

void head_loss(sails_device &device, const HeadLoss &p, Workspace workspace) {
  const auto run = p.sizes.dtype == SAILS_BF16 ? run_head<kernels::bf16> : run_head<float>;
  run(cuda(device), p, workspace);
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
