// Dense matrix product
//   c [m, n] = alpha * op(a) op(b) + beta * c         (beta 0 does not read c; k = 0 gives beta * c)
//   a, b bf16|f32 (one dtype), c f32, or bf16 where a and b are; sums in f32; layouts and strides as in block_matmul.cuh
//   forward x W^T: transpose_b;  backward dy W: neither;  weight gradient dy^T x: transpose_a
//
// Grid: x = tiles of the output, in groups of kGroupRows tile rows so that neighbouring blocks share operands in L2; z = parts of k. With one
// part a block writes c. With more, each block writes its f32 partial tile to the workspace [parts, m, n] and matmul_combine adds the parts in
// order: the same bits whatever runs first. Few rows (decode) go to matmul_rows: one warp for each column of c, bound by reading b once.
// FLOPs 2 m n k; bytes (m k + k n) e + m n c.
#pragma once

#include "block_matmul.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kGroupRows = 8;

struct MatmulProblem {
  void *c;
  const void *a, *b;
  int64_t m, n, k, ldc, lda, ldb;
  bool c_bf16, ab_bf16, transpose_a, transpose_b;
  float alpha, beta;
  // On the device, NULL: m. Rows from *m_limit on are neither computed nor written.
  const int32_t *m_limit;
};

// What was chosen for a shape; printable, decided on the host from the shape and the device alone.
struct MatmulConfig {
  const char *name;
  int tile_rows, tile_cols, threads;
  int64_t parts;            // of k
  int64_t k_per_part;
  int64_t workspace_bytes;
};

template <typename C>
__device__ __forceinline__ void store_scaled(C *c, float value, float alpha, float beta) {
  const float product = alpha * value;
  *c = from_float<C>(beta == 0.0f ? product : fmaf(beta, to_float(*c), product));
}

struct TileIndex {
  int64_t row, col;
};
// Tile rows in groups, columns before rows inside a group.
__device__ __forceinline__ TileIndex grouped_tile(int64_t block, int64_t tile_rows, int64_t tile_cols) {
  const int64_t group_size = kGroupRows * tile_cols, group = block / group_size, first = group * kGroupRows;
  const int64_t rows = smaller(kGroupRows, tile_rows - first), within = block - group * group_size;
  return {first + within % rows, within / rows};
}

template <class Tile, typename C>
__global__ void __launch_bounds__(Tile::kThreads)
    matmul_tiles(C *c, float *partial, MatmulOperands<typename Tile::Element> p, int64_t ldc, int64_t k_per_part, float alpha, float beta,
                 const int32_t *m_limit) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  if (m_limit != nullptr) p.m = smaller(p.m, *m_limit);
  const TileIndex tile = grouped_tile(blockIdx.x, gridDim.x / ceil_div(p.n, Tile::kCols), ceil_div(p.n, Tile::kCols));
  const int64_t row = tile.row * Tile::kRows, col = tile.col * Tile::kCols, part = blockIdx.z;
  if (row >= p.m) return;
  Tile product;
  product.run(p, row, col, part * k_per_part, smaller(p.k, (part + 1) * k_per_part), shared);
  if (partial != nullptr) {
    float *mine = partial + part * p.m * p.n;
    product.visit([&](int r, int j, float value) {
      if (row + r < p.m && col + j < p.n) mine[(row + r) * p.n + col + j] = value;
    });
  } else {
    product.visit([&](int r, int j, float value) {
      if (row + r < p.m && col + j < p.n) store_scaled(c + (row + r) * ldc + col + j, value, alpha, beta);
    });
  }
}

template <typename C>
__global__ void matmul_combine(C *c, const float *partial, int64_t m, int64_t n, int64_t ldc, int64_t parts, float alpha, float beta,
                               const int32_t *m_limit) {
  if (m_limit != nullptr) m = smaller(m, *m_limit);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < m * n; i += stride) {
    float sum = partial[i];
    for (int64_t part = 1; part < parts; part++) sum += partial[part * m * n + i];
    store_scaled(c + i / n * ldc + i % n, sum, alpha, beta);
  }
}

