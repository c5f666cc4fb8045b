// The dense matmul that needs no library: blocks of both operands widened into f32 panels, products in register tiles.
//   c [m, n] = alpha op(a) op(b) + beta c; f32 sums over kDepth of k each, added up in order, whatever the thread count
//   A block of c is kBlockRows x kBlockCols f32 in the workspace; for each kDepth of k, a's rows and b's panels are packed by all threads,
//   then a tile's panel of b stays in the first cache while the rows of a pass by.
#include "cpu/isa/kernels.h"
#include "cpu/isa/matmul_panels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

constexpr int64_t kPanel = kTileVectors * kWidth;  // columns of a panel of b
constexpr int64_t kBlockRows = 960, kBlockCols = 1024;
constexpr int64_t kDepth = 256;
constexpr int64_t kTaskRows = 96;  // rows of a block of c that a thread takes at a time; a multiple of kTileRows

inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t round_up(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }

// The three pieces of the workspace, in floats; each a multiple of 16, so that pieces stay aligned.
struct Blocks {
  int64_t rows, cols, depth;  // of the largest block; cols a multiple of kPanel
  explicit Blocks(const MatmulCall &s)
      : rows(min_of(s.m, kBlockRows)), cols(round_up(min_of(s.n, kBlockCols), kPanel)), depth(min_of(s.k, kDepth)) {}
  int64_t a_size() const { return round_up(rows * depth, 16); }
  int64_t b_size() const { return round_up(depth * cols, 16); }
  int64_t c_size() const { return round_up(rows * cols, 16); }
};

int64_t workspace_bytes(const MatmulCall &s) {
  const Blocks blocks(s);
  return 4 * (blocks.a_size() + blocks.b_size() + blocks.c_size());
}

// to [n, cols] row stride ld = from [n, cols], row stride ld_from.
template <typename T>
void pack_rows(float *to, int64_t ld, const T *from, int64_t ld_from, int64_t n, int64_t cols) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < cols; j += kWidth) {
      const int64_t lanes = min_of(kWidth, cols - j);
      store_n(to + i * ld + j, load_n(from + i * ld_from + j, lanes), lanes);
    }
}

// to [cols, n] row stride ld = the transpose of from [n, cols], row stride ld_from. 16 rows and a vector of columns at a time keep both
// sides in cache lines that are used whole.
template <typename T>
void pack_transposed(float *to, int64_t ld, const T *from, int64_t ld_from, int64_t n, int64_t cols) {
  for (int64_t i0 = 0; i0 < n; i0 += 16)
    for (int64_t j = 0; j < cols; j += kWidth) {
      const int64_t lanes = min_of(kWidth, cols - j);
      for (int64_t i = i0; i < min_of(i0 + 16, n); i++) {
        float values[kWidth];
        store(values, load_n(from + i * ld_from + j, lanes));
        for (int64_t l = 0; l < lanes; l++) to[(j + l) * ld + i] = values[l];
      }
    }
}

// Rows [i, i + n) of op(a), columns [p, p + depth).
template <typename T>
void pack_a(float *to, const MatmulCall &s, int64_t i, int64_t p, int64_t n, int64_t depth) {
  const T *a = static_cast<const T *>(s.a);
  if (s.transpose_a)
    pack_transposed(to, depth, a + p * s.lda + i, s.lda, depth, n);
  else
    pack_rows(to, depth, a + i * s.lda + p, s.lda, n, depth);
}

// A panel [depth, kPanel] of op(b): rows [p, p + depth), columns [j, j + n); the columns past n are 0.
template <typename T>
void pack_b(float *to, const MatmulCall &s, int64_t p, int64_t j, int64_t depth, int64_t n) {
  const T *b = static_cast<const T *>(s.b);
  if (n < kPanel) std::memset(to, 0, static_cast<size_t>(depth * kPanel) * sizeof(float));
  if (s.transpose_b)
    pack_transposed(to, kPanel, b + j * s.ldb + p, s.ldb, n, depth);
  else
    pack_rows(to, kPanel, b + p * s.ldb + j, s.ldb, depth, n);
}

// A row of c from its sum.
template <typename T>
void finish_row(T *c, const float *sum, int64_t n, float alpha, float beta) {
  for (int64_t j = 0; j < n; j += kWidth) {
    const int64_t lanes = min_of(kWidth, n - j);
    vf value = load(sum + j) * alpha;
    if (beta != 0.0f) value += load_n(c + j, lanes) * beta;
    store_n(c + j, value, lanes);
  }
}

// What all threads do together for one block of c. Every loop ends in a barrier but where the next one reads other memory.
template <typename C, typename T>
void multiply_block(const MatmulCall &s, const Blocks &blocks, float *workspace, int64_t i0, int64_t j0) {
  float *a = workspace, *b = a + blocks.a_size(), *c = b + blocks.b_size();
  const int64_t m = min_of(kBlockRows, s.m - i0), n = min_of(kBlockCols, s.n - j0);
  const int64_t n_panels = (n + kPanel - 1) / kPanel, n_rows = (m + kTaskRows - 1) / kTaskRows;
  for (int64_t p = 0; p < s.k; p += kDepth) {
    const int64_t depth = min_of(kDepth, s.k - p);
#pragma omp for schedule(static) nowait
    for (int64_t r = 0; r < n_rows; r++)
      pack_a<T>(a + r * kTaskRows * depth, s, i0 + r * kTaskRows, p, min_of(kTaskRows, m - r * kTaskRows), depth);
#pragma omp for schedule(static)
    for (int64_t q = 0; q < n_panels; q++) pack_b<T>(b + q * kPanel * depth, s, p, j0 + q * kPanel, depth, min_of(kPanel, n - q * kPanel));
#pragma omp for schedule(static) collapse(2)
    for (int64_t q = 0; q < n_panels; q++)
      for (int64_t r = 0; r < n_rows; r++)
        gemm_rows<kTileVectors>(c + r * kTaskRows * blocks.cols + q * kPanel, blocks.cols, a + r * kTaskRows * depth, depth,
                                b + q * kPanel * depth, kPanel, min_of(kTaskRows, m - r * kTaskRows), depth, p > 0);
  }
#pragma omp for schedule(static)
  for (int64_t i = 0; i < m; i++) finish_row(static_cast<C *>(s.c) + (i0 + i) * s.ldc + j0, c + i * blocks.cols, n, s.alpha, s.beta);
}

template <typename C, typename T>
void multiply(const MatmulCall &s, void *workspace) {
  const Blocks blocks(s);
#pragma omp parallel num_threads(s.threads) if (s.m * s.n * s.k > 262144)
  for (int64_t j = 0; j < s.n; j += kBlockCols)
    for (int64_t i = 0; i < s.m; i += kBlockRows) multiply_block<C, T>(s, blocks, static_cast<float *>(workspace), i, j);
}

void run(const MatmulCall &s, void *workspace) {
  if (s.ab_dtype == SAILS_F32)
    multiply<float, float>(s, workspace);
  else if (s.c_dtype == SAILS_F32)
    multiply<float, bf16>(s, workspace);
  else
    multiply<bf16, bf16>(s, workspace);
}

}  // namespace

extern const MatmulKernels matmul_kernels;
const MatmulKernels matmul_kernels = {workspace_bytes, run};

}  // namespace sails::SAILS_ISA
