// Attention forward and backward in f32 multiply-adds: exact f32 for f32 tensors, and every shape that the tensor cores' tiles do not take.
// Formulas, shapes and rows: attention/attention.cuh.
//
// A block of 4 warps takes a tile of 32 rows by 32 columns of the score matrix at a time. A warp owns 8 rows, a lane one column; operands
// pass through shared memory in pieces of 64 columns of head_dim, so head_dim is free. What is accumulated over the tiles (out, dq; dk and
// dv) stays in registers: 256 columns of head_dim, 8 rows x 2 columns a lane for each piece of 64; a wider head_dim takes one block per 256
// columns, each of which computes the scores anew.
// In forward and dq rows are rows (attention/attention.cuh) and columns are keys; in dk, dv rows are keys and columns are rows.
#pragma once

#include "attention/attention.cuh"
#include "primitives/async_copy.cuh"
#include "primitives/dependent_launch.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kSimtWarps = 4, kSimtThreads = kSimtWarps * kWarp;
constexpr int kSimtTile = 32;                          // rows and columns of a tile
constexpr int kSimtWarpRows = kSimtTile / kSimtWarps;  // 8
constexpr int kSimtPiece = 64;                         // columns of head_dim in shared memory at a time
constexpr int kSimtPitch = kSimtPiece + 4;             // floats; 16-byte reads of 8 neighbouring rows hit different banks
constexpr int kSimtPieces = 4;
constexpr int kSimtColumns = kSimtPieces * kSimtPiece;  // of head_dim a block accumulates

// Blocks that share the columns of head_dim; one even where there are none, for lse.
__host__ __device__ inline int64_t simt_parts(int64_t head_dim) { return larger(1, ceil_div(head_dim, kSimtColumns)); }

// Shared memory of a block.
struct SimtShared {
  float *a, *b;       // [kSimtTile, kSimtPitch] pieces of rows and of columns
  float *weights;     // [kSimtWarps, kSimtTile columns, kSimtWarpRows]
  KeyLimits *limits;  // [kSimtTile] of the packed rows
  int64_t *offsets;   // [kSimtTile] of the packed rows, -1 past the end
};

// Starts to copy 64 columns of head_dim of 32 rows; offset(r) < 0: zeros. Everyone synchronises before, and calls finish_stage after.
template <typename Offset>
__device__ __forceinline__ void stage(float *to, const float *from, int64_t first_column, int64_t head_dim, Offset offset) {
  // Rows start at multiples of head_dim from `from`.
  const bool vectors = reinterpret_cast<uintptr_t>(from) % 16 == 0 && head_dim % 4 == 0;
  const int lanes = vectors ? 4 : 1, chunks = kSimtPiece / lanes;
#pragma unroll 1
  for (int at = threadIdx.x; at < kSimtTile * chunks; at += kSimtThreads) {
    const int row = at / chunks, column = at % chunks * lanes;
    const int64_t start = offset(row);
    const bool inside = start >= 0 && first_column + column < head_dim;
    const float *source = inside ? from + start + first_column + column : from;
    if (vectors)
      async_copy_16(to + row * kSimtPitch + column, source, inside);
    else
      async_copy_4(to + row * kSimtPitch + column, source, inside);
  }
}
template <typename Offset>
__device__ __forceinline__ void stage(float *to, const bf16 *from, int64_t first_column, int64_t head_dim, Offset offset) {
#pragma unroll 1
  for (int at = threadIdx.x; at < kSimtTile * kSimtPiece; at += kSimtThreads) {
    const int row = at / kSimtPiece, column = at % kSimtPiece;
    const int64_t start = offset(row);
    to[row * kSimtPitch + column] = start >= 0 && first_column + column < head_dim ? to_float(from[start + first_column + column]) : 0.0f;
  }
}
__device__ __forceinline__ void finish_stage() {
  async_copy_commit();
  async_copy_wait<0>();
  __syncthreads();
}

