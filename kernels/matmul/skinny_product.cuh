// Products with one narrow side, in f32 precision from first to last: the inside of LoRA and of the subspace projection.
//   out [m, r] (stored [r, m] where out_transposed) = [out +] scale * X W
//   X [m, k] f32|bf16, stored [k, m] where kTransposeX;  W [k, r] f32, stored [r, k] where w_transposed;  all dense
//   r is the rank of an adapter, typically 16; any r is right, 64 columns at a time.
//
// One launch takes a set of products (the factors of many adapters), given by value in the kernel's parameters. X f32: fused multiply-adds.
// X bf16: tensor cores, with W split into three bf16 (matmul/triples.cuh) on its way into their registers: X is exact, so that three
// products give the f32 product. For a width of 16 a step of [128, 32] takes 64 clocks of shared memory for X, as many for W, about 100
// issue slots a scheduler, of which half split W, and 190 of the tensor cores: 8 KB of X in 200 clocks, 40 B a clock of a multiprocessor
// where memory gives 14.
//
// Grid: x = for each product, tiles of 128 rows of X times parts of k times tiles of r. A block of 128 threads holds a tile [128, kWidth]
// in registers and streams X through a cp.async ring. With more than one part, blocks write f32 partial tiles [parts, m, r] to the
// workspace and skinny_sum adds them in the order of k: the same bits whatever runs first.
// FLOPs 2 m r k; bytes m k e + k r 4 (again for each row tile, from L2) + m r 4. `out` aliases nothing.
#pragma once

#include "matmul/triples.cuh"
#include "primitives/async_copy.cuh"
#include "primitives/mma.cuh"

namespace sails::kernels {

constexpr int kSkinnyThreads = 128, kSkinnyRows = 128, kSkinnyStages = 3;
constexpr int kSkinnyMostProducts = 32;  // 112 bytes each: the set stays below the 4 KiB that every driver takes as parameters
constexpr int kSkinnySumThreads = 256, kSkinnySumElements = 1024;

struct SkinnyProduct {
  const void *x;
  const float *w;
  float *out;
  float *partial;  // [parts, m, r], NULL with one part
  int64_t m, r, k;
  int64_t k_per_part;
  int32_t parts;
  float scale;
  bool w_transposed, out_transposed, accumulate;
  // Filled in by launch_skinny.
  bool x_aligned, out_packed;
  int64_t first_block, first_sum_block;
};

struct SkinnySet {
  SkinnyProduct product[kSkinnyMostProducts];
  int32_t count;
};
static_assert(sizeof(SkinnySet) <= 4096, "kernel parameters");

// ---- device

// What X and W pass through: a ring of steps of kDepth of k in shared memory, rows of X kStrideX apart.
template <typename T, bool kTransposeX, int kWidth, int kRowStrideX>
struct SkinnyRing {
  static constexpr int kLanes = kPackLanes<T>;
  static constexpr int kDepth = 64 / static_cast<int>(sizeof(T));  // of k in one step
  static constexpr int kStrideX = kRowStrideX, kStrideW = kWidth + 4;
  static constexpr int kBytesX = (kTransposeX ? kDepth : kSkinnyRows) * kStrideX * static_cast<int>(sizeof(T));
  static constexpr int kStageBytes = kBytesX + kDepth * kStrideW * 4;
  static constexpr int kSharedBytes = kSkinnyStages * kStageBytes;

