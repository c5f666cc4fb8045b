// Attention with grouped heads, score soft-cap, sliding window and segments: what forward, decode and backward share.
//
//   q, out [batch, n_queries, n_heads, head_dim]; k, v [batch, n_keys, n_kv_heads, head_dim], kv_batch_stride elements between sequences
//   query i stands at key index p = query_offset + i and sees key j iff j <= p, k_segment[j] == q_segment[i] != 0 and
//   (window == 0 or p - j < window)
//   s = cap tanh(scale q.k / cap) (arXiv:2408.00118 section 2; cap 0: s = scale q.k), then softmax over the visible keys
//   lse [batch, n_heads, n_queries] f32 = log sum_j exp(s_j), -inf where nothing is visible
//
// Rows. The group = n_heads / n_kv_heads query heads that share a key/value head are packed with the queries into rows of one matrix per
// (sequence, key/value head): row r is query r / group of head kv_head * group + r % group. A tile of rows then reads each key once for all
// heads of the group, decoding one query fills more than one row of a matrix instruction, and the backward pass by keys needs one loop.
//
// Four ways to compute, chosen by the choose_* functions from shape, dtype, alignment, the number of multiprocessors and whether it is a
// Hopper card:
//   tensorcore  bf16, head_dim <= 256: mma on tiles in shared memory; head_dim 64, 128, 256 with 16-byte aligned rows have kernels of their
//               own, all other head_dims share one that is as wide as 256 and skips what it does not need (attention/tensorcore.cuh)
//   warpgroup   the forward on sm_90a for head_dim 64, 128, 256 and 64 rows or more (attention/forward_hopper.cuh)
//   simt        f32, and bf16 with head_dim > 256: f32 multiply-adds, any head_dim (attention/simt.cuh)
//   few rows    the keys are split over blocks, on tensor cores over warps too (decoding/attention_decode.cuh); into how many parts depends
//   on the
//               number of multiprocessors, so that only the same kind of device gives the same bits
#pragma once

#include <cmath>
#include <initializer_list>

#include "primitives/types.cuh"

namespace sails::kernels {

// Where keys and values lie that share their memory: key j of a sequence is row j % tokens of page table[sequence, j / tokens].
struct KeyPages {
  const int32_t *table;  // [batch, per_sequence], NULL: a sequence's keys lie one behind another
  uint32_t tokens;
  int64_t per_sequence, count;
};

// Everything but the tensors of T.
struct AttentionShape {
  const int32_t *q_segment, *k_segment;  // [batch, n_queries], [batch, n_keys]; 0 = padding; NULL with pages: all keys are of one document
  KeyPages pages;
  int64_t batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, kv_batch_stride, query_offset;
  int64_t window;  // below 2^31
  float scale, softcap;