constexpr int kRowsAtOnce = 8;       // of a in matmul_rows
constexpr int kRowsWarps = 4;        // columns of c that a block computes

// c [m <= kRowsAtOnce, n] with b stored [n, k]: a warp reads one row of b once, 16 bytes a lane, and multiplies it with every row of a.
template <typename T, typename C>
__global__ void __launch_bounds__(kRowsWarps *kWarp)
    matmul_rows(C *c, MatmulOperands<T> p, int64_t ldc, float alpha, float beta) {
  constexpr int kLanes = kPackLanes<T>;
  const int lane = threadIdx.x % kWarp;
  const int64_t col = static_cast<int64_t>(blockIdx.x) * kRowsWarps + threadIdx.x / kWarp;
  if (col >= p.n) return;
  const int rows = static_cast<int>(p.m);
  float sum[kRowsAtOnce];
#pragma unroll
  for (int r = 0; r < kRowsAtOnce; r++) sum[r] = 0.0f;
  const T *b = p.b + col * p.ldb;
  const int64_t packed = p.a_aligned && p.b_aligned ? p.k / kLanes * kLanes : 0;
  for (int64_t k = static_cast<int64_t>(lane) * kLanes; k < packed; k += kWarp * kLanes) {
    const Pack<T, kLanes> w = load_pack<kLanes>(b + k);
#pragma unroll
    for (int r = 0; r < kRowsAtOnce; r++) {
      if (r >= rows) break;
      const Pack<T, kLanes> x = load_pack<kLanes>(p.a + r * p.lda + k);
#pragma unroll
      for (int j = 0; j < kLanes; j++) sum[r] = fmaf(to_float(w.lane[j]), to_float(x.lane[j]), sum[r]);
    }
  }
  for (int64_t k = packed + lane; k < p.k; k += kWarp)
#pragma unroll
    for (int r = 0; r < kRowsAtOnce; r++)
      if (r < rows) sum[r] = fmaf(to_float(b[k]), to_float(p.a[r * p.lda + k]), sum[r]);
#pragma unroll
  for (int r = 0; r < kRowsAtOnce; r++) {
    if (r >= rows) break;
    const float total = warp_sum(sum[r]);
    if (lane == 0) store_scaled(c + r * ldc + col, total, alpha, beta);
  }
}

// ---- variant choice

// `multiprocessors` of the device. Parts of k are added only where the output has too few tiles to fill the device and k is long enough for
// the second pass over the partial sums to be small beside the product.
inline MatmulConfig choose_matmul(int64_t m, int64_t n, int64_t k, bool ab_bf16, bool transpose_a, bool transpose_b, int multiprocessors) {
  if (m <= kRowsAtOnce && transpose_b && !transpose_a) return {"rows", static_cast<int>(m), kRowsWarps, kRowsWarps * kWarp, 1, k, 0};
  const bool large = m > 64 && n > 64 && ceil_div(m, 128) * ceil_div(n, 128) >= multiprocessors;
  MatmulConfig config = ab_bf16 ? (large ? MatmulConfig{"tensorcore_128x128", 128, 128, 256, 1, k, 0} : MatmulConfig{"tensorcore_64x64", 64, 64, 128, 1, k, 0})
                                : (large ? MatmulConfig{"simt_128x128", 128, 128, 256, 1, k, 0} : MatmulConfig{"simt_32x32", 32, 32, 64, 1, k, 0});
  const int64_t tiles = ceil_div(m, config.tile_rows) * ceil_div(n, config.tile_cols);
  constexpr int64_t kLeastDepth = 512;
  if (tiles > 0 && 2 * tiles <= multiprocessors && k >= 2 * kLeastDepth) {
    const int64_t wanted = smaller(smaller(ceil_div(multiprocessors, tiles), k / kLeastDepth), 64);
    config.k_per_part = ceil_div(ceil_div(k, wanted), 32) * 32;
    config.parts = ceil_div(k, config.k_per_part);
    if (config.parts > 1) config.workspace_bytes = config.parts * m * n * 4;
  }
  return config;
}

// ---- launchers

