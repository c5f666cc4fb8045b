// Packed weights: making them, widening them, and products of few rows with them, bound by reading the codes once.
#include "common/quantized.h"
#include "cpu/isa/kernels.h"
#include "cpu/isa/parallel.h"
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
    const float scale = group_scale(row, g, packed);
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

inline float largest_magnitude(const float *x) {
  vf largest = {};
  for (int v = 0; v < kVectors; v++) largest = vmax(largest, vabs(load(x + v * kWidth)));
  return hmax(largest);
}

inline void round_group(int16_t *to, const float *x, float scale) {
  const vf divisor = splat(scale);
#if defined(__AVX512F__)
  for (int v = 0; v < kVectors; v++) {
    const __m512i whole = _mm512_maskz_cvtps_epi32(0xffff, (__m512)(load(x + v * kWidth) / divisor));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + v * kWidth), _mm512_maskz_cvtepi32_epi16(0xffff, whole));
  }
#elif defined(__AVX2__)
  for (int v = 0; v < kVectors; v += 2) {
    const __m256i first = _mm256_cvtps_epi32((__m256)(load(x + v * kWidth) / divisor));
    const __m256i second = _mm256_cvtps_epi32((__m256)(load(x + (v + 1) * kWidth) / divisor));
    // The packing works on each half of the registers.
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + v * kWidth), _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8));
  }
#else
  for (int64_t j = 0; j < kQuantGroup; j++) to[j] = static_cast<int16_t>(whole(x[j] / scale));
  (void)divisor;
#endif
}

// A group with a number that is not finite has no codes; its scale, NaN, is what it adds.
void round_rows(int16_t *codes, float *scales, const float *x, int64_t groups) {
  for (int64_t g = 0; g < groups; g++) {
    const float largest = largest_magnitude(x + g * kQuantGroup);
    // A scale that isn't normal would be rounded itself, and codes would leave the 16 bits.
    const float scale = largest > 32767.0f * 0x1p-100f ? largest / 32767.0f : 0x1p-100f;
    bool finite = largest < __builtin_inff();
    for (int64_t j = 0; j < kQuantGroup; j++) finite = finite && x[g * kQuantGroup + j] == x[g * kQuantGroup + j];
    scales[g] = finite ? scale : __builtin_nanf("");
    if (finite)
      round_group(codes + g * kQuantGroup, x + g * kQuantGroup, scale);
    else
      std::memset(codes + g * kQuantGroup, 0, kQuantGroup * sizeof(int16_t));
  }
}

