// The end of a decoding step
//   history[*step, b] = ids[b], where *step < n_steps;  then positions[b] += 1, *key_position += 1, *step += 1
//   history [n_steps, batch], positions, ids [batch] i32
// Grid: one block.
#pragma once

#include "primitives/platform.cuh"

namespace sails::kernels {

constexpr int kDecodeAdvanceThreads = 256;

__global__ void __launch_bounds__(kDecodeAdvanceThreads) decode_advance(int32_t *history, int32_t *positions, int32_t *key_position,
                                                                        int32_t *step, const int32_t *ids, int64_t batch, int64_t n_steps) {
  const int64_t row = *step;
  for (int64_t b = threadIdx.x; b < batch; b += kDecodeAdvanceThreads) {
    if (row >= 0 && row < n_steps) history[row * batch + b] = ids[b];
    positions[b]++;
  }
  __syncthreads();  // everyone has read the step
  if (threadIdx.x > 0) return;
  ++*key_position;
  ++*step;
}

inline cudaError_t launch_decode_advance(cudaStream_t stream, int32_t *history, int32_t *positions, int32_t *key_position, int32_t *step,
                                         const int32_t *ids, int64_t batch, int64_t n_steps) {
  return launch("decode_advance", stream, decode_advance, dim3(1), dim3(kDecodeAdvanceThreads), 0, history, positions, key_position, step,
                ids, batch, n_steps);
}

}  // namespace sails::kernels
