// Gradient of an encoder's or a decoder's matrix from sparse codes (sae/codes.cuh), whose ids rise in each row
//   dw[i,:] += sum_t v[t,i] * rows[t,:]   over the codes (t, i), in the order of t
//   rows [n_tokens, d_in] f32;  dw [d_sae, d_in] f32 (+=), or [d_in, d_sae] where transposed.  Nothing may alias.
// An id or count that is none is reported and passed over.
//
// A block owns kGradientFeatures features and kGradientThreads columns, a thread a column. kGradientThreads tokens at a time: a thread
// searches the row of one for the first of the features, and lists which of them it has; then all threads pass over the tokens that have
// some, in order. The sums stay in registers: no atomics. A thread's sums of a transposed dw are 32 bytes in a row.
// Bytes: a row of d_in f32 per group of features that a token has, from the L2 cache; 8 d_in d_sae for dw; log2(capacity) ids per token,
// group of features and slice of columns. FLOPs: 2 d_in per code.
#pragma once

#include "sae/codes.cuh"

namespace sails::kernels {

constexpr int kGradientFeatures = 8;
constexpr int kGradientThreads = 256;

// The first slot of token t whose id is at least `first`.
__device__ __forceinline__ int64_t first_slot(const SparseCodes &codes, int64_t t, int64_t stored, int64_t first) {
  int64_t low = 0, high = stored;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (codes.indices[t * codes.capacity + middle] < first)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Reports the ids that are none: the search passes over them.
__device__ __forceinline__ void report_ids(const SparseCodes &codes) {
  for (int64_t t = threadIdx.x; t < codes.n_tokens; t += blockDim.x) {
    const int64_t stored = stored_codes(codes, t);
    for (int64_t slot = 0; slot < stored; slot++) code_id(codes, t, slot);
  }
}

__global__ void __launch_bounds__(kGradientThreads)
    sae_weight_gradient_kernel(float *dw, const float *rows, SparseCodes codes, int64_t d_in, bool transposed) {
  SAILS_SHARED(float, factors, kGradientThreads *kGradientFeatures);
  SAILS_SHARED(uint32_t, features_of, kGradientThreads);
  SAILS_SHARED(uint32_t, tokens_of, kGradientThreads / kWarp);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kGradientFeatures;
  const int64_t end = smaller(first + kGradientFeatures, codes.d_sae);
  const int64_t column = static_cast<int64_t>(blockIdx.y) * kGradientThreads + threadIdx.x;
  if (blockIdx.x == 0 && blockIdx.y == 0) report_ids(codes);
  float sums[kGradientFeatures] = {};
  for (int64_t base = 0; base < codes.n_tokens; base += kGradientThreads) {
    const int64_t t = base + threadIdx.x;
    uint32_t mine = 0;
    if (t < codes.n_tokens) {
      const int64_t stored = stored_codes(codes, t);
      for (int64_t slot = first_slot(codes, t, stored, first); slot < stored; slot++) {
        const int64_t id = codes.indices[t * codes.capacity + slot];
        if (id >= end) break;
        if (id < first) continue;
        mine |= 1u << (id - first);
        factors[threadIdx.x * kGradientFeatures + (id - first)] = codes.values[t * codes.capacity + slot];
      }
    }
    features_of[threadIdx.x] = mine;
    const unsigned lanes = __ballot_sync(kFullMask, mine != 0);
    if (threadIdx.x % kWarp == 0) tokens_of[threadIdx.x / kWarp] = lanes;
    __syncthreads();
    if (column < d_in) {
      for (int warp = 0; warp < kGradientThreads / kWarp; warp++) {
        for (uint32_t left = tokens_of[warp]; left != 0; left &= left - 1) {
          const int at = warp * kWarp + __ffs(static_cast<int>(left)) - 1;
          const uint32_t features = features_of[at];
          const float x = rows[(base + at) * d_in + column];
#pragma unroll
          for (int f = 0; f < kGradientFeatures; f++)
            if ((features >> f & 1u) != 0) sums[f] = fmaf(factors[at * kGradientFeatures + f], x, sums[f]);
        }
      }
    }
    __syncthreads();
  }
  if (column >= d_in) return;
  for (int f = 0; f < kGradientFeatures && first + f < end; f++)
    dw[transposed ? column * codes.d_sae + first + f : (first + f) * d_in + column] += sums[f];
}

inline cudaError_t sae_weight_gradient(cudaStream_t stream, float *dw, const float *rows, const SparseCodes &codes, int64_t d_in,
                                       bool transposed) {
  const dim3 grid(static_cast<unsigned>(ceil_div(codes.d_sae, kGradientFeatures)), static_cast<unsigned>(ceil_div(d_in, kGradientThreads)));
  return launch("sae_weight_gradient", stream, sae_weight_gradient_kernel, grid, dim3(kGradientThreads), 0, dw, rows, codes, d_in,
                transposed);
}

}  // namespace sails::kernels
