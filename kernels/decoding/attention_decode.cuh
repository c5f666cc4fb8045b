// Attention of few rows over many keys (decoding with a KV cache): the keys are split over blocks, whose partial results a second kernel
// joins in the order of the splits. Formulas, shapes and rows: attention/attention.cuh.
//
//   per row and split: m_s = max of its scores, l_s = sum exp(score - m_s), o_s = sum exp(score - m_s) v
//   m = max_s m_s;  l = sum_s exp(m_s - m) l_s;  out = sum_s exp(m_s - m) o_s / l, 0 where l = 0;  lse = m + log l
//
// tensorcore: a block of 4 warps owns 16 rows of one sequence and key/value head and one split of the keys; each warp takes 16 keys at a
// time
//   through its own shared memory, without a barrier, and keeps an online softmax of its own; the warps' results are joined in warp order.
//   Bandwidth-bound: bytes = k and v once (plus head_dim floats per row and split), 64 KiB under way a block at width 256.
// f32 and head_dim > 256: attention/simt.cuh writes the same partial results.
//
// Decoding (one query a sequence, whose key is read from the device) takes as many splits as the cache's length and window may need, up to
// two blocks a multiprocessor; each takes an equal stretch of what is visible, in multiples of 64 keys, and a split past the last stretch
// ends at once. Where the caches lie in pages, all sequences are one launch, each query at a place of its own.
// 2B, batch 1, 4096 keys: 64 splits of 4 key/value heads, 256 blocks on 132 multiprocessors, 17 MB.
#pragma once

#include "attention/simt.cuh"
#include "attention/tensorcore.cuh"
#include "primitives/dependent_launch.cuh"

