// Encoding by threshold into sparse codes (sae/codes.cuh), and the gradient of any encoding
//   z0 = x w_enc;  z = z0 * scale + bias (scale NULL: 1, bias NULL: 0)
//   active where sae/activation.cuh says
//   backward  dx[t,:] = sum_j dvalues[t,j] * scale[i_j] * w_enc[:,i_j]      over the stored slots j of row t, i_j = indices[t,j]
//   x [n_tokens, d_in], w_enc [d_in, d_sae] f32|bf16, one dtype;  scale, bias, threshold, gate_bias [d_sae] f32;  dx [n_tokens, d_in] f32
//   (=)
//   indices i32, values f32 [n_tokens, capacity] (=, slots past the count not written), counts [n_tokens] i32 (=), may exceed capacity
// Nothing may alias. Over a block of tokens:
//   find    the product's tiles say which features of theirs are active (sae/find.cuh)
//   place   a block per token: running sums over its tiles say where each tile's features belong; cells that were kept whole go there. A
//   token with other
//           cells gets its row of x copied behind those of the others that have some.
//   refind  the products of these rows again; their tiles write what is still missing. Whether there are any only the device knows.
// Workspace and bytes: sae/find.cuh; d_in elements and 4 bytes more a token.
//
// backward: a block per token and kBackwardRows rows of w_enc, a thread per row, sums in the order of the slots. Columns of w_enc are
// strided:
// each weight costs a 32-byte sector. Blocks that share rows of w_enc follow each other, so that tokens with common features find them in
// L2.
#pragma once

#include "sae/codes.cuh"
#include "sae/find_hopper.cuh"

