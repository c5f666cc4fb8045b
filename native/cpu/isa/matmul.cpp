// The dense matmul that needs no library: pieces of both operands widened into f32 panels, products in register tiles.
//   c [m, n] = alpha op(a) op(b) + beta c; f32 sums over kDepth of k each, added up in order, whatever the thread count
//   For each block of c and each kDepth of k all threads pack a's rows, tile by tile; then each takes panels of b: it packs one, which
//   stays in its first cache while the tiles of a pass by from the second, and asks for the next one's lines meanwhile.
#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "cpu/isa/transpose.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

// Registers hold kTileRows x kTileVectors sums, a row of b, and an element of a in all lanes.
#if defined(__AVX512F__)
constexpr int kTileRows = 14, kTileVectors = 2;
#else
constexpr int kTileRows = 6, kTileVectors = 2;
#endif
constexpr int64_t kTileStride = (kTileRows + kWidth - 1) / kWidth * kWidth;  // of a packed tile of a: whole vectors
constexpr int64_t kPanel = kTileVectors * kWidth;                            // columns of a panel of b
constexpr int64_t kDepth = 256;
constexpr int64_t kBlockTiles = kTileRows == 14 ? 64 : 88, kBlockRows = kBlockTiles * kTileRows, kBlockCols = 2304;

inline int64_t pieces(int64_t x, int64_t unit) { return (x + unit - 1) / unit; }

// The pieces of the workspace, in floats: a's tiles for two kDepth, and the sums of a block where c itself cannot hold them.
struct Blocks {
  int64_t tiles, depth, c_rows, c_cols;
  explicit Blocks(const MatmulCall &s)
      : tiles(pieces(min_of(s.m, kBlockRows), kTileRows)),
        depth(min_of(s.k, kDepth)),
        c_rows(s.c_dtype == SAILS_F32 ? 0 : min_of(s.m, kBlockRows)),
        c_cols(pieces(min_of(s.n, kBlockCols), 16) * 16) {}
  int64_t a_size() const { return pieces(tiles * depth * kTileStride, 16) * 16; }
  int64_t c_size() const { return c_rows * c_cols; }
};

int64_t workspace_bytes(const MatmulCall &s) {
  const Blocks blocks(s);
  return 4 * (2 * blocks.a_size() + blocks.c_size());
}

// to [depth, kWidth], row stride ld = the transpose of from [n, depth], row stride ld_from; the columns past n are 0.
template <bool kWhole, typename T>
inline void turn_block(float *to, int64_t ld, const T *from, int64_t ld_from, int64_t n, int64_t lanes) {
  vf row[kWidth];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kWidth; i++) {
    if (kWhole)
      row[i] = load(from + i * ld_from);
    else
      row[i] = i < n ? load_n(from + i * ld_from, lanes) : vf{};
  }
  transpose(row);
#pragma GCC unroll 16
  for (int64_t l = 0; l < kWidth; l++)
    if (kWhole || l < lanes) store(to + l * ld, row[l]);
}

template <typename T>
void pack_across(float *to, int64_t ld, const T *from, int64_t ld_from, int64_t n, int64_t depth) {
  int64_t p = 0;
  if (n >= kWidth)
    for (; p + kWidth <= depth; p += kWidth) turn_block<true>(to + p * ld, ld, from + p, ld_from, kWidth, kWidth);
  for (; p < depth; p += kWidth) turn_block<false>(to + p * ld, ld, from + p, ld_from, n, min_of(kWidth, depth - p));
}

// to [depth, kWidth], row stride ld = from [depth, n], row stride ld_from; the columns past n are 0.
template <typename T>
void pack_along(float *to, int64_t ld, const T *from, int64_t ld_from, int64_t n, int64_t depth) {
  if (n >= kWidth)
    for (int64_t p = 0; p < depth; p++) store(to + p * ld, load(from + p * ld_from));
  else
    for (int64_t p = 0; p < depth; p++) store(to + p * ld, n > 0 ? load_tail(from + p * ld_from, n) : vf{});
}

// A tile [depth, kTileStride]: the transpose of rows [i, i + kTileRows) of op(a), columns [p, p + depth). Rows past m are 0.
template <typename T>
void pack_a(float *to, const MatmulCall &s, int64_t i, int64_t p, int64_t depth) {
  const T *a = static_cast<const T *>(s.a);
  for (int64_t r = 0; r < kTileStride; r += kWidth) {
    if (s.transpose_a)
      pack_along(to + r, kTileStride, a + p * s.lda + i + r, s.lda, s.m - i - r, depth);
    else
      pack_across(to + r, kTileStride, a + (i + r) * s.lda + p, s.lda, min_of(s.m - i, kTileRows) - r, depth);
  }
}

