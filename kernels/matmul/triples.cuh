// f32 factors as sums of three bf16, for products in f32 precision on the tensor cores of bf16
//   x = hi + mid + lo, hi = bf16(x), mid = bf16(x - hi), lo = x - hi - mid: 24 bits, exact but for values below 2^-110 (and infinite ones:
//   NaN)
//   x y = hi hi + hi mid + mid hi + hi lo + lo hi + mid mid, and 2^-26 of it is left out
// Layout: ranks in groups of 16, a group as 64: its hi, mid, lo and 16 zeros, so that a group is one step of a warpgroup product.
//   beside each other   y [rows, 64 g] = x [rows, r]        below each other   y [64 g, cols] = x [r, cols]        ranks from r on are
//   zeros
//   x f32, y bf16 on a boundary of 16 bytes, cols a multiple of 8; y is scale * x
// Grid: x = for each matrix, chunks of 8 elements, one thread each. Bytes 4 of x and 8 of y an element.
#pragma once

#include "primitives/types.cuh"

namespace sails::kernels {

constexpr int kTripleRanks = 16, kTripleWidth = 64, kTripleThreads = 256, kTripleMost = 8;

struct TripleMatrix {
  const float *x;
  bf16 *y;
  int64_t rows, cols;  // of x
  float scale;
  bool below;           // parts of a group lie below each other
  int64_t first_block;  // filled in by launch_triples
};

// Matrices that are split by one launch.
struct TripleSet {
  TripleMatrix matrix[kTripleMost];
  int32_t count;
};

__host__ __device__ __forceinline__ int64_t triple_groups(int64_t r) { return ceil_div(r, kTripleRanks); }
// Elements of a factor of rank r with `extent` rows or columns.
inline int64_t triple_elements(int64_t extent, int64_t r) { return extent * triple_groups(r) * kTripleWidth; }

// ---- device

struct Bf16Triple {
  bf16 part[3];
};
__device__ __forceinline__ Bf16Triple split_in_three(float x) {
  Bf16Triple triple;
#pragma unroll
  for (int i = 0; i < 3; i++) {
    triple.part[i] = to_bf16(x);
    x -= to_float(triple.part[i]);
  }
  return triple;
}

// Chunks of 8 along a row of x.
__host__ __device__ __forceinline__ int64_t triple_chunks(const TripleMatrix &p) {
  return p.below ? triple_groups(p.rows) * kTripleRanks * (p.cols / 8) : p.rows * triple_groups(p.cols) * (kTripleRanks / 8);
}

template <int kThreads>
__global__ void __launch_bounds__(kThreads) split_triples(const __grid_constant__ TripleSet set) {
  int i = 0;
  while (i + 1 < set.count && set.matrix[i + 1].first_block <= blockIdx.x) i++;
  const TripleMatrix &p = set.matrix[i];
  const int64_t chunk = (static_cast<int64_t>(blockIdx.x) - p.first_block) * kThreads + threadIdx.x;
  if (chunk >= triple_chunks(p)) return;
  const int64_t per_row = p.below ? p.cols / 8 : triple_groups(p.cols) * (kTripleRanks / 8);
  const int64_t row = chunk / per_row, col = chunk % per_row * 8;
  Pack<bf16, 8> parts[3];
#pragma unroll
  for (int j = 0; j < 8; j++) {
    const bool inside = row < p.rows && col + j < p.cols;
    const Bf16Triple triple = split_in_three(inside ? p.scale * p.x[row * p.cols + col + j] : 0.0f);
#pragma unroll
    for (int part = 0; part < 3; part++) parts[part].lane[j] = triple.part[part];
  }
  const int64_t rank = p.below ? row : col, place = rank / kTripleRanks * kTripleWidth + rank % kTripleRanks;
  const int64_t width = p.below ? p.cols : triple_groups(p.cols) * kTripleWidth;
  bf16 *to = p.below ? p.y + place * width + col : p.y + row * width + place;
  const int64_t stride = kTripleRanks * (p.below ? width : 1);
#pragma unroll
  for (int part = 0; part < 3; part++) store_pack(to + part * stride, parts[part]);
  store_pack(to + 3 * stride, Pack<bf16, 8>{});
}

// ---- launcher

inline cudaError_t launch_triples(cudaStream_t stream, TripleSet set) {
  int64_t blocks = 0;
  for (int i = 0; i < set.count; i++) {
    set.matrix[i].first_block = blocks;
    blocks += ceil_div(triple_chunks(set.matrix[i]), kTripleThreads);
  }
  return launch("split_triples", stream, split_triples<kTripleThreads>, dim3(static_cast<unsigned>(blocks)), dim3(kTripleThreads), 0, set);
}

}  // namespace sails::kernels
