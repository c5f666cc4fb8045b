// Sparse autoencoders: threshold scans that write sparse codes, and gathers of decoder and encoder rows.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <limits>

#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

// One bit a lane, from a mask of all-ones or all-zeros lanes.
inline uint32_t lane_bits(vi mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)mask);
#elif defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_ps((__m256)mask));
#elif defined(__x86_64__)
  return static_cast<uint32_t>(_mm_movemask_ps((__m128)mask));
#else
  uint32_t bits = 0;
  for (int i = 0; i < kWidth; i++) bits |= (mask[i] != 0 ? 1u : 0u) << i;
  return bits;
#endif
}

int64_t scan(int32_t *indices, float *values, int64_t count, int64_t capacity, const float *z0, int64_t n_features, int64_t first_id,
             const SaeScan &s) {
  for (int64_t j = 0; j < n_features; j += kWidth) {
    const int64_t n = n_features - j < kWidth ? n_features - j : kWidth;
    const vf raw = load_n(z0 + j, n);
    vf z = raw;
    if (s.scale != nullptr) z *= load_n(s.scale + j, n);
    if (s.bias != nullptr) z += load_n(s.bias + j, n);
    vi active = (vi)(z > 0.0f);
    if (s.threshold != nullptr) active &= (vi)(z > load_n(s.threshold + j, n));
    if (s.gate_bias != nullptr) active &= (vi)(raw + load_n(s.gate_bias + j, n) > 0.0f);
    uint32_t bits = lane_bits(active);
    if (n < kWidth) bits &= (1u << n) - 1u;
    if (bits == 0) continue;
    float lanes[kWidth];
    store(lanes, z);
    for (; bits != 0; bits &= bits - 1) {
      const int lane = __builtin_ctz(bits);
      if (count < capacity) {
        indices[count] = static_cast<int32_t>(first_id + j + lane);
        values[count] = lanes[lane];
      }
      count++;
    }
  }
  return count;
}

void affine(float *z, int64_t n_features, const float *scale, const float *bias) {
  for (int64_t j = 0; j < n_features; j += kWidth) {
    const int64_t n = n_features - j < kWidth ? n_features - j : kWidth;
    vf v = load_n(z + j, n);
    if (scale != nullptr) v *= load_n(scale + j, n);
    if (bias != nullptr) v += load_n(bias + j, n);
    if (n == kWidth)
      store(z + j, v);
    else
      store_tail(z + j, v, n);
  }
}

int64_t group_maxima(float *maxima, const float *z, int64_t n_features, int64_t fold) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  int64_t count = 0;
  for (int64_t j = 0; j < n_features; j += fold * kWidth) {
    const int64_t end = n_features - j < fold * kWidth ? n_features : j + fold * kWidth;
    vf most = splat(kLowest);
    for (int64_t at = j; at < end; at += kWidth) {
      vf v = splat(kLowest);
      if (end - at >= kWidth)
        v = load(z + at);
      else
        std::memcpy(&v, z + at, static_cast<size_t>(end - at) * sizeof(float));
      most = select((vi)(v > most), v, most);
    }
    store(maxima + count, most);
    count += kWidth;
  }
  return count;
}

int64_t at_least(int32_t *ids, float *z_kept, const float *z, int64_t n_features, int64_t first_id, float floor) {
  int64_t count = 0;
  for (int64_t j = 0; j < n_features; j += kWidth) {
    const int64_t n = n_features - j < kWidth ? n_features - j : kWidth;
    uint32_t bits = lane_bits((vi)(load_n(z + j, n) >= floor));
    if (n < kWidth) bits &= (1u << n) - 1u;
    for (; bits != 0; bits &= bits - 1) {
      const int lane = __builtin_ctz(bits);
      ids[count] = static_cast<int32_t>(first_id + j + lane);
      z_kept[count++] = z[j + lane];
    }
  }
  return count;
}

inline int64_t stored(int32_t count, int64_t capacity) { return count < capacity ? count : capacity; }