// dots[r] += row (of this warp) r times this lane's column, over the staged piece, of which `columns` are not 0.
template <int kUnroll>
__device__ __forceinline__ void add_dots(float (&dots)[kSimtWarpRows], const float *a, const float *b, int columns) {
  const float *mine = b + threadIdx.x % kWarp * kSimtPitch, *rows = a + threadIdx.x / kWarp * kSimtWarpRows * kSimtPitch;
#pragma unroll kUnroll
  for (int d = 0; d < columns; d += 4) {
    const float4 y = *reinterpret_cast<const float4 *>(mine + d);
#pragma unroll
    for (int r = 0; r < kSimtWarpRows; r++) {
      const float4 x = *reinterpret_cast<const float4 *>(rows + r * kSimtPitch + d);
      dots[r] += x.x * y.x;
      dots[r] += x.y * y.y;
      dots[r] += x.z * y.z;
      dots[r] += x.w * y.w;
    }
  }
}
// sums[r][i] += sum over the tile's columns c of weights[c][r] * staged[c][lane + 32 i].
__device__ __forceinline__ void add_weighted(float (&sums)[kSimtWarpRows][2], const float *weights, const float *staged) {
  const int lane = threadIdx.x % kWarp;
  const float *mine = weights + threadIdx.x / kWarp * kSimtTile * kSimtWarpRows;
#pragma unroll 2
  for (int c = 0; c < kSimtTile; c++) {
    const float4 low = *reinterpret_cast<const float4 *>(mine + c * kSimtWarpRows);
    const float4 high = *reinterpret_cast<const float4 *>(mine + c * kSimtWarpRows + 4);
    const float w[kSimtWarpRows] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
    const float x0 = staged[c * kSimtPitch + lane], x1 = staged[c * kSimtPitch + kWarp + lane];
#pragma unroll
    for (int r = 0; r < kSimtWarpRows; r++) {
      sums[r][0] += w[r] * x0;
      sums[r][1] += w[r] * x1;
    }
  }
}
__device__ __forceinline__ void put_weights(float *weights, const float (&w)[kSimtWarpRows]) {
  float *mine = weights + (threadIdx.x / kWarp * kSimtTile + threadIdx.x % kWarp) * kSimtWarpRows;
  *reinterpret_cast<float4 *>(mine) = make_float4(w[0], w[1], w[2], w[3]);
  *reinterpret_cast<float4 *>(mine + 4) = make_float4(w[4], w[5], w[6], w[7]);
}

// Columns of a piece that are worth multiplying, a multiple of 4.
__device__ __forceinline__ int piece_columns(int64_t first_column, int64_t head_dim) {
  return static_cast<int>(smaller(kSimtPiece, ceil_div(head_dim - first_column, 4) * 4));
}

// Where the packed rows [first, + 32) lie and what they see.
__device__ __forceinline__ void describe_rows(const SimtShared &shared, const AttentionShape &p, AttentionHead head, int64_t first) {
  for (int i = threadIdx.x; i < kSimtTile; i += kSimtThreads) {
    shared.limits[i] = key_limits(p, head, first + i, p.n_keys);
    shared.offsets[i] = first + i < p.rows() ? row_offset(p, head, first + i) : -1;
  }
}

// dots[r] += rows of x times rows of y over all of head_dim. kUnroll 1 where the registers are needed otherwise.
template <int kUnroll, typename T, typename XStart, typename YStart>
__device__ __forceinline__ void add_products(float (&dots)[kSimtWarpRows], const SimtShared &shared, const T *x, XStart x_start, const T *y,
                                             YStart y_start, int64_t head_dim) {
  for (int64_t d = 0; d < head_dim; d += kSimtPiece) {
    __syncthreads();
    stage(shared.a, x, d, head_dim, x_start);
    stage(shared.b, y, d, head_dim, y_start);
    finish_stage();
    add_dots<kUnroll>(dots, shared.a, shared.b, piece_columns(d, head_dim));
  }
}
// sums += weights times the rows of x, columns [first_column, + kSimtColumns).
template <typename T, typename Start>
__device__ __forceinline__ void add_weighted_pieces(float (&sums)[kSimtPieces][kSimtWarpRows][2], const SimtShared &shared, const T *x,
                                                    Start start, int64_t first_column, int64_t head_dim) {
#pragma unroll
  for (int piece = 0; piece < kSimtPieces; piece++) {
    if (first_column + piece * kSimtPiece >= head_dim) break;
    __syncthreads();
    stage(shared.b, x, first_column + piece * kSimtPiece, head_dim, start);
    finish_stage();
    add_weighted(sums[piece], shared.weights, shared.b);
  }
}
// row [head_dim] = sums[.][r] * factor, in the columns that this block has.
template <typename To>
__device__ __forceinline__ void store_sums(To *row, const float (&sums)[kSimtPieces][kSimtWarpRows][2], int r, int64_t first_column,
                                           int64_t head_dim, float factor) {
#pragma unroll
  for (int i = 0; i < 2 * kSimtPieces; i++) {
    const int64_t column = first_column + i * kWarp + threadIdx.x % kWarp;
    if (column < head_dim) row[column] = from_float<To>(sums[i / 2][r][i % 2] * factor);
  }
}

#define SAILS_SIMT_SHARED(shared) \
  SAILS_SHARED(float, shared_a, kSimtTile *kSimtPitch); \
  SAILS_SHARED(float, shared_b, kSimtTile *kSimtPitch); \
  SAILS_SHARED(float, shared_weights, kSimtTile *kSimtTile); \
  SAILS_SHARED(KeyLimits, shared_limits, kSimtTile); \
  SAILS_SHARED(int64_t, shared_offsets, kSimtTile); \
  const SimtShared shared = {shared_a, shared_b, shared_weights, shared_limits, shared_offsets}

// ---- forward

