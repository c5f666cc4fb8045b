// Rows of the embedding table and their gradient
//   forward    y [n_tokens, d_model] f32|bf16 = scale table [ids[t], :];  table [vocab, d_model] f32|bf16
//   backward   dtable [vocab, d_model] f32 += scale dy [n_tokens, d_model] f32, over the tokens of an id in their order
// ids [n_tokens] i32; one outside [0, vocab) is reported and left out. No aliasing.
//
// Forward: grid as in elementwise/elementwise.cuh. Backward: a block a token and 1024 columns. It looks for an earlier token of the same id
// and leaves if there is one; otherwise the row of the table is its own, and it adds the later tokens of the id one after the other: no
// atomics, no sorting. Reading the ids takes n_tokens^2 / 2 accesses of 4 bytes in all, from cache: 8192 tokens 128 MiB a slice of columns.
// Bytes: forward one read and one write an element; backward dy once, and two accesses to the rows of the table that occur.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/fault.cuh"

namespace sails::kernels {

template <typename Y, typename T>
struct EmbeddingForward {
  Y *y;
  const int32_t *ids;
  const T *table;
  int64_t vocab, d_model;
  float scale;
  Fault *fault;
  template <int kLanes>
  __device__ void at(int64_t token, int64_t column) const {
    const int64_t id = ids[token];
    if (!in_range(fault, kFaultEmbeddingId, token, id, vocab)) return;
    float values[kLanes];
    load_lanes(values, table + id * d_model + column);
#pragma unroll
    for (int i = 0; i < kLanes; i++) values[i] *= scale;
    store_lanes(y + token * d_model + column, values);
  }
};

constexpr int kEmbeddingThreads = 256;
constexpr int kEmbeddingIds = 4 * kEmbeddingThreads;  // looked at between two barriers

// Whether one of ids[0 .. token) is `id`; the whole block calls.
__device__ __forceinline__ bool occurs_before(const int32_t *ids, int64_t token, int32_t id) {
  for (int64_t begin = 0; begin < token; begin += kEmbeddingIds) {
    bool found = false;
#pragma unroll
    for (int i = 0; i < kEmbeddingIds; i += kEmbeddingThreads) {
      const int64_t t = begin + i + threadIdx.x;
      if (t < token && ids[t] == id) found = true;
    }
    if (__syncthreads_or(found)) return true;
  }
  return false;
}

// Writes the tokens from `begin` to `begin + kEmbeddingIds` whose id it is to `found`, in order, and returns how many; the whole block
// calls.
__device__ __forceinline__ int find_tokens(int32_t *found, uint32_t *masks, const int32_t *ids, int64_t begin, int64_t n_tokens,
                                           int32_t id) {
  constexpr int kMasks = kEmbeddingIds / kWarp;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  bool match[kEmbeddingIds / kEmbeddingThreads];
#pragma unroll
  for (int i = 0; i < kEmbeddingIds / kEmbeddingThreads; i++) {
    const int64_t t = begin + i * kEmbeddingThreads + threadIdx.x;
    match[i] = t < n_tokens && ids[t] == id;
  }
  __syncthreads();  // the list before has been read
#pragma unroll
  for (int i = 0; i < kEmbeddingIds / kEmbeddingThreads; i++) {
    const uint32_t mask = __ballot_sync(0xffffffffu, match[i]);
    if (lane == 0) masks[i * (kEmbeddingThreads / kWarp) + warp] = mask;
  }
  __syncthreads();
  int count = 0;
  for (int m = 0; m < kMasks; m++) {
    const uint32_t mask = masks[m];
    const int i = m / (kEmbeddingThreads / kWarp);
    if (m % (kEmbeddingThreads / kWarp) == warp && (mask >> lane & 1u) != 0)
      found[count + __popc(mask & ((1u << lane) - 1u))] = i * kEmbeddingThreads + static_cast<int32_t>(threadIdx.x);
    count += __popc(mask);
  }
  __syncthreads();
  return count;
}

template <int kLanes>
__global__ void __launch_bounds__(kEmbeddingThreads)
    embedding_backward(float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens, int64_t vocab, int64_t d_model, float scale,
                       Fault *fault) {
  SAILS_SHARED(int32_t, found, kEmbeddingIds);
  SAILS_SHARED(uint32_t, masks, kEmbeddingIds / kWarp);
  const int64_t slices = ceil_div(d_model, kEmbeddingThreads * kLanes);
  for (int64_t slice = blockIdx.x; slice < n_tokens * slices; slice += gridDim.x) {
    const int64_t token = slice / slices, column = ((slice - token * slices) * kEmbeddingThreads + threadIdx.x) * kLanes;
    const int32_t id = ids[token];
    if (!in_range(fault, kFaultEmbeddingId, token, id, vocab) || occurs_before(ids, token, id)) continue;
    const bool inside = column < d_model;
    float sum[kLanes] = {};
    if (inside) load_lanes(sum, dtable + id * d_model + column);
    for (int64_t begin = token; begin < n_tokens; begin += kEmbeddingIds) {
      const int count = find_tokens(found, masks, ids, begin, n_tokens, id);
      if (!inside) continue;
#pragma unroll 4
      for (int i = 0; i < count; i++) {
        float values[kLanes];
        load_lanes(values, dy + (begin + found[i]) * d_model + column);
#pragma unroll
        for (int j = 0; j < kLanes; j++) sum[j] += scale * values[j];
      }
    }
    if (inside) store_lanes(dtable + id * d_model + column, sum);
  }
}

// ---- launchers

template <typename Y, typename T>
cudaError_t launch_embedding_forward(cudaStream_t stream, Y *y, const int32_t *ids, const T *table, int64_t n_tokens, int64_t vocab,
                                     int64_t d_model, float scale, Fault *fault) {
  constexpr int kLanes = kLanesOf<Y, T>;
  return launch_row_elements<kLanes>("embedding_forward", stream, EmbeddingForward<Y, T>{y, ids, table, vocab, d_model, scale, fault},
                                     n_tokens, d_model, lanes_aligned<kLanes>(y) && lanes_aligned<kLanes>(table));
}

inline cudaError_t launch_embedding_backward(cudaStream_t stream, float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens,
                                             int64_t vocab, int64_t d_model, float scale, Fault *fault) {
  const bool packed = d_model % 4 == 0 && aligned_to(dtable, 16) && aligned_to(dy, 16);
  const int64_t slices = ceil_div(d_model, kEmbeddingThreads * (packed ? 4 : 1));
  return launch("embedding_backward", stream, packed ? embedding_backward<4> : embedding_backward<1>,
                dim3(static_cast<unsigned>(smaller(kMostBlocks, n_tokens * slices))), dim3(kEmbeddingThreads), 0, dtable, dy, ids, n_tokens,
                vocab, d_model, scale, fault);
}

}  // namespace sails::kernels
