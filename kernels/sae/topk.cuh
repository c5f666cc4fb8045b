// Top-k encoding: which features of a token are active, chunk of features by chunk
//   z = z0 * scale + bias (scale NULL: 1, bias NULL: 0);  of the z[t,:] > 0 the k largest stay, the lower id on a tie
//   keep   kept[t] = the k largest of kept[t] and the chunk; z0 [n_tokens, ld] f32 of the chunk is overwritten
//   write  codes of the tokens = kept, ids rising; counts may exceed capacity, then the first `capacity` by id are stored
// Nothing may alias.
//
// keep:  a block per token. The k-th largest is found by its bits, eight at a time from the top (positive floats are ordered as their
// bits),
//        with a histogram in shared memory for each eight; then what stays moves to the front in order of its id. A chunk in which nothing
//        is
//        above the smallest kept is left after one pass. Bytes: 4 of z0 read and written, and up to five reads of k + chunk from the
//        caches.
// write: a warp per token.
#pragma once

#include "primitives/types.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kTopkThreads = 256;  // as many as a digit has values
constexpr int kTopkDigitBits = 8;

// What tokens keep: rows of k places, of which the first counts[t] are taken, by rising id. floors[t]: what a z must exceed to get in, 0
// while there is room (or exactly k were found so far).
struct KeptFeatures {
  int32_t *ids;
  float *z;
  int32_t *counts;
  float *floors;
  int64_t k;
};

struct FeatureChunk {
  float *z0;
  int64_t ld, first_feature, n_features;
};

// The digit at which a count from the largest down reaches `wanted` > 0, and how many of that digit are wanted, into found[0] and [1] in
// shared memory. One warp calls.
__device__ __forceinline__ void find_digit(int32_t *found, const uint32_t *histogram, int32_t wanted) {
  constexpr int kDigits = 1 << kTopkDigitBits, kPerLane = kDigits / kWarp;
  const int lane = threadIdx.x % kWarp, top = kDigits - 1 - lane * kPerLane;
  int32_t mine = 0;
  for (int i = 0; i < kPerLane; i++) mine += static_cast<int32_t>(histogram[top - i]);
  int32_t up_to = mine;
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const int32_t other = __shfl_up_sync(kFullMask, up_to, distance);
    if (lane >= distance) up_to += other;
  }
  int32_t before = up_to - mine;
  if (before >= wanted || up_to < wanted) return;
  int digit = top;
  while (before + static_cast<int32_t>(histogram[digit]) < wanted) before += static_cast<int32_t>(histogram[digit--]);
  found[0] = digit;
  found[1] = wanted - before;
}

