// Attention forward in tiles with an online softmax (arXiv:2205.14135 algorithm 1). Formulas, shapes and rows: attention/attention.cuh.
//   out[r, :] = sum_j exp(s_rj - m_r) v_j / sum_j exp(s_rj - m_r), 0 for a row that sees nothing;  lse[r] = m_r + log sum_j exp(s_rj - m_r)
//   out, lse are written (=) and alias nothing; lse may be NULL; nothing else is saved for backward
//
// tensorcore: a block of 4 or 8 warps owns 64 or 128 rows of one sequence and key/value head, a warp 16 of them, and walks over the tiles
// of
//   keys that its rows may see; later rows, which see more, come first in the grid. Scores stay in registers and become the A operand of P
//   V,
//   rounded to bf16. Loading keys overlaps with P V of the tile before, loading values with the scores.
//   FLOPs 4 rows keys head_dim per head; bytes: q, out once, k and v once per block (128 rows are 64 queries where a group has 2 heads).
// Other variants: attention/simt.cuh, decoding/attention_decode.cuh, on Hopper attention/forward_hopper.cuh; all are chosen and launched
// here.
#pragma once

#include "attention/forward_hopper.cuh"
#include "attention/simt.cuh"
#include "attention/tensorcore.cuh"
#include "decoding/attention_decode.cuh"