  // Calls multiply(x, w) for the steps in their order.
  template <typename F>
  __device__ __forceinline__ static void run(const SkinnyProduct &p, int64_t first_row, int64_t first_col, int64_t k_begin, int64_t k_end,
                                             uint8_t *shared, F &&multiply) {
    const int64_t steps = k_end > k_begin ? ceil_div(k_end - k_begin, kDepth) : 0;
    for (int stage = 0; stage < kSkinnyStages - 1; stage++) {
      if (stage < steps) load(p, first_row, first_col, k_begin + static_cast<int64_t>(stage) * kDepth, k_end, shared + stage * kStageBytes);
      async_copy_commit();
    }
    int slot = 0;
    for (int64_t step = 0; step < steps; step++) {
      async_copy_wait<kSkinnyStages - 2>();
      __syncthreads();
      const int64_t ahead = step + kSkinnyStages - 1;
      const int ahead_slot = slot == 0 ? kSkinnyStages - 1 : slot - 1;
      if (ahead < steps) load(p, first_row, first_col, k_begin + ahead * kDepth, k_end, shared + ahead_slot * kStageBytes);
      async_copy_commit();
      const uint8_t *stage = shared + slot * kStageBytes;
      multiply(reinterpret_cast<const T *>(stage), reinterpret_cast<const float *>(stage + kBytesX));
      slot = slot + 1 == kSkinnyStages ? 0 : slot + 1;
    }
    async_copy_wait<0>();
  }

 private:
  __device__ __forceinline__ static void load(const SkinnyProduct &p, int64_t first_row, int64_t first_col, int64_t k, int64_t k_end,
                                              uint8_t *stage) {
    T *x = reinterpret_cast<T *>(stage);
    if (kTransposeX)
      load_x<kDepth, kSkinnyRows>(x, p, k_end, p.m, k, first_row);
    else
      load_x<kSkinnyRows, kDepth>(x, p, p.m, k_end, first_row, k);
    float *w = reinterpret_cast<float *>(stage + kBytesX);
#pragma unroll
    for (int i = 0; i < kDepth * kWidth / kSkinnyThreads; i++) {
      const int e = i * kSkinnyThreads + static_cast<int>(threadIdx.x);
      const int d = p.w_transposed ? e % kDepth : e / kWidth, c = p.w_transposed ? e / kDepth : e % kWidth;
      const bool inside = k + d < k_end && first_col + c < p.r;
      const int64_t at = p.w_transposed ? (first_col + c) * p.k + k + d : (k + d) * p.r + first_col + c;
      async_copy_4(w + d * kStrideW + c, inside ? p.w + at : p.w, inside);
    }
  }

  // The tile [kTileRows, kTileCols] at (row, col) of the stored X, of which rows and columns below `rows` and `cols` count; zero elsewhere.
  template <int kTileRows, int kTileCols>
  __device__ __forceinline__ static void load_x(T *shared, const SkinnyProduct &p, int64_t rows, int64_t cols, int64_t row, int64_t col) {
    constexpr int kChunksPerRow = kTileCols / kLanes, kChunks = kTileRows * kChunksPerRow;
    static_assert(kChunks % kSkinnyThreads == 0, "the tile is shared out evenly");
    const T *x = static_cast<const T *>(p.x);
    const int64_t ld = kTransposeX ? p.m : p.k;
#pragma unroll
    for (int i = 0; i < kChunks / kSkinnyThreads; i++) {
      const int chunk = i * kSkinnyThreads + static_cast<int>(threadIdx.x);
      const int r = chunk / kChunksPerRow, c = chunk % kChunksPerRow * kLanes;
      const int64_t left = row + r < rows ? cols - (col + c) : 0;
      const int valid = static_cast<int>(larger(0, smaller(kLanes, left)));
      T *to = shared + r * kStrideX + c;
      const T *from = valid > 0 ? x + (row + r) * ld + col + c : x;
      if (p.x_aligned) {
        async_copy_16_part(to, from, valid * static_cast<int>(sizeof(T)));
      } else {
        Pack<T, kLanes> pack;
#pragma unroll
        for (int j = 0; j < kLanes; j++) pack.lane[j] = j < valid ? from[j] : T{};
        store_pack_plain(to, pack);
      }
    }
  }
};

// Where the sums of a block go: rows first_row on and columns first_col on of its product.
struct SkinnyOutput {
  float *out;
  float scale;
  bool accumulate, packed;  // packed: fours that lie side by side start on 16 bytes