namespace sails::kernels {

constexpr int kPlaceThreads = 128;  // tiles at a time: those of 16k features
constexpr int kBackwardRows = 128;  // of w_enc, threads of a block
constexpr int kBackwardLoads = 8;   // that a thread has under way

// ---- forward

template <typename T>
__global__ void __launch_bounds__(kPlaceThreads)
    sae_encode_place(CodeRows rows, FoundCodes found, TokensAgain<T> again, const T *x, int64_t d_in, int64_t tile_cols) {
  constexpr int kWarps = kPlaceThreads / kWarp;
  SAILS_SHARED(int32_t, of_warps, 2 * kWarps);
  SAILS_SHARED(int32_t, place, 1);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t t = blockIdx.x;
  int32_t before = 0;  // codes in the tiles of earlier steps
  int turn = 0;        // the half of of_warps that this step uses: a slow warp may still read the other
  bool unplaced = false;
  for (int64_t base = 0; base < found.tiles; base += kPlaceThreads, turn ^= 1) {
    const int64_t tile = base + threadIdx.x, cell = t * found.tiles + tile;
    const int32_t count = tile < found.tiles ? found.counts[cell] : 0;
    int32_t up_to = count;
    for (int distance = 1; distance < kWarp; distance *= 2) {
      const int32_t other = __shfl_up_sync(kFullMask, up_to, distance);
      if (lane >= distance) up_to += other;
    }
    if (lane == kWarp - 1) of_warps[turn * kWarps + warp] = up_to;
    __syncthreads();
    int32_t start = before + up_to - count;
    for (int w = 0; w < kWarps; w++) {
      const int32_t of_warp = of_warps[turn * kWarps + w];
      if (w < warp) start += of_warp;
      before += of_warp;
    }
    if (tile >= found.tiles) continue;
    found.counts[cell] = start;
    if (count > kSegment) {
      unplaced = unplaced || start < rows.capacity;
      continue;
    }
    for (int i = 0; i < count && start + i < rows.capacity; i++) {
      rows.indices[t * rows.capacity + start + i] = static_cast<int32_t>(tile * tile_cols + found.columns[cell * kSegment + i]);
      rows.values[t * rows.capacity + start + i] = found.z[cell * kSegment + i];
    }
  }
  if (threadIdx.x == 0) rows.counts[t] = before;
  if (!__syncthreads_or(unplaced)) return;
  if (threadIdx.x == 0) {
    *place = atomicAdd(again.count, 1);
    again.tokens[*place] = static_cast<int32_t>(t);
  }
  __syncthreads();
  T *to = again.x + *place * d_in;
  for (int64_t i = threadIdx.x; i < d_in; i += kPlaceThreads) to[i] = x[t * d_in + i];
}

// ---- backward

template <typename T>
__global__ void __launch_bounds__(kBackwardRows)
    sae_encode_backward_kernel(float *dx, SparseCodes codes, const T *w_enc, const float *scale, int64_t d_in) {
  SAILS_SHARED(int32_t, ids, kCodeBatch);
  SAILS_SHARED(float, factors, kCodeBatch);
  const int64_t t = blockIdx.x % codes.n_tokens, row = blockIdx.x / codes.n_tokens * kBackwardRows + threadIdx.x;
  const int64_t stored = stored_codes(codes, t);
  float sum = 0.0f;
  for (int64_t first = 0; first < stored; first += kCodeBatch) {
    load_code_batch(ids, factors, codes, scale, t, first, stored);
    if (row >= d_in) continue;
    const int batch = static_cast<int>(smaller(kCodeBatch, stored - first));
    for (int s = 0; s < batch; s += kBackwardLoads) {
      T weights[kBackwardLoads];
#pragma unroll
      for (int u = 0; u < kBackwardLoads; u++) weights[u] = ids[s + u] < 0 ? T{} : w_enc[row * codes.d_sae + ids[s + u]];
#pragma unroll
      for (int u = 0; u < kBackwardLoads; u++) sum = fmaf(to_float(weights[u]), factors[s + u], sum);
    }
  }
  if (row < d_in) dx[t * d_in + row] = sum;
}

// ---- launchers

// `found` and `again` have room for config.tokens; found.n_again is again.count.
template <typename T>
cudaError_t sae_encode(cudaStream_t stream, const CodeRows &rows, const T *x, const T *w_enc, const FeatureTests &tests, int64_t n_tokens,
                       int64_t d_in, int64_t d_sae, const FindConfig &config, const FoundCodes &found, const TokensAgain<T> &again,
                       const Multiprocessors &on) {
  for (int64_t t = 0; t < n_tokens; t += config.tokens) {
    const CodeRows block{rows.indices + t * rows.capacity, rows.values + t * rows.capacity, rows.counts + t, rows.capacity};
    const T *x_block = x + t * d_in;
    MatmulOperands<T> p = matmul_operands(x_block, w_enc, smaller(config.tokens, n_tokens - t), d_sae, d_in, d_in, d_sae);
    SAILS_TRY(launch_sae_find<false>(stream, found, block, again, p, tests, config.variant, on));
    SAILS_TRY(launch("sae_encode_place", stream, sae_encode_place<T>, static_cast<unsigned>(p.m), kPlaceThreads, 0, block, found, again,
                     x_block, d_in, int64_t{config.tile_cols}));
    p = matmul_operands<T>(again.x, w_enc, p.m, d_sae, d_in, d_in, d_sae);
    SAILS_TRY(launch_sae_find<true>(stream, found, block, again, p, tests, config.variant, on));
  }
  return cudaSuccess;
}

// codes.values are the gradients.
template <typename T>
cudaError_t sae_encode_backward(cudaStream_t stream, float *dx, const SparseCodes &codes, const T *w_enc, const float *scale,
                                int64_t d_in) {
  const dim3 grid(static_cast<unsigned>(codes.n_tokens * ceil_div(d_in, kBackwardRows)));
  return launch("sae_encode_backward", stream, sae_encode_backward_kernel<T>, grid, dim3(kBackwardRows), 0, dx, codes, w_enc, scale, d_in);
}

}  // namespace sails::kernels
