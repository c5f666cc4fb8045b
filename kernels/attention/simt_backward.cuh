// Attention backward in f32 multiply-adds. Formulas: attention/backward.cuh; how a block works: attention/simt.cuh.
#pragma once

#include "attention/simt.cuh"

namespace sails::kernels {

// ---- dq: rows are rows, lanes are keys

template <typename T>
__global__ void __launch_bounds__(kSimtThreads, 2) attention_backward_queries_simt(AttentionProblem<T> p, AttentionGradients<T> gradients) {
  SAILS_SIMT_SHARED(shared);
  const int lane = threadIdx.x % kWarp, warp_row = threadIdx.x / kWarp * kSimtWarpRows;
  const int64_t heads = p.heads(), rows = p.rows(), stride = p.n_kv_heads * p.head_dim, parts = simt_parts(p.head_dim);
  const AttentionHead head = attention_head(p, blockIdx.x % heads);
  const int64_t rest = blockIdx.x / heads, first_column = rest % parts * kSimtColumns;
  const int64_t first_row = (ceil_div(rows, kSimtTile) - 1 - rest / parts) * kSimtTile;
  const T *k = p.k + keys_offset(p, head), *v = p.v + keys_offset(p, head);
  const IndexRange visible = keys_of_rows(p, first_row, smaller(rows, first_row + kSimtTile));
  const ScoreScale scale = score_scale(p);
  describe_rows(shared, p, head, first_row);
  float lse[kSimtWarpRows], delta[kSimtWarpRows], dq[kSimtPieces][kSimtWarpRows][2] = {};
#pragma unroll
  for (int r = 0; r < kSimtWarpRows; r++) {
    const int64_t row = first_row + warp_row + r;
    lse[r] = row < rows ? gradients.lse[row_lse_index(p, head, row)] : 0.0f;
    delta[r] = row < rows ? gradients.delta[row_lse_index(p, head, row)] : 0.0f;
  }
  __syncthreads();
  const auto row_start = [&](int row) { return shared.offsets[row]; };

  for (int64_t first = visible.begin; first < visible.end; first += kSimtTile) {
    const auto key_start = [&](int row) { return first + row < visible.end ? (first + row) * stride : -1; };
    float s[kSimtWarpRows] = {}, dp[kSimtWarpRows] = {};
    add_products<2>(s, shared, p.q, row_start, k, key_start, p.head_dim);
    add_products<2>(dp, shared, gradients.dout, row_start, v, key_start, p.head_dim);
    const bool inside = first + lane < visible.end;
    const int32_t key = static_cast<int32_t>(first) + lane, segment = inside ? p.k_segment[head.sequence * p.n_keys + first + lane] : 0;
#pragma unroll
    for (int r = 0; r < kSimtWarpRows; r++) {
      const PairGradient pair = pair_gradient(scale, s[r], dp[r], lse[r], delta[r]);
      s[r] = inside && shared.limits[warp_row + r].sees(key, segment) ? pair.ds : 0.0f;
    }
    put_weights(shared.weights, s);
    add_weighted_pieces(dq, shared, k, key_start, first_column, p.head_dim);
  }
#pragma unroll
  for (int r = 0; r < kSimtWarpRows; r++) {
    const int64_t start = shared.offsets[warp_row + r];
    if (start >= 0) store_sums(gradients.dq + start, dq, r, first_column, p.head_dim, p.scale);
  }
}

// ---- dk, dv: rows are keys, lanes are rows

template <typename T>
__global__ void __launch_bounds__(kSimtThreads, 2) attention_backward_keys_simt(AttentionProblem<T> p, AttentionGradients<T> gradients) {
  SAILS_SIMT_SHARED(shared);
  const int lane = threadIdx.x % kWarp, warp_key = threadIdx.x / kWarp * kSimtWarpRows;
  const int64_t heads = p.heads(), rows = p.rows(), stride = p.n_kv_heads * p.head_dim, parts = simt_parts(p.head_dim);
  const AttentionHead head = attention_head(p, blockIdx.x % heads);
  const int64_t rest = blockIdx.x / heads, first_column = rest % parts * kSimtColumns, first_key = rest / parts * kSimtTile;
  const T *k = p.k + keys_offset(p, head), *v = p.v + keys_offset(p, head);
  const IndexRange range = rows_of_keys(p, first_key, smaller(p.n_keys, first_key + kSimtTile));
  const ScoreScale scale = score_scale(p);
  SAILS_SHARED(int32_t, segments, kSimtTile);  // past the last key nothing is visible, because no row's limits reach there
  float dk[kSimtPieces][kSimtWarpRows][2] = {}, dv[kSimtPieces][kSimtWarpRows][2] = {};
  for (int i = threadIdx.x; i < kSimtTile; i += kSimtThreads)
    segments[i] = first_key + i < p.n_keys ? p.k_segment[head.sequence * p.n_keys + first_key + i] : 0;
  const auto row_start = [&](int row) { return shared.offsets[row]; };
  const auto key_start = [&](int row) { return first_key + row < p.n_keys ? (first_key + row) * stride : -1; };

  for (int64_t first = range.begin; first < range.end; first += kSimtTile) {
    __syncthreads();
    describe_rows(shared, p, head, first);
    __syncthreads();
    float s[kSimtWarpRows] = {}, dp[kSimtWarpRows] = {};
    add_products<1>(s, shared, k, key_start, p.q, row_start, p.head_dim);
    add_products<1>(dp, shared, v, key_start, gradients.dout, row_start, p.head_dim);
    const bool inside = first + lane < rows;
    const int64_t index = inside ? row_lse_index(p, head, first + lane) : 0;
    const float lse = inside ? gradients.lse[index] : 0.0f, delta = inside ? gradients.delta[index] : 0.0f;
    const KeyLimits limits = shared.limits[lane];
#pragma unroll
    for (int r = 0; r < kSimtWarpRows; r++) {
      const PairGradient pair = pair_gradient(scale, s[r], dp[r], lse, delta);
      const bool visible = limits.sees(static_cast<int32_t>(first_key) + warp_key + r, segments[warp_key + r]);
      s[r] = visible ? pair.p : 0.0f;
      dp[r] = visible ? pair.ds : 0.0f;
    }
    put_weights(shared.weights, s);
    add_weighted_pieces(dv, shared, gradients.dout, row_start, first_column, p.head_dim);
    __syncwarp();  // the warp has done with its weights
    put_weights(shared.weights, dp);
    add_weighted_pieces(dk, shared, p.q, row_start, first_column, p.head_dim);
  }
#pragma unroll
  for (int r = 0; r < kSimtWarpRows; r++) {
    const int64_t key = first_key + warp_key + r;
    if (key >= p.n_keys) continue;
    const int64_t start = ((head.sequence * p.n_keys + key) * p.n_kv_heads + head.kv_head) * p.head_dim;
    store_sums(gradients.dk + start, dk, r, first_column, p.head_dim, p.scale);
    store_sums(gradients.dv + start, dv, r, first_column, p.head_dim, 1.0f);
  }
}

template <typename T>
[[nodiscard]] cudaError_t launch_attention_backward_simt(cudaStream_t stream, const AttentionProblem<T> &p,
                                                         const AttentionGradients<T> &gradients) {
  const int64_t blocks = p.heads() * simt_parts(p.head_dim);
  SAILS_TRY(launch("attention_backward_queries_simt", stream, attention_backward_queries_simt<T>,
                   dim3(static_cast<unsigned>(blocks * ceil_div(p.rows(), kSimtTile))), dim3(kSimtThreads), 0, p, gradients));
  return launch("attention_backward_keys_simt", stream, attention_backward_keys_simt<T>,
                dim3(static_cast<unsigned>(blocks * ceil_div(p.n_keys, kSimtTile))), dim3(kSimtThreads), 0, p, gradients);
}

}  // namespace sails::kernels
