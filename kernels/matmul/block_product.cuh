// The product of one block tile, op(a) op(b) [kRows, kCols], left in registers as f32: the inside of matmul, of the SAE encoder and of the
// head.
//
//   TensorCoreTile  bf16: cp.async into kStages buffers, ldmatrix, mma.sync m16n8k16, f32 accumulators (sm_80 and later)
//   SimtTile        f32: register tiles of kThreadRows x kThreadCols, every product and sum in f32, sums of kDepth products added up
//
// op(a) [m, k]: stored [m, k] (row stride lda), or [k, m] where transpose_a; op(b) [k, n]: stored [k, n] (ldb), or [n, k] where
// transpose_b.
// Any size and stride: elements outside count as zeros and are not read. Rows of 16-byte aligned bf16 go by cp.async, others element by
// element.
// Each sum runs over k in rising order, in bf16 in one accumulator, so that a tile gives the same bits wherever it is computed.
//
// A tile class has kRows, kCols, kThreads, kBlocks (of which a multiprocessor's registers hold so many), kSharedBytes and
//   run(operands, row, col, k_begin, k_end, shared)   all threads; may be called again after the tile has been used
//   visit(f)                                          f(row_in_tile, col_in_tile, value) for each element that this thread holds
//   stage(tile)                                       all threads: writes the tile to shared memory, f32 [kRows][kStageStride]
#pragma once

#include "primitives/async_copy.cuh"
#include "primitives/mma.cuh"
#include "primitives/types.cuh"

namespace sails::kernels {

template <typename T>
struct MatmulOperands {
  const T *a, *b;
  int64_t m, n, k, lda, ldb;
  // Whether rows can be read 16 bytes at a time: base and stride are multiples of 16 bytes.
  bool a_aligned, b_aligned;
};

template <typename T>
MatmulOperands<T> matmul_operands(const T *a, const T *b, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb) {
  constexpr int64_t lanes = kPackLanes<T>;
  return {a, b, m, n, k, lda, ldb, aligned_to(a, 16) && lda % lanes == 0, aligned_to(b, 16) && ldb % lanes == 0};
}

// Copies the tile [kTileRows, kTileCols] at (row, col) of a stored matrix [rows, cols] into shared memory with row stride kStride, without
// waiting. Chunks of 8 bf16; what lies outside becomes zero.
template <int kTileRows, int kTileCols, int kStride, int kThreads>
__device__ __forceinline__ void load_bf16_tile(bf16 *shared, const bf16 *matrix, int64_t rows, int64_t cols, int64_t ld, int64_t row,
                                               int64_t col, bool aligned) {
  constexpr int kChunksPerRow = kTileCols / 8, kChunks = kTileRows * kChunksPerRow;
#pragma unroll
  for (int i = 0; i < (kChunks + kThreads - 1) / kThreads; i++) {
    const int chunk = i * kThreads + static_cast<int>(threadIdx.x);
    if (kChunks % kThreads != 0 && chunk >= kChunks) break;
    const int r = chunk / kChunksPerRow, c = chunk % kChunksPerRow * 8;
    const int64_t left = row + r < rows ? cols - (col + c) : 0;
    const int valid = static_cast<int>(larger(0, smaller(8, left)));
    bf16 *to = shared + r * kStride + c;
    // A chunk without a valid element gets the matrix itself as its (unread) address.
    const bf16 *from = valid > 0 ? matrix + (row + r) * ld + col + c : matrix;
    if (aligned) {
      async_copy_16_part(to, from, 2 * valid);
    } else {
      Pack<bf16, 8> pack;
#pragma unroll
      for (int j = 0; j < 8; j++) pack.lane[j] = j < valid ? from[j] : bf16{0};
      store_pack_plain(to, pack);
    }
  }
}

template <int kTileRows, int kTileCols, int kWarpsM, int kWarpsN, int kStages, bool kTransposeA, bool kTransposeB>
struct TensorCoreTile {
  using Element = bf16;
  static constexpr int kRows = kTileRows, kCols = kTileCols, kDepth = 32;
  static constexpr int kThreads = kWarpsM * kWarpsN * kWarp, kBlocks = 512 / kThreads;
  static constexpr int kWarpRows = kRows / kWarpsM, kWarpCols = kCols / kWarpsN;
  static constexpr int kFragmentsM = kWarpRows / 16, kFragmentsN = kWarpCols / 8;
  // 8 elements more than a row: the 8 rows of an ldmatrix fall into different banks.
  static constexpr int kStrideA = (kTransposeA ? kRows : kDepth) + 8, kStrideB = (kTransposeB ? kDepth : kCols) + 8;
  static constexpr int kElementsA = (kTransposeA ? kDepth : kRows) * kStrideA, kElementsB = (kTransposeB ? kCols : kDepth) * kStrideB;
  static constexpr int kStageStride = kCols + 4;
  static constexpr int kPipelineBytes = kStages * (kElementsA + kElementsB) * 2, kStageBytes = kRows * kStageStride * 4;
  static constexpr int kSharedBytes = kPipelineBytes > kStageBytes ? kPipelineBytes : kStageBytes;
  static_assert(kFragmentsN % 2 == 0, "b is loaded two fragments at a time");

