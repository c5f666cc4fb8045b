// Sparse codes of an autoencoder: how kernels read them, their dense form, and feature statistics by class
//   codes       row t of indices i32, values f32 [n_tokens, capacity] holds feature ids, rising, in its first min(counts[t], capacity)
//   slots;
//               the slots after them mean nothing and are not read
//   densify     acts[t,i] = value of feature i in row t, else 0                                    acts [n_tokens, d_sae] f32 (=)
//   accumulate  sum[c,i] += token_weight[t] * value,  active[c,i] += 1  for each code (t, i), c = token_class[t] >= 0, in the order of t
//               sum, active [n_classes, d_sae] f64 (+=), active may be NULL; token_weight [n_tokens] f32 or NULL (1)
// Nothing may alias. A count below 0, an id outside [0, d_sae) or a class past n_classes is reported and passed over.
//
// densify:     a memset, then a warp per token. Bytes: 4 n_tokens d_sae written, 8 per code read.
// accumulate:  a block owns kStatisticsFeatures features and passes over all tokens in order, one per warp at a time; every block reads all
//              ids, from the L2 cache but for the first. No two threads ever add to the same element in the same step, so the sums need no
//              atomics and their order is that of the tokens. Bytes: 4 per code and block, 16 read and written per code.
#pragma once

#include "primitives/fault.cuh"
#include "primitives/types.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

// Codes as kernels read them. `values` are activations or gradients of them.
struct SparseCodes {
  const int32_t *indices;
  const float *values;
  const int32_t *counts;
  int64_t n_tokens, capacity, d_sae;
  Fault *fault;
};

// Codes that a block brings to shared memory at once.
constexpr int kCodeBatch = 128;

// How many slots of token t hold a code.
__device__ __forceinline__ int64_t stored_codes(const SparseCodes &codes, int64_t t) {
  const int32_t count = codes.counts[t];
  if (!in_range(codes.fault, kFaultFeatureCount, t, count, int64_t{1} << 31)) return 0;
  return smaller(count, codes.capacity);
}

// The id in a slot, -1 (and a report) where it is none.
__device__ __forceinline__ int32_t code_id(const SparseCodes &codes, int64_t t, int64_t slot) {
  const int64_t at = t * codes.capacity + slot;
  const int32_t id = codes.indices[at];
  return in_range(codes.fault, kFaultFeatureId, at, id, codes.d_sae) ? id : -1;
}

// All threads of a block bring the slots [first, first + kCodeBatch) of token t, of `stored`, to shared memory: ids, -1 where there is
// none, and factors = value * scale[id] (scale NULL: 1). Barriers on both sides.
__device__ __forceinline__ void load_code_batch(int32_t *ids, float *factors, const SparseCodes &codes, const float *scale, int64_t t,
                                                int64_t first, int64_t stored) {
  __syncthreads();
  for (int s = threadIdx.x; s < kCodeBatch; s += blockDim.x) {
    const int32_t id = first + s < stored ? code_id(codes, t, first + s) : -1;
    ids[s] = id;
    factors[s] = id < 0 ? 0.0f : codes.values[t * codes.capacity + first + s] * (scale == nullptr ? 1.0f : scale[id]);
  }
  __syncthreads();
}

// ---- densify

constexpr int kDensifyThreads = 256;

// acts is zero before.
__global__ void __launch_bounds__(kDensifyThreads) sae_densify_kernel(float *acts, SparseCodes codes) {
  const int64_t t = static_cast<int64_t>(blockIdx.x) * (kDensifyThreads / kWarp) + threadIdx.x / kWarp;
  if (t >= codes.n_tokens) return;
  const int64_t stored = stored_codes(codes, t);
  for (int64_t slot = threadIdx.x % kWarp; slot < stored; slot += kWarp) {
    const int32_t id = code_id(codes, t, slot);
    if (id >= 0) acts[t * codes.d_sae + id] = codes.values[t * codes.capacity + slot];
  }
}

inline cudaError_t sae_densify(cudaStream_t stream, float *acts, const SparseCodes &codes) {
  if (codes.n_tokens == 0 || codes.d_sae == 0) return cudaSuccess;
  SAILS_TRY(cudaMemsetAsync(acts, 0, static_cast<size_t>(codes.n_tokens * codes.d_sae) * sizeof(float), stream));
  const dim3 grid(static_cast<unsigned>(ceil_div(codes.n_tokens, kDensifyThreads / kWarp)));
  return launch("sae_densify", stream, sae_densify_kernel, grid, dim3(kDensifyThreads), 0, acts, codes);
}

// ---- accumulate

constexpr int kStatisticsWarps = 32;      // tokens at a time
constexpr int kStatisticsFeatures = 128;  // of a block; as many codes can a token have among them. 16k features make 128 blocks.

