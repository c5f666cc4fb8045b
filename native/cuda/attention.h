// What attention over many queries and over one share: problems of the kernels from the arguments of sails.h.
#pragma once

#include <string>

#include "attention/forward.cuh"
#include "cuda/device.h"

namespace sails {

constexpr int64_t kMaxIndex = (int64_t{1} << 31) - 1;

inline kernels::KeyPages key_pages(const Pages &pages) {
  return {pages.table, static_cast<uint32_t>(pages.tokens), pages.per_sequence, pages.count};
}

inline kernels::AttentionShape attention_shape(const AttentionSizes &sizes) {
  kernels::AttentionShape s = {};
  s.batch = sizes.batch;
  s.n_queries = sizes.n_queries;
  s.n_keys = sizes.n_keys;
  s.n_heads = sizes.n_heads;
  s.n_kv_heads = sizes.n_kv_heads;
  s.head_dim = sizes.head_dim;
  s.kv_batch_stride = sizes.kv_batch_stride;
  s.query_offset = sizes.query_offset;
  s.window = sizes.window > kMaxIndex ? 0 : sizes.window;  // there are fewer positions: such a window hides nothing
  s.scale = sizes.scale;
  s.softcap = sizes.softcap;
  s.pages.per_sequence = sizes.table_pages;
  return s;
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

template <typename T>
kernels::AttentionProblem<T> attention_problem(const AttentionSizes &sizes, const AttentionInputs &inputs) {
  kernels::AttentionProblem<T> p = {};
  static_cast<kernels::AttentionShape &>(p) = attention_shape(sizes);
  require_indexable(p);
  p.pages = key_pages(inputs.pages);
  p.q_segment = inputs.q_segment;
  p.k_segment = inputs.k_segment;
  p.q = static_cast<const T *>(inputs.q);
  p.k = static_cast<const T *>(inputs.k);
  p.v = static_cast<const T *>(inputs.v);
  return p;
}

inline int64_t partials_bytes(const kernels::AttentionShape &s, int64_t splits) {
  if (splits <= 1) return 0;
  const int64_t n = s.batch * s.n_heads * s.n_queries * splits;
  return 2 * aligned_bytes(4 * n) + aligned_bytes(4 * n * s.head_dim);
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