  float acc[kFragmentsM][kFragmentsN][4];

  __device__ __forceinline__ void run(const MatmulOperands<bf16> &p, int64_t row, int64_t col, int64_t k_begin, int64_t k_end,
                                      void *shared) {
    bf16 *buffers = static_cast<bf16 *>(shared);
#pragma unroll
    for (int i = 0; i < kFragmentsM; i++)
#pragma unroll
      for (int j = 0; j < kFragmentsN; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) acc[i][j][e] = 0.0f;
    __syncthreads();  // whoever used the shared memory before is done
    const int64_t steps = k_end > k_begin ? ceil_div(k_end - k_begin, kDepth) : 0;
#pragma unroll
    for (int stage = 0; stage < kStages - 1; stage++) {
      if (stage < steps)
        load(p, row, col, k_begin + static_cast<int64_t>(stage) * kDepth, k_end, buffers + stage * (kElementsA + kElementsB));
      async_copy_commit();
    }
    int slot = 0;
    for (int64_t step = 0; step < steps; step++) {
      async_copy_wait<kStages - 2>();
      __syncthreads();
      const int64_t ahead = step + kStages - 1;
      const int ahead_slot = slot == 0 ? kStages - 1 : slot - 1;
      if (ahead < steps) load(p, row, col, k_begin + ahead * kDepth, k_end, buffers + ahead_slot * (kElementsA + kElementsB));
      async_copy_commit();
      multiply(buffers + slot * (kElementsA + kElementsB));
      slot = slot + 1 == kStages ? 0 : slot + 1;
    }
    async_copy_wait<0>();
  }

  template <typename F>
  __device__ __forceinline__ void visit(F &&f) {
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int i = 0; i < kFragmentsM; i++)
#pragma unroll
      for (int j = 0; j < kFragmentsN; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) f(warp_row() + i * 16 + e / 2 * 8 + lane / 4, warp_col() + j * 8 + lane % 4 * 2 + e % 2, acc[i][j][e]);
  }

  __device__ __forceinline__ void stage(float *tile) {
    __syncthreads();
    visit([&](int r, int c, float value) { tile[r * kStageStride + c] = value; });
    __syncthreads();
  }

 private:
  __device__ __forceinline__ static int warp_row() { return static_cast<int>(threadIdx.x) / kWarp / kWarpsN * kWarpRows; }
  __device__ __forceinline__ static int warp_col() { return static_cast<int>(threadIdx.x) / kWarp % kWarpsN * kWarpCols; }

  __device__ __forceinline__ static void load(const MatmulOperands<bf16> &p, int64_t row, int64_t col, int64_t k, int64_t k_end,
                                              bf16 *buffer) {
    if (kTransposeA)
      load_bf16_tile<kDepth, kRows, kStrideA, kThreads>(buffer, p.a, k_end, p.m, p.lda, k, row, p.a_aligned);
    else
      load_bf16_tile<kRows, kDepth, kStrideA, kThreads>(buffer, p.a, p.m, k_end, p.lda, row, k, p.a_aligned);
    if (kTransposeB)
      load_bf16_tile<kCols, kDepth, kStrideB, kThreads>(buffer + kElementsA, p.b, p.n, k_end, p.ldb, col, k, p.b_aligned);
    else
      load_bf16_tile<kDepth, kCols, kStrideB, kThreads>(buffer + kElementsA, p.b, k_end, p.n, p.ldb, k, col, p.b_aligned);
  }