template <typename T>
__global__ void __launch_bounds__(kSimtThreads, 2)
    attention_forward_simt(AttentionProblem<T> p, T *out, float *lse, AttentionPartials partials, KeySplits key_splits) {
  SAILS_SIMT_SHARED(shared);
  const int64_t splits = key_splits.splits;
  const int lane = threadIdx.x % kWarp, warp_row = threadIdx.x / kWarp * kSimtWarpRows;
  const int64_t heads = p.heads(), rows = p.rows(), stride = p.n_kv_heads * p.head_dim;
  const int64_t split = blockIdx.x / heads % splits, rest = blockIdx.x / heads / splits;
  const int64_t parts = simt_parts(p.head_dim), first_column = rest % parts * kSimtColumns;
  const int64_t first_row = (ceil_div(rows, kSimtTile) - 1 - rest / parts) * kSimtTile;
  const AttentionHead head = attention_head(p, blockIdx.x % heads);
  const T *k = p.k + keys_offset(p, head), *v = p.v + keys_offset(p, head);
  const QueryRange queries = queries_of_rows(p, first_row, smaller(rows, first_row + kSimtTile));
  wait_for_grids_before();
  let_next_grid_start();
  place_query(p, key_splits, head.sequence);
  if (split > 0 && split >= filled_splits(p, key_splits)) return;
  const IndexRange visible = splits > 1 ? keys_of_split(p, key_splits, split, queries) : keys_of_queries(p, queries);
  const ScoreScale scale = score_scale(p);
  describe_rows(shared, p, head, first_row);
  float max[kSimtWarpRows], sum[kSimtWarpRows], o[kSimtPieces][kSimtWarpRows][2] = {};
#pragma unroll
  for (int r = 0; r < kSimtWarpRows; r++) {
    max[r] = -INFINITY;
    sum[r] = 0.0f;
  }
  __syncthreads();
  const auto row_start = [&](int row) { return shared.offsets[row]; };

  for (int64_t first = visible.begin; first < visible.end; first += kSimtTile) {
    const auto key_start = [&](int row) { return first + row < visible.end ? key_row(p.pages, head.sequence, first + row) * stride : -1; };
    float s[kSimtWarpRows] = {};
    add_products<2>(s, shared, p.q, row_start, k, key_start, p.head_dim);
    const bool inside = first + lane < visible.end;
    const int32_t key = static_cast<int32_t>(first) + lane, segment = inside ? key_segment(p, head.sequence, first + lane) : 0;
#pragma unroll
    for (int r = 0; r < kSimtWarpRows; r++) {
      s[r] = inside && shared.limits[warp_row + r].sees(key, segment) ? scale.score(s[r]) : -INFINITY;
      const float new_max = fmaxf(max[r], warp_max(s[r]));
      const float base = new_max == -INFINITY ? 0.0f : new_max;  // as in OnlineSoftmax
      const float factor = expf(max[r] - base);
      s[r] = expf(s[r] - base);
      sum[r] = sum[r] * factor + s[r];
      max[r] = new_max;
#pragma unroll
      for (int piece = 0; piece < kSimtPieces; piece++) {
        o[piece][r][0] *= factor;
        o[piece][r][1] *= factor;
      }
    }
    put_weights(shared.weights, s);
    add_weighted_pieces(o, shared, v, key_start, first_column, p.head_dim);
  }

#pragma unroll
  for (int r = 0; r < kSimtWarpRows; r++) {
    const int64_t row = first_row + warp_row + r;
    const float total = warp_sum(sum[r]);
    if (row >= rows) continue;
    const int64_t index = row_lse_index(p, head, row);
    float factor = total == 0.0f ? 0.0f : 1.0f / total;
    if (splits > 1) {
      factor = 1.0f;
      if (lane == 0 && first_column == 0) {
        partials.max[index * splits + split] = max[r];
        partials.sum[index * splits + split] = total;
      }
    } else if (lse != nullptr && lane == 0 && first_column == 0) {
      lse[index] = total == 0.0f ? -INFINITY : (max[r] == -INFINITY ? 0.0f : max[r]) + logf(total);
    }
    if (splits > 1)
      store_sums(partials.out + (index * splits + split) * p.head_dim, o, r, first_column, p.head_dim, factor);
    else
      store_sums(out + shared.offsets[warp_row + r], o, r, first_column, p.head_dim, factor);
  }
}

template <typename T>
[[nodiscard]] cudaError_t launch_attention_forward_simt(EarlyStream queue, const AttentionProblem<T> &p, T *out, float *lse,
                                                        AttentionPartials partials, const KeySplits &splits) {
  const int64_t blocks = p.heads() * splits.splits * simt_parts(p.head_dim) * ceil_div(p.rows(), kSimtTile);
  return launch_early("attention_forward_simt", queue, attention_forward_simt<T>, dim3(static_cast<unsigned>(blocks)), dim3(kSimtThreads),
                      0, p, out, lse, partials, splits);
}

}  // namespace sails::kernels