  __device__ __forceinline__ static int64_t place(const SkinnyProduct &p, int64_t row, int64_t col) {
    return p.out_transposed ? col * p.m + row : row * p.r + col;
  }
};

template <typename T, bool kTransposeX, int kWidth>
struct SkinnyTile;

// Fused multiply-adds. A row of X along k is 16 bytes longer than 64: eight rows that are read together fall into different banks.
template <bool kTransposeX, int kWidth>
struct SkinnyTile<float, kTransposeX, kWidth> {
  using Ring = SkinnyRing<float, kTransposeX, kWidth, kTransposeX ? kSkinnyRows : 20>;
  static constexpr int kSharedBytes = Ring::kSharedBytes;
  static constexpr int kThreadRows = kWidth == 16 ? 4 : 8, kThreadCols = kWidth == 64 ? 8 : 4;
  static constexpr int kThreadsM = kSkinnyRows / kThreadRows, kThreadsR = kWidth / kThreadCols;
  static_assert(kThreadsM * kThreadsR == kSkinnyThreads, "the tile is shared out evenly");

  float acc[kThreadRows][kThreadCols];

  // A warp is 8 row groups by 4 column groups.
  __device__ __forceinline__ static int row_group() {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    return static_cast<int>(threadIdx.x) % 8 + warp % (kThreadsM / 8) * 8;
  }
  __device__ __forceinline__ static int col_group() {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    return static_cast<int>(threadIdx.x) % kWarp / 8 + warp / (kThreadsM / 8) * 4;
  }
  // Rows of a thread: fours side by side where X lies along m, otherwise kThreadsM apart. Columns: fours side by side.
  __device__ __forceinline__ static int row(int i) {
    return kTransposeX ? i / 4 * (4 * kThreadsM) + row_group() * 4 + i % 4 : row_group() + i * kThreadsM;
  }
  __device__ __forceinline__ static int col(int j) { return j / 4 * (4 * kThreadsR) + col_group() * 4 + j % 4; }

  __device__ __forceinline__ void run(const SkinnyProduct &p, int64_t first_row, int64_t first_col, int64_t k_begin, int64_t k_end,
                                      uint8_t *shared) {
#pragma unroll
    for (int i = 0; i < kThreadRows; i++)
#pragma unroll
      for (int j = 0; j < kThreadCols; j++) acc[i][j] = 0.0f;
    Ring::run(p, first_row, first_col, k_begin, k_end, shared, [&](const float *x, const float *w) { multiply(x, w); });
  }

  // Fours that lie side by side in the output: columns of a row, or (out_transposed) rows of a column where a thread has them.
  __device__ __forceinline__ void write(const SkinnyProduct &p, const SkinnyOutput &to, int64_t first_row, int64_t first_col) const {
    const bool packed = to.packed && (kTransposeX || !p.out_transposed);
#pragma unroll
    for (int i = 0; i < kThreadRows; i++)
#pragma unroll
      for (int j = 0; j < kThreadCols; j++) {
        const int64_t at_row = first_row + row(i), at_col = first_col + col(j);
        if (at_row >= p.m || at_col >= p.r) continue;
        float *at = to.out + SkinnyOutput::place(p, at_row, at_col);
        if (!packed) {
          *at = fmaf(to.scale, acc[i][j], to.accumulate ? *at : 0.0f);
        } else if (p.out_transposed ? i % 4 == 0 : j % 4 == 0) {
          Pack<float, 4> old = {};
          if (to.accumulate) old = load_pack<4>(at);
#pragma unroll
          for (int l = 0; l < 4; l++) {
            // The index is masked so that it stays inside the array in the lanes that are compiled and never run.
            const float sum = p.out_transposed ? acc[(i + l) % kThreadRows][j] : acc[i][(j + l) % kThreadCols];
            old.lane[l] = fmaf(to.scale, sum, old.lane[l]);
          }
          store_pack(at, old);
        }
      }
  }

