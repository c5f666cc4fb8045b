// Products of few rows with a matrix, widened in registers: what decoding spends its time on, bound by reading the weights once.
#include <cstring>
#include <initializer_list>

#include "cpu/isa/kernels.h"
#include "cpu/isa/parallel.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

// Lanes are summed over so many elements, then these sums: they round less than one long chain. Whatever stands beside it, a row of x
// and one of w are summed in this order alone.
constexpr int64_t kDepth = 256;
// Rows of x that use a row of w while it lies in a register.
constexpr int kRows = 4;

// Rows of w at a time are streams: far apart, each of them read on and on, which is what the processor fetches ahead by itself; rows that
// lie together would be short streams that end at once. One row of x that fits beside a stream in the first cache wants a single one.
constexpr int streams(int rows) {
#if defined(__AVX512F__)
  return rows <= 2 ? 8 : 6;
#else
  return rows == 1 ? 8 : rows == 2 ? 6 : 3;
#endif
}
// With more sums under way the processor sees less far, and the weights are asked for so many elements before.
constexpr bool asks_ahead(int rows) { return rows > 2; }
constexpr int64_t kAhead = 256;

// total [R, J] += the products of depth elements.
template <int R, int J, typename T>
inline void add_products(vf (&total)[R][J], const float *x, int64_t ldx, const T *w, int64_t apart, int64_t depth) {
  constexpr int64_t kLine = 64 / sizeof(T), kVectors = kLine > kWidth ? kLine / kWidth : 1;
  vf sum[R][J] = {};
  int64_t p = 0;
  for (; p + kVectors * kWidth <= depth; p += kVectors * kWidth) {
    if constexpr (asks_ahead(R)) {
#pragma GCC unroll 8
      for (int j = 0; j < J; j++) __builtin_prefetch(w + j * apart + p + kAhead);
    }
#pragma GCC unroll 8
    for (int64_t v = 0; v < kVectors; v++) {
      // The shorter side stays in registers.
      vf row[R < J ? R : J];
      if constexpr (R < J) {
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) row[r] = load(x + r * ldx + p + v * kWidth);
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) {
          const vf other = load(w + j * apart + p + v * kWidth);
#pragma GCC unroll 8
          for (int r = 0; r < R; r++) sum[r][j] += row[r] * other;
        }
      } else {
#pragma GCC unroll 8
        for (int j = 0; j < J; j++) row[j] = load(w + j * apart + p + v * kWidth);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
          const vf other = load(x + r * ldx + p + v * kWidth);
#pragma GCC unroll 8
          for (int j = 0; j < J; j++) sum[r][j] += row[j] * other;
        }
      }
    }
  }
  for (; p < depth; p += kWidth) {
    const int64_t lanes = depth - p < kWidth ? depth - p : kWidth;
    for (int r = 0; r < R; r++)
      for (int j = 0; j < J; j++) sum[r][j] += load_n(x + r * ldx + p, lanes) * load_n(w + j * apart + p, lanes);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int j = 0; j < J; j++) total[r][j] += sum[r][j];
}

// A matrix of weights, and what it is multiplied with.
template <typename T>
struct Rows {
  float *y;        // [m, n]
  const float *x;  // [m, k]
  const T *w;      // [n, k], row stride ldw
  int64_t m, n, k, ldw;
};

// R rows of x from i on with J rows of w: j, j + apart, ...
template <int R, int J, typename T>
__attribute__((noinline)) void dot_tile(const Rows<T> &p, int64_t i, int64_t j, int64_t apart) {
  vf total[R][J] = {};
  for (int64_t at = 0; at < p.k; at += kDepth)
    add_products<R, J>(total, p.x + i * p.k + at, p.k, p.w + j * p.ldw + at, apart * p.ldw, min_of(kDepth, p.k - at));
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 8
    for (int s = 0; s < J; s++) p.y[(i + r) * p.n + j + s * apart] = hsum(total[r][s]);
}

// All rows of x with J rows of w, which come from memory for the first kRows and lie in a cache for the others.
template <int J, typename T>
inline void dot_group(const Rows<T> &p, int64_t j, int64_t apart) {
  for (int64_t i = 0; i < p.m; i += kRows) switch (p.m - i) {
      case 1: dot_tile<1, J>(p, i, j, apart); break;
      case 2: dot_tile<2, J>(p, i, j, apart); break;
      case 3: dot_tile<3, J>(p, i, j, apart); break;
      default: dot_tile<kRows, J>(p, i, j, apart);
    }
}