namespace sails::kernels {

constexpr int kDecodeWarps = 4;
constexpr int kDecodeTileRows = 16, kDecodeTileKeys = 16;  // of a warp
constexpr int kCombineThreads = 256;

template <int kWidth, bool kExact>
__global__ void __launch_bounds__(kDecodeWarps *kWarp, 1)
    attention_decode_tensorcore(AttentionProblem<bf16> p, bf16 *out, float *lse, AttentionPartials partials, bool vectors,
                                KeySplits key_splits) {
  constexpr int kThreads = kDecodeWarps * kWarp, kRows = kDecodeTileRows, kKeys = kDecodeTileKeys;
  SAILS_DYNAMIC_SHARED(bf16, queries);
  SAILS_SHARED(int32_t, segments, kDecodeWarps * kKeys);
  SAILS_SHARED(int64_t, key_rows, kDecodeWarps * kKeys);
  SAILS_SHARED(float, warp_max, kDecodeWarps *kRows);
  SAILS_SHARED(float, warp_sum, kDecodeWarps *kRows);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, steps = column_steps<kWidth, kExact>(p.head_dim);
  const int64_t splits = key_splits.splits, heads = p.heads(), rows = p.rows(), stride = p.n_kv_heads * p.head_dim;
  const int64_t split = blockIdx.x / heads % splits, first_row = blockIdx.x / heads / splits * kRows;
  const AttentionHead head = attention_head(p, blockIdx.x % heads);
  const QueryRange all_queries = queries_of_rows(p, first_row, smaller(rows, first_row + kRows));
  wait_for_grids_before();
  let_next_grid_start();
  place_query(p, key_splits, head.sequence);
  if (split > 0 && split >= filled_splits(p, key_splits)) return;
  const IndexRange visible = keys_of_split(p, key_splits, split, all_queries);
  const bf16 *k = p.k + keys_offset(p, head), *v = p.v + keys_offset(p, head);
  bf16 *const keys = queries + kRows * kWidth + warp * 2 * kKeys * kWidth, *const values = keys + kKeys * kWidth;
  int32_t *const my_segments = segments + warp * kKeys;
  int64_t *const my_rows = key_rows + warp * kKeys;

  // Where the keys of a tile lie, for its keys and then for its values.
  const auto find_rows = [&](int64_t first) {
    if (lane < kKeys) my_rows[lane] = first + lane < visible.end ? key_row(p.pages, head.sequence, first + lane) * stride : -1;
    __syncwarp();
  };
  const auto load_keys = [&](bf16 *tile, const bf16 *from) {
    load_tile<kWidth, kExact, kKeys, kWarp>(tile, lane, p.head_dim, vectors, from,
                                            [&](int row) { return my_rows[row] < 0 ? nullptr : from + my_rows[row]; });
  };
  const int64_t begin = visible.begin + warp * kKeys;
  find_rows(begin);
  if (begin < visible.end) load_keys(keys, k);
  load_tile<kWidth, kExact, kRows, kThreads>(queries, threadIdx.x, p.head_dim, vectors, p.q, [&](int row) {
    return first_row + row < rows ? p.q + row_offset(p, head, first_row + row) : nullptr;
  });
  async_copy_commit();
  if (begin < visible.end) load_keys(values, v);
  async_copy_commit();
  const KeyLimits limits[2] = {key_limits(p, head, first_row + g, visible.end), key_limits(p, head, first_row + g + 8, visible.end)};
  const ScoreScale scale = score_scale(p);
  OnlineSoftmax softmax;
  float o[kWidth / 8][4];
#pragma unroll
  for (int j = 0; j < kWidth / 8; j++)
#pragma unroll
    for (int i = 0; i < 4; i++) o[j][i] = 0.0f;
  async_copy_wait<1>();
  __syncthreads();  // the queries are everyone's

  // Only this warp's lanes touch its keys, values and segments. The values of a tile are on their way while its keys are waited for.
  for (int64_t first = begin; first < visible.end; first += kDecodeWarps * kKeys) {
    async_copy_wait<1>();
    __syncwarp();
    if (lane < kKeys) my_segments[lane] = first + lane < visible.end ? key_segment(p, head.sequence, first + lane) : 0;
    float s[kKeys / 8][4];
    multiply_rows<kWidth, kExact>(s, queries, 0, keys, 0, steps);
    __syncwarp();
    find_rows(first + kDecodeWarps * kKeys);
    if (first + kDecodeWarps * kKeys < visible.end) load_keys(keys, k);
    async_copy_commit();
    float factor[2];
    softmax.update(s, factor, scale, limits, static_cast<int32_t>(first), my_segments);
#pragma unroll
    for (int j = 0; j < kWidth / 8; j++)
#pragma unroll
      for (int i = 0; i < 4; i++) o[j][i] *= factor[i / 2];
    uint32_t probabilities[4];
    fragment_of(probabilities, s[0], s[1]);
    async_copy_wait<1>();
    __syncwarp();
    accumulate_columns<kWidth, kExact>(o, probabilities, values, 0, 0, steps);
    __syncwarp();
    if (first + kDecodeWarps * kKeys < visible.end) load_keys(values, v);
    async_copy_commit();
  }

  // Each warp's sums, [16, kWidth] f32, take the place of its keys and values.
  float *const sums = reinterpret_cast<float *>(queries + kRows * kWidth);
  async_copy_wait<0>();
  __syncwarp();
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float sum = quad_sum(softmax.sum[half]);
    if (lane % 4 != 0) continue;
    warp_max[warp * kRows + g + 8 * half] = softmax.max[half];
    warp_sum[warp * kRows + g + 8 * half] = sum;
  }
#pragma unroll
  for (int j = 0; j < kWidth / 8; j++) {
    if (!kExact && j / 2 >= steps) break;
#pragma unroll
    for (int i = 0; i < 4; i++) sums[(warp * kRows + g + i / 2 * 8) * kWidth + 8 * j + 2 * (lane % 4) + i % 2] = o[j][i];
  }
  __syncthreads();
  const int head_dim = static_cast<int>(p.head_dim);
  const int n = static_cast<int>(smaller(kRows, rows - first_row)) * head_dim;
  for (int at = threadIdx.x; at < n; at += kThreads) {
    const int row = at / head_dim, column = at % head_dim;
    float max = -INFINITY, sum = 0.0f, value = 0.0f;
    for (int w = 0; w < kDecodeWarps; w++) max = fmaxf(max, warp_max[w * kRows + row]);
    const float base = max == -INFINITY ? 0.0f : max;
    for (int w = 0; w < kDecodeWarps; w++) {
      const float factor = expf(warp_max[w * kRows + row] - base);
      sum += factor * warp_sum[w * kRows + row];
      value += factor * sums[(w * kRows + row) * kWidth + column];
    }
    const int64_t index = row_lse_index(p, head, first_row + row);
    if (splits > 1) {
      partials.out[(index * splits + split) * p.head_dim + column] = value;
      if (column > 0) continue;
      partials.max[index * splits + split] = max;
      partials.sum[index * splits + split] = sum;
    } else {
      out[row_offset(p, head, first_row + row) + column] = to_bf16(sum == 0.0f ? 0.0f : value / sum);
      if (column == 0 && lse != nullptr) lse[index] = sum == 0.0f ? -INFINITY : base + logf(sum);
    }
  }
}

