// Decoding of sparse codes (sae/codes.cuh), and its gradient
//   forward   recon[t,:] = bias + sum_j v[t,j] * scale[i_j] * w_dec[i_j,:]        over the stored slots j of row t, i_j = indices[t,j]
//   backward  dvalues[t,j] = scale[i_j] * <drecon[t,:], w_dec[i_j,:]>
//   recon [n_tokens, d_in] f32 (=), drecon the same shape;  dvalues [n_tokens, capacity] f32 (=, slots past the count not written);
//   w_dec [d_sae, d_in] f32|bf16;  bias [d_in] f32 or NULL (0);  scale [d_sae] f32 or NULL (1).  Nothing may alias.
// An id or count that is none is reported and passed over.
//
// forward:   a block per token and slice of its columns, 16 bytes of a row of w_dec per thread; f32 sums in the order of the slots, eight
// rows
//            under way at once. Bytes: a row of w_dec per code, 4 d_in written per token. FLOPs: 2 d_in per code. All tokens of a slice
//            come before the
//            next slice, and slices are so narrow that those of all features stay in the L2 cache: memory is read once, the rest is L2's.
//            4096 tokens of
//            100 codes in 65 536 by 2304 bf16 read 1.9 GB, every row six times: 0.3 GB from memory (0.09 ms at 3.35 TB/s) and 1.9 from L2
//            (0.34 ms at 5.5),
//            where whole rows would come from memory five times of six (0.47 ms). Codes are read once a slice: 8 bytes beside 512.
//            Computed, not measured.
// backward:  a warp per code. Bytes: a row of w_dec per code (drecon stays in the L1 cache). FLOPs: 2 d_in per code. A slice would have
// partial products
//            to write and to add, so rows are read whole.
#pragma once

#include "sae/codes.cuh"

namespace sails::kernels {

constexpr int kDecodeThreads = 256;  // at most
constexpr int64_t kDecodeCacheBytes = int64_t{32}
                                      << 20;  // of w_dec that one slice may have: what an H100's L2 of 50 MB keeps beside codes and sums
constexpr int kDecodeRows = 8;                // rows of w_dec that a thread has under way
constexpr int kDecodeBackwardWarps = 8;
constexpr int64_t kDecodeBackwardBlocks = 16;  // of a token, at most: 128 codes at once

template <typename T, int kLanes>
__global__ void __launch_bounds__(kDecodeThreads)
    sae_decode_kernel(float *recon, SparseCodes codes, const T *w_dec, const float *bias, const float *scale, int64_t d_in) {
  SAILS_SHARED(int32_t, ids, kCodeBatch);
  SAILS_SHARED(float, factors, kCodeBatch);
  const int64_t t = blockIdx.x % codes.n_tokens;
  const int64_t column = (blockIdx.x / codes.n_tokens * blockDim.x + threadIdx.x) * kLanes;
  const bool inside = column < d_in;
  float sum[kLanes];
  for (int l = 0; l < kLanes; l++) sum[l] = inside && bias != nullptr ? bias[column + l] : 0.0f;
  const int64_t stored = stored_codes(codes, t);
  for (int64_t first = 0; first < stored; first += kCodeBatch) {
    load_code_batch(ids, factors, codes, scale, t, first, stored);
    if (!inside) continue;
    const int batch = static_cast<int>(smaller(kCodeBatch, stored - first));
    for (int s = 0; s < batch; s += kDecodeRows) {
      Pack<T, kLanes> rows[kDecodeRows];
#pragma unroll
      for (int u = 0; u < kDecodeRows; u++)
        if (ids[s + u] >= 0) rows[u] = load_pack<kLanes>(w_dec + ids[s + u] * d_in + column);
#pragma unroll
      for (int u = 0; u < kDecodeRows; u++) {
        if (ids[s + u] < 0) continue;
        for (int l = 0; l < kLanes; l++) sum[l] = fmaf(to_float(rows[u].lane[l]), factors[s + u], sum[l]);
      }
    }
  }
  if (!inside) return;
  constexpr int kStore = kLanes < 4 ? 1 : 4;
  for (int l = 0; l < kLanes; l += kStore) {
    Pack<float, kStore> part;
    for (int m = 0; m < kStore; m++) part.lane[m] = sum[l + m];
    store_pack(recon + t * d_in + column + l, part);
  }
}

template <typename T, int kLanes>
__global__ void __launch_bounds__(kDecodeBackwardWarps *kWarp)
    sae_decode_backward_kernel(float *dvalues, const float *drecon, SparseCodes codes, const T *w_dec, const float *scale, int64_t d_in) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t t = blockIdx.x, stored = stored_codes(codes, t);
  const float *gradient = drecon + t * d_in;
  for (int64_t slot = blockIdx.y * kDecodeBackwardWarps + warp; slot < stored; slot += gridDim.y * kDecodeBackwardWarps) {
    const int32_t id = code_id(codes, t, slot);
    if (id < 0) continue;
    const T *row = w_dec + id * d_in;
    float sum = 0.0f;
#pragma unroll 2
    for (int64_t column = lane * kLanes; column < d_in; column += kWarp * kLanes) {
      const Pack<T, kLanes> weights = load_pack<kLanes>(row + column);
      constexpr int kLoad = kLanes < 4 ? 1 : 4;
      for (int l = 0; l < kLanes; l += kLoad) {
        const Pack<float, kLoad> g = load_pack<kLoad>(gradient + column + l);
        for (int m = 0; m < kLoad; m++) sum = fmaf(to_float(weights.lane[l + m]), g.lane[m], sum);
      }
    }
    sum = warp_sum(sum);
    if (lane == 0) dvalues[t * codes.capacity + slot] = sum * (scale == nullptr ? 1.0f : scale[id]);
  }
}

