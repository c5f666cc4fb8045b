// Products of a few rows with a packed weight (decoding): bound by reading the codes once
//   c [m, n] f32|bf16 = x W^T + scale h B^T;  x [m <= kGemvRows, k] f32|bf16, packed W [n, k], h [m, r], B [n, r] f32
//   Arithmetic in f32, a weight is scale * code; the order of a sum depends on k alone.
//
// Grid: a warp a column, blocks of 8 warps. A lane reads every 32nd 16 bytes of a row: half a group of q8, a group of q4. x, which is
// small, is read through the first cache.
// FLOPs 2 m n k; bytes n k 34 / 32 (q8) or 18 / 32 (q4), and the rows.
#pragma once

#include "common/quantized.h"
#include "matmul/matmul.cuh"
#include "primitives/stream_load.cuh"

namespace sails::kernels {

constexpr int kQuantizedWarps = 8;

template <typename X, typename C>
struct QuantizedGemv {
  const X *x;
  const uint8_t *w;
  int64_t m, n, k;
  MatmulEpilogue<C> out;
  LowRank low_rank;
};

// Code j of 16 bytes, j known at compile time.
template <int32_t kDtype>
__device__ __forceinline__ float code_of(const Words &words, int j) {
  const int byte = kDtype == SAILS_Q8 ? j : j % 16;
  const uint32_t bits = words.word[byte / 4] >> 8 * (byte % 4);
  if constexpr (kDtype == SAILS_Q8) return static_cast<float>(static_cast<int8_t>(bits & 255u));
  return static_cast<float>(static_cast<int>(j < 16 ? bits & 15u : bits >> 4 & 15u) - 8);
}

template <typename X, typename C, int kRows, int32_t kDtype>
__global__ void __launch_bounds__(kQuantizedWarps *kWarp) quantized_gemv(const QuantizedGemv<X, C> p) {
  constexpr int kCodes = kDtype == SAILS_Q8 ? 16 : 32;  // in 16 bytes
  const int lane = threadIdx.x % kWarp;
  const int64_t col = static_cast<int64_t>(blockIdx.x) * kQuantizedWarps + threadIdx.x / kWarp;
  if (col >= p.n) return;
  const PackedRow packed(p.k, kDtype);
  const uint8_t *row = p.w + col * packed.bytes;
  float sum[kRows] = {};
  for (int64_t piece = lane; piece < packed.code_bytes / 16; piece += kWarp) {
    const Words words = load_words_once(row + 16 * piece);
    const int64_t first = piece * kCodes;
    const float scale = to_float(*reinterpret_cast<const bf16 *>(row + packed.code_bytes + 2 * (first / kQuantGroup)));
    const int left = static_cast<int>(smaller(kCodes, p.k - first));
#pragma unroll
    for (int r = 0; r < kRows; r++) {
      if (r >= p.m) break;
      const X *x = p.x + r * p.k + first;
      float part = 0.0f;
#pragma unroll
      for (int j = 0; j < kCodes; j++)
        if (j < left) part = fmaf(code_of<kDtype>(words, j), to_float(x[j]), part);
      sum[r] = fmaf(scale, part, sum[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; r++) {
    if (r >= p.m) break;
    for (int64_t j = lane; j < p.low_rank.r; j += kWarp)
      sum[r] = fmaf(p.low_rank.scale * p.low_rank.h[r * p.low_rank.r + j], p.low_rank.w_at(col, j, p.n), sum[r]);
    const float value = warp_sum(sum[r]);
    if (lane == 0) p.out.store(r, col, value);
  }
}

// ---- launchers

template <typename X, typename C>
cudaError_t launch_quantized_gemv(cudaStream_t stream, C *c, const X *x, const void *w, int64_t m, int64_t n, int64_t k, int32_t dtype,
                                  const LowRank &low_rank) {
  const QuantizedGemv<X, C> p = {x, static_cast<const uint8_t *>(w), m, n, k, {c, nullptr, nullptr, n, 1.0f, 0.0f}, low_rank};
  const auto run = [&](auto kernel) {
    return launch("quantized_gemv", stream, kernel, dim3(static_cast<unsigned>(ceil_div(n, kQuantizedWarps))),
                  dim3(kQuantizedWarps * kWarp), 0, p);
  };
  if (dtype == SAILS_Q8) return m == 1 ? run(quantized_gemv<X, C, 1, SAILS_Q8>) : run(quantized_gemv<X, C, kGemvRows, SAILS_Q8>);
  return m == 1 ? run(quantized_gemv<X, C, 1, SAILS_Q4>) : run(quantized_gemv<X, C, kGemvRows, SAILS_Q4>);
}

}  // namespace sails::kernels