// Joins the splits of one row. Weights of the splits first, a thread each; then the columns, kLanes a thread, where several groups of
// threads take the splits in turn and their sums are joined in the order of the groups. kBatch loads of a thread are under way at once: a
// token of the 2B at 4096 keys has 64 splits of 256 columns, 4 groups, two trips to L2.
template <typename T, int kLanes>
__global__ void __launch_bounds__(kCombineThreads)
    attention_combine(AttentionShape p, T *out, float *lse, AttentionPartials partials, KeySplits key_splits) {
  constexpr int kBatch = 8;
  SAILS_SHARED(float, weights, kCombineThreads);
  SAILS_SHARED(float, joined, kCombineThreads *kLanes);
  SAILS_SHARED(float, scratch, kWarp);
  const uint32_t queries = static_cast<uint32_t>(p.n_queries), heads = static_cast<uint32_t>(p.n_heads);
  const uint32_t of_query = blockIdx.x / queries, query = blockIdx.x % queries;  // blocks as in lse: sequence, head, query
  const uint32_t sequence = of_query / heads, head = of_query % heads;
  const int head_dim = static_cast<int>(p.head_dim), across = static_cast<int>(smaller(kCombineThreads, ceil_div(head_dim, kLanes)));
  const int thread = static_cast<int>(threadIdx.x), groups = kCombineThreads / across, group = thread / across, place = thread % across;
  const int64_t splits = key_splits.splits, first = blockIdx.x * splits;
  T *row = out + ((int64_t{sequence} * queries + query) * heads + head) * head_dim;
  const float *max = partials.max + first, *sum = partials.sum + first, *columns = partials.out + first * head_dim;
  wait_for_grids_before();
  let_next_grid_start();
  place_query(p, key_splits, sequence);
  const int64_t filled = filled_splits(p, key_splits);

  float total_max = -INFINITY;
  for (int64_t s = thread; s < filled; s += kCombineThreads) total_max = fmaxf(total_max, max[s]);
  total_max = block_max(total_max, scratch);
  const float base = total_max == -INFINITY ? 0.0f : total_max;
  for (int begin = 0; begin < head_dim; begin += across * kLanes) {
    const int column = begin + place * kLanes;
    const bool reads = group < groups && column < head_dim;
    float value[kLanes] = {}, total = 0.0f;
    for (int64_t chunk = 0; chunk < filled; chunk += kCombineThreads) {
      const int count = static_cast<int>(smaller(filled - chunk, kCombineThreads));
      const float weight = thread < count ? expf(max[chunk + thread] - base) : 0.0f;
      if (thread < count) total += weight * sum[chunk + thread];
      __syncthreads();  // the weights before have been read
      weights[thread] = weight;
      __syncthreads();
      for (int s = group; reads && s < count; s += kBatch * groups) {
        Pack<float, kLanes> part[kBatch] = {};
#pragma unroll
        for (int i = 0; i < kBatch; i++)
          if (s + i * groups < count) part[i] = load_pack<kLanes>(columns + (chunk + s + i * groups) * head_dim + column);
#pragma unroll
        for (int i = 0; i < kBatch; i++) {
          if (s + i * groups >= count) break;
#pragma unroll
          for (int l = 0; l < kLanes; l++) value[l] = fmaf(weights[s + i * groups], part[i].lane[l], value[l]);
        }
      }
    }
    total = block_sum(total, scratch);
#pragma unroll
    for (int l = 0; l < kLanes; l++) joined[thread * kLanes + l] = value[l];
    __syncthreads();
    if (group == 0 && reads) {
      const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
      for (int other = 1; other < groups; other++)
#pragma unroll
        for (int l = 0; l < kLanes; l++) value[l] += joined[(other * across + place) * kLanes + l];
      Pack<T, kLanes> rounded;
#pragma unroll
      for (int l = 0; l < kLanes; l++) rounded.lane[l] = from_float<T>(value[l] * inverse);
      store_pack(row + column, rounded);
    }
    if (lse != nullptr && begin + thread == 0) lse[blockIdx.x] = total == 0.0f ? -INFINITY : base + logf(total);
    __syncthreads();  // everyone has read what was joined
  }
}

