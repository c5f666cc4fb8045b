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
void forward(CudaDevice &d, const AttentionProblem<T> &p, bool is_bf16, void *out, float *lse, Workspace workspace) {
  const std::initializer_list<const void *> tensors = {p.q, p.k, p.v, out};
  const bool vectors = is_bf16 && kernels::rows_aligned(p, tensors);
  const AttentionConfig config = kernels::choose_attention_forward(p, is_bf16, vectors, d.multiprocessors, d.hopper_kernels);
  const AttentionPartials partials = take_partials(p, config.splits, workspace);
  check(kernels::launch_attention_forward(d.stream, p, config, static_cast<T *>(out), lse, partials));
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
void backward(CudaDevice &d, const AttentionProblem<T> &p, bool is_bf16, void *dq, void *dk, void *dv, const void *dout, const void *out,
              const float *lse, Workspace workspace) {
  kernels::AttentionGradients<T> gradients = {};
  gradients.dq = static_cast<T *>(dq);
  gradients.dk = static_cast<T *>(dk);
  gradients.dv = static_cast<T *>(dv);
  gradients.dout = static_cast<const T *>(dout);
  gradients.lse = lse;
  const std::initializer_list<const void *> tensors = {p.q, p.k, p.v, out, dout, dq, dk, dv};
  const bool vectors = is_bf16 && kernels::rows_aligned(p, tensors);
  const kernels::AttentionBackwardConfig config = kernels::choose_attention_backward(p, is_bf16, vectors, d.hopper_kernels);
  if constexpr (std::is_same_v<T, bf16>) {
    if (config.warpgroup) {
      const kernels::KeptBackward kept = take_kept(p, config.heads_a_turn * config.tiles.slots() * kernels::kKeptSlotBytes, workspace);
      check(kernels::launch_attention_backward_warpgroup(d.stream, p, config, gradients, static_cast<const bf16 *>(out), kept));
      return;
    }
  }
  gradients.delta = workspace.take<float>(p.batch * p.n_heads * p.n_queries);
  check(kernels::launch_attention_backward(d.stream, p, config, gradients, static_cast<const T *>(out)));
}

}  // namespace

int64_t attention_forward_workspace_bytes(sails_device &device, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads,
                                          int64_t n_kv_heads, int64_t head_dim, int32_t) {
  const AttentionShape s = attention_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim);
  const int64_t splits = kernels::decode_max_splits(s, cuda(device).multiprocessors);
  if (splits <= 1) return 0;
  const int64_t n = batch * n_heads * n_queries * splits;
  return 2 * aligned_bytes(4 * n) + aligned_bytes(4 * n * head_dim);
}

void attention_forward(sails_device &device, void *out, float *lse, const void *q, const void *k, const void *v, const int32_t *q_segment,
                       const int32_t *k_segment, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads,
                       int64_t head_dim, int64_t kv_batch_stride, int64_t query_offset, int64_t window, float scale, float softcap,
                       int32_t dtype, void *workspace, int64_t workspace_bytes) {
  const AttentionShape shape = attention_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim);
  require_indexable(shape);
  const Workspace scratch(workspace, workspace_bytes);
  if (dtype == SAILS_F32)
    forward(cuda(device),
            attention_problem<float>(shape, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap), false,
            out, lse, scratch);
  else
    forward(cuda(device),
            attention_problem<bf16>(shape, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap), true, out,
            lse, scratch);
}

int64_t attention_backward_workspace_bytes(sails_device &device, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads,
                                           int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  const AttentionShape s = attention_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim);
  const int64_t delta_bytes =
      aligned_bytes(4 * batch * n_heads * n_queries);  // of the kernels that every shape and alignment may fall back to
  const bool warpgroup = cuda(device).hopper_kernels && kernels::warpgroup_fits(s, dtype == SAILS_BF16);
  return warpgroup ? kernels::larger(delta_bytes, kept_bytes(s)) : delta_bytes;
}

void attention_backward(sails_device &device, void *dq, void *dk, void *dv, const void *dout, const void *q, const void *k, const void *v,
                        const void *out, const float *lse, const int32_t *q_segment, const int32_t *k_segment, int64_t batch,
                        int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t kv_batch_stride,
                        int64_t query_offset, int64_t window, float scale, float softcap, int32_t dtype, void *workspace,
                        int64_t workspace_bytes) {
  const AttentionShape shape = attention_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim);
  require_indexable(shape);
  const Workspace scratch(workspace, workspace_bytes);
  if (dtype == SAILS_F32)
    backward(cuda(device),
             attention_problem<float>(shape, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap), false,
             dq, dk, dv, dout, out, lse, scratch);
  else
    backward(cuda(device),
             attention_problem<bf16>(shape, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap), true, dq,
             dk, dv, dout, out, lse, scratch);
}

}  // namespace sails::backend
