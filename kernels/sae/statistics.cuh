// Feature statistics by class of the token, in the encoder's own pass: no codes, no dense activations
//   over the active features i (sae/activation.cuh) of each token t of class c = token_class[t] in [0, n_classes), in the order of t:
//   sum[c,i] += token_weight[t] * z;  sum_squares[c,i] += token_weight[t] * z^2;  active[c,i] += 1
//   x [n_tokens, d_in], w_enc [d_in, d_sae] f32|bf16, one dtype; sum, sum_squares, active [n_classes, d_sae] f64 (+=), the last two may be
//   NULL;
//   token_weight [n_tokens] f32 or NULL (1). A class below 0 leaves a token out, one past n_classes is reported and leaves it out. Nothing
//   may alias.
//
// Over a block of tokens:
//   find    which features are active, and their z (sae/find.cuh); the tiles of all tokens at once
//   add     a block per tile column: 256 tokens at a time, whose cells it brings to shared memory. A thread has a feature, and adds what
//   the tokens have of
//           it one after the other: the order of the sums is that of the tokens, whatever runs when. A token that has a feature sets a bit
//           of it, so that
//           the lanes of a warp walk over their own tokens. Up to kSharedClasses classes the sums are in shared memory meanwhile.
// FLOPs 2 n_tokens d_in d_sae. Bytes: those of find; 44 per cell and 48 n_classes d_sae a block of tokens. add's steps take about 1500
// clocks to load and 8 words of bits, each as many rounds of about 100 clocks as its busiest lane has bits: 4096 tokens of 100 in 16k, 16 *
// (1500 + 8 * 2 * 100) = 50k clocks.
#pragma once

#include "sae/codes.cuh"
#include "sae/find_hopper.cuh"

namespace sails::kernels {

constexpr int kSharedClasses = 2;
constexpr int kAddThreads = 256;  // tokens of a step; as many features as a tile can have

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

// The cells of a step's tokens in shared memory.
struct StepCells {
  float *z;                          // [kSegment][kAddThreads], by place and token
  Pack<uint8_t, kSegment> *columns;  // [kAddThreads]
  uint32_t *tokens_of;               // [kAddThreads / 32][kAddThreads], by token / 32 and column: bits of the tokens that have the column
  uint32_t *dense;                   // [kAddThreads / 32] bits of the tokens whose cells are dense