// A panel [depth, kPanel] of op(b): rows [p, p + depth), columns [j, j + kPanel); the columns past n are 0.
template <typename T>
void pack_b(float *to, const MatmulCall &s, int64_t p, int64_t j, int64_t depth) {
  const T *b = static_cast<const T *>(s.b);
  for (int64_t v = 0; v < kPanel; v += kWidth) {
    if (s.transpose_b)
      pack_across(to + v, kPanel, b + (j + v) * s.ldb + p, s.ldb, s.n - j - v, depth);
    else
      pack_along(to + v, kPanel, b + p * s.ldb + j + v, s.ldb, s.n - j - v, depth);
  }
}

// The lines of memory that a panel of b is packed from: some are asked for beside each tile of the panel before.
struct Ahead {
  const char *row = nullptr;
  int64_t row_bytes = 0, stride = 0, rows = 0, at = 0;
  int64_t lines() const { return rows * pieces(row_bytes, 64); }
  void ask(int64_t count) {
    for (; count > 0 && rows > 0; count--) {
      __builtin_prefetch(row + at, 0, 2);
      at += 64;
      if (at >= row_bytes) rows--, row += stride, at = 0;
    }
  }
};

template <typename T>
Ahead ahead(const MatmulCall &s, int64_t p, int64_t j, int64_t depth) {
  const int64_t size = sizeof(T), n = min_of(kPanel, s.n - j);
  const char *b = static_cast<const char *>(s.b);
  if (s.transpose_b) return {b + (j * s.ldb + p) * size, depth * size, s.ldb * size, n, 0};
  return {b + (p * s.ldb + j) * size, n * size, s.ldb * size, depth, 0};
}

// Where sums go: to = keep * to + alpha * sum; keep 0: to is not read.
struct Target {
  float *to;
  int64_t ld;
  float alpha, keep;
};

// A function of its own: the addresses of its caller would take registers away from the sums.
template <int R>
__attribute__((noinline)) void tile(const Target c, const float *a, const float *b, int64_t depth) {
  vf sum[R][kTileVectors] = {};
  for (int64_t p = 0; p < depth; p++) {
    vf row[kTileVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kTileVectors; v++) row[v] = load(b + p * kPanel + v * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++)
#pragma GCC unroll 16
      for (int v = 0; v < kTileVectors; v++) sum[r][v] += row[v] * a[p * kTileStride + r];
  }
  const vf alpha = splat(c.alpha), keep = splat(c.keep);
  const bool reads = c.keep != 0.0f;
  float *to = c.to;
#pragma GCC unroll 16
  for (int r = 0; r < R; r++, to += c.ld)
#pragma GCC unroll 16
    for (int v = 0; v < kTileVectors; v++) {
      vf value = sum[r][v] * alpha;
      if (reads) value += load(to + v * kWidth) * keep;
      store(to + v * kWidth, value);
    }
}

// At least so many of a tile's rows.
void tile_of(int64_t rows, const Target &c, const float *a, const float *b, int64_t depth) {
  if constexpr (kTileRows == 14) {
    if (rows > 8) return tile<14>(c, a, b, depth);
    if (rows > 6) return tile<8>(c, a, b, depth);
  }
  if (rows > 4) return tile<6>(c, a, b, depth);
  rows > 2 ? tile<4>(c, a, b, depth) : tile<2>(c, a, b, depth);
}

// A tile at c's edge: its sums beside, then those that are c's.
void tile_at_edge(int64_t rows, int64_t cols, const Target &c, const float *a, const float *b, int64_t depth) {
  float sums[kTileRows * kPanel];
  tile_of(rows, {sums, kPanel, 1.0f, 0.0f}, a, b, depth);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < cols; j += kWidth) {
      const int64_t lanes = min_of(kWidth, cols - j);
      float *to = c.to + r * c.ld + j;
      vf value = load(sums + r * kPanel + j) * c.alpha;
      if (c.keep != 0.0f) value += load_n(to, lanes) * c.keep;
      store_n(to, value, lanes);
    }
}

// Rows [begin, end) of a block times one panel of b.
void multiply_panel(const Target &c, const float *a, const float *b, int64_t begin, int64_t end, int64_t cols, int64_t depth, Ahead next) {
  const int64_t n_tiles = pieces(end - begin, kTileRows), lines = pieces(next.lines(), n_tiles);
  for (int64_t t = 0; t < n_tiles; t++) {
    const int64_t i = begin + t * kTileRows, rows = min_of(kTileRows, end - i);
    next.ask(lines);
    const Target at{c.to + i * c.ld, c.ld, c.alpha, c.keep};
    const float *a_tile = a + i / kTileRows * depth * kTileStride;
    for (int64_t r = rows; r < min_of(rows + kTileRows, end - i); r++)
      for (int64_t j = 0; j < kPanel; j += 16) __builtin_prefetch(at.to + r * c.ld + j, 1, 3);
    if (rows == kTileRows && cols == kPanel)
      tile<kTileRows>(at, a_tile, b, depth);
    else
      tile_at_edge(rows, cols, at, a_tile, b, depth);
  }
}