// A group's codes as whole numbers of 16 bits, and their products with as many of a row of x, summed in twos.
#if defined(__AVX512F__)
inline __m512i widened_16(__m256i bytes) { return _mm512_cvtepi8_epi16(bytes); }
struct Codes16 {
  __m512i all;
  static Codes16 q8(const uint8_t *codes) { return {widened_16(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(codes)))}; }
  static Codes16 q4(const uint8_t *codes) {
    // The same bytes twice, the second time four bits on.
    const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i *>(codes)));
    const __m256i halves = _mm256_srlv_epi16(both, _mm256_inserti128_si256(_mm256_setzero_si256(), _mm_set1_epi16(4), 1));
    return {widened_16(_mm256_sub_epi8(_mm256_and_si256(halves, _mm256_set1_epi8(15)), _mm256_set1_epi8(8)))};
  }
  vf times(const int16_t *x) const { return (vf)_mm512_maskz_cvtepi32_ps(0xffff, _mm512_madd_epi16(all, _mm512_loadu_si512(x))); }
};
#elif defined(__AVX2__)
struct Codes16 {
  __m256i first, second;
  static __m128i half(const uint8_t *codes) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(codes)); }
  static Codes16 q8(const uint8_t *codes) { return {_mm256_cvtepi8_epi16(half(codes)), _mm256_cvtepi8_epi16(half(codes + 16))}; }
  static Codes16 q4(const uint8_t *codes) {
    const __m128i both = half(codes), mask = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    return {_mm256_cvtepi8_epi16(_mm_sub_epi8(_mm_and_si128(both, mask), eight)),
            _mm256_cvtepi8_epi16(_mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(both, 4), mask), eight))};
  }
  vf times(const int16_t *x) const {
    const auto *at = reinterpret_cast<const __m256i *>(x);
    return (vf)_mm256_cvtepi32_ps(
        _mm256_add_epi32(_mm256_madd_epi16(first, _mm256_loadu_si256(at)), _mm256_madd_epi16(second, _mm256_loadu_si256(at + 1))));
  }
};
#else
struct Codes16 {
  int16_t code[kQuantGroup];
  static Codes16 q8(const uint8_t *codes) {
    Codes16 all;
    for (int64_t j = 0; j < kQuantGroup; j++) all.code[j] = static_cast<int8_t>(codes[j]);
    return all;
  }
  static Codes16 q4(const uint8_t *codes) {
    constexpr int64_t kHalf = kQuantGroup / 2;
    Codes16 all;
    for (int64_t j = 0; j < kQuantGroup; j++) all.code[j] = static_cast<int16_t>((j < kHalf ? codes[j] & 15 : codes[j - kHalf] >> 4) - 8);
    return all;
  }
  vf times(const int16_t *x) const {
    vi sum = {};
    for (int64_t j = 0; j < kQuantGroup; j++) sum[j % kWidth] += code[j] * x[j];
    return __builtin_convertvector(sum, vf);
  }
};
#endif

template <int32_t kDtype>
inline Codes16 codes_of(const uint8_t *row, int64_t g) {
  return kDtype == SAILS_Q8 ? Codes16::q8(row + g * PackedRow::group_bytes(kDtype)) : Codes16::q4(row + g * PackedRow::group_bytes(kDtype));
}

constexpr int kScales = 8;  // that are made together
// Scales are asked for so many rows before they are used: a row takes about as long as memory to answer.
constexpr int64_t kScaleRowsAhead = 2;

// to [kScales]: scales of the row's groups from g on times those of x; where fewer than kScales are left, n of them.
inline void join_scales(float *to, const uint8_t *row, int64_t g, int64_t n, const float *scales, const PackedRow &packed) {
  if (n < kScales) {
    for (int64_t s = 0; s < n; s++) to[s] = group_scale(row, g + s, packed) * scales[s];
    return;
  }
  typedef uint16_t Halves __attribute__((vector_size(2 * kScales)));
  typedef uint32_t Words __attribute__((vector_size(4 * kScales)));
  typedef float Floats __attribute__((vector_size(4 * kScales)));
  Halves bits;
  Floats others;
  std::memcpy(&bits, row + packed.code_bytes + 2 * g, sizeof bits);
  std::memcpy(&others, scales, sizeof others);
  const Words wide = __builtin_convertvector(bits, Words) << 16;
  const Floats joined = (Floats)wide * others;
  std::memcpy(to, &joined, sizeof joined);
}

// Packed weights, and the rows that they are multiplied with.
struct PackedProduct {
  float *y;               // [m, n]
  const int16_t *codes;   // [m, groups, kQuantGroup]
  const float *scales;    // [m, groups]
  const uint8_t *weight;  // [n] packed rows
  int64_t m, n;
  PackedRow packed;
  const uint8_t *row(int64_t j) const { return weight + j * packed.bytes; }
};

