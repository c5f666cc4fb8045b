// Dense matrix product
//   c [m, n] = alpha * op(a) op(b) + beta * addend + bias + scale * h w^T     (an addend of NULL, as with beta 0, is not read)
//   addend [m, n] of c's type and stride: c itself, or a residual;  bias [n] f32;  h [m, r], w [n, r] (or stored [r, n]) f32: a low-rank
//   adapter,
//   with which alpha is 1
//   a, b bf16|f32 (one dtype), c f32, or bf16 where a and b are; sums in f32; layouts and strides as in matmul/block_product.cuh
//   forward x W^T: transpose_b;  backward dy W: neither;  weight gradient dy^T x: transpose_a
//
// Grid: x = tiles of the output, in groups of kGroupRows tile rows so that neighbouring blocks share operands in L2; z = parts of k. With
// one part a block writes c. With more, each block writes its f32 partial tile to the workspace [parts, m, n] and matmul_combine adds the
// parts in order: the same bits whatever runs first. Few rows (decode) are matmul/gemv.cuh's.
// FLOPs 2 m n k; bytes (m k + k n) e + m n c.
#pragma once

#include "matmul/block_product.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kGroupRows = 8;

// Up to so many rows of x W^T are matmul/gemv.cuh's.
constexpr int kGemvRows = 8;
inline bool gemv_takes(int64_t m, bool transpose_a, bool transpose_b) { return m <= kGemvRows && transpose_b && !transpose_a; }

// scale * h [m, r] w^T, in f32; w [n, r], stored [r, n] where w_transposed. r 0: none.
struct LowRank {
  const float *h = nullptr, *w = nullptr;
  int64_t r = 0;
  float scale = 0.0f;
  bool w_transposed = false;

  __device__ __forceinline__ float w_at(int64_t col, int64_t j, int64_t n) const { return w_transposed ? w[j * n + col] : w[col * r + j]; }
};

struct MatmulProblem {
  void *c;
  const void *a, *b;
  int64_t m, n, k, ldc, lda, ldb;
  bool c_bf16, ab_bf16, transpose_a, transpose_b;
  float alpha, beta;
  // On the device, NULL: m. Rows from *m_limit on are neither computed nor written.
  const int32_t *m_limit;
  // What beta multiplies, NULL: c.
  const void *addend = nullptr;
  const float *bias = nullptr;
  LowRank low_rank = {};
};

// What happens to a sum on its way into c.
template <typename C>
struct MatmulEpilogue {
  C *c;
  const C *addend;    // NULL: none
  const float *bias;  // NULL: none
  int64_t ldc;
  float alpha, beta;

  __device__ __forceinline__ void store(int64_t row, int64_t col, float sum) const {
    const int64_t at = row * ldc + col;
    float value = alpha * sum;
    if (addend != nullptr) value = fmaf(beta, to_float(addend[at]), value);
    if (bias != nullptr) value += bias[col];
    c[at] = from_float<C>(value);
  }
};

// What was chosen for a shape; printable, decided on the host from the shape and the device alone.
struct MatmulConfig {
  const char *name;
  int tile_rows, tile_cols, threads;
  int64_t parts;  // of k
  int64_t k_per_part;
  int64_t workspace_bytes;
};

struct TileIndex {
  int64_t row, col;
};
// Tile rows in groups, columns before rows inside a group.
template <int64_t kGroup = kGroupRows>
__device__ __forceinline__ TileIndex grouped_tile(int64_t block, int64_t tile_rows, int64_t tile_cols) {
  const int64_t group_size = kGroup * tile_cols, group = block / group_size, first = group * kGroup;
  const int64_t rows = smaller(kGroup, tile_rows - first), within = block - group * group_size;
  return {first + within % rows, within / rows};
}