// A row of c from its sum.
void finish_row(bf16 *c, const float *sum, int64_t n, float alpha, float beta) {
  for (int64_t j = 0; j < n; j += kWidth) {
    const int64_t lanes = min_of(kWidth, n - j);
    vf value = load_n(sum + j, lanes) * alpha;
    if (beta != 0.0f) value += load_n(c + j, lanes) * beta;
    store_n(c + j, value, lanes);
  }
}

// A block of c: rows from i0, columns from j0.
struct Block {
  int64_t i0, j0, m, n, ld;
  float *sums;  // of the block, in c or in the workspace
};

// All threads pack a's rows for kDepth of k, and do not wait.
template <typename T>
void pack_rows(const MatmulCall &s, const Block &block, float *a, int64_t p) {
  const int64_t depth = min_of(kDepth, s.k - p), tiles = pieces(block.m, kTileRows);
#pragma omp for schedule(static) nowait
  for (int64_t t = 0; t < tiles; t++) pack_a<T>(a + t * depth * kTileStride, s, block.i0 + t * kTileRows, p, depth);
}

// All threads add the products of kDepth of k, and wait for each other.
template <typename T>
void add_depth(const MatmulCall &s, const Block &block, const float *a, int64_t p, float alpha, float keep) {
  const int64_t depth = min_of(kDepth, s.k - p), tiles = pieces(block.m, kTileRows), panels = pieces(block.n, kPanel);
  // Few panels: a panel's tiles are divided too, and the panel is packed for each part.
  const int64_t parts = min_of(tiles, pieces(max_of(2 * s.threads, panels), panels)), part = pieces(tiles, parts) * kTileRows;
  alignas(64) float b[kDepth * kPanel];
#pragma omp for schedule(static) collapse(2)
  for (int64_t q = 0; q < panels; q++)
    for (int64_t r = 0; r < parts; r++) {
      const int64_t j = q * kPanel, begin = min_of(r * part, block.m), end = min_of(begin + part, block.m);
      if (begin == end) continue;
      const int64_t cols = min_of(kPanel, block.n - j);
      pack_b<T>(b, s, p, block.j0 + j, depth);
      const Ahead next = q + 1 < panels ? ahead<T>(s, p, block.j0 + j + kPanel, depth) : Ahead{};
      multiply_panel({block.sums + j, block.ld, alpha, keep}, a, b, begin, end, cols, depth, next);
    }
}

template <typename T>
void multiply(const MatmulCall &s, void *workspace) {
  const Blocks blocks(s);
  float *a = static_cast<float *>(workspace), *sums = a + 2 * blocks.a_size();
  const bool in_place = s.c_dtype == SAILS_F32;
#pragma omp parallel num_threads(s.threads) if (s.m * s.n * s.k > 262144)
  for (int64_t j = 0; j < s.n; j += kBlockCols)
    for (int64_t i = 0; i < s.m; i += kBlockRows) {
      Block block{i, j, min_of(kBlockRows, s.m - i), min_of(kBlockCols, s.n - j), blocks.c_cols, sums};
      if (in_place) block.ld = s.ldc, block.sums = static_cast<float *>(s.c) + i * s.ldc + j;
      // While one kDepth of a is used, the next is packed beside it: one wait for each, as a thread that has to wait for its processor
      // holds up all.
      float *tiles[2] = {a, a + blocks.a_size()};
      pack_rows<T>(s, block, tiles[0], 0);
#pragma omp barrier
      for (int64_t p = 0, side = 0; p < s.k; p += kDepth, side = 1 - side) {
        if (p + kDepth < s.k) pack_rows<T>(s, block, tiles[1 - side], p + kDepth);
        if (in_place)
          add_depth<T>(s, block, tiles[side], p, s.alpha, p == 0 ? s.beta : 1.0f);
        else
          add_depth<T>(s, block, tiles[side], p, 1.0f, p == 0 ? 0.0f : 1.0f);
      }
      if (in_place) continue;
#pragma omp for schedule(static)
      for (int64_t r = 0; r < block.m; r++)
        finish_row(static_cast<bf16 *>(s.c) + (i + r) * s.ldc + j, sums + r * block.ld, block.n, s.alpha, s.beta);
    }
}

void run(const MatmulCall &s, void *workspace) {
  if (s.ab_dtype == SAILS_F32)
    multiply<float>(s, workspace);
  else
    multiply<bf16>(s, workspace);
}

}  // namespace

extern const MatmulKernels matmul_kernels;
const MatmulKernels matmul_kernels = {workspace_bytes, run};

}  // namespace sails::SAILS_ISA