struct ClassStatistics {
  double *sum, *active;
  const int32_t *token_class;
  const float *token_weight;
  int64_t n_classes;
};

// The class of a token, -1 where it is left out.
__device__ __forceinline__ int32_t class_of(const ClassStatistics &statistics, int64_t t, Fault *fault) {
  const int32_t c = statistics.token_class[t];
  if (c < 0) return -1;
  return in_range(fault, kFaultTokenClass, t, c, statistics.n_classes) ? c : -1;
}

// A warp lists the codes of token t whose ids are in [first, end), in order; returns how many there are. ids, values: the warp's own
// kStatisticsFeatures places in shared memory.
__device__ __forceinline__ int list_codes_between(int32_t *ids, float *values, const SparseCodes &codes, int64_t t, int64_t first,
                                                  int64_t end) {
  const int lane = threadIdx.x % kWarp;
  const int64_t stored = stored_codes(codes, t);
  int listed = 0;
  for (int64_t start = 0; start < stored; start += kWarp) {
    const int64_t slot = start + lane;
    const int32_t id = slot < stored ? code_id(codes, t, slot) : -1;
    const bool mine = id >= first && id < end;
    const unsigned lanes = __ballot_sync(kFullMask, mine);
    const int place = listed + __popc(lanes & ((1u << lane) - 1u));
    // Only ids that are there twice could be more than the features.
    if (mine && place < kStatisticsFeatures) {
      ids[place] = id;
      values[place] = codes.values[t * codes.capacity + slot];
    }
    listed += __popc(lanes);
  }
  return min(listed, kStatisticsFeatures);
}

__global__ void __launch_bounds__(kStatisticsWarps *kWarp, 1) sae_accumulate_kernel(ClassStatistics statistics, SparseCodes codes) {
  SAILS_SHARED(int32_t, ids, kStatisticsWarps * kStatisticsFeatures);
  SAILS_SHARED(float, values, kStatisticsWarps *kStatisticsFeatures);
  SAILS_SHARED(int32_t, listed, kStatisticsWarps);
  SAILS_SHARED(int32_t, classes, kStatisticsWarps);
  SAILS_SHARED(float, weights, kStatisticsWarps);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kStatisticsFeatures;
  const int64_t end = smaller(first + kStatisticsFeatures, codes.d_sae);
  for (int64_t base = 0; base < codes.n_tokens; base += kStatisticsWarps) {
    const int64_t t = base + warp;
    const int32_t c = t < codes.n_tokens ? class_of(statistics, t, codes.fault) : -1;
    const int count =
        c < 0 ? 0 : list_codes_between(ids + warp * kStatisticsFeatures, values + warp * kStatisticsFeatures, codes, t, first, end);
    if (lane == 0) {
      listed[warp] = count;
      classes[warp] = c;
      weights[warp] = c < 0 || statistics.token_weight == nullptr ? 1.0f : statistics.token_weight[t];
    }
    __syncthreads();
    // A thread takes a code whose class and feature no earlier token of the step has, and adds those of the later tokens after its own.
    for (int i = lane; i < count; i += kWarp) {
      const int32_t id = ids[warp * kStatisticsFeatures + i];
      const auto place_in = [&](int other) {
        if (classes[other] != c) return -1;
        for (int j = 0; j < listed[other]; j++)
          if (ids[other * kStatisticsFeatures + j] == id) return other * kStatisticsFeatures + j;
        return -1;
      };
      bool leads = true;
      for (int other = 0; other < warp && leads; other++) leads = place_in(other) < 0;
      if (!leads) continue;
      const int64_t at = c * codes.d_sae + id;
      double sum = statistics.sum[at];
      double active = statistics.active == nullptr ? 0.0 : statistics.active[at];
      for (int other = warp; other < kStatisticsWarps; other++) {
        const int place = other == warp ? warp * kStatisticsFeatures + i : place_in(other);
        if (place < 0) continue;
        sum += static_cast<double>(weights[other]) * static_cast<double>(values[place]);
        active += 1.0;
      }
      statistics.sum[at] = sum;
      if (statistics.active != nullptr) statistics.active[at] = active;
    }
    __syncthreads();
  }
}

inline cudaError_t sae_accumulate(cudaStream_t stream, const ClassStatistics &statistics, const SparseCodes &codes) {
  if (codes.n_tokens == 0 || codes.d_sae == 0) return cudaSuccess;
  const dim3 grid(static_cast<unsigned>(ceil_div(codes.d_sae, kStatisticsFeatures)));
  return launch("sae_accumulate", stream, sae_accumulate_kernel, grid, dim3(kStatisticsWarps * kWarp), 0, statistics, codes);
}

}  // namespace sails::kernels
