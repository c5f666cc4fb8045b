// Attention of few rows over many keys (decoding with a KV cache): the keys are split over blocks, whose partial results a second kernel
// joins in the order of the splits. Formulas, shapes and rows: attention.cuh.
//
//   per row and split: m_s = max of its scores, l_s = sum exp(score - m_s), o_s = sum exp(score - m_s) v
//   m = max_s m_s;  l = sum_s exp(m_s - m) l_s;  out = sum_s exp(m_s - m) o_s / l, 0 where l = 0;  lse = m + log l
//
// tensorcore: a block of 4 warps owns 16 rows of one sequence and key/value head and one split of the keys; each warp takes 16 keys at a time
//   through its own shared memory, without a barrier, and keeps an online softmax of its own; the warps' results are joined in warp order.
//   Bandwidth-bound: bytes = k and v once (plus head_dim floats per row and split), 64 KiB under way a block at width 256.
// f32 and head_dim > 256: attention_simt.cuh writes the same partial results.
#pragma once

#include "attention_tensorcore.cuh"

namespace sails::kernels {

constexpr int kDecodeWarps = 4;
constexpr int kDecodeTileRows = 16, kDecodeTileKeys = 16;  // of a warp
constexpr int kCombineThreads = 128;

template <int kWidth, bool kExact>
__global__ void __launch_bounds__(kDecodeWarps *kWarp, 1)
    attention_decode_tensorcore(AttentionProblem<bf16> p, bf16 *out, float *lse, AttentionPartials partials, bool vectors, int64_t splits,
                                int64_t keys_per_split, int64_t first_key) {
  constexpr int kThreads = kDecodeWarps * kWarp, kRows = kDecodeTileRows, kKeys = kDecodeTileKeys;
  SAILS_DYNAMIC_SHARED(bf16, queries);
  SAILS_SHARED(int32_t, segments, kDecodeWarps *kKeys);
  SAILS_SHARED(float, warp_max, kDecodeWarps *kRows);
  SAILS_SHARED(float, warp_sum, kDecodeWarps *kRows);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, steps = column_steps<kWidth, kExact>(p.head_dim);
  const int64_t heads = p.heads(), rows = p.rows(), stride = p.n_kv_heads * p.head_dim;
  const AttentionHead head = attention_head(p, blockIdx.x % heads);
  const int64_t split = blockIdx.x / heads % splits, first_row = blockIdx.x / heads / splits * kRows;
  IndexRange visible = keys_of_rows(p, first_row, smaller(rows, first_row + kRows));
  visible.begin = larger(visible.begin, first_key + split * keys_per_split);
  visible.end = smaller(visible.end, first_key + (split + 1) * keys_per_split);
  const bf16 *k = p.k + keys_offset(p, head), *v = p.v + keys_offset(p, head);
  bf16 *const keys = queries + kRows * kWidth + warp * 2 * kKeys * kWidth, *const values = keys + kKeys * kWidth;
  int32_t *const my_segments = segments + warp * kKeys;

  const auto load_keys = [&](bf16 *tile, const bf16 *from, int64_t first) {
    load_tile<kWidth, kExact, kKeys, kWarp>(tile, lane, p.head_dim, vectors, from, [&](int row) {
      return first + row < visible.end ? from + (first + row) * stride : nullptr;
    });
  };
  const int64_t begin = visible.begin + warp * kKeys;
  if (begin < visible.end) load_keys(keys, k, begin);
  load_tile<kWidth, kExact, kRows, kThreads>(queries, threadIdx.x, p.head_dim, vectors, p.q, [&](int row) {
    return first_row + row < rows ? p.q + row_offset(p, head, first_row + row) : nullptr;
  });
  async_copy_commit();
  const KeyLimits limits[2] = {key_limits(p, head, first_row + g, visible.end), key_limits(p, head, first_row + g + 8, visible.end)};
  const ScoreScale scale = score_scale(p);
  OnlineSoftmax softmax;
  float o[kWidth / 8][4];
#pragma unroll
  for (int j = 0; j < kWidth / 8; j++)
#pragma unroll
    for (int i = 0; i < 4; i++) o[j][i] = 0.0f;
  async_copy_wait<0>();
  __syncthreads();  // the queries are everyone's

  // Only this warp's lanes touch its keys, values and segments.
  for (int64_t first = begin; first < visible.end; first += kDecodeWarps * kKeys) {
    async_copy_wait<0>();
    __syncwarp();
    load_keys(values, v, first);
    async_copy_commit();
    if (lane < kKeys) my_segments[lane] = first + lane < visible.end ? p.k_segment[head.sequence * p.n_keys + first + lane] : 0;
    float s[kKeys / 8][4];
    multiply_rows<kWidth, kExact>(s, queries, 0, keys, 0, steps);
    __syncwarp();
    if (first + kDecodeWarps * kKeys < visible.end) load_keys(keys, k, first + kDecodeWarps * kKeys);
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

template <typename T>
__global__ void __launch_bounds__(kCombineThreads)
    attention_combine(AttentionShape p, T *out, float *lse, AttentionPartials partials, int64_t splits) {
  const int64_t index = blockIdx.x;  // as in lse: sequence, head, query
  const int64_t query = index % p.n_queries, head = index / p.n_queries % p.n_heads, sequence = index / p.n_queries / p.n_heads;
  T *row = out + ((sequence * p.n_queries + query) * p.n_heads + head) * p.head_dim;
  const float *max = partials.max + index * splits, *sum = partials.sum + index * splits;
  const float *columns = partials.out + index * splits * p.head_dim;
  float total_max = -INFINITY;
  for (int64_t s = 0; s < splits; s++) total_max = fmaxf(total_max, max[s]);
  const float base = total_max == -INFINITY ? 0.0f : total_max;
  float total = 0.0f;
  for (int64_t s = 0; s < splits; s++) total += expf(max[s] - base) * sum[s];
  if (lse != nullptr && threadIdx.x == 0) lse[index] = total == 0.0f ? -INFINITY : base + logf(total);
  const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
  for (int64_t d = threadIdx.x; d < p.head_dim; d += kCombineThreads) {
    float value = 0.0f;
    for (int64_t s = 0; s < splits; s++) value += expf(max[s] - base) * columns[s * p.head_dim + d];
    row[d] = from_float<T>(value * inverse);
  }
}

template <typename T>
[[nodiscard]] cudaError_t launch_attention_combine(cudaStream_t stream, const AttentionShape &p, T *out, float *lse,
                                                   AttentionPartials partials, int64_t splits) {
  return launch("attention_combine", stream, attention_combine<T>, dim3(static_cast<unsigned>(p.batch * p.n_heads * p.n_queries)),
                dim3(kCombineThreads), 0, p, out, lse, partials, splits);
}

}  // namespace sails::kernels