 private:
  __device__ __forceinline__ void multiply(const float *x, const float *w) {
    constexpr int kDepth = Ring::kDepth, kStrideX = Ring::kStrideX, kStrideW = Ring::kStrideW;
    // Sums of kDepth products, added up: fewer roundings than one long sum (matmul/block_product.cuh).
    float part[kThreadRows][kThreadCols] = {};
#pragma unroll 1
    for (int d = 0; d < kDepth; d += 4) {
      float fx[4][kThreadRows];
      if (kTransposeX) {
#pragma unroll
        for (int e = 0; e < 4; e++)
#pragma unroll
          for (int i = 0; i < kThreadRows; i += 4) {
            const Pack<float, 4> pack = load_pack<4>(x + (d + e) * kStrideX + row(i));
#pragma unroll
            for (int j = 0; j < 4; j++) fx[e][i + j] = pack.lane[j];
          }
      } else {
#pragma unroll
        for (int i = 0; i < kThreadRows; i++) {
          const Pack<float, 4> pack = load_pack<4>(x + row(i) * kStrideX + d);
#pragma unroll
          for (int e = 0; e < 4; e++) fx[e][i] = pack.lane[e];
        }
      }
#pragma unroll
      for (int e = 0; e < 4; e++) {
        float fw[kThreadCols];
#pragma unroll
        for (int j = 0; j < kThreadCols; j += 4) {
          const Pack<float, 4> pack = load_pack<4>(w + (d + e) * kStrideW + col(j));
#pragma unroll
          for (int l = 0; l < 4; l++) fw[j + l] = pack.lane[l];
        }
#pragma unroll
        for (int i = 0; i < kThreadRows; i++)
#pragma unroll
          for (int j = 0; j < kThreadCols; j++) part[i][j] = fmaf(fx[e][i], fw[j], part[i][j]);
      }
    }
#pragma unroll
    for (int i = 0; i < kThreadRows; i++)
#pragma unroll
      for (int j = 0; j < kThreadCols; j++) acc[i][j] += part[i][j];
  }
};

// Tensor cores: a warp has 32 rows and all columns. Rows of X are 16 bytes longer than their tile, for ldmatrix.
template <bool kTransposeX, int kWidth>
struct SkinnyTile<bf16, kTransposeX, kWidth> {
  using Ring = SkinnyRing<bf16, kTransposeX, kWidth, (kTransposeX ? kSkinnyRows : 32) + 8>;
  static constexpr int kSharedBytes = Ring::kSharedBytes;
  static constexpr int kFragmentsM = 2, kFragmentsR = kWidth / 8;
  static_assert(kFragmentsM * 16 * (kSkinnyThreads / kWarp) == kSkinnyRows, "a warp has its share of the rows");

  float acc[kFragmentsM][kFragmentsR][4];

  __device__ __forceinline__ void run(const SkinnyProduct &p, int64_t first_row, int64_t first_col, int64_t k_begin, int64_t k_end,
                                      uint8_t *shared) {
#pragma unroll
    for (int i = 0; i < kFragmentsM; i++)
#pragma unroll
      for (int j = 0; j < kFragmentsR; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) acc[i][j][e] = 0.0f;
    Ring::run(p, first_row, first_col, k_begin, k_end, shared, [&](const bf16 *x, const float *w) { multiply(x, w); });
  }

  __device__ __forceinline__ void write(const SkinnyProduct &p, const SkinnyOutput &to, int64_t first_row, int64_t first_col) const {
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int i = 0; i < kFragmentsM; i++)
#pragma unroll
      for (int j = 0; j < kFragmentsR; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int64_t row = first_row + warp_row() + i * 16 + e / 2 * 8 + lane / 4, col = first_col + j * 8 + lane % 4 * 2 + e % 2;
          if (row >= p.m || col >= p.r) continue;
          float *at = to.out + SkinnyOutput::place(p, row, col);
          *at = fmaf(to.scale, acc[i][j][e], to.accumulate ? *at : 0.0f);
        }
  }

 private:
  __device__ __forceinline__ static int warp_row() { return static_cast<int>(threadIdx.x) / kWarp * (kFragmentsM * 16); }