// A row of w_enc holds one input's weights to all features: the active ones are gathered from it. Four sums hide the latency of the
// loads.
template <typename T>
void encode_backward_run(float *dx, const float *dvalues, const int32_t *indices, const int32_t *counts, const T *w_enc, const float *scale,
                         int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < d_in; i++) {
    const T *row = w_enc + i * d_sae;
    for (int64_t t = 0; t < n_tokens; t++) {
      const int64_t n = stored(counts[t], capacity);
      const int32_t *ids = indices + t * capacity;
      const float *g = dvalues + t * capacity;
      vf sum = {};
      for (int64_t j = 0; j < n; j += kWidth) {
        const int64_t m = n - j < kWidth ? n - j : kWidth;
        float weights[kWidth] = {}, gradients[kWidth] = {};
        for (int64_t l = 0; l < m; l++) {
          weights[l] = load_one(row + ids[j + l]);
          gradients[l] = scale == nullptr ? g[j + l] : g[j + l] * scale[ids[j + l]];
        }
        sum += load(weights) * load(gradients);
      }
      dx[t * d_in + i] = hsum(sum);
    }
  }
}

void encode_backward(float *dx, const float *dvalues, const int32_t *indices, const int32_t *counts, const void *w_enc, const float *scale,
                     int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity, int32_t dtype, int threads) {
  if (dtype == SAILS_F32)
    encode_backward_run(dx, dvalues, indices, counts, static_cast<const float *>(w_enc), scale, n_tokens, d_in, d_sae, capacity, threads);
  else
    encode_backward_run(dx, dvalues, indices, counts, static_cast<const bf16 *>(w_enc), scale, n_tokens, d_in, d_sae, capacity, threads);
}

// Rows of active features lie anywhere: what the hardware cannot foresee is asked for so many rows ahead.
constexpr int64_t kAhead = 6;

template <int kElements, typename T>
inline void prefetch(const T *from) {
  for (int i = 0; i < kElements; i += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(from + i);
}

template <typename T>
void decode_run(float *recon, const int32_t *indices, const float *values, const int32_t *counts, const T *w_dec, const float *bias,
                const float *scale, int64_t n_tokens, int64_t d_in, int64_t capacity, int threads) {
  constexpr int kVectors = 8;  // columns kept in registers while the active rows pass by
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t t = 0; t < n_tokens; t++) {
    const int64_t n = stored(counts[t], capacity);
    const int32_t *ids = indices + t * capacity;
    const float *v = values + t * capacity;
    int64_t j = 0;
    for (; j + kVectors * kWidth <= d_in; j += kVectors * kWidth) {
      vf sum[kVectors];
      for (int u = 0; u < kVectors; u++) sum[u] = bias == nullptr ? (vf){} : load(bias + j + u * kWidth);
      for (int64_t a = 0; a < n; a++) {
        if (a + kAhead < n) prefetch<kVectors * kWidth>(w_dec + ids[a + kAhead] * d_in + j);
        const float factor = scale == nullptr ? v[a] : v[a] * scale[ids[a]];
        const T *row = w_dec + ids[a] * d_in + j;
        for (int u = 0; u < kVectors; u++) sum[u] += load(row + u * kWidth) * factor;
      }
      for (int u = 0; u < kVectors; u++) store(recon + t * d_in + j + u * kWidth, sum[u]);
    }
    for (; j < d_in; j += kWidth) {
      const int64_t m = d_in - j < kWidth ? d_in - j : kWidth;
      vf sum = bias == nullptr ? (vf){} : load_n(bias + j, m);
      for (int64_t a = 0; a < n; a++) {
        const T *row = w_dec + ids[a] * d_in + j;
        sum += (m == kWidth ? load(row) : load_tail(row, m)) * (scale == nullptr ? v[a] : v[a] * scale[ids[a]]);
      }
      if (m == kWidth)
        store(recon + t * d_in + j, sum);
      else
        store_tail(recon + t * d_in + j, sum, m);
    }
  }
}

void decode(float *recon, const int32_t *indices, const float *values, const int32_t *counts, const void *w_dec, const float *bias,
            const float *scale, int64_t n_tokens, int64_t d_in, int64_t capacity, int32_t dtype, int threads) {
  if (dtype == SAILS_F32)
    decode_run(recon, indices, values, counts, static_cast<const float *>(w_dec), bias, scale, n_tokens, d_in, capacity, threads);
  else
    decode_run(recon, indices, values, counts, static_cast<const bf16 *>(w_dec), bias, scale, n_tokens, d_in, capacity, threads);
}

