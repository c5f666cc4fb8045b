// Sums of a warpgroup product on their way to memory: rearranged between the four lanes of a quad, so that a lane holds 4 neighbouring
// columns of f32 or 8 of bf16 and writes 16 bytes at once
//   add_bias, store_rows   c = alpha * sum + bias + beta * addend, matmul/matmul.cuh's contract
//
// The accumulators give a lane two neighbouring columns of every eight (wgmma.cuh). A store of a warp takes a clock for each row it
// touches, 8 of them whatever the width: pairs of a tile of 128 x 256 take 4096 clocks, which no products overlap, beside 36 900 of
// products at k = 2304. Here: f32 2048 for the stores and 512 for the exchange, bf16 1024 and 768; an f32 addend 2048 more. The addends of
// a batch of rows are under way while the batch before is written: otherwise each would be waited for, some 600 clocks, because what is
// written may be what is read next.
#pragma once

#include "matmul/hopper_products.cuh"

namespace sails::kernels {

// Column j-th of sixteen from which a lane holds four, and the row of its first or second half of sums, in the warpgroup's tile.
__device__ __forceinline__ int quad_four_col(int j) { return 16 * j + threadIdx.x % 2 * 8 + threadIdx.x % 4 / 2 * 4; }
__device__ __forceinline__ int quad_row(int half) { return threadIdx.x % kWarpgroup / kWarp * 16 + threadIdx.x % kWarp / 4 + 8 * half; }
// Column from which a lane holds eight of the j-th and the next sixteen, j even.
__device__ __forceinline__ int quad_eight_col(int j) { return 16 * (j + threadIdx.x % 4 / 2) + threadIdx.x % 2 * 8; }

// The sums of row quad_row(half), columns quad_four_col(j) to + 3. By whole warps.
template <int kSums>
__device__ __forceinline__ Pack<float, 4> quad_four(const float (&d)[kSums], int j, int half) {
  const bool odd = threadIdx.x % 2 != 0;
  const int even_block = 8 * j + 2 * half, odd_block = even_block + 4;
  const float own[2] = {odd ? d[odd_block] : d[even_block], odd ? d[odd_block + 1] : d[even_block + 1]};
  float other[2] = {odd ? d[even_block] : d[odd_block], odd ? d[even_block + 1] : d[odd_block + 1]};
#pragma unroll
  for (int i = 0; i < 2; i++) other[i] = __shfl_xor_sync(kFullMask, other[i], 1);
  return odd ? Pack<float, 4>{{other[0], other[1], own[0], own[1]}} : Pack<float, 4>{{own[0], own[1], other[0], other[1]}};
}

// Two fours of one row, of the j-th and the next sixteen, as the eight from quad_eight_col(j) on in bf16. By whole warps.
__device__ __forceinline__ Pack<uint32_t, 4> quad_eight(const Pack<float, 4> &four, const Pack<float, 4> &next) {
  const bool upper = threadIdx.x % 4 >= 2;
  const uint32_t pairs[2][2] = {{pack_bf16(four.lane[0], four.lane[1]), pack_bf16(four.lane[2], four.lane[3])},
                                {pack_bf16(next.lane[0], next.lane[1]), pack_bf16(next.lane[2], next.lane[3])}};
  uint32_t own[2], other[2];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    own[i] = upper ? pairs[1][i] : pairs[0][i];
    other[i] = __shfl_xor_sync(kFullMask, upper ? pairs[0][i] : pairs[1][i], 2);
  }
  return upper ? Pack<uint32_t, 4>{{other[0], other[1], own[0], own[1]}} : Pack<uint32_t, 4>{{own[0], own[1], other[0], other[1]}};
}

// Writes two fours of one row where they are inside [m, n]; c's rows begin on 16 bytes and n is a multiple of what 16 bytes hold.
__device__ __forceinline__ void store_fours(float *c, int64_t ldc, const WarpgroupPlace &at, int j, int half,
                                            const Pack<float, 4> (&fours)[2]) {
  const int64_t row = at.row + quad_row(half);
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const int64_t col = at.col + quad_four_col(j + i);
    if (row < at.m && col < at.n) store_pack(c + row * ldc + col, fours[i]);
  }
}
__device__ __forceinline__ void store_fours(bf16 *c, int64_t ldc, const WarpgroupPlace &at, int j, int half,
                                            const Pack<float, 4> (&fours)[2]) {
  const Pack<uint32_t, 4> eight = quad_eight(fours[0], fours[1]);
  const int64_t row = at.row + quad_row(half), col = at.col + quad_eight_col(j);
  if (row < at.m && col < at.n) store_pack(reinterpret_cast<uint32_t *>(c + row * ldc + col), eight);
}
// Whether store_fours can write a matrix like this.
template <typename C>
bool fours_fit(const C *c, int64_t n, int64_t ldc) {
  return aligned_to(c, 16) && n % kPackLanes<C> == 0 && ldc % kPackLanes<C> == 0;
}

// d = alpha * sum + bias
template <typename C, int kSums>
__device__ __forceinline__ void add_bias(float (&d)[kSums], const MatmulEpilogue<C> &out, const WarpgroupPlace &at) {
  const int64_t first = at.col + threadIdx.x % 4 * 2;
#pragma unroll
  for (int j = 0; j < kSums / 4; j++)
#pragma unroll
    for (int e = 0; e < 2; e++) {
      const int64_t col = first + 8 * j + e;
      const float bias = col < at.n ? out.bias[col] : 0.0f;
#pragma unroll
      for (int half = 0; half < 2; half++) d[4 * j + 2 * half + e] = out.alpha * d[4 * j + 2 * half + e] + bias;
    }
}

// c = alpha * sum + beta * addend (kAddend) or alpha * sum, without the bias; fours_fit() says of c and the addend that they fit.
template <bool kAddend, typename C, int kSums>
__device__ __forceinline__ void store_rows(const MatmulEpilogue<C> &out, const float (&d)[kSums], const WarpgroupPlace &at) {
  constexpr int kBatches = kSums / 16;  // of 32 columns in both rows of a lane
  Pack<C, 4> added[2][2][2];            // of this batch and the next, by half and sixteen
  const auto fetch = [&](int batch) {
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const int64_t row = at.row + quad_row(half), col = at.col + quad_four_col(2 * batch + i);
        if (row < at.m && col < at.n) added[batch % 2][half][i] = load_pack<4>(out.addend + row * out.ldc + col);
      }
  };
  if (kAddend) fetch(0);
#pragma unroll
  for (int batch = 0; batch < kBatches; batch++) {
    if (kAddend && batch + 1 < kBatches) fetch(batch + 1);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      Pack<float, 4> fours[2];
#pragma unroll
      for (int i = 0; i < 2; i++) {
        fours[i] = quad_four(d, 2 * batch + i, half);
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const float value = out.alpha * fours[i].lane[e];
          fours[i].lane[e] = kAddend ? fmaf(out.beta, to_float(added[batch % 2][half][i].lane[e]), value) : value;
        }
      }
      store_fours(out.c, out.ldc, at, 2 * batch, half, fours);
    }
  }
}

}  // namespace sails::kernels
