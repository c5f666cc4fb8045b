// Conversions between storage types, sums and reductions over flat arrays.
#include <cmath>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

constexpr int64_t kParallel = 65536;  // elements below which threads cost more than they save
constexpr int64_t kParallelScan = 1 << 20;  // the same of what reads once and writes nothing

inline float to_float(float x) { return x; }
inline float to_float(bf16 x) { return load_one(&x); }
inline float to_float(Half x) { return static_cast<float>(x.value); }
inline double to_double(double x) { return x; }
template <typename T>
inline double to_double(T x) {
  return to_float(x);
}
inline void put(bf16 *p, float x) { store_one(p, x); }
inline void put(Half *p, float x) { p->value = static_cast<_Float16>(x); }

template <typename To, typename From>
void convert_vectors(To *destination, const From *source, int64_t n, int threads) {
  const int64_t blocks = n / kWidth;
#pragma omp parallel for num_threads(threads) schedule(static) if (n > kParallel)
  for (int64_t b = 0; b < blocks; b++) store(destination + b * kWidth, load(source + b * kWidth));
  const int64_t done = blocks * kWidth;
  if (done < n) store_tail(destination + done, load_tail(source + done, n - done), n - done);
}

// double -> bf16 or f16 rounds once: the detour over float would round twice, so it goes to odd first.
inline float round_to_odd(double x) {
  float f = static_cast<float>(x);
  if (static_cast<double>(f) == x || f != f || std::isinf(f)) return f;
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  if (bits & 1u) return f;
  // f is even and inexact: its odd neighbour on the other side of x.
  const bool away = std::fabs(static_cast<double>(f)) < std::fabs(x);
  bits += away ? 1u : 0xffffffffu;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

template <typename To>
void convert_from_double(To *destination, const double *source, int64_t n, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n > kParallel)
  for (int64_t i = 0; i < n; i++) put(destination + i, round_to_odd(source[i]));
}
void convert_from_double(float *destination, const double *source, int64_t n, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n > kParallel)
  for (int64_t i = 0; i < n; i++) destination[i] = static_cast<float>(source[i]);
}
template <typename From>
void convert_to_double(double *destination, const From *source, int64_t n, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n > kParallel)
  for (int64_t i = 0; i < n; i++) destination[i] = to_double(source[i]);
}

// double goes element by element; among the others a vector of floats lies between.
template <typename From>
void convert_from(void *destination, const From *source, int64_t n, int32_t destination_dtype, int threads) {
  switch (destination_dtype) {
    case SAILS_F32: convert_vectors(static_cast<float *>(destination), source, n, threads); break;
    case SAILS_BF16: convert_vectors(static_cast<bf16 *>(destination), source, n, threads); break;
    case SAILS_F16: convert_vectors(static_cast<Half *>(destination), source, n, threads); break;
    default: convert_to_double(static_cast<double *>(destination), source, n, threads);
  }
}
void convert_from(void *destination, const double *source, int64_t n, int32_t destination_dtype, int threads) {
  switch (destination_dtype) {
    case SAILS_F32: convert_from_double(static_cast<float *>(destination), source, n, threads); break;
    case SAILS_BF16: convert_from_double(static_cast<bf16 *>(destination), source, n, threads); break;
    default: convert_from_double(static_cast<Half *>(destination), source, n, threads);
  }
}

// The two types differ.
void convert(void *destination, const void *source, int64_t n, int32_t destination_dtype, int32_t source_dtype, int threads) {
  switch (source_dtype) {
    case SAILS_F32: convert_from(destination, static_cast<const float *>(source), n, destination_dtype, threads); break;
    case SAILS_BF16: convert_from(destination, static_cast<const bf16 *>(source), n, destination_dtype, threads); break;
    case SAILS_F16: convert_from(destination, static_cast<const Half *>(source), n, destination_dtype, threads); break;
    default: convert_from(destination, static_cast<const double *>(source), n, destination_dtype, threads);
  }
}

template <typename T>
void axpby_run(float *y, const T *x, int64_t n, float alpha, float beta, int threads) {
  const int64_t blocks = n / kWidth;
#pragma omp parallel for num_threads(threads) schedule(static) if (n > kParallel)
  for (int64_t b = 0; b < blocks; b++) {
    const vf scaled = load(x + b * kWidth) * alpha;
    store(y + b * kWidth, beta == 0.0f ? scaled : scaled + load(y + b * kWidth) * beta);
  }
  for (int64_t i = blocks * kWidth; i < n; i++) {
    const float scaled = load_one(x + i) * alpha;
    y[i] = beta == 0.0f ? scaled : scaled + y[i] * beta;
  }
}

void axpby(float *y, const void *x, int64_t n, float alpha, float beta, int32_t x_dtype, int threads) {
  if (x_dtype == SAILS_F32)
    axpby_run(y, static_cast<const float *>(x), n, alpha, beta, threads);
  else
    axpby_run(y, static_cast<const bf16 *>(x), n, alpha, beta, threads);
}

template <typename T>
void scale_add_rows_run(T *y, const float *x, int64_t rows, int64_t cols, int64_t ld, float alpha, float beta, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (rows > 1 && rows * cols > kParallel)
  for (int64_t i = 0; i < rows; i++) {
    T *row = y + i * ld;
    for (int64_t j = 0; j < cols; j += kWidth) {
      const int64_t left = cols - j;
      vf value = {};
      if (x != nullptr) value = (left >= kWidth ? load(x + i * cols + j) : load_tail(x + i * cols + j, left)) * alpha;
      if (beta != 0.0f) value += (left >= kWidth ? load(row + j) : load_tail(row + j, left)) * beta;
      if (left >= kWidth)
        store(row + j, value);
      else
        store_tail(row + j, value, left);
    }
  }
}

