// What attention on warpgroups does with scores between its two products: which keys a row sees, soft-cap, softmax. Formulas:
// attention/attention.cuh.
//
// With a soft-cap of at most 64 every score lies in [-64, 64], exp(s) in [1.6e-28, 6.3e27]: neither sums nor O need a maximum, and nothing
// is ever rescaled (values up to 1e6 and a million keys stay below 2^127). Without one, the online softmax (arXiv:2205.14135) with O
// rescaled only where a maximum of the warp has moved.
// tanh is the quotient of exponential.cuh: 2 results of the special function unit a score with exp's, and as exact as by tanhf.
#pragma once

#include "attention/tensorcore.cuh"
#include "primitives/exponential.cuh"

namespace sails::kernels {

constexpr float kMaxFixedCap = 64.0f;  // exp(64) * 2^31 keys stays below 2^127

// What scores are computed from, made on the host: operands in constant memory, where the registers are full.
struct ScoreFactors {
  float scale, scale_log2;  // scale, times log2(e)
  float scale_over_cap;
  TanhQuotient tanh;  // times log2(e) cap
};
inline ScoreFactors score_factors(const AttentionShape &p) {
  return {p.scale, p.scale * kLog2E, p.softcap == 0.0f ? 0.0f : p.scale / p.softcap, tanh_quotient(p.softcap * kLog2E)};
}

// How queries are cut into tiles, made on the host: 64-bit divisions at the head of each block would take longer than its first copies.
struct QueryTiling {
  uint32_t group, per_tile;  // heads that share a key/value head; queries of a tile
  uint32_t tiles, heads;     // tiles of a sequence; pairs of a sequence and a key/value head
};
inline QueryTiling query_tiling(const AttentionShape &p, int64_t rows) {
  const int64_t per_tile = rows / p.group();
  return {static_cast<uint32_t>(p.group()), static_cast<uint32_t>(per_tile), static_cast<uint32_t>(ceil_div(p.n_queries, per_tile)),
          static_cast<uint32_t>(p.heads())};
}

// A block's queries.
struct QueryTile {
  AttentionHead head;
  int32_t first, count;  // queries
  int32_t rows;          // count * group
  IndexRange keys;       // that some of them may see, segments aside
};
// Later queries, which see more keys, come first.
__device__ __forceinline__ QueryTile query_tile(const AttentionShape &p, const QueryTiling &tiling, uint32_t block) {
  const uint32_t kv_heads = static_cast<uint32_t>(p.n_kv_heads), head = block % tiling.heads;
  const int64_t first = int64_t{tiling.tiles - 1 - block / tiling.heads} * tiling.per_tile,
                count = smaller(tiling.per_tile, p.n_queries - first);
  const int64_t low = p.window == 0 ? 0 : larger(0, p.query_offset + first - p.window + 1),
                high = smaller(p.n_keys, p.query_offset + first + count);
  return {{head / kv_heads, head % kv_heads},
          static_cast<int32_t>(first),
          static_cast<int32_t>(count),
          static_cast<int32_t>(count * tiling.group),
          low < high ? IndexRange{low, high} : IndexRange{0, 0}};
}

constexpr int kKeyNotes = 4;
// What the producer tells about a tile of keys; that of tile n lies at n % kKeyNotes, and so do its segments. A warp reads them before it
// gives the values of tile n back, and the producer has waited for those of tile n + 1 when it comes to tile n + 4.
struct KeyTileNote {
  int32_t first;  // key; below 0: there are no more tiles
  int32_t whole;  // every row sees every key
};

// ---- device: masks

// What a thread's two rows see is computed anew for each tile of keys that needs a mask, from the thread's number on: what could be kept
// would be kept in registers that the loop does not have.

// The first of a thread's two rows in the block's tile, the other is 8 further.
__device__ __forceinline__ int tile_row_of(int thread) { return thread / kWarp * 16 + thread % kWarp / 4; }
// As key_limits() of attention/attention.cuh; a query past the tile's last sees nothing.
__device__ __forceinline__ KeyLimits query_limits(const AttentionShape &p, const QueryTile &tile, int32_t query) {
  if (query >= tile.count) return {0, 0, 0};
  const int64_t position = p.query_offset + tile.first + query;
  const int32_t segment = p.q_segment[tile.head.sequence * p.n_queries + tile.first + query];
  const int64_t first = p.window == 0 ? 0 : larger(0, position - p.window + 1);
  const int64_t count = segment == 0 ? 0 : larger(0, smaller(position + 1, p.n_keys) - first);
  return {static_cast<int32_t>(first), static_cast<uint32_t>(count), segment};
}

// Which of a tile's keys a thread's two rows see: bit i of rows[half] is its i-th key, 8 (i / 2) + 2 t + i % 2.
struct KeyMask {
  bool whole;  // all of them
  uint32_t rows[2];
};
// segments: of the tile's keys. In a loop, and as bits: the loads and predicates of an unrolled one need registers that the sums have
// taken.
template <int kKeys>
__device__ __forceinline__ KeyMask key_mask(const AttentionShape &p, const QueryTile &tile, uint32_t group, KeyTileNote keys,
                                            const int32_t *segments) {
  KeyMask mask = {keys.whole != 0, {0, 0}};
  if (mask.whole) return mask;
  const int thread = thread_read_again(), t = thread % 4;
  const uint32_t row = static_cast<uint32_t>(tile_row_of(thread));
  const KeyLimits limits[2] = {query_limits(p, tile, static_cast<int32_t>(row / group)),
                               query_limits(p, tile, static_cast<int32_t>((row + 8) / group))};
#pragma unroll 1
  for (int i = 0; i < kKeys / 4; i++) {
    const int column = i / 2 * 8 + 2 * t + i % 2;
#pragma unroll
    for (int half = 0; half < 2; half++)
      mask.rows[half] |= static_cast<uint32_t>(limits[half].sees(keys.first + column, segments[column])) << i;
  }
  return mask;
}
// s of the keys that a row does not see becomes 0, whatever it was, or -inf.
template <bool kZero, int kCount>
__device__ __forceinline__ void hide_keys(float (&s)[kCount], const KeyMask &mask) {
#pragma unroll
  for (int i = 0; i < kCount; i++) {
    const uint32_t sees = mask.rows[i / 2 % 2] >> (i / 4 * 2 + i % 2) & 1u;
    s[i] = kZero ? bits_float(float_bits(s[i]) & (0u - sees)) : sees != 0 ? s[i] : -INFINITY;
  }
}

// exp(cap tanh(scale q.k / cap)), 0 < cap <= kMaxFixedCap, without a maximum.
struct CappedSoftmax {
  static constexpr bool kMasksWeights = true;  // finish() takes the mask, update() does not
  const ScoreFactors &factors;
  float sum[2] = {0.0f, 0.0f}, tile_sum[2] = {};