  __device__ __forceinline__ void multiply(const bf16 *buffer) {
    const bf16 *a = buffer, *b = buffer + kElementsA;
    const int lane = threadIdx.x % kWarp, matrix = lane / 8, r = lane % 8;
#pragma unroll
    for (int k = 0; k < kDepth; k += 16) {
      uint32_t fa[kFragmentsM][4], fb[kFragmentsN / 2][4];
#pragma unroll
      for (int i = 0; i < kFragmentsM; i++) {
        const int m = warp_row() + i * 16 + matrix % 2 * 8;
        if (kTransposeA)
          ldmatrix_x4_transposed(fa[i], a + (k + matrix / 2 * 8 + r) * kStrideA + m);
        else
          ldmatrix_x4(fa[i], a + (m + r) * kStrideA + k + matrix / 2 * 8);
      }
#pragma unroll
      for (int j = 0; j < kFragmentsN / 2; j++) {
        const int n = warp_col() + j * 16 + matrix / 2 * 8;
        if (kTransposeB)
          ldmatrix_x4(fb[j], b + (n + r) * kStrideB + k + matrix % 2 * 8);
        else
          ldmatrix_x4_transposed(fb[j], b + (k + matrix % 2 * 8 + r) * kStrideB + n);
      }
#pragma unroll
      for (int i = 0; i < kFragmentsM; i++)
#pragma unroll
        for (int j = 0; j < kFragmentsN; j++) {
          const uint32_t pair[2] = {fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]};
          mma_m16n8k16(acc[i][j], fa[i], pair);
        }
    }
  }
};

// A sum of n roundings grows like sqrt(n / 2) in one accumulator. In sums of kDepth = 16 products that are added up it is sqrt(kDepth / 2)
// and sqrt(n / kDepth / 2), added in squares, half of it at n = 64 and a quarter at 2304, for a second set of accumulators. That leaves
// registers for one large block a multiprocessor, which therefore fetches the next step while it multiplies.
template <int kTileRows, int kTileCols, int kThreadRows, int kThreadCols, bool kTransposeA, bool kTransposeB>
struct SimtTile {
  using Element = float;
  static constexpr int kRows = kTileRows, kCols = kTileCols, kDepth = 16;
  static constexpr int kThreadsM = kRows / kThreadRows, kThreadsN = kCols / kThreadCols, kThreads = kThreadsM * kThreadsN;
  static constexpr int kBlocks = kThreads >= 256 ? 1 : 512 / kThreads;
  static constexpr bool kAhead = kBlocks == 1;
  // Both operands lie [k][row or column] in shared memory; one element more keeps a transposing store off one bank.
  static constexpr int kStrideA = kRows + 1, kStrideB = kCols + 1;
  static constexpr int kElementsA = kDepth * kStrideA, kElementsB = kDepth * kStrideB;
  static constexpr int kStageStride = kCols + 4;
  static constexpr int kPipelineBytes = (kElementsA + kElementsB) * 4, kStageBytes = kRows * kStageStride * 4;
  static constexpr int kSharedBytes = kPipelineBytes > kStageBytes ? kPipelineBytes : kStageBytes;
  static constexpr int kFetchedA = kRows * kDepth / kThreads, kFetchedB = kCols * kDepth / kThreads;
  static_assert(kRows * kDepth % kThreads == 0 && kCols * kDepth % kThreads == 0, "a step is shared out evenly");

  float acc[kThreadRows][kThreadCols];

