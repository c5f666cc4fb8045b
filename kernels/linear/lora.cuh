// Low-rank adapters (arXiv:2106.09685 eq. 3), all arithmetic in f32
//   forward   h = x A^T;  y += scale * h B^T
//   backward  dh = scale * dy B;  dx += dh A;  dA += dh^T x;  dB += scale * dy^T h
//   x [n, d_in], dy, y [n, d_out] f32|bf16;  A [r, d_in], B [d_out, r], h, dh [n, r], dx [n, d_in] f32;  h is saved;  no aliasing
//
// The products with a long sum (h, dh, dA, dB) are matmul/skinny_product.cuh's; dA and dB share a launch where x and dy have one type. The
// products with a short sum (y, dx) are lora_up: x = tiles of 64 rows by 128 columns, 128 threads; the block's h and factor stand in shared
// memory, the output is read and written once, 4 elements an access.
// Forward: FLOPs 2 n r (d_in + d_out), bytes n d_in e + 2 n d_out e.  Backward: twice the FLOPs, bytes 2 n d_out e + n d_in e + 8 n d_in.
// lora_up is bound by memory up to r = 32 or so; nothing is rounded between the two products.
#pragma once

#include "matmul/skinny_product.cuh"

namespace sails::kernels {

constexpr int kLoraUpThreads = 128, kLoraUpRows = 64, kLoraUpCols = 128, kLoraUpDepth = 16;

// y [n, d] += scale * h [n, r] W [r, d], W stored [d, r] where w_transposed. y_packed: rows of y start on a boundary of 4 elements.
template <typename Y>
__global__ void __launch_bounds__(kLoraUpThreads, 3)
    lora_up(Y *y, const float *h, const float *w, int64_t n, int64_t d, int64_t r, float scale, bool w_transposed, bool y_packed) {
  constexpr int kStrideH = kLoraUpRows + 4, kStrideW = kLoraUpCols + 4;
  SAILS_SHARED(float, shared_h, kLoraUpDepth *kStrideH);
  SAILS_SHARED(float, shared_w, kLoraUpDepth *kStrideW);
  const int thread = threadIdx.x;
  const int64_t col_tiles = ceil_div(d, kLoraUpCols);
  const int64_t first_row = blockIdx.x / col_tiles * kLoraUpRows, first_col = blockIdx.x % col_tiles * kLoraUpCols;
  // A thread has rows row0 + {0..3, 32..35} and columns col0 + {0..3, 64..67} of the tile.
  const int row0 = thread / 16 * 4, col0 = thread % 16 * 4;
  float acc[8][8] = {};
  for (int64_t k = 0; k < r; k += kLoraUpDepth) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kLoraUpDepth * kLoraUpRows / kLoraUpThreads; i++) {
      const int e = i * kLoraUpThreads + thread, row = e / kLoraUpDepth, j = e % kLoraUpDepth;
      const bool inside = first_row + row < n && k + j < r;
      shared_h[j * kStrideH + row] = inside ? h[(first_row + row) * r + k + j] : 0.0f;
    }
#pragma unroll 8
    for (int i = 0; i < kLoraUpDepth * kLoraUpCols / kLoraUpThreads; i++) {
      const int e = i * kLoraUpThreads + thread;
      const int col = w_transposed ? e / kLoraUpDepth : e % kLoraUpCols, j = w_transposed ? e % kLoraUpDepth : e / kLoraUpCols;
      const bool inside = first_col + col < d && k + j < r;
      const int64_t at = w_transposed ? (first_col + col) * r + k + j : (k + j) * d + first_col + col;
      shared_w[j * kStrideW + col] = inside ? w[at] : 0.0f;
    }
    __syncthreads();
#pragma unroll 4
    for (int j = 0; j < kLoraUpDepth; j++) {
      const Pack<float, 4> h0 = load_pack<4>(shared_h + j * kStrideH + row0), h1 = load_pack<4>(shared_h + j * kStrideH + row0 + 32);
      const Pack<float, 4> w0 = load_pack<4>(shared_w + j * kStrideW + col0), w1 = load_pack<4>(shared_w + j * kStrideW + col0 + 64);
#pragma unroll
      for (int a = 0; a < 8; a++)
#pragma unroll
        for (int b = 0; b < 8; b++)
          acc[a][b] = fmaf(a < 4 ? h0.lane[a % 4] : h1.lane[a % 4], b < 4 ? w0.lane[b % 4] : w1.lane[b % 4], acc[a][b]);
    }
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const int64_t col = first_col + col0 + half * 64;
    const int cols = static_cast<int>(larger(0, smaller(4, d - col)));
    // All loads before the first store, so that they are under way together.
    Pack<Y, 4> old[8];
#pragma unroll
    for (int a = 0; a < 8; a++) {
      const int64_t row = first_row + row0 + a % 4 + a / 4 * 32;
      if (row >= n || cols == 0) continue;
      const Y *from = y + row * d + col;
      if (y_packed) {
        old[a] = load_pack<4>(from);
      } else {
#pragma unroll
        for (int b = 0; b < 4; b++)
          if (b < cols) old[a].lane[b] = from[b];
      }
    }
#pragma unroll
    for (int a = 0; a < 8; a++) {
      const int64_t row = first_row + row0 + a % 4 + a / 4 * 32;
      if (row >= n || cols == 0) continue;
      Y *to = y + row * d + col;
      Pack<Y, 4> sum;
#pragma unroll
      for (int b = 0; b < 4; b++)
        if (b < cols) sum.lane[b] = from_float<Y>(fmaf(scale, acc[a][half * 4 + b], to_float(old[a].lane[b])));
      if (y_packed) {
        store_pack(to, sum);
      } else {
#pragma unroll
        for (int b = 0; b < 4; b++)
          if (b < cols) to[b] = sum.lane[b];
      }
    }
  }
}

