// Attention backward (arXiv:2205.14135 appendix B.2), recomputing the probabilities from lse. Formulas, shapes and rows:
// attention/attention.cuh.
//   t = tanh(scale q.k / cap), s = cap t (cap 0: s = scale q.k, t = 0);  p = exp(s - lse);  dp = dout.v;  delta = dout.out
//   ds = p (dp - delta) (1 - t^2);  dq = scale sum_j ds k;  dk = scale sum_r ds q;  dv = sum_r p dout
//   dq, dk, dv are written (=) and alias nothing; dk, dv are dense; delta [batch, n_heads, n_queries] f32 is workspace
//
// On sm_90a attention/backward_hopper.cuh takes head_dims 128 and 256 in bf16. Here:
// Deterministic without atomics: one kernel owns rows and walks over keys for dq, one owns keys and walks over the rows of all query heads
// of its group for dk and dv; each computes the scores anew. 14 rows keys head_dim FLOPs per head instead of the 10 that sharing would
// take.
//
// queries, tensorcore: a block of 4 warps owns 64 rows, a warp 16; as in forward ds goes from the accumulators to the A operand.
// keys, tensorcore: a block of 4 warps owns 32 keys at width 256, else 64, and takes 32 rows at a time. The transposed scores are computed
// by
//   16 keys a warp (at width 256 two warps share them, half of the rows each), p and ds pass through shared memory as bf16, and each warp
//   accumulates its 16 keys (at width 256 half of the columns), so that dk and dv take 128 registers.
#pragma once

#include "attention/backward_hopper.cuh"
#include "attention/simt_backward.cuh"
#include "attention/tensorcore.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kDeltaWarps = 8;
constexpr int kBackwardWarps = 4;
constexpr int kQueryGradientRows = 16 * kBackwardWarps;
constexpr int kKeyGradientRows = 32;

// Keys of a tile; with the rows 96 KiB in the kernel of queries, 68 KiB in that of keys at width 256.
template <int kWidth>
constexpr int kBackwardKeys = kWidth == 256 ? 32 : 64;

// delta, one warp a row of dout and out [batch, n_queries, n_heads, head_dim].
template <typename T>
__global__ void __launch_bounds__(kDeltaWarps *kWarp) attention_delta(AttentionShape p, float *delta, const T *dout, const T *out) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kDeltaWarps + threadIdx.x / kWarp;
  if (row >= p.batch * p.n_queries * p.n_heads) return;
  float sum = 0.0f;
  for (int64_t d = threadIdx.x % kWarp; d < p.head_dim; d += kWarp)
    sum += to_float(dout[row * p.head_dim + d]) * to_float(out[row * p.head_dim + d]);
  sum = warp_sum(sum);
  const int64_t head = row % p.n_heads, query = row / p.n_heads % p.n_queries, sequence = row / p.n_heads / p.n_queries;
  if (threadIdx.x % kWarp == 0) delta[(sequence * p.n_heads + head) * p.n_queries + query] = sum;
}

// ---- dq

