// What attention over many queries and over one share: problems of the kernels from the arguments of sails.h.
#pragma once

#include <string>

#include "attention/forward.cuh"
#include "cuda/device.h"

namespace sails {

constexpr int64_t kMaxIndex = (int64_t{1} << 31) - 1;

inline kernels::AttentionShape attention_shape(int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads,
                                               int64_t head_dim) {
  kernels::AttentionShape s = {};
  s.batch = batch;
  s.n_queries = n_queries;
  s.n_keys = n_keys;
  s.n_heads = n_heads;
  s.n_kv_heads = n_kv_heads;
  s.head_dim = head_dim;
  return s;
}

template <typename T>
kernels::AttentionProblem<T> attention_problem(const kernels::AttentionShape &shape, const void *q, const void *k, const void *v,
                                               const int32_t *q_segment, const int32_t *k_segment, int64_t kv_batch_stride,
                                               int64_t query_offset, int64_t window, float scale, float softcap) {
  kernels::AttentionProblem<T> p = {};
  static_cast<kernels::AttentionShape &>(p) = shape;
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

// Rows are divided in 32 bits, and a grid has less than 2^31 blocks; no kernel takes more than one block per 8 rows or keys, but for few
// rows.
inline void require_indexable(const kernels::AttentionShape &s) {
  const int64_t rows = s.rows();
  if (rows > kMaxIndex)
    throw Error(SAILS_UNSUPPORTED, "n_queries * n_heads / n_kv_heads is " + std::to_string(rows) + ", expected less than 2^31");
  const int64_t blocks =
      kernels::larger(kernels::ceil_div(kernels::larger(rows, s.n_keys), 8), kernels::smaller(rows, kernels::kDecodeRows)) *
      kernels::simt_parts(s.head_dim);
  if (s.heads() > 0 && blocks > kMaxIndex / s.heads())
    throw Error(SAILS_UNSUPPORTED, "batch * n_kv_heads is " + std::to_string(s.heads()) + ", times " + std::to_string(blocks) +
                                       " blocks for each of them it exceeds the 2^31 blocks of a grid");
}

inline kernels::AttentionPartials take_partials(const kernels::AttentionShape &s, int64_t splits, Workspace &workspace) {
  if (splits <= 1) return {};
  const int64_t n = s.batch * s.n_heads * s.n_queries * splits;
  kernels::AttentionPartials partials;
  partials.max = workspace.take<float>(n);
  partials.sum = workspace.take<float>(n);
  partials.out = workspace.take<float>(n * s.head_dim);
  return partials;
}

}  // namespace sails
