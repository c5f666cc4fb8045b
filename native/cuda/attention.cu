// Attention: dtype, variant, workspace.
#include <type_traits>

#include "attention_backward.cuh"
#include "attention_forward.cuh"
#include "cuda/device.h"
#include "cuda/early.h"

namespace sails::backend {
namespace {

using kernels::AttentionConfig;
using kernels::AttentionPartials;
using kernels::AttentionProblem;
using kernels::AttentionShape;
using kernels::bf16;

constexpr int64_t kMaxIndex = (int64_t{1} << 31) - 1;

AttentionShape attention_shape(int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim) {
  AttentionShape s = {};
  s.batch = batch;
  s.n_queries = n_queries;
  s.n_keys = n_keys;
  s.n_heads = n_heads;
  s.n_kv_heads = n_kv_heads;
  s.head_dim = head_dim;
  return s;
}

template <typename T>
AttentionProblem<T> attention_problem(const AttentionShape &shape, const void *q, const void *k, const void *v, const int32_t *q_segment,
                                      const int32_t *k_segment, int64_t kv_batch_stride, int64_t query_offset, int64_t window, float scale,
                                      float softcap) {
  AttentionProblem<T> p = {};
  static_cast<AttentionShape &>(p) = shape;
  p.q_segment = q_segment;
  p.k_segment = k_segment;
  p.kv_batch_stride = kv_batch_stride;
  p.query_offset = query_offset;
  p.window = window > kMaxIndex ? 0 : window;  // there are fewer positions: such a window hides nothing
  p.scale = scale;
  p.softcap = softcap;
  p.q = static_cast<const T *>(q);
  p.k = static_cast<const T *>(k);
  p.v = static_cast<const T *>(v);
  return p;
}

// Rows are divided in 32 bits, and a grid has less than 2^31 blocks; no kernel takes more than one block per 8 rows or keys, but for few rows.
void require_indexable(const AttentionShape &s) {
  const int64_t rows = s.rows();
  if (rows > kMaxIndex)
    throw Error(SAILS_UNSUPPORTED, "n_queries * n_heads / n_kv_heads is " + std::to_string(rows) + ", expected less than 2^31");
  const int64_t blocks = kernels::larger(kernels::ceil_div(kernels::larger(rows, s.n_keys), 8), kernels::smaller(rows, kernels::kDecodeRows)) *
                         kernels::simt_parts(s.head_dim);
  if (s.heads() > 0 && blocks > kMaxIndex / s.heads())
    throw Error(SAILS_UNSUPPORTED, "batch * n_kv_heads is " + std::to_string(s.heads()) + ", times " + std::to_string(blocks) +
                                       " blocks for each of them it exceeds the 2^31 blocks of a grid");
}

AttentionPartials take_partials(const AttentionShape &s, int64_t splits, Workspace &workspace) {
  if (splits <= 1) return {};
  const int64_t n = s.batch * s.n_heads * s.n_queries * splits;
  AttentionPartials partials;
  partials.max = workspace.take<float>(n);
  partials.sum = workspace.take<float>(n);
  partials.out = workspace.take<float>(n * s.head_dim);
  return partials;
}

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
  const int64_t blocks = kernels::ceil_div(s.rows(), kernels::kGradientBlockRows), range = static_cast<int64_t>(sizeof(kernels::SegmentRange));
  return aligned_bytes(s.heads() * blocks * kernels::kGradientBlockRows * static_cast<int64_t>(sizeof(kernels::RowSums))) +
         aligned_bytes(s.batch * blocks * range) + aligned_bytes(s.batch * kernels::ceil_div(s.n_keys, kernels::kKeptKeys) * range) +
         aligned_bytes(kernels::kept_tile_bytes(s));
}

template <typename T>
void decode(CudaDevice &d, const AttentionProblem<T> &p, bool is_bf16, void *out, const int32_t *key_position, Workspace workspace) {
  // Named: nvcc drops the braces of a list in a template's call.
  const std::initializer_list<const void *> tensors = {p.q, p.k, p.v, out};
  const bool vectors = is_bf16 && kernels::rows_aligned(p, tensors);
  const AttentionConfig config = kernels::choose_attention_decode(p, is_bf16, vectors, d.multiprocessors);
  const AttentionPartials partials = take_partials(p, config.splits, workspace);
  check(kernels::launch_attention_decode(early_stream(d), p, config, static_cast<T *>(out), partials, key_position));
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
            attention_problem<float>(shape, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap), false, out,
            lse, scratch);
  else
    forward(cuda(device),
            attention_problem<bf16>(shape, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap), true, out, lse,
            scratch);
}

int64_t attention_decode_workspace_bytes(sails_device &device, int64_t batch, int64_t capacity, int64_t n_heads, int64_t n_kv_heads,
                                         int64_t head_dim, int64_t window, int32_t dtype) {
  AttentionShape s = attention_shape(batch, 1, capacity, n_heads, n_kv_heads, head_dim);
  s.window = window;
  const int64_t splits = kernels::choose_attention_decode(s, dtype == SAILS_BF16, true, cuda(device).multiprocessors).splits;
  if (splits <= 1) return 0;
  const int64_t n = batch * n_heads * splits;
  return 2 * aligned_bytes(4 * n) + aligned_bytes(4 * n * head_dim);
}

void attention_decode(sails_device &device, void *out, const void *q, const void *keys, const void *values, const int32_t *q_segment,
                      const int32_t *k_segment, const int32_t *key_position, int64_t batch, int64_t capacity, int64_t n_heads,
                      int64_t n_kv_heads, int64_t head_dim, int64_t window, float scale, float softcap, int32_t dtype, void *workspace,
                      int64_t workspace_bytes) {
  const AttentionShape shape = attention_shape(batch, 1, capacity, n_heads, n_kv_heads, head_dim);
  require_indexable(shape);
  const Workspace scratch(workspace, workspace_bytes);
  const int64_t stride = capacity * n_kv_heads * head_dim;
  if (dtype == SAILS_F32)
    decode(cuda(device), attention_problem<float>(shape, q, keys, values, q_segment, k_segment, stride, 0, window, scale, softcap), false, out,
           key_position, scratch);
  else
    decode(cuda(device), attention_problem<bf16>(shape, q, keys, values, q_segment, k_segment, stride, 0, window, scale, softcap), true, out,
           key_position, scratch);
}

int64_t attention_backward_workspace_bytes(sails_device &device, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads,
                                           int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  const AttentionShape s = attention_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim);
  const int64_t delta_bytes = aligned_bytes(4 * batch * n_heads * n_queries);  // of the kernels that every shape and alignment may fall back to
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
             attention_problem<float>(shape, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap), false, dq, dk,
             dv, dout, out, lse, scratch);
  else
    backward(cuda(device),
             attention_problem<bf16>(shape, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap), true, dq, dk,
             dv, dout, out, lse, scratch);
}

}  // namespace sails::backend