template <int kWidth, bool kExact>
__global__ void __launch_bounds__(kBackwardWarps *kWarp, 1)
    attention_backward_queries_tensorcore(AttentionProblem<bf16> p, AttentionGradients<bf16> gradients, bool vectors) {
  constexpr int kThreads = kBackwardWarps * kWarp, kKeys = kBackwardKeys<kWidth>, kRows = kQueryGradientRows;
  SAILS_DYNAMIC_SHARED(bf16, queries);
  SAILS_SHARED(int32_t, segments, kKeys);
  bf16 *const douts = queries + kRows * kWidth, *const keys = douts + kRows * kWidth, *const values = keys + kKeys * kWidth;
  const int steps = column_steps<kWidth, kExact>(p.head_dim), g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
  const int64_t heads = p.heads(), rows = p.rows(), stride = p.n_kv_heads * p.head_dim;
  const AttentionHead head = attention_head(p, blockIdx.x % heads);
  const int64_t first_row = (ceil_div(rows, kRows) - 1 - blockIdx.x / heads) * kRows;
  const int tile_row = threadIdx.x / kWarp * 16;
  const int64_t warp_row = first_row + tile_row;
  const IndexRange visible = keys_of_rows(p, first_row, smaller(rows, first_row + kRows));
  const IndexRange warp_visible = keys_of_rows(p, warp_row, smaller(rows, warp_row + 16));
  const int64_t begin = visible.begin / kKeys * kKeys;
  const bf16 *k = p.k + keys_offset(p, head), *v = p.v + keys_offset(p, head);

  const auto load_rows = [&](bf16 *tile, const bf16 *from) {
    load_tile<kWidth, kExact, kRows, kThreads>(tile, threadIdx.x, p.head_dim, vectors, from, [&](int row) {
      return first_row + row < rows ? from + row_offset(p, head, first_row + row) : nullptr;
    });
  };
  const auto load_keys = [&](bf16 *tile, const bf16 *from, int64_t first) {
    load_tile<kWidth, kExact, kKeys, kThreads>(tile, threadIdx.x, p.head_dim, vectors, from, [&](int row) {
      return first + row < visible.end ? from + (first + row) * stride : nullptr;
    });
  };
  load_rows(queries, p.q);
  load_rows(douts, gradients.dout);
  if (begin < visible.end) {
    load_keys(keys, k, begin);
    load_keys(values, v, begin);
  }
  async_copy_commit();

  const ScoreScale scale = score_scale(p);
  KeyLimits limits[2];
  float lse[2], delta[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int64_t row = warp_row + g + 8 * half;
    limits[half] = key_limits(p, head, row, p.n_keys);
    lse[half] = row < rows ? gradients.lse[row_lse_index(p, head, row)] : 0.0f;
    delta[half] = row < rows ? gradients.delta[row_lse_index(p, head, row)] : 0.0f;
  }
  float dq[kWidth / 8][4];
#pragma unroll
  for (int j = 0; j < kWidth / 8; j++)
#pragma unroll
    for (int i = 0; i < 4; i++) dq[j][i] = 0.0f;

  for (int64_t first = begin; first < visible.end; first += kKeys) {
    const bool mine = first < warp_visible.end && first + kKeys > warp_visible.begin;
    float s[kKeys / 8][4], dp[kKeys / 8][4];
    async_copy_wait<0>();
    __syncthreads();  // keys and values are there, and everyone has done with the segments of the tile before
    for (int i = threadIdx.x; i < kKeys; i += kThreads)
      segments[i] = first + i < visible.end ? p.k_segment[head.sequence * p.n_keys + first + i] : 0;
    if (mine) {
      multiply_rows<kWidth, kExact>(s, queries, tile_row, keys, 0, steps);
      multiply_rows<kWidth, kExact>(dp, douts, tile_row, values, 0, steps);
    }
    __syncthreads();  // everyone has done with the values; the segments are there
    if (first + kKeys < visible.end) load_keys(values, v, first + kKeys);
    if (mine) {
#pragma unroll
      for (int j = 0; j < kKeys / 8; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const int column = 8 * j + 2 * t + i % 2, half = i / 2;
          const PairGradient pair = pair_gradient(scale, s[j][i], dp[j][i], lse[half], delta[half]);
          s[j][i] = limits[half].sees(static_cast<int32_t>(first) + column, segments[column]) ? pair.ds : 0.0f;
        }
      }
#pragma unroll
      for (int j = 0; j < kKeys / 8; j += 2) {
        uint32_t ds[4];
        fragment_of(ds, s[j], s[j + 1]);
        accumulate_columns<kWidth, kExact>(dq, ds, keys, 8 * j, 0, steps);
      }
    }
    __syncthreads();  // everyone has done with the keys
    if (first + kKeys < visible.end) load_keys(keys, k, first + kKeys);
    async_copy_commit();
  }
  async_copy_wait<0>();
  __syncthreads();  // for the queries of a block that saw no key
  put_fragments<kWidth, kExact>(queries, tile_row, 0, steps, dq, p.scale, p.scale);
  __syncwarp();
  store_tile<kWidth, kExact, 16>(queries, tile_row, p.head_dim, vectors, [&](int row) {
    return warp_row + row < rows ? gradients.dq + row_offset(p, head, warp_row + row) : nullptr;
  });
}