template <class Tile, typename C>
cudaError_t launch_matmul_tiles(const char *name, cudaStream_t stream, const MatmulProblem &p, const MatmulConfig &config, float *partial) {
  using T = typename Tile::Element;
  const MatmulOperands<T> operands = matmul_operands(static_cast<const T *>(p.a), static_cast<const T *>(p.b), p.m, p.n, p.k, p.lda, p.ldb);
  C *c = static_cast<C *>(p.c);
  const dim3 grid(static_cast<unsigned>(ceil_div(p.m, Tile::kRows) * ceil_div(p.n, Tile::kCols)), 1, static_cast<unsigned>(config.parts));
  float *parts = config.parts > 1 ? partial : nullptr;
  SAILS_TRY(launch(name, stream, matmul_tiles<Tile, C>, grid, Tile::kThreads, Tile::kSharedBytes, c, parts, operands, p.ldc, config.k_per_part,
                   p.alpha, p.beta, p.m_limit));
  if (parts == nullptr) return cudaSuccess;
  const auto blocks = static_cast<unsigned>(smaller(ceil_div(p.m * p.n, 256), 65535));
  return launch("matmul_combine", stream, matmul_combine<C>, blocks, 256, 0, c, static_cast<const float *>(parts), p.m, p.n, p.ldc, config.parts,
                p.alpha, p.beta, p.m_limit);
}

template <bool kTransposeA, bool kTransposeB, typename C>
cudaError_t launch_matmul_layout(cudaStream_t stream, const MatmulProblem &p, const MatmulConfig &config, float *partial) {
  const bool large = config.tile_rows == 128;
  if constexpr (sizeof(C) == 4) {
    if (!p.ab_bf16)
      return large ? launch_matmul_tiles<SimtTile<128, 128, 8, 8, kTransposeA, kTransposeB>, C>("matmul_simt_128x128", stream, p, config, partial)
                   : launch_matmul_tiles<SimtTile<32, 32, 4, 4, kTransposeA, kTransposeB>, C>("matmul_simt_32x32", stream, p, config, partial);
  }
  return large ? launch_matmul_tiles<TensorCoreTile<128, 128, 2, 4, 4, kTransposeA, kTransposeB>, C>("matmul_tensorcore_128x128", stream, p, config,
                                                                                                      partial)
               : launch_matmul_tiles<TensorCoreTile<64, 64, 2, 2, 4, kTransposeA, kTransposeB>, C>("matmul_tensorcore_64x64", stream, p, config,
                                                                                                    partial);
}

template <typename T, typename C>
cudaError_t launch_matmul_rows(cudaStream_t stream, const MatmulProblem &p) {
  const MatmulOperands<T> operands = matmul_operands(static_cast<const T *>(p.a), static_cast<const T *>(p.b), p.m, p.n, p.k, p.lda, p.ldb);
  return launch("matmul_rows", stream, matmul_rows<T, C>, static_cast<unsigned>(ceil_div(p.n, kRowsWarps)), kRowsWarps * kWarp, 0,
                static_cast<C *>(p.c), operands, p.ldc, p.alpha, p.beta);
}

// workspace: config.workspace_bytes. c is f32 where a and b are.
template <typename C>
cudaError_t launch_matmul_to(cudaStream_t stream, const MatmulProblem &p, const MatmulConfig &config, void *workspace) {
  if (p.m == 0 || p.n == 0) return cudaSuccess;
  if (config.threads == kRowsWarps * kWarp && config.tile_cols == kRowsWarps && p.m_limit == nullptr) {
    if constexpr (sizeof(C) == 4) {
      if (!p.ab_bf16) return launch_matmul_rows<float, C>(stream, p);
    }
    return launch_matmul_rows<bf16, C>(stream, p);
  }
  float *partial = static_cast<float *>(workspace);
  if (p.transpose_a)
    return p.transpose_b ? launch_matmul_layout<true, true, C>(stream, p, config, partial)
                         : launch_matmul_layout<true, false, C>(stream, p, config, partial);
  return p.transpose_b ? launch_matmul_layout<false, true, C>(stream, p, config, partial)
                       : launch_matmul_layout<false, false, C>(stream, p, config, partial);
}

}  // namespace sails::kernels