  // The parts of W's fragment at row k, column c: part i in b[i].
  __device__ __forceinline__ static void load_w(uint32_t (&b)[3][2], const float *w, int k, int c) {
    const float *from = w + (k + threadIdx.x % 4 * 2) * Ring::kStrideW + c + threadIdx.x % kWarp / 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float low = from[8 * half * Ring::kStrideW], high = from[(8 * half + 1) * Ring::kStrideW];
#pragma unroll
      for (int part = 0; part < 3; part++) {
        b[part][half] = pack_bf16(low, high);
        low -= low_bf16(b[part][half]);
        high -= high_bf16(b[part][half]);
      }
    }
  }

  __device__ __forceinline__ void multiply(const bf16 *x, const float *w) {
    const int lane = threadIdx.x % kWarp, matrix = lane / 8, r = lane % 8;
#pragma unroll
    for (int k = 0; k < Ring::kDepth; k += 16) {
      uint32_t a[kFragmentsM][4];
#pragma unroll
      for (int i = 0; i < kFragmentsM; i++) {
        const int m = warp_row() + i * 16 + matrix % 2 * 8, depth = k + matrix / 2 * 8;
        if (kTransposeX)
          ldmatrix_x4_transposed(a[i], x + (depth + r) * Ring::kStrideX + m);
        else
          ldmatrix_x4(a[i], x + (m + r) * Ring::kStrideX + depth);
      }
#pragma unroll
      for (int j = 0; j < kFragmentsR; j++) {
        uint32_t b[3][2];
        load_w(b, w, k, 8 * j);
#pragma unroll
        for (int part = 0; part < 3; part++)
#pragma unroll
          for (int i = 0; i < kFragmentsM; i++) mma_m16n8k16(acc[i][j], a[i], b[part]);
      }
    }
  }
};

// The last product that starts at or before `block`, found by the whole block alike.
template <int64_t SkinnyProduct::*kFirst>
__device__ __forceinline__ int skinny_product_of(const SkinnySet &set, int64_t block) {
  int i = 0;
  while (i + 1 < set.count && set.product[i + 1].*kFirst <= block) i++;
  return i;
}

// Blocks of which a multiprocessor's registers hold so many: in f32 there are two sets of accumulators.
template <typename T, int kWidth>
constexpr int kSkinnyBlocks = kWidth == 64                     ? 2
                              : kWidth == 32 && sizeof(T) == 4 ? 3
                                                               : 4;

template <typename T, bool kTransposeX, int kWidth>
__global__ void __launch_bounds__(kSkinnyThreads, kSkinnyBlocks<T, kWidth>) skinny_products(const __grid_constant__ SkinnySet set) {
  using Tile = SkinnyTile<T, kTransposeX, kWidth>;
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  const SkinnyProduct &p = set.product[skinny_product_of<&SkinnyProduct::first_block>(set, blockIdx.x)];
  const int64_t block = static_cast<int64_t>(blockIdx.x) - p.first_block, col_tiles = ceil_div(p.r, kWidth);
  const int64_t part = block / col_tiles % p.parts;
  const int64_t first_row = block / col_tiles / p.parts * kSkinnyRows, first_col = block % col_tiles * kWidth;
  Tile tile;
  tile.run(p, first_row, first_col, part * p.k_per_part, smaller(p.k, (part + 1) * p.k_per_part), shared);

  const bool whole = p.parts == 1;
  tile.write(p, {whole ? p.out : p.partial + part * p.m * p.r, whole ? p.scale : 1.0f, whole && p.accumulate, p.out_packed}, first_row,
             first_col);
}

// out = [out +] scale * sum over parts, in their order.
template <int kThreads>
__global__ void __launch_bounds__(kThreads) skinny_sum(const __grid_constant__ SkinnySet set) {
  const SkinnyProduct &p = set.product[skinny_product_of<&SkinnyProduct::first_sum_block>(set, blockIdx.x)];
  const int64_t size = p.m * p.r, first = (static_cast<int64_t>(blockIdx.x) - p.first_sum_block) * kSkinnySumElements;
#pragma unroll
  for (int i = 0; i < kSkinnySumElements / kThreads; i++) {
    const int64_t at = first + i * kThreads + static_cast<int64_t>(threadIdx.x);
    if (at >= size) break;
    float sum = p.partial[at];
#pragma unroll 4
    for (int part = 1; part < p.parts; part++) sum += p.partial[part * size + at];
    p.out[at] = fmaf(p.scale, sum, p.accumulate ? p.out[at] : 0.0f);
  }
}