  __host__ __device__ int64_t group() const { return n_heads / n_kv_heads; }
  // Rows of one sequence and key/value head.
  __host__ __device__ int64_t rows() const { return n_queries * group(); }
  // Pairs of a sequence and a key/value head.
  __host__ __device__ int64_t heads() const { return batch * n_kv_heads; }
};

template <typename T>
struct AttentionProblem : AttentionShape {
  const T *q, *k, *v;
};

// Partial results of a forward pass whose keys are split: maximum and sum [rows of all heads, splits], columns [rows of all heads, splits,
// head_dim], rows numbered as in lse. out is not normalised.
struct AttentionPartials {
  float *max, *sum, *out;
};

// How the keys of few rows are split over blocks. With key_position (one query a sequence, which stands at that key;
// sails_attention_decode) the stretch of a split follows from what is visible, in the kernel: `splits` is then the most there are.
struct KeySplits {
  int64_t splits, keys_per_split, first_key;
  const int32_t *key_position;  // on the device, NULL: the problem's query_offset
  bool each;                    // key_position has one of each sequence; -1: it sees nothing
};
constexpr int64_t kSplitKeys = 64;  // of which a stretch is a multiple, where it is chosen in the kernel

// What backward reads besides the problem, and writes; shapes as in attention/backward.cuh.
template <typename T>
struct AttentionGradients {
  T *dq, *dk, *dv;
  const T *dout;
  const float *lse;
  float *delta;
};

// ---- device: where rows lie and what they see

// A sequence and a key/value head.
struct AttentionHead {
  int64_t sequence, kv_head;
};
__device__ __forceinline__ AttentionHead attention_head(const AttentionShape &p, int64_t index) {
  return {index / p.n_kv_heads, index % p.n_kv_heads};
}

// Offset of a row in q, out and their gradients. Rows count less than 2^31 (checked before the launch), so 32-bit division does.
__device__ __forceinline__ int64_t row_offset(const AttentionShape &p, AttentionHead head, int64_t row) {
  const uint32_t group = static_cast<uint32_t>(p.group()), query = static_cast<uint32_t>(row) / group;
  return ((head.sequence * p.n_queries + query) * p.n_heads + head.kv_head * group + (static_cast<uint32_t>(row) - query * group)) *
         p.head_dim;
}
// Index of a row in lse.
__device__ __forceinline__ int64_t row_lse_index(const AttentionShape &p, AttentionHead head, int64_t row) {
  const int64_t group = p.group();
  return (head.sequence * p.n_heads + head.kv_head * group + row % group) * p.n_queries + row / group;
}
// Offset of key 0 in k and v.
__device__ __forceinline__ int64_t keys_offset(const AttentionShape &p, AttentionHead head) {
  return head.sequence * p.kv_batch_stride + head.kv_head * p.head_dim;
}

// The row of k and v that has a key. A page that is none is page 0: rope_append, which every step begins with, reports it.
__device__ __forceinline__ int64_t key_row(const KeyPages &pages, int64_t sequence, int64_t key) {
  if (pages.table == nullptr) return key;
  const uint32_t index = static_cast<uint32_t>(key) / pages.tokens;
  const int64_t page = pages.table[sequence * pages.per_sequence + index];
  return (page >= 0 && page < pages.count ? page : 0) * pages.tokens + (static_cast<uint32_t>(key) - index * pages.tokens);
}
__device__ __forceinline__ int32_t key_segment(const AttentionShape &p, int64_t sequence, int64_t key) {
  return p.k_segment == nullptr ? 1 : p.k_segment[sequence * p.n_keys + key];
}

// A row sees the keys [first, first + count) whose segment is `segment`.
struct KeyLimits {
  int32_t first;
  uint32_t count;
  int32_t segment;
  __device__ __forceinline__ bool sees(int32_t key, int32_t key_segment) const {
    return static_cast<uint32_t>(key) - static_cast<uint32_t>(first) < count && key_segment == segment;
  }
};
// Those of a row among the keys below `end`. A row of padding, or past the last row, sees nothing.
__device__ __forceinline__ KeyLimits key_limits(const AttentionShape &p, AttentionHead head, int64_t row, int64_t end) {
  if (row >= p.rows()) return {0, 0, 0};
  const int64_t query = row / p.group(), position = p.query_offset + query;
  const int32_t segment = p.q_segment == nullptr ? 1 : p.q_segment[head.sequence * p.n_queries + query];
  const int64_t first = p.window == 0 ? 0 : larger(0, position - p.window + 1);
  const int64_t count = segment == 0 ? 0 : larger(0, smaller(position + 1, end) - first);
  return {static_cast<int32_t>(first), static_cast<uint32_t>(count), segment};
}

// Empty: {0, 0}, so that a tile which starts before `begin` still ends at `end`.
struct IndexRange {
  int64_t begin, end;
};
// The queries that the rows [begin, end), one at least, belong to.
struct QueryRange {
  int64_t first, last;
};
__host__ __device__ inline QueryRange queries_of_rows(const AttentionShape &p, int64_t begin, int64_t end) {
  const int64_t group = p.group();
  return {begin / group, (end - 1) / group};
}
// Keys that queries may see, whatever the segments.
__host__ __device__ inline IndexRange keys_of_queries(const AttentionShape &p, QueryRange queries) {
  const int64_t low = p.window == 0 ? 0 : larger(0, p.query_offset + queries.first - p.window + 1);
  const int64_t high = smaller(p.n_keys, p.query_offset + queries.last + 1);
  return low < high ? IndexRange{low, high} : IndexRange{0, 0};
}
// Keys that the rows [begin, end) may see.
__host__ __device__ inline IndexRange keys_of_rows(const AttentionShape &p, int64_t begin, int64_t end) {
  return begin < end ? keys_of_queries(p, queries_of_rows(p, begin, end)) : IndexRange{0, 0};
}

// What follows hangs on a position that is read: latency behind a wait in every layer of a decoding step. So divisions have 32 bits, which
// is enough for a position, and those of rows into queries are the caller's, before its wait.

// Puts a sequence's query at its key_position and shares out the visible keys. All kernels before must have ended.
__device__ __forceinline__ void place_query(AttentionShape &p, KeySplits &splits, int64_t sequence) {
  if (splits.key_position == nullptr) return;
  const int32_t place = splits.key_position[splits.each ? sequence : 0];
  p.query_offset = larger(splits.each ? -1 : 0, smaller(place, p.n_keys - 1));
  const IndexRange visible = keys_of_queries(p, {0, p.n_queries - 1});
  const uint32_t keys = static_cast<uint32_t>(visible.end - visible.begin), rounds = static_cast<uint32_t>(ceil_div(keys, kSplitKeys));
  const uint32_t most = static_cast<uint32_t>(splits.splits);
  splits.first_key = visible.begin;
  splits.keys_per_split = larger(1, (rounds + most - 1) / most) * kSplitKeys;
}
// Splits that have keys.
__device__ __forceinline__ int64_t filled_splits(const AttentionShape &p, const KeySplits &splits) {
  if (splits.key_position == nullptr) return splits.splits;
  const IndexRange visible = keys_of_queries(p, {0, p.n_queries - 1});
  const uint32_t keys = static_cast<uint32_t>(visible.end - visible.begin), each = static_cast<uint32_t>(splits.keys_per_split);
  return (keys + each - 1) / each;
}
// Keys of a split that queries may see.
__device__ __forceinline__ IndexRange keys_of_split(const AttentionShape &p, const KeySplits &splits, int64_t split, QueryRange queries) {
  const IndexRange visible = keys_of_queries(p, queries);
  return {larger(visible.begin, splits.first_key + split * splits.keys_per_split),
          smaller(visible.end, splits.first_key + (split + 1) * splits.keys_per_split)};
}
// Rows that may see one of the keys [begin, end).
__host__ __device__ inline IndexRange rows_of_keys(const AttentionShape &p, int64_t begin, int64_t end) {
  const int64_t low = larger(0, begin - p.query_offset);
  const int64_t high = p.window == 0 ? p.n_queries : smaller(p.n_queries, end - 1 + p.window - p.query_offset);
  return low < high ? IndexRange{low * p.group(), high * p.group()} : IndexRange{0, 0};
}

// The score of q.k = dot, and slope = d score / d (scale dot) = 1 - t^2 with t = tanh(scale dot / cap).
struct ScoreScale {
  float scale, cap, scale_over_cap;
  __device__ __forceinline__ float score(float dot) const { return cap == 0.0f ? scale * dot : cap * tanhf(scale_over_cap * dot); }
  __device__ __forceinline__ float score(float dot, float &slope) const {
    slope = 1.0f;
    if (cap == 0.0f) return scale * dot;
    const float t = tanhf(scale_over_cap * dot);
    slope = 1.0f - t * t;
    return cap * t;
  }
};
__device__ __forceinline__ ScoreScale score_scale(const AttentionShape &p) {
  return {p.scale, p.softcap, p.softcap == 0.0f ? 0.0f : p.scale / p.softcap};
}

// p and ds of one row and key from dot = q.k and dp = dout.v, before the mask.
struct PairGradient {
  float p, ds;
};
__device__ __forceinline__ PairGradient pair_gradient(const ScoreScale &scale, float dot, float dp, float lse, float delta) {
  float slope;
  const float p = expf(scale.score(dot, slope) - lse);
  return {p, p * (dp - delta) * slope};
}

// ---- host: the choice of a variant

struct AttentionConfig {
  const char *name;
  bool tensorcore;
  bool warpgroups;  // wgmma and TMA: sm_90a alone
  int width;        // columns of a tile in shared memory; 0: in pieces
  bool exact;       // head_dim == width, and 16-byte copies
  bool vectors;     // 16-byte copies are allowed
  int rows, keys;   // of a tile
  int threads;
  int64_t shared_bytes;  // dynamic
  int64_t splits;        // blocks that share the keys of one tile of rows; 1: no second kernel
  int64_t keys_per_split;
  int64_t first_key;  // of split 0
};

constexpr int64_t kTensorcoreMaxHeadDim = 256;
constexpr int64_t kDecodeRows = 32;  // up to so many rows per key/value head the keys are split over blocks
constexpr int64_t kDecodeMinSplitKeys = 64, kDecodeMaxSplitKeys = 256;

// Keys of one split: the more blocks there are anyway, the longer, up to four blocks a multiprocessor. A power of two.
inline int64_t decode_split_keys(int64_t heads, int64_t n_keys, int64_t multiprocessors) {
  int64_t keys = kDecodeMinSplitKeys;
  while (keys < kDecodeMaxSplitKeys && heads * ceil_div(n_keys, keys) > 4 * multiprocessors) keys *= 2;
  return keys;
}
// The most splits that a shape without its offset and window can have.
inline int64_t decode_max_splits(const AttentionShape &s, int64_t multiprocessors) {
  if (s.rows() > kDecodeRows) return 1;
  return larger(1, ceil_div(s.n_keys, decode_split_keys(s.heads(), s.n_keys, multiprocessors)));
}

// Which tile the tensor cores use: width 64, 128, 256 for these head_dims with aligned rows, else 256 with checks of every column.
struct TensorcoreTile {
  int width;
  bool exact;
};
inline TensorcoreTile choose_tensorcore_tile(int64_t head_dim, bool vectors) {
  const bool exact = vectors && (head_dim == 64 || head_dim == 128 || head_dim == 256);
  return {exact ? static_cast<int>(head_dim) : 256, exact};
}
inline bool tensorcore_fits(int64_t head_dim, bool is_bf16) { return is_bf16 && head_dim > 0 && head_dim <= kTensorcoreMaxHeadDim; }

// Whether all rows of bf16 tensors can be copied 16 bytes at a time.
inline bool rows_aligned(const AttentionShape &s, std::initializer_list<const void *> tensors) {
  bool aligned = s.head_dim % 8 == 0 && (s.batch <= 1 || s.kv_batch_stride % 8 == 0);
  for (const void *pointer : tensors) aligned = aligned && aligned_to(pointer, 16);
  return aligned;
}

}  // namespace sails::kernels