  __device__ __forceinline__ void run(const MatmulOperands<float> &p, int64_t row, int64_t col, int64_t k_begin, int64_t k_end,
                                      void *shared) {
    float *a = static_cast<float *>(shared), *b = a + kElementsA;
#pragma unroll
    for (int i = 0; i < kThreadRows; i++)
#pragma unroll
      for (int j = 0; j < kThreadCols; j++) acc[i][j] = 0.0f;
    float next_a[kFetchedA], next_b[kFetchedB];
    const auto fetch_step = [&](int64_t k) {
      fetch<kRows, kTransposeA>(next_a, p.a, p.m, k_end, p.lda, row, k);
      fetch<kCols, !kTransposeB>(next_b, p.b, p.n, k_end, p.ldb, col, k);
    };
    if (kAhead) fetch_step(k_begin);
    for (int64_t k = k_begin; k < k_end; k += kDepth) {
      if (!kAhead) fetch_step(k);
      __syncthreads();
      put<kRows, kStrideA, kTransposeA>(a, next_a);
      put<kCols, kStrideB, !kTransposeB>(b, next_b);
      __syncthreads();
      if (kAhead) fetch_step(k + kDepth);
      multiply(a, b);
    }
  }

  template <typename F>
  __device__ __forceinline__ void visit(F &&f) {
    const int tm = threadIdx.x / kThreadsN, tn = threadIdx.x % kThreadsN;
#pragma unroll
    for (int i = 0; i < kThreadRows; i++)
#pragma unroll
      for (int j = 0; j < kThreadCols; j++) f(tm + i * kThreadsM, tn + j * kThreadsN, acc[i][j]);
  }

  __device__ __forceinline__ void stage(float *tile) {
    __syncthreads();
    visit([&](int r, int c, float value) { tile[r * kStageStride + c] = value; });
    __syncthreads();
  }

 private:
  __device__ __forceinline__ void multiply(const float *a, const float *b) {
    const int tm = threadIdx.x / kThreadsN, tn = threadIdx.x % kThreadsN;
    float part[kThreadRows][kThreadCols] = {};
#pragma unroll 4
    for (int d = 0; d < kDepth; d++) {
      float fa[kThreadRows], fb[kThreadCols];
      // Rows and columns of a thread are kThreadsM and kThreadsN apart: neighbours read neighbouring words.
#pragma unroll
      for (int i = 0; i < kThreadRows; i++) fa[i] = a[d * kStrideA + tm + i * kThreadsM];
#pragma unroll
      for (int j = 0; j < kThreadCols; j++) fb[j] = b[d * kStrideB + tn + j * kThreadsN];
#pragma unroll
      for (int i = 0; i < kThreadRows; i++)
#pragma unroll
        for (int j = 0; j < kThreadCols; j++) part[i][j] = fmaf(fa[i], fb[j], part[i][j]);
    }
#pragma unroll
    for (int i = 0; i < kThreadRows; i++)
#pragma unroll
      for (int j = 0; j < kThreadCols; j++) acc[i][j] += part[i][j];
  }

  // This thread's elements (first + i, k + d) of the operand, stored [k, extent] where kDepthMajor, else [extent, k]; 0 outside.
  template <int kExtent, bool kDepthMajor, int kCount>
  __device__ __forceinline__ static void fetch(float (&values)[kCount], const float *matrix, int64_t extent, int64_t k_end, int64_t ld,
                                               int64_t first, int64_t k) {
#pragma unroll
    for (int l = 0; l < kCount; l++) {
      const int e = l * kThreads + static_cast<int>(threadIdx.x);
      const int i = kDepthMajor ? e % kExtent : e / kDepth, d = kDepthMajor ? e / kExtent : e % kDepth;
      const bool inside = first + i < extent && k + d < k_end;
      const int64_t at = kDepthMajor ? (k + d) * ld + first + i : (first + i) * ld + k + d;
      values[l] = inside ? matrix[at] : 0.0f;
    }
  }
  // shared[d][i] = what fetch gave.
  template <int kExtent, int kStride, bool kDepthMajor, int kCount>
  __device__ __forceinline__ static void put(float *shared, const float (&values)[kCount]) {
#pragma unroll
    for (int l = 0; l < kCount; l++) {
      const int e = l * kThreads + static_cast<int>(threadIdx.x);
      const int i = kDepthMajor ? e % kExtent : e / kDepth, d = kDepthMajor ? e / kExtent : e % kDepth;
      shared[d * kStride + i] = values[l];
    }
  }
};

}  // namespace sails::kernels