// Rows of w from begin to end in J streams, those that are left over one by one.
template <int J, typename T>
void dot_streams(const Rows<T> &p, int64_t begin, int64_t end) {
  const int64_t apart = (end - begin) / J;
  for (int64_t j = begin; j < begin + apart; j++) dot_group<J>(p, j, apart);
  for (int64_t j = begin + apart * J; j < end; j++) dot_group<1>(p, j, 0);
}

template <typename T>
void dot_rows_of(const Rows<T> &p, Pool &pool) {
  for_rows(pool, p.n, p.n * p.k > 65536, [&](int64_t begin, int64_t end) {
    if (p.m == 1 && p.k <= kNarrow)
      dot_streams<1>(p, begin, end);
    else if (p.m == 1)
      dot_streams<streams(1)>(p, begin, end);
    else if (p.m == 2)
      dot_streams<streams(2)>(p, begin, end);
    else
      dot_streams<streams(kRows)>(p, begin, end);
  });
}

void dot_rows(float *y, const float *x, const void *w, int64_t m, int64_t n, int64_t k, int64_t ldw, int32_t w_dtype, Pool &pool) {
  if (w_dtype == SAILS_F32)
    dot_rows_of(Rows<float>{y, x, static_cast<const float *>(w), m, n, k, ldw}, pool);
  else
    dot_rows_of(Rows<bf16>{y, x, static_cast<const bf16 *>(w), m, n, k, ldw}, pool);
}

// Rows of w at a time, so that y is loaded and stored once for as many.
constexpr int64_t kTogether = 4;
// Columns of a stripe at most: kTogether of its rows stay in the first cache while all rows of x use them.
constexpr int64_t kStripe = 1024;

// y [n] += x [kTogether] times so many rows of w; `ahead` rows on, the next ones are asked for.
void add_rows(float *y, const float *x, const float *w, int64_t n, int64_t ldw, int64_t ahead) {
  const vf x_0 = splat(x[0]), x_1 = splat(x[1]), x_2 = splat(x[2]), x_3 = splat(x[3]);
  const float *w_0 = w, *w_1 = w + ldw, *w_2 = w + 2 * ldw, *w_3 = w + 3 * ldw;
  int64_t j = 0;
  for (; j + kWidth <= n; j += kWidth) {
    if (ahead > 0)
      for (const float *row : {w_0, w_1, w_2, w_3}) __builtin_prefetch(row + ahead * ldw + j);
    store(y + j, (((load(y + j) + x_0 * load(w_0 + j)) + x_1 * load(w_1 + j)) + x_2 * load(w_2 + j)) + x_3 * load(w_3 + j));
  }
  for (; j < n; j++) y[j] = (((y[j] + x[0] * w_0[j]) + x[1] * w_1[j]) + x[2] * w_2[j]) + x[3] * w_3[j];
}

void sum_stripe(float *y, const float *x, const float *w, int64_t m, int64_t n, int64_t k, int64_t ldw, int64_t ldy) {
  for (int64_t i = 0; i < m; i++) std::memset(y + i * ldy, 0, static_cast<size_t>(n) * 4);
  int64_t l = 0;
  for (; l + kTogether <= k; l += kTogether)
    for (int64_t i = 0; i < m; i++)
      add_rows(y + i * ldy, x + i * k + l, w + l * ldw, n, ldw, i == 0 && l + 2 * kTogether <= k ? kTogether : 0);
  for (; l < k; l++)
    for (int64_t i = 0; i < m; i++) {
      const float x_l = x[i * k + l];
      for (int64_t j = 0; j < n; j++) y[i * ldy + j] += x_l * w[l * ldw + j];
    }
}

void sum_rows(float *y, const float *x, const float *w, int64_t m, int64_t n, int64_t k, int64_t ldw, int threads) {
  // Whole vectors of the widest kind, so that what stands at a stripe's end does not depend on the number of threads.
  const int64_t each = (n + threads - 1) / threads, stripe = min_of(kStripe, (each + 63) / 64 * 64);
#pragma omp parallel for num_threads(threads) schedule(static) if (n * k > 65536)
  for (int64_t j = 0; j < n; j += stripe) sum_stripe(y + j, x, w + j, m, min_of(stripe, n - j), k, ldw, n);
}

}  // namespace

extern const GemvKernels gemv_kernels;
const GemvKernels gemv_kernels = {dot_rows, sum_rows};

}  // namespace sails::SAILS_ISA
