// Attention: dtype, variant, workspace.
#include <type_traits>

#include "attention/backward.cuh"
#include "attention/forward.cuh"
#include "cuda/attention.h"
#include "cuda/device.h"

namespace sails::backend {
namespace {

using kernels::AttentionConfig;
using kernels::AttentionPartials;
using kernels::AttentionProblem;
using kernels::AttentionShape;
using kernels::bf16;

template <typename T>
void forward(CudaDevice &d, const AttentionForward &call, Workspace workspace) {
  constexpr bool kBf16 = std::is_same_v<T, bf16>;
  const AttentionProblem<T> p = attention_problem<T>(call.sizes, call.inputs);
  const std::initializer_list<const void *> tensors = {p.q, p.k, p.v, call.out};
  const bool vectors = kBf16 && kernels::rows_aligned(p, tensors);
  const AttentionConfig config = kernels::choose_attention_forward(p, kBf16, vectors, d.multiprocessors, d.hopper_kernels);
  const AttentionPartials partials = take_partials(p, config.splits, workspace);
  check(kernels::launch_attention_forward(d.stream, p, config, static_cast<T *>(call.out), call.lse, partials));
}

// Rows' sums and ranges of segments, then the tiles.
kernels::KeptBackward take_kept(const AttentionShape &s, int64_t tile_bytes, Workspace &workspace) {
  const int64_t blocks = kernels::ceil_div(s.rows(), kernels::kGradientBlockRows);
  kernels::KeptBackward kept = {};
  kept.rows = workspace.take<kernels::RowSums>(s.heads() * blocks * kernels::kGradientBlockRows);
  kept.row_segments = workspace.take<kernels::SegmentRange>(s.batch * blocks);
  kept.key_segments = workspace.take<kernels::SegmentRange>(s.batch * kernels::ceil_div(s.n_keys, kernels::kKeptKeys));
  kept.tiles = workspace.take<uint8_t>(tile_bytes);
  return kept;
}

int64_t kept_bytes(const AttentionShape &s) {
  const int64_t blocks = kernels::ceil_div(s.rows(), kernels::kGradientBlockRows),
                range = static_cast<int64_t>(sizeof(kernels::SegmentRange));
  return aligned_bytes(s.heads() * blocks * kernels::kGradientBlockRows * static_cast<int64_t>(sizeof(kernels::RowSums))) +
         aligned_bytes(s.batch * blocks * range) + aligned_bytes(s.batch * kernels::ceil_div(s.n_keys, kernels::kKeptKeys) * range) +
         aligned_bytes(kernels::kept_tile_bytes(s));
}

template <typename T>
void backward(CudaDevice &d, const AttentionBackward &call, Workspace workspace) {
  constexpr bool kBf16 = std::is_same_v<T, bf16>;
  const AttentionProblem<T> p = attention_problem<T>(call.sizes, call.inputs);
  kernels::AttentionGradients<T> gradients = {};
  gradients.dq = static_cast<T *>(call.dq);
  gradients.dk = static_cast<T *>(call.dk);
  gradients.dv = static_cast<T *>(call.dv);
  gradients.dout = static_cast<const T *>(call.dout);
  gradients.lse = call.lse;
  const T *out = static_cast<const T *>(call.out);
  const std::initializer_list<const void *> tensors = {p.q, p.k, p.v, out, call.dout, call.dq, call.dk, call.dv};
  const bool vectors = kBf16 && kernels::rows_aligned(p, tensors);
  const kernels::AttentionBackwardConfig config = kernels::choose_attention_backward(p, kBf16, vectors, d.hopper_kernels);
  if constexpr (kBf16) {
    if (config.warpgroup) {
      const kernels::KeptBackward kept = take_kept(p, config.heads_a_turn * config.tiles.slots() * kernels::kKeptSlotBytes, workspace);
      check(kernels::launch_attention_backward_warpgroup(d.stream, p, config, gradients, out, kept));
      return;
    }
  }
  gradients.delta = workspace.take<float>(p.batch * p.n_heads * p.n_queries);
  check(kernels::launch_attention_backward(d.stream, p, config, gradients, out));
}

}  // namespace

int64_t attention_forward_workspace_bytes(sails_device &device, const AttentionSizes &sizes) {
  const AttentionShape s = attention_shape(sizes);
  const int64_t splits = kernels::decode_max_splits(s, cuda(device).multiprocessors);
  return partials_bytes(s, splits);
}

void attention_forward(sails_device &device, const AttentionForward &call, Workspace workspace) {
  const auto run = call.sizes.dtype == SAILS_F32 ? forward<float> : forward<bf16>;
  run(cuda(device), call, workspace);
}

int64_t attention_backward_workspace_bytes(sails_device &device, const AttentionSizes &sizes) {
  const AttentionShape s = attention_shape(sizes);
  const int64_t delta_bytes =
      aligned_bytes(4 * s.batch * s.n_heads * s.n_queries);  // of the kernels that every shape and alignment may fall back to
  const bool warpgroup = cuda(device).hopper_kernels && kernels::warpgroup_fits(s, sizes.dtype == SAILS_BF16);
  return warpgroup ? kernels::larger(delta_bytes, kept_bytes(s)) : delta_bytes;
}

void attention_backward(sails_device &device, const AttentionBackward &call, Workspace workspace) {
  const auto run = call.sizes.dtype == SAILS_F32 ? backward<float> : backward<bf16>;
  run(cuda(device), call, workspace);
}

}  // namespace sails::backend
