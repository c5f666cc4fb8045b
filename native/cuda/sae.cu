// Sparse autoencoders on the device.
#include <algorithm>

#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "cuda/matmul.h"
#include "sae/codes.cuh"
#include "sae/decode.cuh"
#include "sae/encode.cuh"
#include "sae/standardize.cuh"
#include "sae/statistics.cuh"
#include "sae/topk.cuh"
#include "sae/weight_gradient.cuh"

namespace sails::backend {
namespace {

using kernels::bf16;
using kernels::SparseCodes;

SparseCodes sparse_codes(CudaDevice &device, const SaeCodes &c) {
  return {c.indices, c.values, c.counts, c.n_tokens, c.capacity, c.d_sae, device.fault};
}

kernels::FeatureTests feature_tests(const SaeEncoder &encoder) {
  return {encoder.bias, encoder.threshold, encoder.scale, encoder.gate_bias};
}

// Calls body with a null pointer to the element type.
template <typename Body>
void with_type(int32_t dtype, Body &&body) {
  if (dtype == SAILS_F32)
    body(static_cast<const float *>(nullptr));
  else
    body(static_cast<const bf16 *>(nullptr));
}

// Top-k goes over blocks of tokens, and in each over chunks of features whose z are in memory.
constexpr int64_t kTopkTokens = 2048, kTopkFeatures = 4096;  // 32 MiB of z: in the L2 cache, and 4 waves of 128 x 128 tiles on an H100

constexpr int64_t kTopkKeptBytes = int64_t{256} << 20;  // about: for a large k the blocks of tokens are smaller

struct TopkBlocks {
  int64_t tokens, features, ld, matmul_bytes;
};

TopkBlocks topk_blocks(const CudaDevice &device, const SaeEncoderSizes &s) {
  const int64_t by_room = std::max<int64_t>(1, kTopkKeptBytes / (8 * std::max<int64_t>(1, s.k)));
  TopkBlocks b{std::min({s.n_tokens, kTopkTokens, by_room}), std::min(s.d_sae, kTopkFeatures), 0, 0};
  b.ld = (b.features + 7) / 8 * 8;
  if (b.tokens == 0 || b.features == 0) return b;
  // Full blocks and the last ones of either side.
  for (int64_t tokens : {b.tokens, s.n_tokens % b.tokens})
    for (int64_t features : {b.features, s.d_sae % b.features})
      b.matmul_bytes = std::max(b.matmul_bytes, matmul_bytes(device, tokens, features, s.d_in, s.dtype == SAILS_BF16, false, false));
  return b;
}

int64_t topk_bytes(const TopkBlocks &b, int64_t k) {
  return aligned_bytes(4 * b.tokens * b.ld) + aligned_bytes(b.matmul_bytes) + 2 * aligned_bytes(4 * b.tokens * k) +
         2 * aligned_bytes(4 * b.tokens);
}

// Whether the kernels of sm_90a may be chosen; `operands_fit`: whether TMA can read the operands, or true where they are not known.
kernels::FindConfig find_config(const CudaDevice &device, const SaeEncoderSizes &s, bool dense, bool operands_fit) {
  const bool bf16_weights = s.dtype == SAILS_BF16, warpgroups = device.hopper_kernels && bf16_weights && operands_fit;
  return kernels::choose_sae_find(s.n_tokens, s.d_in, s.d_sae, bf16_weights, dense, warpgroups, device.persistent());
}

kernels::FindConfig find_config(const CudaDevice &device, const SaeEncoderSizes &s, const SaeEncoder &encoder, bool dense) {
  return find_config(device, s, dense, kernels::warpgroup_find_fits(encoder.x, encoder.w_enc, s.n_tokens, s.d_in, s.d_sae));
}

// Enough for either variant: which one it is depends on the alignment of the operands, too.
template <typename Bytes>
int64_t find_bytes(const CudaDevice &device, const SaeEncoderSizes &s, bool dense, Bytes &&bytes) {
  return std::max(bytes(find_config(device, s, dense, false)), bytes(find_config(device, s, dense, true)));
}

int64_t cell_bytes(const kernels::FindConfig &c) {
  return aligned_bytes(4 * c.cells() * kernels::kSegment) + aligned_bytes(c.cells() * kernels::kSegment) + aligned_bytes(4 * c.cells());
}

kernels::FoundCodes take_cells(Workspace &workspace, const kernels::FindConfig &c) {
  kernels::FoundCodes found{};
  found.z = workspace.take<float>(c.cells() * kernels::kSegment);
  found.columns = workspace.take<uint8_t>(c.cells() * kernels::kSegment);
  found.counts = workspace.take<int32_t>(c.cells());
  found.tiles = c.tiles;
  return found;
}

int64_t threshold_bytes(const kernels::FindConfig &c, const SaeEncoderSizes &s) {
  return cell_bytes(c) + aligned_bytes(4 * (c.tokens + 1)) + aligned_bytes(c.tokens * s.d_in * (s.dtype == SAILS_BF16 ? 2 : 4));
}

void encode_by_threshold(CudaDevice &device, const SaeEncode &p, Workspace workspace) {
  const SaeEncoderSizes &s = p.sizes;
  const kernels::FindConfig config = find_config(device, s, p.encoder, false);
  kernels::FoundCodes found = take_cells(workspace, config);
  found.n_again = workspace.take<int32_t>(config.tokens + 1);
  const kernels::CodeRows rows{p.indices, p.values, p.counts, p.capacity};
  with_type(s.dtype, [&](auto type) {
    using Pointer = decltype(type);
    using T = std::remove_const_t<std::remove_pointer_t<Pointer>>;
    const kernels::TokensAgain<T> again{found.n_again, found.n_again + 1, workspace.take<T>(config.tokens * s.d_in)};
    check(kernels::sae_encode(device.stream, rows, static_cast<Pointer>(p.encoder.x), static_cast<Pointer>(p.encoder.w_enc),
                              feature_tests(p.encoder), s.n_tokens, s.d_in, s.d_sae, config, found, again, device.persistent()));
  });
}

void encode_by_topk(CudaDevice &device, const SaeEncode &p, Workspace workspace) {
  const SaeEncoderSizes &s = p.sizes;
  const TopkBlocks b = topk_blocks(device, s);
  const int64_t size = s.dtype == SAILS_F32 ? 4 : 2;
  float *z0 = workspace.take<float>(b.tokens * b.ld);
  void *scratch = workspace.take<char>(b.matmul_bytes);
  kernels::KeptFeatures kept{};
  kept.ids = workspace.take<int32_t>(b.tokens * s.k);
  kept.z = workspace.take<float>(b.tokens * s.k);
  kept.counts = workspace.take<int32_t>(b.tokens);
  kept.floors = workspace.take<float>(b.tokens);
  kept.k = s.k;
  for (int64_t t = 0; t < s.n_tokens; t += b.tokens) {
    const int64_t tokens = std::min(b.tokens, s.n_tokens - t);
    for (int64_t f = 0; f < s.d_sae; f += b.features) {
      const int64_t features = std::min(b.features, s.d_sae - f);
      const char *x_block = static_cast<const char *>(p.encoder.x) + t * s.d_in * size,
                 *w_block = static_cast<const char *>(p.encoder.w_enc) + f * size;
      matmul(device,
             {z0, x_block, w_block, tokens, features, s.d_in, b.ld, s.d_in, s.d_sae, false, s.dtype == SAILS_BF16, false, false, 1.0f, 0.0f,
              nullptr},
             scratch);
      check(kernels::sae_topk_keep(device.stream, kept, {z0, b.ld, f, features}, p.encoder.scale, p.encoder.bias, tokens));
    }
    check(kernels::sae_topk_write(device.stream, p.indices + t * p.capacity, p.values + t * p.capacity, p.counts + t, kept, tokens,
                                  p.capacity));
  }
}

}  // namespace

void standardize_forward(sails_device &device, float *y, float *mean, float *std, const float *x, int64_t n_rows, int64_t n_cols,
                         float eps) {
  check(kernels::launch_standardize_forward(cuda(device).stream, y, mean, std, x, n_rows, n_cols, eps));
}

void standardize_backward(sails_device &device, float *dx, const float *dy, const float *dmean, const float *dstd, const float *x,
                          const float *mean, const float *std, int64_t n_rows, int64_t n_cols, float eps) {
  check(kernels::launch_standardize_backward(cuda(device).stream, dx, dy, x, {dmean, dstd, mean, std}, n_rows, n_cols, eps));
}

void unstandardize_forward(sails_device &device, float *y, const float *x, const float *mean, const float *std, int64_t n_rows,
                           int64_t n_cols) {
  check(kernels::launch_unstandardize_forward(cuda(device).stream, y, x, mean, std, n_rows, n_cols));
}

void unstandardize_backward(sails_device &device, float *dx, float *dmean, float *dstd, const float *dy, const float *x, const float *std,
                            int64_t n_rows, int64_t n_cols) {
  check(kernels::launch_unstandardize_backward(cuda(device).stream, dx, dmean, dstd, dy, x, std, n_rows, n_cols));
}

int64_t sae_encode_workspace_bytes(sails_device &device, const SaeEncoderSizes &s) {
  if (s.activation == SAILS_SAE_TOPK) return topk_bytes(topk_blocks(cuda(device), s), s.k);
  return find_bytes(cuda(device), s, false, [&](const kernels::FindConfig &c) { return threshold_bytes(c, s); });
}

void sae_encode(sails_device &device, const SaeEncode &p, Workspace workspace) {
  CudaDevice &d = cuda(device);
  const SaeEncoderSizes &s = p.sizes;
  if (s.n_tokens == 0) return;
  const bool topk = s.activation == SAILS_SAE_TOPK;
  if (s.d_sae == 0 || (topk && s.k == 0))
    check(cudaMemsetAsync(p.counts, 0, static_cast<size_t>(s.n_tokens) * sizeof(int32_t), d.stream));
  else if (topk)
    encode_by_topk(d, p, workspace);
  else
    encode_by_threshold(d, p, workspace);
}

void sae_encode_backward(sails_device &device, float *dx, const SaeCodes &codes, const void *w_enc, const float *scale, int64_t d_in,
                         int32_t dtype) {
  CudaDevice &d = cuda(device);
  with_type(dtype, [&](auto type) {
    check(kernels::sae_encode_backward(d.stream, dx, sparse_codes(d, codes), static_cast<decltype(type)>(w_enc), scale, d_in));
  });
}

void sae_decode(sails_device &device, float *recon, const SaeCodes &codes, const void *w_dec, const float *bias, const float *scale,
                int64_t d_in, int32_t dtype) {
  CudaDevice &d = cuda(device);
  with_type(dtype, [&](auto type) {
    check(kernels::sae_decode(d.stream, recon, sparse_codes(d, codes), static_cast<decltype(type)>(w_dec), bias, scale, d_in));
  });
}

void sae_decode_backward(sails_device &device, float *dvalues, const float *drecon, const SaeCodes &codes, const void *w_dec,
                         const float *scale, int64_t d_in, int32_t dtype) {
  CudaDevice &d = cuda(device);
  with_type(dtype, [&](auto type) {
    check(kernels::sae_decode_backward(d.stream, dvalues, drecon, sparse_codes(d, codes), static_cast<decltype(type)>(w_dec), scale, d_in));
  });
}

void sae_weight_gradient(sails_device &device, float *dw, const float *rows, const SaeCodes &codes, int64_t d_in, bool transposed) {
  CudaDevice &d = cuda(device);
  check(kernels::sae_weight_gradient(d.stream, dw, rows, sparse_codes(d, codes), d_in, transposed));
}

void sae_densify(sails_device &device, float *acts, const SaeCodes &codes) {
  CudaDevice &d = cuda(device);
  check(kernels::sae_densify(d.stream, acts, sparse_codes(d, codes)));
}

void sae_accumulate(sails_device &device, double *sum, double *active, const SaeCodes &codes, const int32_t *token_class,
                    const float *token_weight, int64_t n_classes) {
  CudaDevice &d = cuda(device);
  check(kernels::sae_accumulate(d.stream, {sum, active, token_class, token_weight, n_classes}, sparse_codes(d, codes)));
}

int64_t sae_statistics_workspace_bytes(sails_device &device, const SaeEncoderSizes &s) {
  return find_bytes(cuda(device), s, true,
                    [&](const kernels::FindConfig &c) { return cell_bytes(c) + aligned_bytes(4 * c.tokens * s.d_sae); });
}

void sae_statistics(sails_device &device, const SaeStatistics &p, Workspace workspace) {
  const SaeEncoderSizes &s = p.sizes;
  if (s.n_tokens == 0 || s.d_sae == 0) return;
  CudaDevice &d = cuda(device);
  const kernels::FindConfig config = find_config(d, s, p.encoder, true);
  kernels::FoundCodes found = take_cells(workspace, config);
  found.dense = workspace.take<float>(config.tokens * s.d_sae);
  with_type(s.dtype, [&](auto type) {
    using Pointer = decltype(type);
    check(kernels::sae_statistics(d.stream, {p.sum, p.sum_squares, p.active, s.d_sae}, static_cast<Pointer>(p.encoder.x),
                                  static_cast<Pointer>(p.encoder.w_enc), feature_tests(p.encoder),
                                  {nullptr, nullptr, p.token_class, p.token_weight, s.n_classes}, s.n_tokens, s.d_in, s.d_sae, config,
                                  found, d.persistent(), d.fault));
  });
}

}  // namespace sails::backend