// ---- variant choice

inline int skinny_width(int64_t r) { return r <= 16 ? 16 : r <= 32 ? 32 : 64; }

struct SkinnyParts {
  int32_t parts;
  int64_t k_per_part;
  int64_t partial_elements;  // f32 of workspace
};

// Parts of k such that the blocks of `products` alike fill the device three times over, each with at least kLeastDepth of k to hide its
// start and its partial tile behind. A whole number of steps of every element type.
inline SkinnyParts choose_skinny_parts(int64_t m, int64_t r, int64_t k, int64_t products, int multiprocessors) {
  constexpr int64_t kLeastDepth = 128, kMostParts = 32, kStep = 32;
  const int64_t tiles = ceil_div(m, kSkinnyRows) * ceil_div(r, skinny_width(r)) * larger(1, products);
  const int64_t wanted =
      smaller(smaller(tiles == 0 ? 1 : ceil_div(3 * static_cast<int64_t>(multiprocessors), tiles), k / kLeastDepth), kMostParts);
  if (wanted <= 1) return {1, larger(1, k), 0};
  const int64_t k_per_part = ceil_div(ceil_div(k, wanted), kStep) * kStep, parts = ceil_div(k, k_per_part);
  return {static_cast<int32_t>(parts), k_per_part, parts > 1 ? parts * m * r : 0};
}

// ---- launchers

// X W with scale 1, W [k, r], out [m, r] overwritten; partial: room for parts.partial_elements.
inline SkinnyProduct skinny_product(const void *x, const float *w, float *out, float *partial, int64_t m, int64_t r, int64_t k,
                                    const SkinnyParts &parts) {
  SkinnyProduct p = {};
  p.x = x;
  p.w = w;
  p.out = out;
  p.partial = parts.parts > 1 ? partial : nullptr;
  p.m = m;
  p.r = r;
  p.k = k;
  p.k_per_part = parts.k_per_part;
  p.parts = parts.parts;
  p.scale = 1.0f;
  return p;
}

template <typename T, bool kTransposeX, int kWidth>
cudaError_t launch_skinny_width(cudaStream_t stream, SkinnySet set) {
  int64_t blocks = 0, sum_blocks = 0;
  for (int i = 0; i < set.count; i++) {
    SkinnyProduct &p = set.product[i];
    p.x_aligned = aligned_to(p.x, 16) && (kTransposeX ? p.m : p.k) % kPackLanes<T> == 0;
    p.out_packed = aligned_to(p.out, 16) && (p.out_transposed ? p.m : p.r) % 4 == 0;
    p.first_block = blocks;
    p.first_sum_block = sum_blocks;
    blocks += ceil_div(p.m, kSkinnyRows) * ceil_div(p.r, kWidth) * p.parts;
    if (p.parts > 1) sum_blocks += ceil_div(p.m * p.r, kSkinnySumElements);
  }
  SAILS_TRY(launch("skinny_products", stream, skinny_products<T, kTransposeX, kWidth>, dim3(static_cast<unsigned>(blocks)),
                   dim3(kSkinnyThreads), SkinnyTile<T, kTransposeX, kWidth>::kSharedBytes, set));
  return launch("skinny_sum", stream, skinny_sum<kSkinnySumThreads>, dim3(static_cast<unsigned>(sum_blocks)), dim3(kSkinnySumThreads), 0,
                set);
}

// The products of a set must not depend on each other.
template <typename T, bool kTransposeX>
cudaError_t launch_skinny(cudaStream_t stream, const SkinnySet &set) {
  int64_t widest = 0;
  for (int i = 0; i < set.count; i++) widest = larger(widest, set.product[i].r);
  switch (skinny_width(widest)) {
    case 16: return launch_skinny_width<T, kTransposeX, 16>(stream, set);
    case 32: return launch_skinny_width<T, kTransposeX, 32>(stream, set);
    default: return launch_skinny_width<T, kTransposeX, 64>(stream, set);
  }
}

}  // namespace sails::kernels