// R rows of x from i on times J packed rows: j, j + apart, ... The order of a row's sum does not depend on the others.
template <int32_t kDtype, int R, int J>
inline void dot(const PackedProduct &p, int64_t i, int64_t j, int64_t apart) {
  const int64_t groups = p.packed.groups, ld = groups * kQuantGroup, step = apart * p.packed.bytes;
  const int16_t *x = p.codes + i * ld;
  const float *x_scales = p.scales + i * groups;
  const uint8_t *first = p.row(j);
  // Codes are one stream that the processor fetches ahead; the scales behind each row's codes it meets anew.
  for (int s = 0; s < J; s++) {
    const uint8_t *ahead = first + s * step + kScaleRowsAhead * p.packed.bytes + p.packed.code_bytes;
    for (int64_t line = 0; line < 2 * groups; line += 64) __builtin_prefetch(ahead + line);
  }
  vf sum[R][J][2] = {};
  const auto add = [&](int64_t g, int64_t n) __attribute__((always_inline)) {
    float scale[R][J][kScales];
    for (int r = 0; r < R; r++)
      for (int s = 0; s < J; s++) join_scales(scale[r][s], first + s * step, g, n, x_scales + r * groups + g, p.packed);
    // In memory, from where one lane is spread by the instruction that multiplies.
    asm volatile("" : "+m"(scale));
#pragma GCC unroll 8
    for (int64_t at = 0; at < n; at++) {
#pragma GCC unroll 4
      for (int s = 0; s < J; s++) {
        const Codes16 codes = codes_of<kDtype>(first + s * step, g + at);
        for (int r = 0; r < R; r++) sum[r][s][at % 2] += codes.times(x + r * ld + (g + at) * kQuantGroup) * scale[r][s][at];
      }
    }
  };
  int64_t g = 0;
  for (; g + kScales <= groups; g += kScales) {
    // With more sums under way the processor sees less far.
    if constexpr (R > 2) {
      const int64_t bytes = PackedRow::group_bytes(kDtype);
      const uint8_t *ahead = first + (g + kScales) * bytes + 512;
      for (int64_t line = 0; line < kScales * bytes; line += 64) __builtin_prefetch(ahead + line);
    }
    add(g, kScales);
  }
  add(g, groups - g);
  for (int r = 0; r < R; r++)
    for (int s = 0; s < J; s++) p.y[(i + r) * p.n + j + s * apart] = hsum(sum[r][s][0] + sum[r][s][1]);
}

// One row of x that is wide uses each piece of it for so many streams of packed rows, far apart as in matmul_gemv.cpp.
constexpr int kStreams = 4;

// Packed rows from begin to end.
template <int32_t kDtype>
void dot_part(const PackedProduct &p, int64_t begin, int64_t end) {
  int64_t j = begin;
  if (p.m == 1 && p.packed.groups * kQuantGroup > kNarrow) {
    const int64_t apart = (end - begin) / kStreams;
    for (; j < begin + apart; j++) dot<kDtype, 1, kStreams>(p, 0, j, apart);
    j = begin + apart * kStreams;
  }
  for (; j < end; j++) {
    int64_t i = 0;
    for (; i + 4 <= p.m; i += 4) dot<kDtype, 4, 1>(p, i, j, 0);
    for (; i + 2 <= p.m; i += 2) dot<kDtype, 2, 1>(p, i, j, 0);
    for (; i < p.m; i++) dot<kDtype, 1, 1>(p, i, j, 0);
  }
}

template <int32_t kDtype>
void dot_rows_of(const PackedProduct &p, Pool &pool) {
  for_rows(pool, p.n, p.n * p.packed.bytes > 16384, [&](int64_t begin, int64_t end) { dot_part<kDtype>(p, begin, end); });
}

void dot_rows(float *y, const int16_t *codes, const float *scales, const void *w, int64_t m, int64_t n, int64_t k, int32_t w_dtype,
              Pool &pool) {
  const auto *weights = static_cast<const uint8_t *>(w);
  if (w_dtype == SAILS_Q8)
    dot_rows_of<SAILS_Q8>({y, codes, scales, weights, m, n, PackedRow(k, SAILS_Q8)}, pool);
  else
    dot_rows_of<SAILS_Q4>({y, codes, scales, weights, m, n, PackedRow(k, SAILS_Q4)}, pool);
}

}  // namespace

extern const QuantizedKernels quantized_kernels;
const QuantizedKernels quantized_kernels = {quantize, dequantize, round_rows, dot_rows};

}  // namespace sails::SAILS_ISA