__global__ void __launch_bounds__(kTopkThreads)
    sae_topk_keep_kernel(KeptFeatures kept, FeatureChunk chunk, const float *scale, const float *bias, bool first_chunk) {
  constexpr int kWarps = kTopkThreads / kWarp;
  SAILS_SHARED(uint32_t, histogram, 1 << kTopkDigitBits);
  SAILS_SHARED(int32_t, scratch, kWarp);
  SAILS_SHARED(int32_t, found, 2);
  SAILS_SHARED(int32_t, of_warps, 4 * kWarps);  // greater and equal in each warp, twice
  const int thread = threadIdx.x, lane = thread % kWarp, warp = thread / kWarp;
  const int64_t t = blockIdx.x;
  int32_t *ids = kept.ids + t * kept.k;
  float *kept_z = kept.z + t * kept.k, *z = chunk.z0 + t * chunk.ld;
  const int32_t before = first_chunk ? 0 : kept.counts[t];
  const float floor = first_chunk ? 0.0f : kept.floors[t];

  int32_t entering = 0;
  for (int64_t j = thread; j < chunk.n_features; j += kTopkThreads) {
    const int64_t feature = chunk.first_feature + j;
    const float value = fmaf(z[j], scale == nullptr ? 1.0f : scale[feature], bias == nullptr ? 0.0f : bias[feature]);
    const bool enters = value > floor;
    z[j] = enters ? value : 0.0f;
    entering += enters;
  }
  entering = block_sum(entering, scratch);
  const int64_t candidates = before + static_cast<int64_t>(entering);
  if (thread == 0) {
    kept.counts[t] = static_cast<int32_t>(smaller(candidates, kept.k));
    if (first_chunk) kept.floors[t] = 0.0f;
  }
  if (entering == 0) return;

  // Place p of the candidates: the kept first, then the chunk, so by rising id; 0 is none.
  const int64_t places = before + chunk.n_features;
  const auto key_at = [&](int64_t p) { return float_bits(p < before ? kept_z[p] : z[p - before]); };

  // The k-th largest, and how many that equal it stay.
  uint32_t pivot = 0;
  int32_t equal_stay = 0;
  if (candidates > kept.k) {
    equal_stay = static_cast<int32_t>(kept.k);
    for (int shift = 32 - kTopkDigitBits; shift >= 0; shift -= kTopkDigitBits) {
      histogram[thread] = 0;
      __syncthreads();
      for (int64_t p = thread; p < places; p += kTopkThreads) {
        const uint32_t key = key_at(p);
        const bool same_above = shift == 32 - kTopkDigitBits || (key ^ pivot) >> (shift + kTopkDigitBits) == 0;
        if (key != 0 && same_above) atomicAdd(&histogram[key >> shift & ((1u << kTopkDigitBits) - 1u)], 1u);
      }
      __syncthreads();
      if (warp == 0) find_digit(found, histogram, equal_stay);
      __syncthreads();
      pivot |= static_cast<uint32_t>(found[0]) << shift;
      equal_stay = found[1];
    }
    if (thread == 0) kept.floors[t] = bits_float(pivot);
  }

  // What stays moves to the front. A place is read before the barrier of its step and written after it, never past itself while kept ones
  // are still to be read.
  int32_t greater_before = 0, equal_before = 0;
  int32_t *of_warps_now = of_warps, *of_warps_next = of_warps + 2 * kWarps;
  for (int64_t base = 0; base < places; base += kTopkThreads) {
    const int64_t p = base + thread;
    const uint32_t key = p < places ? key_at(p) : 0;
    const int32_t id = p < before ? ids[p] : static_cast<int32_t>(chunk.first_feature + p - before);
    const bool greater = key > pivot, equal = key == pivot && pivot != 0;
    const unsigned greater_lanes = __ballot_sync(kFullMask, greater), equal_lanes = __ballot_sync(kFullMask, equal);
    if (lane == 0) {
      of_warps_now[warp] = __popc(greater_lanes);
      of_warps_now[kWarps + warp] = __popc(equal_lanes);
    }
    __syncthreads();
    int32_t greater_rank = greater_before + __popc(greater_lanes & ((1u << lane) - 1u));
    int32_t equal_rank = equal_before + __popc(equal_lanes & ((1u << lane) - 1u));
    for (int w = 0; w < kWarps; w++) {
      if (w < warp) {
        greater_rank += of_warps_now[w];
        equal_rank += of_warps_now[kWarps + w];
      }
      greater_before += of_warps_now[w];
      equal_before += of_warps_now[kWarps + w];
    }
    if (greater || (equal && equal_rank < equal_stay)) {
      const int32_t place = greater_rank + min(equal_rank, equal_stay);
      ids[place] = id;
      kept_z[place] = bits_float(key);
    }
    int32_t *const swap = of_warps_now;
    of_warps_now = of_warps_next;
    of_warps_next = swap;
  }
}

// indices, values, counts are of the first token of `kept`.
__global__ void __launch_bounds__(kTopkThreads)
    sae_topk_write_kernel(int32_t *indices, float *values, int32_t *counts, KeptFeatures kept, int64_t n_tokens, int64_t capacity) {
  const int64_t t = static_cast<int64_t>(blockIdx.x) * (kTopkThreads / kWarp) + threadIdx.x / kWarp;
  if (t >= n_tokens) return;
  const int32_t count = kept.counts[t];
  for (int64_t i = threadIdx.x % kWarp; i < smaller(count, capacity); i += kWarp) {
    indices[t * capacity + i] = kept.ids[t * kept.k + i];
    values[t * capacity + i] = kept.z[t * kept.k + i];
  }
  if (threadIdx.x % kWarp == 0) counts[t] = count;
}

// ---- launchers

inline cudaError_t sae_topk_keep(cudaStream_t stream, const KeptFeatures &kept, const FeatureChunk &chunk, const float *scale,
                                 const float *bias, int64_t n_tokens) {
  return launch("sae_topk_keep", stream, sae_topk_keep_kernel, dim3(static_cast<unsigned>(n_tokens)), dim3(kTopkThreads), 0, kept, chunk,
                scale, bias, chunk.first_feature == 0);
}

inline cudaError_t sae_topk_write(cudaStream_t stream, int32_t *indices, float *values, int32_t *counts, const KeptFeatures &kept,
                                  int64_t n_tokens, int64_t capacity) {
  const dim3 grid(static_cast<unsigned>(ceil_div(n_tokens, kTopkThreads / kWarp)));
  return launch("sae_topk_write", stream, sae_topk_write_kernel, grid, dim3(kTopkThreads), 0, indices, values, counts, kept, n_tokens,
                capacity);
}

}  // namespace sails::kernels