void scale_add_rows(void *y, const float *x, int64_t rows, int64_t cols, int64_t ld, float alpha, float beta, int32_t y_dtype,
                    int threads) {
  if (y_dtype == SAILS_F32)
    scale_add_rows_run(static_cast<float *>(y), x, rows, cols, ld, alpha, beta, threads);
  else
    scale_add_rows_run(static_cast<bf16 *>(y), x, rows, cols, ld, alpha, beta, threads);
}

template <typename T>
void add_row_run(float *y, const T *x, const float *row, int64_t n_rows, int64_t n_cols, float alpha, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * n_cols > kParallel)
  for (int64_t i = 0; i < n_rows; i++) {
    const T *from = x + i * n_cols;
    float *to = y + i * n_cols;
    int64_t j = 0;
    for (; j + kWidth <= n_cols; j += kWidth) store(to + j, load(from + j) + load(row + j) * alpha);
    if (j < n_cols) store_tail(to + j, load_tail(from + j, n_cols - j) + load_tail(row + j, n_cols - j) * alpha, n_cols - j);
  }
}

void add_row(float *y, const void *x, const float *row, int64_t n_rows, int64_t n_cols, float alpha, int32_t x_dtype, int threads) {
  if (x_dtype == SAILS_F32)
    add_row_run(y, static_cast<const float *>(x), row, n_rows, n_cols, alpha, threads);
  else
    add_row_run(y, static_cast<const bf16 *>(x), row, n_rows, n_cols, alpha, threads);
}

void dot_rows(float *out_dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * n_cols > kParallel)
  for (int64_t i = 0; i < n_rows; i++) {
    const float *left = a + i * n_cols, *right = b + i * n_cols;
    vf sum = {};
    for (int64_t j = 0; j < n_cols; j += kWidth) {
      const int64_t n = n_cols - j < kWidth ? n_cols - j : kWidth;
      sum += load_n(left + j, n) * load_n(right + j, n);
    }
    out_dots[i] = hsum(sum);
  }
}

void scale_rows(float *y, const float *x, const float *alpha, const float *beta, int64_t n_rows, int64_t n_cols, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_rows * n_cols > kParallel)
  for (int64_t i = 0; i < n_rows; i++) {
    float *to = y + i * n_cols;
    const float before = beta == nullptr ? 1.0f : beta[i];
    for (int64_t j = 0; j < n_cols; j += kWidth) {
      const int64_t n = n_cols - j < kWidth ? n_cols - j : kWidth;
      vf value = load_n(to + j, n) * before;
      if (x != nullptr) value += load_n(x + i * n_cols + j, n) * alpha[i];
      store_n(to + j, value, n);
    }
  }
}

// Blocks of fixed size, summed in order: the result does not depend on the thread count.
constexpr int64_t kSumBlock = 8192;
constexpr int64_t kSumBatch = 512;

double block_sum_of_squares(const float *x, int64_t n) {
  vf sum_0 = {}, sum_1 = {}, sum_2 = {}, sum_3 = {};
  int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    const vf a = load(x + i), b = load(x + i + kWidth), c = load(x + i + 2 * kWidth), d = load(x + i + 3 * kWidth);
    sum_0 += a * a;
    sum_1 += b * b;
    sum_2 += c * c;
    sum_3 += d * d;
  }
  for (; i + kWidth <= n; i += kWidth) sum_0 += load(x + i) * load(x + i);
  if (i < n) sum_1 += load_tail(x + i, n - i) * load_tail(x + i, n - i);
  return hsum((sum_0 + sum_1) + (sum_2 + sum_3));
}

double sum_of_squares(const float *x, int64_t n, int threads) {
  const int64_t blocks = (n + kSumBlock - 1) / kSumBlock;
  double total = 0;
  double sums[kSumBatch];
  for (int64_t first = 0; first < blocks; first += kSumBatch) {
    const int64_t count = blocks - first < kSumBatch ? blocks - first : kSumBatch;
#pragma omp parallel for num_threads(threads) schedule(static) if (count > 8)
    for (int64_t b = 0; b < count; b++) {
      const int64_t begin = (first + b) * kSumBlock;
      sums[b] = block_sum_of_squares(x + begin, n - begin < kSumBlock ? n - begin : kSumBlock);
    }
    for (int64_t b = 0; b < count; b++) total += sums[b];
  }
  return total;
}

template <typename Bits>
int64_t count_exponent(const Bits *x, int64_t n, Bits exponent, int threads) {
  int64_t count = 0;
#pragma omp parallel for simd num_threads(threads) schedule(static) reduction(+ : count) if (n > kParallelScan)
  for (int64_t i = 0; i < n; i++) count += (x[i] & exponent) == exponent;
  return count;
}

// NaN and infinity are the values whose exponent bits are all ones.
int64_t count_nonfinite(const void *x, int64_t n, int32_t dtype, int threads) {
  if (dtype == SAILS_F32) return count_exponent(static_cast<const uint32_t *>(x), n, uint32_t{0x7f800000}, threads);
  return count_exponent(static_cast<const uint16_t *>(x), n, static_cast<uint16_t>(dtype == SAILS_BF16 ? 0x7f80 : 0x7c00), threads);
}

}  // namespace

extern const ElementwiseKernels elementwise_kernels;
const ElementwiseKernels elementwise_kernels = {convert,  axpby,      scale_add_rows, add_row,
                                                dot_rows, scale_rows, sum_of_squares, count_nonfinite};

}  // namespace sails::SAILS_ISA