template <typename T>
[[nodiscard]] cudaError_t launch_attention_combine(EarlyStream queue, const AttentionShape &p, T *out, float *lse,
                                                   AttentionPartials partials, const KeySplits &splits) {
  const bool packed = p.head_dim % 4 == 0 && aligned_to(partials.out, 16) && aligned_to(out, 4 * sizeof(T));
  return launch_early("attention_combine", queue, packed ? attention_combine<T, 4> : attention_combine<T, 1>,
                      dim3(static_cast<unsigned>(p.batch * p.n_heads * p.n_queries)), dim3(kCombineThreads), 0, p, out, lse, partials,
                      splits);
}

// ---- decoding: variant choice and launchers

// Tiles and threads for few rows; how the keys are split among blocks is the caller's.
inline AttentionConfig few_rows_config(const AttentionShape &s, bool is_bf16, bool vectors) {
  AttentionConfig c = {};
  c.tensorcore = tensorcore_fits(s.head_dim, is_bf16);
  c.name = c.tensorcore ? "decode_tensorcore" : "decode_simt";
  if (!c.tensorcore) {
    c.rows = c.keys = kSimtTile;
    c.threads = kSimtThreads;
    return c;
  }
  const TensorcoreTile tile = choose_tensorcore_tile(s.head_dim, vectors);
  c.width = tile.width;
  c.exact = tile.exact;
  c.vectors = vectors;
  c.rows = kDecodeTileRows;
  c.keys = kDecodeTileKeys * kDecodeWarps;
  c.threads = kDecodeWarps * kWarp;
  c.shared_bytes = static_cast<int64_t>(sizeof(bf16)) * c.width * (c.rows + 2 * c.keys);
  return c;
}

// One query a sequence over a cache of n_keys keys.
inline AttentionConfig choose_attention_decode(const AttentionShape &s, bool is_bf16, bool vectors, int64_t multiprocessors) {
  constexpr int64_t kResident = 2, kMostSplitKeys = 512;
  AttentionConfig c = few_rows_config(s, is_bf16, vectors);
  const int64_t most_keys = s.window == 0 ? s.n_keys : smaller(s.window, s.n_keys),
                wanted = kResident * multiprocessors / larger(1, s.heads());
  // With pages most of the sequences may be short, or none: their blocks end at once, and those of a long one must not be few.
  const int64_t least = s.pages.per_sequence == 0 ? 1 : ceil_div(most_keys, kMostSplitKeys);
  c.splits = larger(larger(1, least), smaller(wanted, ceil_div(most_keys, kSplitKeys)));
  return c;
}

[[nodiscard]] inline cudaError_t launch_attention_splits(EarlyStream queue, const AttentionProblem<bf16> &p, const AttentionConfig &c,
                                                         bf16 *out, float *lse, const AttentionPartials &partials,
                                                         const KeySplits &splits) {
  if (!c.tensorcore) return launch_attention_forward_simt(queue, p, out, lse, partials, splits);
  const auto run = [&](auto kernel) {
    const int64_t blocks = p.heads() * c.splits * ceil_div(p.rows(), c.rows);
    return launch_early("attention_decode_tensorcore", queue, kernel, dim3(static_cast<unsigned>(blocks)), dim3(kDecodeWarps * kWarp),
                        c.shared_bytes, p, out, lse, partials, c.vectors, splits);
  };
  if (!c.exact) return run(attention_decode_tensorcore<256, false>);
  return c.width == 64    ? run(attention_decode_tensorcore<64, true>)
         : c.width == 128 ? run(attention_decode_tensorcore<128, true>)
                          : run(attention_decode_tensorcore<256, true>);
}
[[nodiscard]] inline cudaError_t launch_attention_splits(EarlyStream queue, const AttentionProblem<float> &p, const AttentionConfig &,
                                                         float *out, float *lse, const AttentionPartials &partials,
                                                         const KeySplits &splits) {
  return launch_attention_forward_simt(queue, p, out, lse, partials, splits);
}

// partials: as many splits as the configuration says; unused where that is 1.
template <typename T>
[[nodiscard]] cudaError_t launch_attention_decode(EarlyStream queue, const AttentionProblem<T> &p, const AttentionConfig &c, T *out,
                                                  const AttentionPartials &partials, const int32_t *key_position) {
  const KeySplits splits = {c.splits, 0, 0, key_position, p.pages.table != nullptr};
  SAILS_TRY(launch_attention_splits(queue, p, c, out, nullptr, partials, splits));
  return c.splits > 1 ? launch_attention_combine(queue, p, out, nullptr, partials, splits) : cudaSuccess;
}

}  // namespace sails::kernels