// ---- dk, dv

// What a key's side needs to know of a row.
struct RowState {
  KeyLimits limits;
  float lse, delta;
};

template <int kWidth, bool kExact>
__global__ void __launch_bounds__(kBackwardWarps *kWarp, 1)
    attention_backward_keys_tensorcore(AttentionProblem<bf16> p, AttentionGradients<bf16> gradients, bool vectors) {
  constexpr int kThreads = kBackwardWarps * kWarp, kKeys = kBackwardKeys<kWidth>, kRows = kKeyGradientRows;
  constexpr int kKeyGroups = kKeys / 16, kParts = kBackwardWarps / kKeyGroups;  // warps by keys, and by rows or columns
  constexpr int kPartRows = kRows / kParts, kPartColumns = kWidth / kParts;
  SAILS_DYNAMIC_SHARED(bf16, keys);
  SAILS_SHARED(RowState, states, kRows);
  bf16 *const values = keys + kKeys * kWidth, *const queries = values + kKeys * kWidth, *const douts = queries + kRows * kWidth;
  bf16 *const weights = douts + kRows * kWidth;  // [kKeys, 64]: p of the rows, then ds of the rows
  const int steps = column_steps<kWidth, kExact>(p.head_dim), warp = threadIdx.x / kWarp, g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
  const int tile_key = warp % kKeyGroups * 16, part = warp / kKeyGroups, first_step = part * kPartColumns / 16;
  const int64_t heads = p.heads(), stride = p.n_kv_heads * p.head_dim;
  const AttentionHead head = attention_head(p, blockIdx.x % heads);
  const int64_t first_key = blockIdx.x / heads * kKeys;
  const IndexRange range = rows_of_keys(p, first_key, smaller(p.n_keys, first_key + kKeys));

  const auto load_keys = [&](bf16 *tile, const bf16 *from) {
    load_tile<kWidth, kExact, kKeys, kThreads>(tile, threadIdx.x, p.head_dim, vectors, from, [&](int row) {
      return first_key + row < p.n_keys ? from + keys_offset(p, head) + (first_key + row) * stride : nullptr;
    });
  };
  load_keys(keys, p.k);
  load_keys(values, p.v);
  async_copy_commit();
  const ScoreScale scale = score_scale(p);
  int32_t key_segment[2];  // past the last key nothing is visible, because no row's limits reach there
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int64_t key = first_key + tile_key + g + 8 * half;
    key_segment[half] = key < p.n_keys ? p.k_segment[head.sequence * p.n_keys + key] : 0;
  }
  float dk[kPartColumns / 8][4], dv[kPartColumns / 8][4];
#pragma unroll
  for (int j = 0; j < kPartColumns / 8; j++)
