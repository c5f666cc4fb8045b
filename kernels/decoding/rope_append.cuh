// RoPE of a decoding step's queries and keys, and the way of its keys and values into the cache
//   q = turned(q);  keys[b, place] = turned(k[b]);  values[b, place] = v[b];  k_segment[b, place] = q_segment[b];  place = *key_position
//   q [batch, n_heads, head_dim], k, v [batch, n_kv_heads, head_dim], keys, values [batch, capacity, n_kv_heads, head_dim] f32|bf16, one
//   dtype;
//   table [batch, head_dim / 2, 2] f32; the rotation is block/rope.cuh's
// With pages (attention/attention.cuh) place is positions[b], -1: nothing, and there are no segments. The page table is checked up to
// there.
//
// Grid: a block a head of q, k or v of a sequence. Bytes 2 (n_heads + 2 n_kv_heads) head_dim elements a sequence: latency is what it costs,
// and one launch is what it saves three of.
#pragma once

#include "attention/attention.cuh"
#include "primitives/dependent_launch.cuh"
#include "primitives/fault.cuh"
#include "primitives/types.cuh"

namespace sails::kernels {

constexpr int kRopeAppendThreads = 128;

template <typename T>
struct RopeAppend {
  T *q, *keys, *values;
  int32_t *k_segment;
  const T *k, *v;
  const float *table;
  const int32_t *q_segment, *key_position;  // key_position [1], with pages [batch]
  int64_t batch, capacity, n_heads, n_kv_heads, head_dim;
  KeyPages pages;
};

// Whether the pages of a sequence up to a place are pages; everyone asks, and the first block of a sequence reports.
template <typename T>
__device__ bool pages_are(const RopeAppend<T> &p, int64_t b, int64_t place, bool report, Fault *fault) {
  const int64_t last = static_cast<uint32_t>(place) / p.pages.tokens;
  for (int64_t i = threadIdx.x; report && i < last; i += kRopeAppendThreads)
    in_range(fault, kFaultPage, b * p.pages.per_sequence + i, p.pages.table[b * p.pages.per_sequence + i], p.pages.count);
  const int64_t at = b * p.pages.per_sequence + last;
  return in_range(fault, kFaultPage, at, p.pages.table[at], p.pages.count);
}

template <typename T>
__global__ void __launch_bounds__(kRopeAppendThreads) rope_append(const RopeAppend<T> p, Fault *fault) {
  // Divisions are before the wait, where they cost nothing.
  const uint32_t n_heads = static_cast<uint32_t>(p.n_heads), n_kv_heads = static_cast<uint32_t>(p.n_kv_heads);
  const uint32_t heads = n_heads + 2 * n_kv_heads, index = blockIdx.x % heads;
  const int64_t b = blockIdx.x / heads, half = p.head_dim / 2, row = p.n_kv_heads * p.head_dim;
  const bool turned = index < n_heads + n_kv_heads, query = index < n_heads;
  const int64_t head = (query ? index : (index - n_heads) % n_kv_heads) * p.head_dim;
  wait_for_grids_before();
  let_next_grid_start();
  const bool paged = p.pages.table != nullptr;
  const int64_t place = p.key_position[paged ? b : 0];
  if (paged && place == -1) return;
  if (!in_range(fault, paged ? kFaultPosition : kFaultKeyPosition, paged ? b : 0, place, p.capacity)) return;
  if (paged && !pages_are(p, b, place, index == 0, fault)) return;
  const int64_t key = paged ? key_row(p.pages, b, place) : b * p.capacity + place;
  const T *from = (turned ? p.k : p.v) + b * row + head;
  T *to = (turned ? p.keys : p.values) + key * row + head;
  if (query) from = to = p.q + b * p.n_heads * p.head_dim + head;
#pragma unroll 1
  for (int64_t j = threadIdx.x; j < half; j += kRopeAppendThreads) {
    const float x = to_float(from[j]), y = to_float(from[j + half]);
    const float c = turned ? p.table[(b * half + j) * 2] : 1.0f, s = turned ? p.table[(b * half + j) * 2 + 1] : 0.0f;
    to[j] = turned ? from_float<T>(x * c - y * s) : from[j];
    to[j + half] = turned ? from_float<T>(y * c + x * s) : from[j + half];
  }
  if (index == 0 && threadIdx.x == 0 && !paged) p.k_segment[key] = p.q_segment[b];
}

template <typename T>
cudaError_t launch_rope_append(EarlyStream queue, const RopeAppend<T> &p, Fault *fault) {
  return launch_early("rope_append", queue, rope_append<T>, dim3(static_cast<unsigned>(p.batch * (p.n_heads + 2 * p.n_kv_heads))),
                      dim3(kRopeAppendThreads), 0, p, fault);
}

}  // namespace sails::kernels
