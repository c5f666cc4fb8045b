// Feature statistics by class of the token, in the encoder's own pass: no codes, no dense activations
//   over the active features i (sae_activation.cuh) of each token t of class c = token_class[t] in [0, n_classes), in the order of t:
//   sum[c,i] += token_weight[t] * z;  sum_squares[c,i] += token_weight[t] * z^2;  active[c,i] += 1
//   x [n_tokens, d_in], w_enc [d_in, d_sae] f32|bf16, one dtype; sum, sum_squares, active [n_classes, d_sae] f64 (+=), the last two may be NULL;
//   token_weight [n_tokens] f32 or NULL (1). A class below 0 leaves a token out, one past n_classes is reported and leaves it out. Nothing may alias.
//
// Grid: a block per tile column of x w_enc. It goes through the tiles of that column from the first token to the last, and a thread adds what one
// feature has: the order of the sums is that of the tokens, whatever runs when. Up to kSharedClasses classes the sums are in shared memory meanwhile.
// FLOPs 2 n_tokens d_in d_sae. Bytes: w_enc once, x once a tile column (from L2), 48 n_classes d_sae. Few features leave multiprocessors idle:
// choose_sae_statistics takes the smaller tile then.
#pragma once

#include "block_matmul.cuh"
#include "sae_activation.cuh"
#include "sae_codes.cuh"

namespace sails::kernels {

constexpr int kSharedClasses = 2;

// In memory, or of a tile's features in shared memory.
struct FeatureSums {
  double *sum, *sum_squares, *active;  // the last two or NULL
  int64_t stride;                      // of a class

  __device__ __forceinline__ void add(int64_t at, double weight, float z) const {
    const double value = static_cast<double>(z), weighted = weight * value;
    sum[at] += weighted;
    if (sum_squares != nullptr) sum_squares[at] += weighted * value;
    if (active != nullptr) active[at] += 1.0;
  }
};

// Calls body(to, from) for each of the arrays that are there.
template <typename Body>
__device__ __forceinline__ void each_sum(const FeatureSums &a, const FeatureSums &b, Body &&body) {
  body(a.sum, b.sum);
  if (a.sum_squares != nullptr) body(a.sum_squares, b.sum_squares);
  if (a.active != nullptr) body(a.active, b.active);
}

template <class Tile>
constexpr int kStatisticsBytes = Tile::kSharedBytes + Tile::kRows * 8 + 3 * kSharedClasses * Tile::kCols * 8;

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads)
    sae_statistics_tiles(FeatureSums sums, MatmulOperands<typename Tile::Element> p, FeatureTests tests, ClassStatistics tokens, Fault *fault) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  static_assert(Tile::kCols <= Tile::kThreads && Tile::kRows <= Tile::kThreads, "a thread has a feature, and brings a token");
  float *z0 = reinterpret_cast<float *>(shared);
  double *own = reinterpret_cast<double *>(shared + Tile::kSharedBytes);
  int32_t *classes = reinterpret_cast<int32_t *>(own + 3 * kSharedClasses * Tile::kCols);
  float *weights = reinterpret_cast<float *>(classes + Tile::kRows);
  const int64_t col = static_cast<int64_t>(blockIdx.x) * Tile::kCols, feature = col + threadIdx.x;
  const bool mine = threadIdx.x < Tile::kCols && feature < p.n, in_shared = tokens.n_classes <= kSharedClasses;
  const FeatureActivation activation = feature_activation(tests, mine ? feature : p.n, p.n);
  // Each thread touches its own feature's sums alone: no barrier is needed for them.
  const FeatureSums held{own, sums.sum_squares == nullptr ? nullptr : own + kSharedClasses * Tile::kCols,
                         sums.active == nullptr ? nullptr : own + 2 * kSharedClasses * Tile::kCols, Tile::kCols};
  const FeatureSums to = in_shared ? held : sums;
  const int64_t at = in_shared ? static_cast<int64_t>(threadIdx.x) : feature;
  if (mine && in_shared)
    each_sum(held, sums, [&](double *near, const double *far) {
      for (int64_t c = 0; c < tokens.n_classes; c++) near[c * Tile::kCols + threadIdx.x] = far[c * sums.stride + feature];
    });
  Tile product;
  for (int64_t row = 0; row < p.m; row += Tile::kRows) {
    const int last = static_cast<int>(smaller(Tile::kRows, p.m - row));
    product.run(p, row, col, 0, p.k, shared);
    if (static_cast<int>(threadIdx.x) < last) {
      const int64_t t = row + threadIdx.x;
      classes[threadIdx.x] = class_of(tokens, t, fault);
      weights[threadIdx.x] = tokens.token_weight == nullptr ? 1.0f : tokens.token_weight[t];
    }
    product.stage(z0);
    if (!mine) continue;
    for (int r = 0; r < last; r++) {
      float z;
      const bool active = activation.value(z, z0[r * Tile::kStageStride + threadIdx.x]);
      if (active && classes[r] >= 0) to.add(classes[r] * to.stride + at, static_cast<double>(weights[r]), z);
    }
  }
  if (mine && in_shared)
    each_sum(held, sums, [&](const double *near, double *far) {
      for (int64_t c = 0; c < tokens.n_classes; c++) far[c * sums.stride + feature] = near[c * Tile::kCols + threadIdx.x];
    });
}

// ---- variants and launchers

struct StatisticsConfig {
  const char *name;
  bool large;  // tiles of 128 x 128
};

inline StatisticsConfig choose_sae_statistics(int64_t n_tokens, int64_t d_sae, bool bf16_weights, int multiprocessors) {
  const bool large = n_tokens > 64 && 2 * ceil_div(d_sae, 128) >= multiprocessors;
  return {bf16_weights ? (large ? "tensorcore_128x128" : "tensorcore_64x64") : large ? "simt_128x128" : "simt_32x32", large};
}

template <class Tile>
cudaError_t launch_sae_statistics(cudaStream_t stream, const FeatureSums &sums, const MatmulOperands<typename Tile::Element> &p,
                                  const FeatureTests &tests, const ClassStatistics &tokens, Fault *fault) {
  return launch("sae_statistics", stream, sae_statistics_tiles<Tile>, dim3(static_cast<unsigned>(ceil_div(p.n, Tile::kCols))), dim3(Tile::kThreads),
                kStatisticsBytes<Tile>, sums, p, tests, tokens, fault);
}

template <typename T>
cudaError_t sae_statistics(cudaStream_t stream, const FeatureSums &sums, const MatmulOperands<T> &p, const FeatureTests &tests,
                           const ClassStatistics &tokens, bool large, Fault *fault) {
  if constexpr (sizeof(T) == 4)
    return large ? launch_sae_statistics<SimtTile<128, 128, 8, 8, false, false>>(stream, sums, p, tests, tokens, fault)
                 : launch_sae_statistics<SimtTile<32, 32, 4, 4, false, false>>(stream, sums, p, tests, tokens, fault);
  else
    return large ? launch_sae_statistics<TensorCoreTile<128, 128, 2, 4, 4, false, false>>(stream, sums, p, tests, tokens, fault)
                 : launch_sae_statistics<TensorCoreTile<64, 64, 2, 2, 4, false, false>>(stream, sums, p, tests, tokens, fault);
}

}  // namespace sails::kernels