  // log2(e) cap tanh(scale q.k / cap)
  __device__ __forceinline__ float log2_weight(float dot) const { return scaled_tanh(factors.tanh, factors.scale_over_cap * dot); }
  template <int kCount>
  __device__ __forceinline__ void sum_tile(const float (&s)[kCount]) {
    tile_sum[0] = tile_sum[1] = 0.0f;
#pragma unroll
    for (int i = 0; i < kCount; i++) tile_sum[i / 2 % 2] += s[i];
  }
  // q.k becomes unnormalised probabilities, those of hidden keys too.
  template <int kCount>
  __device__ __forceinline__ void update(float (&s)[kCount], const KeyMask &) {
#pragma unroll
    for (int i = 0; i < kCount; i++) s[i] = fast_exp2(log2_weight(s[i]));
    sum_tile(s);
  }
  // Hides keys, and only then adds to the sums: a tile that is summed twice costs nothing that matters, and fewer registers.
  template <int kCount>
  __device__ __forceinline__ void finish(float (&s)[kCount], const KeyMask &mask) {
    if (!mask.whole) {
      hide_keys<true>(s, mask);
      sum_tile(s);
    }
    sum[0] += tile_sum[0];
    sum[1] += tile_sum[1];
  }
  // 0, which only the outcome of update() tells: see attention_consume.
  __device__ __forceinline__ int never() const { return tile_sum[0] == -1.0f || tile_sum[1] == -1.0f; }
  template <int kCount>
  __device__ __forceinline__ void rescale(float (&)[kCount]) const {}
  __device__ __forceinline__ float base(int) const { return 0.0f; }
};

// exp(scale q.k - maximum), scale > 0.
struct OnlineWarpgroupSoftmax {
  static constexpr bool kMasksWeights = false;
  const ScoreFactors &factors;
  float max[2] = {-INFINITY, -INFINITY};  // of q.k
  float sum[2] = {0.0f, 0.0f};
  float factor[2] = {1.0f, 1.0f};  // for what was summed before the last tile

  template <int kCount>
  __device__ __forceinline__ void update(float (&s)[kCount], const KeyMask &mask) {
    if (!mask.whole) hide_keys<false>(s, mask);
    float tile_max[2] = {max[0], max[1]}, offset[2];
#pragma unroll
    for (int i = 0; i < kCount; i++) tile_max[i / 2 % 2] = fmaxf(tile_max[i / 2 % 2], s[i]);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float new_max = quad_max(tile_max[half]);
      // Where nothing was visible yet the base is 0, so that exp(-inf) is 0; a NaN score, which fmaxf passes over, stays NaN.
      const float from = new_max == -INFINITY ? 0.0f : new_max;
      factor[half] = fast_exp2((max[half] - from) * factors.scale_log2);
      max[half] = new_max;
      sum[half] *= factor[half];
      offset[half] = -from * factors.scale_log2;
    }
#pragma unroll
    for (int i = 0; i < kCount; i++) {
      s[i] = fast_exp2(fmaf(s[i], factors.scale_log2, offset[i / 2 % 2]));
      sum[i / 2 % 2] += s[i];
    }
  }
  template <int kCount>
  __device__ __forceinline__ void rescale(float (&o)[kCount]) const {
    if (!__any_sync(kFullMask, factor[0] != 1.0f || factor[1] != 1.0f)) return;
#pragma unroll
    for (int i = 0; i < kCount; i++) o[i] *= factor[i / 2 % 2];
  }
  __device__ __forceinline__ int never() const { return sum[0] == -1.0f || sum[1] == -1.0f; }
  template <int kCount>
  __device__ __forceinline__ void finish(float (&)[kCount], const KeyMask &) {}
  __device__ __forceinline__ float base(int half) const { return max[half] == -INFINITY ? 0.0f : max[half] * factors.scale; }
};

}  // namespace sails::kernels
