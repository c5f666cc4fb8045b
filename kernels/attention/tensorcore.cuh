// Tiles of bf16 rows in shared memory and the mma fragments that attention reads from them.
//
// A tile has kWidth columns (a multiple of 64); 16-byte chunk c of row r lies at place c ^ (r % 8) of its row, so that the eight rows which
// ldmatrix reads together lie in different banks without padding. Columns past head_dim are 0 up to the next multiple of 16 and are not
// touched beyond.
#pragma once

#include "attention/attention.cuh"
#include "primitives/async_copy.cuh"
#include "primitives/mma.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

template <int kWidth>
__device__ __forceinline__ bf16 *tile_chunk(bf16 *tile, int row, int chunk) {
  return tile + row * kWidth + (chunk ^ (row & 7)) * 8;
}

// 16-column steps that head_dim needs.
template <int kWidth, bool kExact>
__device__ __forceinline__ int column_steps(int64_t head_dim) {
  return kExact ? kWidth / 16 : static_cast<int>(ceil_div(head_dim, 16));
}

// Copies rows into a tile with threads `thread` of kThreads. row_pointer(r) is the row's first element, or nullptr: the row becomes 0.
// Asynchronous where `vectors` (16-byte alignment), else done when the call returns; either way the caller commits, waits and synchronises.
// `valid` is any address inside a tensor, 16-byte aligned where `vectors`: cp.async wants one even where it reads nothing.
template <int kWidth, bool kExact, int kRows, int kThreads, typename RowPointer>
__device__ __forceinline__ void load_tile(bf16 *tile, int thread, int64_t head_dim, bool vectors, const bf16 *valid,
                                          RowPointer row_pointer) {
  const int chunks = kExact ? kWidth / 8 : 2 * column_steps<kWidth, kExact>(head_dim);
  for (int at = thread; at < kRows * chunks; at += kThreads) {
    const int row = at / chunks, chunk = at % chunks;
    const bf16 *from = row_pointer(row);
    bf16 *to = tile_chunk<kWidth>(tile, row, chunk);
    if (kExact || vectors) {
      const bool inside = from != nullptr && (kExact || chunk * 8 < head_dim);
      async_copy_16(to, inside ? from + chunk * 8 : valid, inside);
    } else {
      for (int i = 0; i < 8; i++) to[i] = from != nullptr && chunk * 8 + i < head_dim ? from[chunk * 8 + i] : bf16{0};
    }
  }
}
// The inverse: rows of a tile to global memory by one warp.
template <int kWidth, bool kExact, int kRows, typename RowPointer>
__device__ __forceinline__ void store_tile(bf16 *tile, int first_row, int64_t head_dim, bool vectors, RowPointer row_pointer) {
  const int chunks = kExact ? kWidth / 8 : static_cast<int>(ceil_div(head_dim, 8));
  for (int at = threadIdx.x % kWarp; at < kRows * chunks; at += kWarp) {
    const int row = at / chunks, chunk = at % chunks;
    bf16 *to = row_pointer(row);
    if (to == nullptr) continue;
    const bf16 *from = tile_chunk<kWidth>(tile, first_row + row, chunk);
    if (kExact || vectors) {
      store_pack(to + chunk * 8, load_pack<8>(from));
    } else {
      for (int i = 0; i < 8 && chunk * 8 + i < head_dim; i++) to[chunk * 8 + i] = from[i];
    }
  }
}

// A fragment: rows [row, row + 16), k = columns [16 step, 16 step + 16).
template <int kWidth>
__device__ __forceinline__ void load_a(uint32_t (&a)[4], bf16 *tile, int row, int step) {
  const int lane = threadIdx.x % kWarp;
  ldmatrix_x4(a, tile_chunk<kWidth>(tile, row + lane % 16, 2 * step + lane / 16));
}
// B fragments of two 8-column blocks of the transpose (n = rows [row, row + 16), k = columns of `step`): b[0..1] and b[2..3].
template <int kWidth>
__device__ __forceinline__ void load_b_rows(uint32_t (&b)[4], bf16 *tile, int row, int step) {
  const int lane = threadIdx.x % kWarp;
  ldmatrix_x4(b, tile_chunk<kWidth>(tile, row + lane % 8 + lane / 16 * 8, 2 * step + lane / 8 % 2));
}
// B fragments of two 8-column blocks (k = rows [row, row + 16), n = columns of `step`): b[0..1] and b[2..3].
template <int kWidth>
__device__ __forceinline__ void load_b_columns(uint32_t (&b)[4], bf16 *tile, int row, int step) {
  const int lane = threadIdx.x % kWarp;
  ldmatrix_x4_transposed(b, tile_chunk<kWidth>(tile, row + lane % 16, 2 * step + lane / 16));
}
__device__ __forceinline__ void mma_pair(float (&c0)[4], float (&c1)[4], const uint32_t (&a)[4], const uint32_t (&b)[4]) {
  const uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
  mma_m16n8k16(c0, a, b0);
  mma_m16n8k16(c1, a, b1);
}