  // z of a token that has the column.
  __device__ __forceinline__ float value(int token, int column) const {
    int place = 0;
    // It is there before the places that hold nothing.
    while (place < kSegment - 1 && columns[token].lane[place] != column) place++;
    return z[place * kAddThreads + token];
  }
};

// Thread i brings the cell of the step's token i; `cell` < 0: there is none. Barriers on both sides.
__device__ __forceinline__ void load_cells(const StepCells &cells, const FoundCodes &found, int64_t cell) {
  constexpr int kWords = kAddThreads / kWarp;
  const int thread = threadIdx.x, word = thread / kWarp;
  __syncthreads();
  for (int w = 0; w < kWords; w++) cells.tokens_of[w * kAddThreads + thread] = 0;
  const int32_t count = cell < 0 ? 0 : found.counts[cell];
  Pack<uint8_t, kSegment> columns = {};
  if (cell >= 0) {
    // Before the count is known: what lies past it is not used.
    columns = load_pack<kSegment>(found.columns + cell * kSegment);
    for (int part = 0; part < kSegment; part += 4) {
      const Pack<float, 4> z = load_pack<4>(found.z + cell * kSegment + part);
#pragma unroll
      for (int l = 0; l < 4; l++) cells.z[(part + l) * kAddThreads + thread] = z.lane[l];
    }
  }
  cells.columns[thread] = columns;
  const unsigned dense = __ballot_sync(kFullMask, count > kSegment);
  if (thread % kWarp == 0) cells.dense[word] = dense;
  __syncthreads();
  if (count <= kSegment)
    for (int i = 0; i < count; i++) atomicOr(&cells.tokens_of[word * kAddThreads + cells.columns[thread].lane[i]], 1u << thread % kWarp);
  __syncthreads();
}

// found: of `n_tokens` tokens from first_token on, dense where cells are large.
__global__ void __launch_bounds__(kAddThreads)
    sae_statistics_add(FeatureSums sums, FoundCodes found, FeatureTests tests, ClassStatistics tokens, int64_t first_token,
                       int64_t n_tokens, int64_t d_sae, int tile_cols, Fault *fault) {
  constexpr int kWords = kAddThreads / kWarp;
  SAILS_SHARED(float, z, kSegment *kAddThreads);
  SAILS_SHARED(uint64_t, columns, kAddThreads);
  static_assert(sizeof(Pack<uint8_t, kSegment>) == sizeof(uint64_t), "the columns of a cell are one word");
  SAILS_SHARED(uint32_t, tokens_of, kWords * kAddThreads);
  SAILS_SHARED(uint32_t, dense, kWords);
  SAILS_SHARED(int32_t, classes, kAddThreads);
  SAILS_SHARED(float, weights, kAddThreads);
  SAILS_SHARED(double, own, 3 * kSharedClasses * kAddThreads);
  const StepCells cells{z, reinterpret_cast<Pack<uint8_t, kSegment> *>(columns), tokens_of, dense};
  const int thread = threadIdx.x;
  const int64_t tile = blockIdx.x, feature = tile * tile_cols + thread;
  const bool mine = thread < tile_cols && feature < d_sae, in_shared = tokens.n_classes <= kSharedClasses;
  const FeatureActivation activation = feature_activation(tests, mine ? feature : d_sae, d_sae);
  // Each thread touches its own feature's sums alone: no barrier is needed for them.
  const FeatureSums held{own, sums.sum_squares == nullptr ? nullptr : own + kSharedClasses * kAddThreads,
                         sums.active == nullptr ? nullptr : own + 2 * kSharedClasses * kAddThreads, kAddThreads};
  const FeatureSums to = in_shared ? held : sums;
  const int64_t at = in_shared ? int64_t{thread} : feature;
  if (mine && in_shared)
    each_sum(held, sums, [&](double *near, const double *far) {
      for (int64_t c = 0; c < tokens.n_classes; c++) near[c * kAddThreads + thread] = far[c * sums.stride + feature];
    });
  for (int64_t base = 0; base < n_tokens; base += kAddThreads) {
    const int64_t token = base + thread, t = first_token + token;
    const int32_t of_class = token < n_tokens ? class_of(tokens, t, fault) : -1;
    load_cells(cells, found, of_class < 0 ? -1 : token * found.tiles + tile);
    classes[thread] = of_class;
    weights[thread] = of_class < 0 || tokens.token_weight == nullptr ? 1.0f : tokens.token_weight[t];
    __syncthreads();
    for (int w = 0; mine && w < kWords; w++) {
      for (uint32_t bits = tokens_of[w * kAddThreads + thread] | dense[w]; bits != 0; bits &= bits - 1) {
        const int bit = __ffs(static_cast<int>(bits)) - 1, i = w * kWarp + bit;
        float value;
        bool active = true;
        if ((dense[w] >> bit & 1u) != 0)
          active = activation.value(value, found.dense[(base + i) * d_sae + feature]);
        else
          value = cells.value(i, thread);
        if (active) to.add(classes[i] * to.stride + at, static_cast<double>(weights[i]), value);
      }
    }
  }
  if (mine && in_shared)
    each_sum(held, sums, [&](const double *near, double *far) {
      for (int64_t c = 0; c < tokens.n_classes; c++) far[c * sums.stride + feature] = near[c * kAddThreads + thread];
    });
}

// ---- launchers

// `found` has room for config.tokens, dense cells too.
template <typename T>
cudaError_t sae_statistics(cudaStream_t stream, const FeatureSums &sums, const T *x, const T *w_enc, const FeatureTests &tests,
                           const ClassStatistics &tokens, int64_t n_tokens, int64_t d_in, int64_t d_sae, const FindConfig &config,
                           const FoundCodes &found, const Multiprocessors &on, Fault *fault) {
  for (int64_t t = 0; t < n_tokens; t += config.tokens) {
    const MatmulOperands<T> p = matmul_operands(x + t * d_in, w_enc, smaller(config.tokens, n_tokens - t), d_sae, d_in, d_in, d_sae);
    SAILS_TRY(launch_sae_find<false>(stream, found, CodeRows{}, TokensAgain<T>{}, p, tests, config.variant, on));
    SAILS_TRY(launch("sae_statistics_add", stream, sae_statistics_add, static_cast<unsigned>(found.tiles), kAddThreads, 0, sums, found,
                     tests, tokens, t, p.m, d_sae, config.tile_cols, fault));
  }
  return cudaSuccess;
}

}  // namespace sails::kernels