// Adds the adapter to the tile's sums; factors pass through shared memory, kDepth columns at a time.
template <class Tile>
__device__ __forceinline__ void add_low_rank(Tile &tile, const LowRank &p, int64_t row, int64_t col, int64_t m, int64_t n, void *shared) {
  constexpr int kDepth = 8, kStride = kDepth + 1;
  static_assert((Tile::kRows + Tile::kCols) * kStride * 4 <= Tile::kSharedBytes, "both factors fit");
  float *h = static_cast<float *>(shared), *w = h + Tile::kRows * kStride;
  for (int64_t first = 0; first < p.r; first += kDepth) {
    __syncthreads();
    for (int e = threadIdx.x; e < (Tile::kRows + Tile::kCols) * kDepth; e += Tile::kThreads) {
      const int i = e / kDepth, j = e % kDepth;
      const bool of_h = i < Tile::kRows;
      const int64_t at = of_h ? row + i : col + i - Tile::kRows;
      const bool inside = at < (of_h ? m : n) && first + j < p.r;
      h[i * kStride + j] = !inside ? 0.0f : of_h ? p.scale * p.h[at * p.r + first + j] : p.w_at(at, first + j, n);
    }
    __syncthreads();
#pragma unroll 1
    for (int j = 0; j < kDepth; j++) tile.visit([&](int r, int c, float &sum) { sum = fmaf(h[r * kStride + j], w[c * kStride + j], sum); });
  }
}

template <class Tile, typename C>
// The second bound makes ptxas use the registers that so many blocks leave each thread.
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    matmul_tiles(MatmulEpilogue<C> out, LowRank low_rank, float *partial, MatmulOperands<typename Tile::Element> p, int64_t k_per_part,
                 const int32_t *m_limit) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  if (m_limit != nullptr) p.m = smaller(p.m, *m_limit);
  const TileIndex tile = grouped_tile(blockIdx.x, gridDim.x / ceil_div(p.n, Tile::kCols), ceil_div(p.n, Tile::kCols));
  const int64_t row = tile.row * Tile::kRows, col = tile.col * Tile::kCols, part = blockIdx.z;
  if (row >= p.m) return;
  Tile product;
  product.run(p, row, col, part * k_per_part, smaller(p.k, (part + 1) * k_per_part), shared);
  if (part == 0 && low_rank.r > 0) add_low_rank(product, low_rank, row, col, p.m, p.n, shared);
  if (partial != nullptr) {
    float *mine = partial + part * p.m * p.n;
    product.visit([&](int r, int j, float sum) {
      if (row + r < p.m && col + j < p.n) mine[(row + r) * p.n + col + j] = sum;
    });
  } else {
    product.visit([&](int r, int j, float sum) {
      if (row + r < p.m && col + j < p.n) out.store(row + r, col + j, sum);
    });
  }
}

template <typename C>
__global__ void matmul_combine(MatmulEpilogue<C> out, const float *partial, int64_t m, int64_t n, int64_t parts, const int32_t *m_limit) {
  if (m_limit != nullptr) m = smaller(m, *m_limit);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < m * n; i += stride) {
    float sum = partial[i];
    for (int64_t part = 1; part < parts; part++) sum += partial[part * m * n + i];
    out.store(i / n, i % n, sum);
  }
}

// ---- variant choice

// `multiprocessors` of the device. Parts of k are added only where the output has too few tiles to fill the device and k is long enough for
// the second pass over the partial sums to be small beside the product. A sum over a whole vocabulary (the head's dhidden) is deep: always
// in large tiles and parts; in f32 at most kLongestSum terms go to one accumulator, because in a longer sum many terms are below half a
// unit of its
// last place and are lost (100 000 terms were off by ten times eps * sqrt(k) * sum |terms|).
inline MatmulConfig choose_matmul(int64_t m, int64_t n, int64_t k, bool ab_bf16, bool, bool, int multiprocessors) {
  constexpr int64_t kDeep = 32768, kLongestSum = 8192;
  const bool deep = k >= kDeep;
  const bool large = m > 64 && n > 64 && (deep || ceil_div(m, 128) * ceil_div(n, 128) >= multiprocessors);
  MatmulConfig config =
      ab_bf16
          ? (large ? MatmulConfig{"tensorcore_128x128", 128, 128, 256, 1, k, 0} : MatmulConfig{"tensorcore_64x64", 64, 64, 128, 1, k, 0})
          : (large ? MatmulConfig{"simt_128x128", 128, 128, 256, 1, k, 0} : MatmulConfig{"simt_32x32", 32, 32, 64, 1, k, 0});
  const int64_t tiles = ceil_div(m, config.tile_rows) * ceil_div(n, config.tile_cols);
  constexpr int64_t kLeastDepth = 512;
  if (tiles > 0 && (deep || 2 * tiles <= multiprocessors) && k >= 2 * kLeastDepth) {
    const int64_t filling = ceil_div((deep ? 2 : 1) * static_cast<int64_t>(multiprocessors), tiles);
    const int64_t accurate = deep && !ab_bf16 ? ceil_div(k, kLongestSum) : 1;
    const int64_t wanted = smaller(smaller(larger(filling, accurate), k / kLeastDepth), 64);
    config.k_per_part = ceil_div(ceil_div(k, wanted), 32) * 32;
    config.parts = ceil_div(k, config.k_per_part);
    if (config.parts > 1) config.workspace_bytes = config.parts * m * n * 4;
  }
  return config;
}