namespace sails::kernels {

// Keys of a tile: with 128 rows of queries 96 KiB at width 256; with 64 rows 64 KiB, at width 128 32 KiB, at 64 24 KiB.
template <int kWidth>
constexpr int kForwardKeys = kWidth == 64 ? 64 : 32;

// Blocks that a multiprocessor's registers should hold: at width 256 the sums alone take 128 registers a thread.
template <int kWidth, int kWarps>
constexpr int kForwardBlocks = (kWidth == 256 ? 8 : 12) / kWarps;

template <int kWidth, bool kExact, int kWarps>
__global__ void __launch_bounds__(kWarps *kWarp, kForwardBlocks<kWidth, kWarps>)
    attention_forward_tensorcore(AttentionProblem<bf16> p, bf16 *out, float *lse, bool vectors) {
  constexpr int kThreads = kWarps * kWarp, kRows = 16 * kWarps, kKeys = kForwardKeys<kWidth>;
  SAILS_DYNAMIC_SHARED(bf16, queries);
  SAILS_SHARED(int32_t, segments, kKeys);
  bf16 *const keys = queries + kRows * kWidth, *const values = keys + kKeys * kWidth;
  const int steps = column_steps<kWidth, kExact>(p.head_dim);
  const int64_t heads = p.heads(), rows = p.rows();
  const AttentionHead head = attention_head(p, blockIdx.x % heads);
  const int64_t first_row = (ceil_div(rows, kRows) - 1 - blockIdx.x / heads) * kRows;
  const int64_t warp_row = first_row + threadIdx.x / kWarp * 16;
  const IndexRange visible = keys_of_rows(p, first_row, smaller(rows, first_row + kRows));
  const IndexRange warp_visible = keys_of_rows(p, warp_row, smaller(rows, warp_row + 16));
  const int64_t begin = visible.begin / kKeys * kKeys, stride = p.n_kv_heads * p.head_dim;
  const bf16 *k = p.k + keys_offset(p, head), *v = p.v + keys_offset(p, head);

  const auto load_keys = [&](bf16 *tile, const bf16 *from, int64_t first) {
    load_tile<kWidth, kExact, kKeys, kThreads>(tile, threadIdx.x, p.head_dim, vectors, from, [&](int row) {
      return first + row < visible.end ? from + (first + row) * stride : nullptr;
    });
  };
  load_tile<kWidth, kExact, kRows, kThreads>(queries, threadIdx.x, p.head_dim, vectors, p.q, [&](int row) {
    return first_row + row < rows ? p.q + row_offset(p, head, first_row + row) : nullptr;
  });
  if (begin < visible.end) load_keys(keys, k, begin);
  async_copy_commit();

  const int g = threadIdx.x % kWarp / 4, tile_row = threadIdx.x / kWarp * 16;
  const KeyLimits limits[2] = {key_limits(p, head, warp_row + g, p.n_keys), key_limits(p, head, warp_row + g + 8, p.n_keys)};
  const ScoreScale scale = score_scale(p);
  OnlineSoftmax softmax;
  float o[kWidth / 8][4];
#pragma unroll
  for (int j = 0; j < kWidth / 8; j++)
#pragma unroll
    for (int i = 0; i < 4; i++) o[j][i] = 0.0f;

  for (int64_t first = begin; first < visible.end; first += kKeys) {
    const bool mine = first < warp_visible.end && first + kKeys > warp_visible.begin;
    float s[kKeys / 8][4];
    async_copy_wait<0>();
    __syncthreads();  // the keys are there, and everyone has done with the values and segments of the tile before
    load_keys(values, v, first);
    async_copy_commit();
    for (int i = threadIdx.x; i < kKeys; i += kThreads)
      segments[i] = first + i < visible.end ? p.k_segment[head.sequence * p.n_keys + first + i] : 0;
    if (mine) multiply_rows<kWidth, kExact>(s, queries, tile_row, keys, 0, steps);
    __syncthreads();  // everyone has done with the keys; the segments are there
    if (first + kKeys < visible.end) load_keys(keys, k, first + kKeys);
    async_copy_commit();
    if (mine) {
      float factor[2];
      softmax.update(s, factor, scale, limits, static_cast<int32_t>(first), segments);
#pragma unroll
      for (int j = 0; j < kWidth / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) o[j][i] *= factor[i / 2];
    }
    async_copy_wait<1>();
    __syncthreads();  // the values are there
    if (mine) {
#pragma unroll
      for (int j = 0; j < kKeys / 8; j += 2) {
        uint32_t probabilities[4];
        fragment_of(probabilities, s[j], s[j + 1]);
        accumulate_columns<kWidth, kExact>(o, probabilities, values, 8 * j, 0, steps);
      }
    }
  }
  async_copy_wait<0>();
  __syncthreads();  // for the queries of a block that saw no key

  float inverse[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float sum = quad_sum(softmax.sum[half]);
    const int64_t row = warp_row + g + 8 * half;
    inverse[half] = sum == 0.0f ? 0.0f : 1.0f / sum;
    if (lse != nullptr && threadIdx.x % 4 == 0 && row < rows)
      lse[row_lse_index(p, head, row)] = sum == 0.0f ? -INFINITY : (softmax.max[half] == -INFINITY ? 0.0f : softmax.max[half]) + logf(sum);
  }
  // Through the warp's own rows of queries, so that whole rows are written.
  put_fragments<kWidth, kExact>(queries, tile_row, 0, steps, o, inverse[0], inverse[1]);
  __syncwarp();
  store_tile<kWidth, kExact, 16>(queries, tile_row, p.head_dim, vectors,
                                 [&](int row) { return warp_row + row < rows ? out + row_offset(p, head, warp_row + row) : nullptr; });
}

// ---- variant choice

// hopper: kernels of sm_90a may be chosen.
inline AttentionConfig choose_attention_forward(const AttentionShape &s, bool is_bf16, bool vectors, int64_t multiprocessors, bool hopper) {
  if (hopper && is_bf16 && vectors && warpgroup_attention_fits(s)) return warpgroup_attention_config(s);
  if (s.rows() <= kDecodeRows) {
    AttentionConfig c = few_rows_config(s, is_bf16, vectors);
    const IndexRange visible = keys_of_rows(s, 0, s.rows());
    c.keys_per_split = decode_split_keys(s.heads(), s.n_keys, multiprocessors);
    c.splits = larger(1, ceil_div(visible.end - visible.begin, c.keys_per_split));
    c.first_key = visible.begin;
    return c;
  }
  AttentionConfig c = {};
  c.splits = 1;
  c.tensorcore = tensorcore_fits(s.head_dim, is_bf16);
  if (!c.tensorcore) {
    c.name = "forward_simt";
    c.rows = c.keys = kSimtTile;
    c.threads = kSimtThreads;
    return c;
  }
  const TensorcoreTile tile = choose_tensorcore_tile(s.head_dim, vectors);
  c.name = "forward_tensorcore";
  c.width = tile.width;
  c.exact = tile.exact;
  c.vectors = vectors;
  // At width 256 a multiprocessor holds 8 warps either way; one block of 8 loads each tile of keys once where two of 4 load it twice.
  const int warps = c.exact && c.width == 256 && s.heads() * ceil_div(s.rows(), 128) >= multiprocessors ? 8 : 4;
  c.rows = 16 * warps;
  c.keys = c.width == 64 ? kForwardKeys<64> : kForwardKeys<256>;
  c.threads = warps * kWarp;
  c.shared_bytes = static_cast<int64_t>(sizeof(bf16)) * c.width * (c.rows + 2 * c.keys);
  return c;
}

// ---- launchers

inline dim3 attention_forward_grid(const AttentionShape &s, const AttentionConfig &c) {
  return dim3(static_cast<unsigned>(s.heads() * c.splits * ceil_div(s.rows(), c.rows)));
}

template <int kWidth, bool kExact, int kWarps>
[[nodiscard]] cudaError_t launch_attention_forward_tensorcore(cudaStream_t stream, const AttentionProblem<bf16> &p,
                                                              const AttentionConfig &c, bf16 *out, float *lse) {
  return launch("attention_forward_tensorcore", stream, attention_forward_tensorcore<kWidth, kExact, kWarps>, attention_forward_grid(p, c),
                dim3(kWarps * kWarp), c.shared_bytes, p, out, lse, c.vectors);
}
// The tiles of a configuration; a combination of width and threads that is not listed is never chosen.
[[nodiscard]] inline cudaError_t launch_attention_tensorcore(cudaStream_t stream, const AttentionProblem<bf16> &p, const AttentionConfig &c,
                                                             bf16 *out, float *lse) {
  if (c.warpgroups) return launch_attention_forward_warpgroup(stream, p, out, lse);
  if (!c.exact) return launch_attention_forward_tensorcore<256, false, 4>(stream, p, c, out, lse);
  if (c.width == 64) return launch_attention_forward_tensorcore<64, true, 4>(stream, p, c, out, lse);
  if (c.width == 128) return launch_attention_forward_tensorcore<128, true, 4>(stream, p, c, out, lse);
  if (c.threads == 4 * kWarp) return launch_attention_forward_tensorcore<256, true, 4>(stream, p, c, out, lse);
  return launch_attention_forward_tensorcore<256, true, 8>(stream, p, c, out, lse);
}

// partials: as many splits as the configuration says; unused where that is 1.
template <typename T>
[[nodiscard]] cudaError_t launch_attention_forward(cudaStream_t stream, const AttentionProblem<T> &p, const AttentionConfig &c, T *out,
                                                   float *lse, const AttentionPartials &partials) {
  if constexpr (sizeof(T) == sizeof(bf16)) {
    if (c.tensorcore && p.rows() > kDecodeRows) return launch_attention_tensorcore(stream, p, c, out, lse);
  }
  const EarlyStream queue = {stream, false};
  const KeySplits splits = {c.splits, c.keys_per_split, c.first_key, nullptr, false};
  SAILS_TRY(launch_attention_splits(queue, p, c, out, lse, partials, splits));
  return c.splits > 1 ? launch_attention_combine(queue, p, out, lse, partials, splits) : cudaSuccess;
}

}  // namespace sails::kernels