template <typename T>
void decode_backward_run(float *dvalues, const float *drecon, const int32_t *indices, const int32_t *counts, const T *w_dec,
                         const float *scale, int64_t n_tokens, int64_t d_in, int64_t capacity, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t t = 0; t < n_tokens; t++) {
    const int64_t n = stored(counts[t], capacity);
    for (int64_t a = 0; a < n; a++) {
      const int32_t id = indices[t * capacity + a];
      const T *row = w_dec + id * d_in;
      const T *next = a + 1 < n ? w_dec + indices[t * capacity + a + 1] * d_in : row;
      const float *g = drecon + t * d_in;
      vf sum_0 = {}, sum_1 = {};
      int64_t j = 0;
      for (; j + 2 * kWidth <= d_in; j += 2 * kWidth) {
        prefetch<2 * kWidth>(next + j);
        sum_0 += load(row + j) * load(g + j);
        sum_1 += load(row + j + kWidth) * load(g + j + kWidth);
      }
      for (; j < d_in; j += kWidth) {
        const int64_t m = d_in - j < kWidth ? d_in - j : kWidth;
        sum_0 += (m == kWidth ? load(row + j) : load_tail(row + j, m)) * load_n(g + j, m);
      }
      dvalues[t * capacity + a] = hsum(sum_0 + sum_1) * (scale == nullptr ? 1.0f : scale[id]);
    }
  }
}

void decode_backward(float *dvalues, const float *drecon, const int32_t *indices, const int32_t *counts, const void *w_dec,
                     const float *scale, int64_t n_tokens, int64_t d_in, int64_t capacity, int32_t dtype, int threads) {
  if (dtype == SAILS_F32)
    decode_backward_run(dvalues, drecon, indices, counts, static_cast<const float *>(w_dec), scale, n_tokens, d_in, capacity, threads);
  else
    decode_backward_run(dvalues, drecon, indices, counts, static_cast<const bf16 *>(w_dec), scale, n_tokens, d_in, capacity, threads);
}

// A thread owns a group of features and passes over all tokens, whose rising ids are searched. What it finds it keeps until its room is
// full, and adds it column by column: the group's sums then stay in the first cache, and a transposed dw is written a line at a time.
constexpr int64_t kGroup = 16;     // features
constexpr int64_t kFound = 1024;   // codes
constexpr int64_t kColumns = 256;  // of dw; 16 x 256 f32 = 16 KiB of sums

struct Found {
  int32_t token, feature;
  float value;
};

void add_found(float *dw, const float *rows, const Found *found, int64_t n_found, int64_t first, int64_t features, int64_t d_in,
               int64_t d_sae, bool transposed) {
  alignas(64) float sums[kGroup * kColumns];
  for (int64_t c = 0; c < d_in; c += kColumns) {
    const int64_t columns = d_in - c < kColumns ? d_in - c : kColumns;
    std::memset(sums, 0, sizeof sums);
    for (int64_t f = 0; f < n_found; f++) {
      const float *from = rows + found[f].token * d_in + c;
      float *to = sums + found[f].feature * kColumns;
      for (int64_t j = 0; j < columns; j += kWidth) {
        const int64_t n = columns - j < kWidth ? columns - j : kWidth;
        store(to + j, load(to + j) + load_n(from + j, n) * found[f].value);
      }
    }
    if (transposed) {
      for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < features; i++) dw[(c + j) * d_sae + first + i] += sums[i * kColumns + j];
    } else {
      for (int64_t i = 0; i < features; i++)
        for (int64_t j = 0; j < columns; j++) dw[(first + i) * d_in + c + j] += sums[i * kColumns + j];
    }
  }
}

void weight_gradient(float *dw, const float *rows, const int32_t *indices, const float *values, const int32_t *counts, int64_t n_tokens,
                     int64_t d_in, int64_t d_sae, int64_t capacity, bool transposed, int threads) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (int64_t first = 0; first < d_sae; first += kGroup) {
    const int64_t features = d_sae - first < kGroup ? d_sae - first : kGroup;
    Found found[kFound];
    int64_t n_found = 0;
    for (int64_t t = 0; t < n_tokens; t++) {
      const int32_t *ids = indices + t * capacity, *end = ids + stored(counts[t], capacity);
      for (const int32_t *at = std::lower_bound(ids, end, first); at != end && *at < first + features; at++) {
        if (*at < first) continue;  // ids that do not rise
        found[n_found++] = {static_cast<int32_t>(t), static_cast<int32_t>(*at - first), values[at - indices]};
        if (n_found == kFound) {
          add_found(dw, rows, found, n_found, first, features, d_in, d_sae, transposed);
          n_found = 0;
        }
      }
    }
    if (n_found > 0) add_found(dw, rows, found, n_found, first, features, d_in, d_sae, transposed);
  }
}

}  // namespace

extern const SaeKernels sae_kernels;
const SaeKernels sae_kernels = {scan, affine, group_maxima, at_least, encode_backward, decode, decode_backward, weight_gradient};

}  // namespace sails::SAILS_ISA