// Columns [16 step, + 16) of two C fragments, side by side, become the A fragment of the same 16 x 16 numbers.
__device__ __forceinline__ void fragment_of(uint32_t (&a)[4], const float (&c0)[4], const float (&c1)[4]) {
  a[0] = pack_bf16(c0[0], c0[1]);
  a[1] = pack_bf16(c0[2], c0[3]);
  a[2] = pack_bf16(c1[0], c1[1]);
  a[3] = pack_bf16(c1[2], c1[3]);
}

// c[j] (16 rows x 8 rows) = a_tile [a_row, +16) times the transpose of b_tile [b_row, + 8 kBlocks), over head_dim.
template <int kWidth, bool kExact, int kBlocks>
__device__ __forceinline__ void multiply_rows(float (&c)[kBlocks][4], bf16 *a_tile, int a_row, bf16 *b_tile, int b_row, int steps) {
#pragma unroll
  for (int j = 0; j < kBlocks; j++)
#pragma unroll
    for (int i = 0; i < 4; i++) c[j][i] = 0.0f;
#pragma unroll 4
  for (int step = 0; step < kWidth / 16; step++) {
    if (!kExact && step >= steps) break;
    uint32_t a[4];
    load_a<kWidth>(a, a_tile, a_row, step);
#pragma unroll
    for (int j = 0; j < kBlocks; j += 2) {
      uint32_t b[4];
      load_b_rows<kWidth>(b, b_tile, b_row + 8 * j, step);
      mma_pair(c[j], c[j + 1], a, b);
    }
  }
}

// c [16 x 8 kBlocks columns] += a (16 x 16) times rows [b_row, + 16) of b_tile, columns from 16 first_step.
template <int kWidth, bool kExact, int kBlocks>
__device__ __forceinline__ void accumulate_columns(float (&c)[kBlocks][4], const uint32_t (&a)[4], bf16 *b_tile, int b_row, int first_step,
                                                   int steps) {
#pragma unroll
  for (int j = 0; j < kBlocks; j += 2) {
    if (!kExact && first_step + j / 2 >= steps) break;
    uint32_t b[4];
    load_b_columns<kWidth>(b, b_tile, b_row, first_step + j / 2);
    mma_pair(c[j], c[j + 1], a, b);
  }
}

// Writes C fragments, times a factor per row half (rows g and g + 8), into the rows [row, row + 16) of a tile, columns from 16 first_step.
template <int kWidth, bool kExact, int kBlocks>
__device__ __forceinline__ void put_fragments(bf16 *tile, int row, int first_step, int steps, const float (&c)[kBlocks][4], float upper,
                                              float lower) {
  const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int j = 0; j < kBlocks; j++) {
    if (!kExact && first_step + j / 2 >= steps) break;
    const int chunk = 2 * first_step + j;
    *reinterpret_cast<uint32_t *>(tile_chunk<kWidth>(tile, row + g, chunk) + 2 * t) = pack_bf16(c[j][0] * upper, c[j][1] * upper);
    *reinterpret_cast<uint32_t *>(tile_chunk<kWidth>(tile, row + g + 8, chunk) + 2 * t) = pack_bf16(c[j][2] * lower, c[j][3] * lower);
  }
}

// Online softmax (arXiv:2205.14135 algorithm 1) of a warp's 16 rows; a lane holds the state of rows g and g + 8, and of the sums its share.
struct OnlineSoftmax {
  float max[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0f, 0.0f};

  // Turns q.k of keys [first_key, + 8 kBlocks) into unnormalised probabilities; factor = what earlier sums are to be multiplied by.
  // segments: of these keys, in shared memory.
  template <int kBlocks>
  __device__ __forceinline__ void update(float (&s)[kBlocks][4], float (&factor)[2], const ScoreScale &scale, const KeyLimits (&limits)[2],
                                         int32_t first_key, const int32_t *segments) {
    const int t = threadIdx.x % 4;
    float tile_max[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (int j = 0; j < kBlocks; j++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int column = 8 * j + 2 * t + i % 2, half = i / 2;
        s[j][i] = limits[half].sees(first_key + column, segments[column]) ? scale.score(s[j][i]) : -INFINITY;
        tile_max[half] = fmaxf(tile_max[half], s[j][i]);
      }
    }
    float base[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float new_max = fmaxf(max[half], quad_max(tile_max[half]));
      // Where nothing was visible yet the base is 0, so that exp(-inf - base) is 0; a NaN score, which fmaxf passes over, stays NaN.
      base[half] = new_max == -INFINITY ? 0.0f : new_max;
      factor[half] = expf(max[half] - base[half]);
      max[half] = new_max;
      sum[half] *= factor[half];
    }
#pragma unroll
    for (int j = 0; j < kBlocks; j++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        s[j][i] = expf(s[j][i] - base[i / 2]);
        sum[i / 2] += s[j][i];
      }
    }
  }
};

}  // namespace sails::kernels
