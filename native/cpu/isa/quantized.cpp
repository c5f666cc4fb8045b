// Packed weights: making them, widening them, and products of few rows with them, bound by reading the codes once.
#include "common/quantized.h"
#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

template <typename X>
void quantize_rows(uint8_t *y, const X *x, const float *importance, int64_t rows, int64_t cols, int32_t dtype, int threads) {
  const PackedRow packed(cols, dtype);
  const Quantizer quantizer(dtype);
#pragma omp parallel for num_threads(threads) schedule(static) if (rows * cols > 8192)
  for (int64_t i = 0; i < rows; i++) {
    uint8_t *row = y + i * packed.bytes;
    for (int64_t at = packed.code_bytes + 2 * packed.groups; at < packed.bytes; at++) row[at] = 0;
    for (int64_t g = 0; g < packed.groups; g++) {
      const int64_t first = g * kQuantGroup, n = cols - first < kQuantGroup ? cols - first : kQuantGroup;
      float values[kQuantGroup];
      for (int64_t j = 0; j < n; j++) values[j] = load_one(x + i * cols + first + j);
      store_group(row, g, quantizer.group(values, importance == nullptr ? nullptr : importance + first, static_cast<int>(n)), dtype,
                  packed);
    }
  }
}

void quantize(void *y, const void *x, const float *importance, int64_t rows, int64_t cols, int32_t y_dtype, int32_t x_dtype, int threads) {
  auto *to = static_cast<uint8_t *>(y);
  if (x_dtype == SAILS_F32)
    quantize_rows(to, static_cast<const float *>(x), importance, rows, cols, y_dtype, threads);
  else
    quantize_rows(to, static_cast<const bf16 *>(x), importance, rows, cols, y_dtype, threads);
}

constexpr int kVectors = static_cast<int>(kQuantGroup / kWidth);  // of a group

// kWidth bytes as floats; GCC 12 takes its own vectors of bytes apart one by one.
#if defined(__AVX512F__)
inline vf widened(__m128i bytes) { return (vf)_mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, bytes)); }
#elif defined(__AVX2__)
inline vf widened(__m128i bytes) { return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }
#endif

// A group's codes as floats, kWidth of them a vector.
struct Q8Codes {
  static constexpr int64_t kBytes = kQuantGroup;
  vf value[kVectors];
  explicit Q8Codes(const uint8_t *codes) {
    for (int v = 0; v < kVectors; v++) {
#if defined(__AVX512F__)
      value[v] = widened(_mm_loadu_si128(reinterpret_cast<const __m128i *>(codes + v * kWidth)));
#elif defined(__AVX2__)
      value[v] = widened(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(codes + v * kWidth)));
#else
      for (int64_t i = 0; i < kWidth; i++) value[v][i] = static_cast<float>(static_cast<int8_t>(codes[v * kWidth + i]));
#endif
    }
  }
};
struct Q4Codes {
  static constexpr int64_t kBytes = kQuantGroup / 2;
  vf value[kVectors];
  explicit Q4Codes(const uint8_t *codes) {
#if defined(__AVX2__)
    const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i *>(codes)), mask = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    const __m128i low = _mm_sub_epi8(_mm_and_si128(both, mask), eight);
    const __m128i high = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(both, 4), mask), eight);
#if defined(__AVX512F__)
    value[0] = widened(low), value[1] = widened(high);
#else
    value[0] = widened(low), value[1] = widened(_mm_srli_si128(low, 8));
    value[2] = widened(high), value[3] = widened(_mm_srli_si128(high, 8));
#endif
#else
    constexpr int64_t kHalf = kQuantGroup / 2;
    for (int64_t i = 0; i < kQuantGroup; i++)
      value[i / kWidth][i % kWidth] = static_cast<float>(static_cast<int>(i < kHalf ? codes[i] & 15 : codes[i - kHalf] >> 4) - 8);
#endif
  }
};

template <typename Codes>
inline float group_scale(const uint8_t *row, int64_t g, const PackedRow &packed) {
  uint16_t bits;
  std::memcpy(&bits, row + packed.code_bytes + 2 * g, sizeof bits);
  return scale_of(bits);
}