// ---- variants and launchers

// Whether rows of `columns` elements of T at `weights`, beside rows of f32 at `dense`, can be read and written 16 bytes at a time.
template <typename T>
bool rows_in_packs(const T *weights, const float *dense, int64_t columns) {
  return columns % kPackLanes<T> == 0 && aligned_to(weights, 16) && aligned_to(dense, 16);
}

struct DecodeConfig {
  const char *name;
  int threads;  // a multiple of 32
  int64_t slices;
};
// Slices of w_dec [d_sae, d_in], `lanes` elements of element_bytes a thread: as few as kDecodeThreads and the cache allow, about equally
// wide.
inline DecodeConfig choose_sae_decode(int64_t d_in, int64_t d_sae, int lanes, int element_bytes) {
  const int64_t warp_bytes = larger(1, d_sae) * kWarp * lanes * element_bytes, vectors = ceil_div(d_in, lanes);
  const int64_t most_threads = larger(1, smaller(kDecodeThreads / kWarp, kDecodeCacheBytes / warp_bytes)) * kWarp;
  const int64_t slices = larger(1, ceil_div(vectors, most_threads));
  return {lanes > 1 ? "packs" : "elements", static_cast<int>(ceil_div(ceil_div(vectors, slices), kWarp) * kWarp), slices};
}

template <typename T>
cudaError_t sae_decode(cudaStream_t stream, float *recon, const SparseCodes &codes, const T *w_dec, const float *bias, const float *scale,
                       int64_t d_in) {
  if (codes.n_tokens == 0 || d_in == 0) return cudaSuccess;
  constexpr int kLanes = kPackLanes<T>;
  const bool packs = rows_in_packs(w_dec, recon, d_in);
  const DecodeConfig config = choose_sae_decode(d_in, codes.d_sae, packs ? kLanes : 1, sizeof(T));
  const dim3 grid(static_cast<unsigned>(codes.n_tokens * config.slices)), block(static_cast<unsigned>(config.threads));
  const auto kernel = packs ? sae_decode_kernel<T, kLanes> : sae_decode_kernel<T, 1>;
  return launch("sae_decode", stream, kernel, grid, block, 0, recon, codes, w_dec, bias, scale, d_in);
}

// codes.values is not read.
template <typename T>
cudaError_t sae_decode_backward(cudaStream_t stream, float *dvalues, const float *drecon, const SparseCodes &codes, const T *w_dec,
                                const float *scale, int64_t d_in) {
  if (codes.n_tokens == 0 || codes.capacity == 0) return cudaSuccess;
  const int64_t blocks = smaller(ceil_div(codes.capacity, kDecodeBackwardWarps), kDecodeBackwardBlocks);
  const dim3 grid(static_cast<unsigned>(codes.n_tokens), static_cast<unsigned>(blocks));
  const auto kernel = rows_in_packs(w_dec, drecon, d_in) ? sae_decode_backward_kernel<T, kPackLanes<T>> : sae_decode_backward_kernel<T, 1>;
  return launch("sae_decode_backward", stream, kernel, grid, dim3(kDecodeBackwardWarps * kWarp), 0, dvalues, drecon, codes, w_dec, scale,
                d_in);
}

}  // namespace sails::kernels