#pragma unroll
    for (int i = 0; i < 4; i++) dk[j][i] = dv[j][i] = 0.0f;

  for (int64_t first = range.begin / kRows * kRows; first < range.end; first += kRows) {
    const auto load_rows = [&](bf16 *tile, const bf16 *from) {
      load_tile<kWidth, kExact, kRows, kThreads>(tile, threadIdx.x, p.head_dim, vectors, from, [&](int row) {
        return first + row < range.end ? from + row_offset(p, head, first + row) : nullptr;
      });
    };
    __syncthreads();  // everyone has done with the tile before
    load_rows(queries, p.q);
    load_rows(douts, gradients.dout);
    async_copy_commit();
    for (int i = threadIdx.x; i < kRows; i += kThreads) {
      const bool inside = first + i < range.end;
      const int64_t index = inside ? row_lse_index(p, head, first + i) : 0;
      states[i] = {inside ? key_limits(p, head, first + i, p.n_keys) : KeyLimits{0, 0, 0}, inside ? gradients.lse[index] : 0.0f,
                   inside ? gradients.delta[index] : 0.0f};
    }
    async_copy_wait<0>();
    __syncthreads();
    float s[kPartRows / 8][4], dp[kPartRows / 8][4];
    multiply_rows<kWidth, kExact>(s, keys, tile_key, queries, part * kPartRows, steps);
    multiply_rows<kWidth, kExact>(dp, values, tile_key, douts, part * kPartRows, steps);
#pragma unroll
    for (int j = 0; j < kPartRows / 8; j++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const RowState &row = states[part * kPartRows + 8 * j + 2 * t + i % 2];
        const int32_t key = static_cast<int32_t>(first_key) + tile_key + g + i / 2 * 8;
        const PairGradient pair = pair_gradient(scale, s[j][i], dp[j][i], row.lse, row.delta);
        const bool visible = row.limits.sees(key, key_segment[i / 2]);
        s[j][i] = visible ? pair.p : 0.0f;
        dp[j][i] = visible ? pair.ds : 0.0f;
      }
    }
    put_fragments<64, true>(weights, tile_key, part * kPartRows / 16, 4, s, 1.0f, 1.0f);
    put_fragments<64, true>(weights, tile_key, kRows / 16 + part * kPartRows / 16, 4, dp, 1.0f, 1.0f);
    if (kParts > 1)
      __syncthreads();  // the other warps' rows of the same keys
    else
      __syncwarp();
#pragma unroll
    for (int step = 0; step < kRows / 16; step++) {
      uint32_t a[4];
      load_a<64>(a, weights, tile_key, step);
      accumulate_columns<kWidth, kExact>(dv, a, douts, 16 * step, first_step, steps);
      load_a<64>(a, weights, tile_key, kRows / 16 + step);
      accumulate_columns<kWidth, kExact>(dk, a, queries, 16 * step, first_step, steps);
    }
  }
  async_copy_wait<0>();
  __syncthreads();
  put_fragments<kWidth, kExact>(keys, tile_key, first_step, steps, dk, p.scale, p.scale);
  put_fragments<kWidth, kExact>(values, tile_key, first_step, steps, dv, 1.0f, 1.0f);
  __syncthreads();
  constexpr int kStoreRows = kKeys / kBackwardWarps;
  const auto gradient_row = [&](bf16 *base, int row) -> bf16 * {
    const int64_t key = first_key + warp * kStoreRows + row;
    return key < p.n_keys ? base + ((head.sequence * p.n_keys + key) * p.n_kv_heads + head.kv_head) * p.head_dim : nullptr;
  };
  store_tile<kWidth, kExact, kStoreRows>(keys, warp * kStoreRows, p.head_dim, vectors,
                                         [&](int row) { return gradient_row(gradients.dk, row); });
  store_tile<kWidth, kExact, kStoreRows>(values, warp * kStoreRows, p.head_dim, vectors,
                                         [&](int row) { return gradient_row(gradients.dv, row); });
}

// ---- variant choice