// ---- launchers

template <typename Y>
cudaError_t launch_lora_up(cudaStream_t stream, Y *y, const float *h, const float *w, int64_t n, int64_t d, int64_t r, float scale,
                           bool w_transposed) {
  const int64_t blocks = ceil_div(n, kLoraUpRows) * ceil_div(d, kLoraUpCols);
  const bool packed = d % 4 == 0 && aligned_to(y, 4 * static_cast<int64_t>(sizeof(Y)));
  return launch("lora_up", stream, lora_up<Y>, dim3(static_cast<unsigned>(blocks)), dim3(kLoraUpThreads), 0, y, h, w, n, d, r, scale,
                w_transposed, packed);
}

// f32 elements of workspace: the partial sums of h.
inline int64_t lora_forward_elements(int64_t n, int64_t d_in, int64_t r, int multiprocessors) {
  return choose_skinny_parts(n, r, d_in, 1, multiprocessors).partial_elements;
}

template <typename Y, typename X>
cudaError_t launch_lora_forward(cudaStream_t stream, Y *y, float *h, const X *x, const float *lora_a, const float *lora_b, int64_t n,
                                int64_t d_in, int64_t d_out, int64_t r, float scale, int multiprocessors, float *partial) {
  const SkinnyParts parts = choose_skinny_parts(n, r, d_in, 1, multiprocessors);
  SkinnySet down = {};
  down.count = 1;
  down.product[0] = skinny_product(x, lora_a, h, partial, n, r, d_in, parts);
  down.product[0].w_transposed = true;
  SAILS_TRY((launch_skinny<X, false>(stream, down)));
  return launch_lora_up(stream, y, h, lora_b, n, d_out, r, scale, true);
}

// Pieces of the workspace, in f32 elements; the partial sums of dh lie where those of dA and dB come later.
struct LoraBackwardPlan {
  SkinnyParts dh, dlora_a, dlora_b;
  int64_t dh_elements, partial_elements;
};
inline LoraBackwardPlan plan_lora_backward(int64_t n, int64_t d_in, int64_t d_out, int64_t r, int multiprocessors) {
  LoraBackwardPlan plan;
  plan.dh = choose_skinny_parts(n, r, d_out, 1, multiprocessors);
  plan.dlora_a = choose_skinny_parts(d_in, r, n, 2, multiprocessors);
  plan.dlora_b = choose_skinny_parts(d_out, r, n, 2, multiprocessors);
  plan.dh_elements = n * r;
  plan.partial_elements = larger(plan.dh.partial_elements, plan.dlora_a.partial_elements + plan.dlora_b.partial_elements);
  return plan;
}

// dx may be NULL. dh [n, r] and partial are workspace.
template <typename Y, typename X>
cudaError_t launch_lora_backward(cudaStream_t stream, float *dx, float *dlora_a, float *dlora_b, const Y *dy, const X *x, const float *h,
                                 const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale,
                                 const LoraBackwardPlan &plan, float *dh, float *partial) {
  SkinnySet down = {};
  down.count = 1;
  down.product[0] = skinny_product(dy, lora_b, dh, partial, n, r, d_out, plan.dh);
  down.product[0].scale = scale;
  SAILS_TRY((launch_skinny<Y, false>(stream, down)));
  if (dx != nullptr) SAILS_TRY(launch_lora_up(stream, dx, dh, lora_a, n, d_in, r, 1.0f, false));

  SkinnyProduct a = skinny_product(x, dh, dlora_a, partial, d_in, r, n, plan.dlora_a);
  a.out_transposed = true;
  a.accumulate = true;
  SkinnyProduct b = skinny_product(dy, h, dlora_b, partial + plan.dlora_a.partial_elements, d_out, r, n, plan.dlora_b);
  b.scale = scale;
  b.accumulate = true;
  SkinnySet gradients = {};
  gradients.count = 2;
  gradients.product[0] = a;
  gradients.product[1] = b;
  if constexpr (sizeof(X) == sizeof(Y)) {
    return launch_skinny<X, true>(stream, gradients);
  } else {
    gradients.count = 1;
    SAILS_TRY((launch_skinny<X, true>(stream, gradients)));
    gradients.product[0] = b;
    return launch_skinny<Y, true>(stream, gradients);
  }
}

}  // namespace sails::kernels
