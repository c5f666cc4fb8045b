// Cross entropy over whole rows of logits and its gradient (training uses the head in chunks, head/head_loss.cuh)
//   token_loss = log sum_j exp(logits_j) - logits_target;   dlogits = token_weight (softmax(logits) - onehot(target))
//   logits [n_tokens, vocab] f32; targets i32, -100 = not counted: loss 0, gradient 0; dlogits [n_tokens, vocab] f32 or NULL, may alias
//   logits.
//   A NaN in a row reaches its loss.
//
// Grid: a block of 512 threads a row. Each thread keeps the maximum and the sum of exp(x - maximum) of its own elements in one pass
// (arXiv:1805.02867, algorithm 3); the gradient reads the row a second time.
// Bytes an element: 4, with gradient 12. FLOPs about 4 and 8.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/fault.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kCrossEntropyThreads = 512;
constexpr int32_t kIgnoredTarget = -100;

// The maximum and the sum of exp(x - maximum) of what was added. exp(-inf - -inf) would be NaN: as long as nothing but -inf has been seen
// the sum is taken from 0.
struct OnlineSum {
  float maximum = -INFINITY, sum = 0;

  __device__ __forceinline__ static float reference(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

  template <int kLanes>
  __device__ __forceinline__ void add(const float (&x)[kLanes]) {
    float highest = maximum;
#pragma unroll
    for (int i = 0; i < kLanes; i++) highest = fmaxf(highest, x[i]);
    if (highest > maximum) {
      sum *= expf(maximum - highest);
      maximum = highest;
    }
    const float from = reference(maximum);
#pragma unroll
    for (int i = 0; i < kLanes; i++) sum += expf(x[i] - from);
  }

  // Of the whole block, in all threads; scratch: a shared array of 32.
  __device__ __forceinline__ OnlineSum over_block(float *scratch) const {
    OnlineSum all;
    all.maximum = block_max(maximum, scratch);
    all.sum = block_sum(sum * expf(maximum - reference(all.maximum)), scratch);
    return all;
  }
};

struct CrossEntropyRows {
  float *token_loss;
  float *dlogits;  // or NULL
  const float *logits;
  const int32_t *targets;
  const float *token_weight;  // not read without dlogits
  int64_t n_tokens, vocab;
};

// dlogits of one row; logits may be the same memory.
template <int kLanes>
__device__ __forceinline__ void cross_entropy_gradient(float *dlogits, const float *logits, int64_t vocab, int32_t target, float weight,
                                                       const OnlineSum &row) {
  const float inverse_sum = 1.0f / row.sum;
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * kLanes; j < vocab; j += kCrossEntropyThreads * kLanes) {
    float x[kLanes];
    load_lanes(x, logits + j);
#pragma unroll
    for (int i = 0; i < kLanes; i++) x[i] = (expf(x[i] - row.maximum) * inverse_sum - (j + i == target ? 1.0f : 0.0f)) * weight;
    store_lanes(dlogits + j, x);
  }
}

template <int kLanes>
__global__ void __launch_bounds__(kCrossEntropyThreads) cross_entropy(const CrossEntropyRows rows, Fault *fault) {
  SAILS_SHARED(float, scratch, kWarp);
  const int64_t first = static_cast<int64_t>(threadIdx.x) * kLanes, step = kCrossEntropyThreads * kLanes;
  for (int64_t t = blockIdx.x; t < rows.n_tokens; t += gridDim.x) {
    const float *logits = rows.logits + t * rows.vocab;
    float *dlogits = rows.dlogits == nullptr ? nullptr : rows.dlogits + t * rows.vocab;
    const int32_t target = rows.targets[t];
    if (target == kIgnoredTarget || !in_range(fault, kFaultTarget, t, target, rows.vocab)) {
      const float zeros[kLanes] = {};
      for (int64_t j = first; dlogits != nullptr && j < rows.vocab; j += step) store_lanes(dlogits + j, zeros);
      if (threadIdx.x == 0) rows.token_loss[t] = 0;
      continue;
    }
    float x[kLanes];
    OnlineSum own;
    for (int64_t j = first; j < rows.vocab; j += step) {
      load_lanes(x, logits + j);
      own.add(x);
    }
    const double of_target = logits[target];  // dlogits may overwrite it
    const OnlineSum row = own.over_block(scratch);
    if (threadIdx.x == 0)
      rows.token_loss[t] = static_cast<float>((static_cast<double>(row.maximum) - of_target) + log(static_cast<double>(row.sum)));
    if (dlogits != nullptr) cross_entropy_gradient<kLanes>(dlogits, logits, rows.vocab, target, rows.token_weight[t], row);
  }
}

// ---- launcher

inline cudaError_t launch_cross_entropy(cudaStream_t stream, const CrossEntropyRows &rows, Fault *fault) {
  const bool packed = rows.vocab % 4 == 0 && aligned_to(rows.logits, 16) && aligned_to(rows.dlogits, 16);
  return launch("cross_entropy", stream, packed ? cross_entropy<4> : cross_entropy<1>,
                dim3(static_cast<unsigned>(smaller(kMostBlocks, rows.n_tokens))), dim3(kCrossEntropyThreads), 0, rows, fault);
}

}  // namespace sails::kernels