// ---- launchers

template <typename C>
MatmulEpilogue<C> matmul_epilogue(const MatmulProblem &p) {
  const C *addend = p.beta == 0.0f ? nullptr : static_cast<const C *>(p.addend != nullptr ? p.addend : p.c);
  return {static_cast<C *>(p.c), addend, p.bias, p.ldc, p.alpha, p.beta};
}
template <typename T>
MatmulOperands<T> matmul_operands(const MatmulProblem &p) {
  return matmul_operands(static_cast<const T *>(p.a), static_cast<const T *>(p.b), p.m, p.n, p.k, p.lda, p.ldb);
}

template <typename C>
cudaError_t launch_matmul_combine(cudaStream_t stream, const MatmulEpilogue<C> &out, const float *partial, int64_t m, int64_t n,
                                  int64_t parts, const int32_t *m_limit) {
  const auto blocks = static_cast<unsigned>(smaller(ceil_div(m * n, 256), 65535));
  return launch("matmul_combine", stream, matmul_combine<C>, blocks, 256, 0, out, partial, m, n, parts, m_limit);
}

template <class Tile, typename C>
cudaError_t launch_matmul_tiles(const char *name, cudaStream_t stream, const MatmulProblem &p, const MatmulConfig &config, float *partial) {
  const dim3 grid(static_cast<unsigned>(ceil_div(p.m, Tile::kRows) * ceil_div(p.n, Tile::kCols)), 1, static_cast<unsigned>(config.parts));
  float *parts = config.parts > 1 ? partial : nullptr;
  SAILS_TRY(launch(name, stream, matmul_tiles<Tile, C>, grid, Tile::kThreads, Tile::kSharedBytes, matmul_epilogue<C>(p), p.low_rank, parts,
                   matmul_operands<typename Tile::Element>(p), config.k_per_part, p.m_limit));
  return parts == nullptr ? cudaSuccess : launch_matmul_combine(stream, matmul_epilogue<C>(p), parts, p.m, p.n, config.parts, p.m_limit);
}

template <bool kTransposeA, bool kTransposeB, typename C>
cudaError_t launch_matmul_layout(cudaStream_t stream, const MatmulProblem &p, const MatmulConfig &config, float *partial) {
  const bool large = config.tile_rows == 128;
  if constexpr (sizeof(C) == 4) {
    if (!p.ab_bf16)
      return large ? launch_matmul_tiles<SimtTile<128, 128, 8, 8, kTransposeA, kTransposeB>, C>("matmul_simt_128x128", stream, p, config,
                                                                                                partial)
                   : launch_matmul_tiles<SimtTile<32, 32, 4, 4, kTransposeA, kTransposeB>, C>("matmul_simt_32x32", stream, p, config,
                                                                                              partial);
  }
  return large ? launch_matmul_tiles<TensorCoreTile<128, 128, 2, 4, 4, kTransposeA, kTransposeB>, C>("matmul_tensorcore_128x128", stream, p,
                                                                                                     config, partial)
               : launch_matmul_tiles<TensorCoreTile<64, 64, 2, 2, 4, kTransposeA, kTransposeB>, C>("matmul_tensorcore_64x64", stream, p,
                                                                                                   config, partial);
}

// workspace: config.workspace_bytes. c is f32 where a and b are.
template <typename C>
cudaError_t launch_matmul_to(cudaStream_t stream, const MatmulProblem &p, const MatmulConfig &config, void *workspace) {
  if (p.m == 0 || p.n == 0) return cudaSuccess;
  float *partial = static_cast<float *>(workspace);
  if (p.transpose_a)
    return p.transpose_b ? launch_matmul_layout<true, true, C>(stream, p, config, partial)
                         : launch_matmul_layout<true, false, C>(stream, p, config, partial);
  return p.transpose_b ? launch_matmul_layout<false, true, C>(stream, p, config, partial)
                       : launch_matmul_layout<false, false, C>(stream, p, config, partial);
}

}  // namespace sails::kernels