// hopper: the device has the kernels of sm_90a; vectors: all rows are aligned to 16 bytes.
inline AttentionBackwardConfig choose_attention_backward(const AttentionShape &s, bool is_bf16, bool vectors, bool hopper) {
  const AttentionBackwardConfig warpgroup = choose_attention_backward_warpgroup(s, is_bf16, vectors && hopper);
  if (warpgroup.warpgroup) return warpgroup;
  AttentionConfig c = {};
  c.splits = 1;
  c.tensorcore = tensorcore_fits(s.head_dim, is_bf16);
  if (!c.tensorcore) {
    c.rows = c.keys = kSimtTile;
    c.threads = kSimtThreads;
    AttentionBackwardConfig both = {c, c, false, {}, 0};
    both.queries.name = "backward_queries_simt";
    both.keys.name = "backward_keys_simt";
    return both;
  }
  const TensorcoreTile tile = choose_tensorcore_tile(s.head_dim, vectors);
  c.width = tile.width;
  c.exact = tile.exact;
  c.vectors = vectors;
  c.keys = c.width == 256 ? kBackwardKeys<256> : kBackwardKeys<64>;
  c.threads = kBackwardWarps * kWarp;
  AttentionBackwardConfig both = {c, c, false, {}, 0};
  const int64_t bytes = static_cast<int64_t>(sizeof(bf16));
  both.queries.name = "backward_queries_tensorcore";
  both.queries.rows = kQueryGradientRows;
  both.queries.shared_bytes = bytes * c.width * 2 * (both.queries.rows + c.keys);
  both.keys.name = "backward_keys_tensorcore";
  both.keys.rows = kKeyGradientRows;
  both.keys.shared_bytes = bytes * (c.width * 2 * (both.keys.rows + c.keys) + c.keys * 64);
  return both;
}

// ---- launchers

template <typename T>
[[nodiscard]] cudaError_t launch_attention_delta(cudaStream_t stream, const AttentionShape &p, float *delta, const T *dout, const T *out) {
  const int64_t blocks = ceil_div(p.batch * p.n_queries * p.n_heads, kDeltaWarps);
  return launch("attention_delta", stream, attention_delta<T>, dim3(static_cast<unsigned>(blocks)), dim3(kDeltaWarps * kWarp), 0, p, delta,
                dout, out);
}

template <int kWidth, bool kExact>
[[nodiscard]] cudaError_t launch_attention_backward_tensorcore(cudaStream_t stream, const AttentionProblem<bf16> &p,
                                                               const AttentionBackwardConfig &c,
                                                               const AttentionGradients<bf16> &gradients) {
  const dim3 queries(static_cast<unsigned>(p.heads() * ceil_div(p.rows(), c.queries.rows)));
  const dim3 keys(static_cast<unsigned>(p.heads() * ceil_div(p.n_keys, c.keys.keys)));
  SAILS_TRY(launch("attention_backward_queries_tensorcore", stream, attention_backward_queries_tensorcore<kWidth, kExact>, queries,
                   dim3(static_cast<unsigned>(c.queries.threads)), c.queries.shared_bytes, p, gradients, c.queries.vectors));
  return launch("attention_backward_keys_tensorcore", stream, attention_backward_keys_tensorcore<kWidth, kExact>, keys,
                dim3(static_cast<unsigned>(c.keys.threads)), c.keys.shared_bytes, p, gradients, c.keys.vectors);
}

// gradients.delta is written first, from out.
[[nodiscard]] inline cudaError_t launch_attention_backward(cudaStream_t stream, const AttentionProblem<bf16> &p,
                                                           const AttentionBackwardConfig &c, const AttentionGradients<bf16> &gradients,
                                                           const bf16 *out) {
  SAILS_TRY(launch_attention_delta(stream, p, gradients.delta, gradients.dout, out));
  if (!c.queries.tensorcore) return launch_attention_backward_simt(stream, p, gradients);
  if (!c.queries.exact) return launch_attention_backward_tensorcore<256, false>(stream, p, c, gradients);
  if (c.queries.width == 64) return launch_attention_backward_tensorcore<64, true>(stream, p, c, gradients);
  if (c.queries.width == 128) return launch_attention_backward_tensorcore<128, true>(stream, p, c, gradients);
  return launch_attention_backward_tensorcore<256, true>(stream, p, c, gradients);
}
[[nodiscard]] inline cudaError_t launch_attention_backward(cudaStream_t stream, const AttentionProblem<float> &p,
                                                           const AttentionBackwardConfig &, const AttentionGradients<float> &gradients,
                                                           const float *out) {
  SAILS_TRY(launch_attention_delta(stream, p, gradients.delta, gradients.dout, out));
  return launch_attention_backward_simt(stream, p, gradients);
}

}  // namespace sails::kernels