// y [cols] = factor * a packed row.
template <typename Codes, typename Y>
void widen_row(Y *y, const uint8_t *row, int64_t cols, float factor, const PackedRow &packed) {
  for (int64_t g = 0; g < packed.groups; g++) {
    const Codes codes(row + g * Codes::kBytes);
    const float scale = group_scale<Codes>(row, g, packed);
    for (int v = 0; v < kVectors; v++) {
      const int64_t at = g * kQuantGroup + v * kWidth, left = cols - at;
      if (left <= 0) break;
      store_n(y + at, codes.value[v] * scale * factor, left < kWidth ? left : kWidth);
    }
  }
}

// ids NULL: row i of x for row i of y.
template <typename Codes, typename Y>
void widen_rows(Y *y, const uint8_t *x, const int32_t *ids, int64_t rows, int64_t cols, float factor, int32_t dtype, int threads) {
  const PackedRow packed(cols, dtype);
#pragma omp parallel for num_threads(threads) schedule(static) if (rows * cols > 8192)
  for (int64_t i = 0; i < rows; i++) widen_row<Codes>(y + i * cols, x + (ids == nullptr ? i : ids[i]) * packed.bytes, cols, factor, packed);
}

void dequantize(void *y, const void *x, const int32_t *ids, int64_t rows, int64_t cols, float factor, int32_t y_dtype, int32_t x_dtype,
                int threads) {
  const auto *from = static_cast<const uint8_t *>(x);
  const auto run = [&](auto *to) {
    if (x_dtype == SAILS_Q8)
      widen_rows<Q8Codes>(to, from, ids, rows, cols, factor, x_dtype, threads);
    else
      widen_rows<Q4Codes>(to, from, ids, rows, cols, factor, x_dtype, threads);
  };
  if (y_dtype == SAILS_F32)
    run(static_cast<float *>(y));
  else
    run(static_cast<bf16 *>(y));
}

// y[i] = row i of x times a packed row, for kRows rows ldx apart, whose columns past the last are 0. The order of a row's sum does not
// depend on the others.
template <typename Codes, int kRows>
inline void dot(float *y, int64_t ldy, const float *x, int64_t ldx, const uint8_t *row, const PackedRow &packed) {
  vf sum[kRows][2] = {};
  const auto add = [&](int64_t g, int which) {
    const Codes codes(row + g * Codes::kBytes);
    const vf scale = splat(group_scale<Codes>(row, g, packed));
    const float *at = x + g * kQuantGroup;
    for (int i = 0; i < kRows; i++) {
      vf part = codes.value[0] * load(at + i * ldx);
      for (int v = 1; v < kVectors; v++) part += codes.value[v] * load(at + i * ldx + v * kWidth);
      sum[i][which] += scale * part;
    }
  };
  int64_t g = 0;
  for (; g + 2 <= packed.groups; g += 2) {
    __builtin_prefetch(row + g * Codes::kBytes + 1024);
    add(g, 0);
    add(g + 1, 1);
  }
  if (g < packed.groups) add(g, 0);
  for (int i = 0; i < kRows; i++) y[i * ldy] = hsum(sum[i][0] + sum[i][1]);
}

template <typename Codes>
void dot_rows_of(float *y, const float *x, const uint8_t *weights, int64_t m, int64_t n, int64_t ldx, const PackedRow &packed,
                 int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n * packed.bytes > 16384)
  for (int64_t j = 0; j < n; j++) {
    const uint8_t *row = weights + j * packed.bytes;
    int64_t i = 0;
    for (; i + 4 <= m; i += 4) dot<Codes, 4>(y + i * n + j, n, x + i * ldx, ldx, row, packed);
    for (; i + 2 <= m; i += 2) dot<Codes, 2>(y + i * n + j, n, x + i * ldx, ldx, row, packed);
    for (; i < m; i++) dot<Codes, 1>(y + i * n + j, n, x + i * ldx, ldx, row, packed);
  }
}

void dot_rows(float *y, const float *x, const void *w, int64_t m, int64_t n, int64_t k, int32_t w_dtype, int threads) {
  const PackedRow packed(k, w_dtype);
  const auto *weights = static_cast<const uint8_t *>(w);
  if (w_dtype == SAILS_Q8)
    dot_rows_of<Q8Codes>(y, x, weights, m, n, packed.groups * kQuantGroup, packed, threads);
  else
    dot_rows_of<Q4Codes>(y, x, weights, m, n, packed.groups * kQuantGroup, packed, threads);
}

}  // namespace

extern const QuantizedKernels quantized_kernels;
const QuantizedKernels quantized_kernels = {quantize, dequantize, dot_rows};

}  // namespace sails::SAILS_ISA
