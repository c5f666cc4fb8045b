// The language-model head in chunks of rows: the parts around the matmuls (native/cuda/head.cu puts them together)
//   z = hidden embed^T;  l = softcap(z) = cap tanh(z / cap) (cap 0: l = z);  token_loss[t] = log sum_j exp l[t,j] - l[t,target]
//   dz = token_weight[t] (softmax(l) - onehot) (1 - (l / cap)^2);  dhidden = dz embed (=);  dembed += dz^T hidden
//   hidden [n_tokens, d_model], embed [vocab, d_model] T = f32|bf16;  z [rows, vocab] f32;  dz [rows, vocab] T
//
// Only rows with targets[t] != -100 are computed. Which these are is known on the device alone: head_rows lists them and says how many rows
// each chunk has; the host queues as many chunks as there could be, and kernels of an empty chunk leave at once.
//   head_rows      one block: the list in rising order, token_loss 0 elsewhere (n_tokens is small beside everything else here)
//   head_gather    a block for each row of a chunk: hidden to the front; zeros in rows that a chunk does not fill, for dembed's long sum
//   head_row_loss  a block for each row: the loss in one pass over z, dz in a second one, written over z
//   head_scatter   a block for each row: dhidden to its place;  head_zero: dhidden 0 in rows not counted
// A chunk has as many logits as the device gives to them (head_logits). On Hopper head/head_hopper.cuh takes the place of head_row_loss.
// FLOPs of a chunk 6 rows d_model vocab in the matmuls; bytes of head_row_loss 8 rows vocab read,
// 4 or 2 written.
#pragma once

#include <cmath>

#include "primitives/fault.cuh"
#include "primitives/types.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int32_t kNotCounted = -100;
constexpr int kHeadThreads = 1024, kHeadCopyThreads = 256;

// How many logits of a chunk are in memory, in f32, by default: a 64th of the card's memory, 256 MiB to 1 GiB. Each chunk reads the
// embedding twice; 256 rows, what 256 MiB hold of Gemma-2's vocabulary, are 256 FLOPs a byte of bf16, about what a data-center card
// computes in the time it reads the byte; 1024 rows leave its memory a quarter busy.
inline int64_t default_head_logits(int64_t memory_bytes) {
  constexpr int64_t kLeast = int64_t{64} << 20, kMost = int64_t{256} << 20;
  return smaller(larger(memory_bytes / 64 / 4, kLeast), kMost);
}

// Rows of a chunk, whole matmul tiles where there are so many.
inline int64_t head_chunk_rows(int64_t n_tokens, int64_t vocab, int64_t head_logits) {
  const int64_t rows = larger(16, head_logits / larger(1, vocab));
  return smaller(n_tokens, rows >= 128 ? rows / 128 * 128 : rows);
}

// What head_rows leaves on the device. A chunk's counts are what its matmuls take as m_limit.
struct HeadRows {
  int64_t *row;          // [n_tokens]: the counted rows, rising
  int32_t *chunk_rows;   // [chunks]: how many of them are in a chunk
  int32_t *chunk_vocab;  // [chunks]: the vocabulary, 0 for an empty chunk
};

// ---- device

__device__ __forceinline__ float head_softcap(float z, float cap) { return cap == 0.0f ? z : cap * tanhf(z / cap); }

template <int kThreads>
__global__ void __launch_bounds__(kThreads) head_rows(HeadRows rows, float *token_loss, const int32_t *targets, int64_t n_tokens,
                                                      int64_t vocab, int64_t rows_per_chunk, int64_t chunks, Fault *fault) {
  SAILS_SHARED(int32_t, warp_count, kWarp);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  int64_t count = 0;
  for (int64_t first = 0; first < n_tokens; first += kThreads) {
    const int64_t t = first + threadIdx.x;
    bool counted = false;
    if (t < n_tokens) {
      const int32_t target = targets[t];
      counted = target != kNotCounted && in_range(fault, kFaultTarget, t, target, vocab);
      if (!counted) token_loss[t] = 0.0f;
    }
    const unsigned votes = __ballot_sync(kFullMask, counted);
    if (lane == 0) warp_count[warp] = __popc(votes);
    __syncthreads();
    int64_t before = count;
    for (int w = 0; w < kThreads / kWarp; w++) {
      if (w < warp) before += warp_count[w];
      count += warp_count[w];
    }
    if (counted) rows.row[before + __popc(votes & ((1u << lane) - 1u))] = t;
    __syncthreads();
  }
  for (int64_t chunk = threadIdx.x; chunk < chunks; chunk += kThreads) {
    const int64_t left = larger(0, smaller(rows_per_chunk, count - chunk * rows_per_chunk));
    rows.chunk_rows[chunk] = static_cast<int32_t>(left);
    rows.chunk_vocab[chunk] = left > 0 ? static_cast<int32_t>(vocab) : 0;
  }
}

// to [d] = from, or zeros where from is NULL.
template <typename T, int kLanes>
__device__ __forceinline__ void head_copy_row(T *to, const T *from, int64_t d) {
  for (int64_t i = static_cast<int64_t>(threadIdx.x) * kLanes; i < d; i += static_cast<int64_t>(blockDim.x) * kLanes) {
    Pack<T, kLanes> pack = {};
    if (from != nullptr) pack = load_pack<kLanes>(from + i);
    store_pack(to + i, pack);
  }
}

template <typename T, int kLanes>
__global__ void __launch_bounds__(kHeadCopyThreads)
    head_gather(T *chunk_hidden, const T *hidden, HeadRows rows, int64_t chunk, int64_t rows_per_chunk, int64_t d_model) {
  const int64_t i = blockIdx.x;
  const int32_t filled = rows.chunk_rows[chunk];
  if (filled == 0) return;
  const T *from = i < filled ? hidden + rows.row[chunk * rows_per_chunk + i] * d_model : nullptr;
  head_copy_row<T, kLanes>(chunk_hidden + i * d_model, from, d_model);
}

template <int kLanes>
__global__ void __launch_bounds__(kHeadCopyThreads)
    head_scatter(float *dhidden, const float *chunk_dhidden, HeadRows rows, int64_t chunk, int64_t rows_per_chunk, int64_t d_model) {
  const int64_t i = blockIdx.x;
  if (i >= rows.chunk_rows[chunk]) return;
  head_copy_row<float, kLanes>(dhidden + rows.row[chunk * rows_per_chunk + i] * d_model, chunk_dhidden + i * d_model, d_model);
}

template <int kLanes>
__global__ void __launch_bounds__(kHeadCopyThreads) head_zero(float *dhidden, const int32_t *targets, int64_t vocab, int64_t d_model) {
  const int64_t t = blockIdx.x;
  if (targets[t] >= 0 && targets[t] < vocab) return;
  head_copy_row<float, kLanes>(dhidden + t * d_model, nullptr, d_model);
}

// The largest of a row's logits and the sum of exp(l - largest), in one pass; all threads receive both.
struct RowSum {
  float largest;
  double sum;
};
template <int kLanes>
__device__ __forceinline__ RowSum head_row_sum(const float *z, int64_t vocab, float cap, double *sum_scratch, float *max_scratch) {
  float largest = -INFINITY, sum = 0.0f;
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * kLanes; j < vocab; j += static_cast<int64_t>(blockDim.x) * kLanes) {
    Pack<float, kLanes> l = load_pack<kLanes>(z + j);
    float next = largest;
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      l.lane[i] = head_softcap(l.lane[i], cap);
      next = fmaxf(next, l.lane[i]);
    }
    if (next > largest) {
      sum *= expf(largest - next);
      largest = next;
    }
    // A NaN passes fmaxf by and reaches the loss here; -inf, which may be all that this thread has seen, adds nothing.
#pragma unroll
    for (int i = 0; i < kLanes; i++) sum += l.lane[i] == -INFINITY ? 0.0f : expf(l.lane[i] - largest);
  }
  const float all = block_max(largest, max_scratch);
  const double scaled = sum == 0.0f ? 0.0 : static_cast<double>(sum) * static_cast<double>(expf(largest - all));
  return {all, block_sum(scaled, sum_scratch)};
}

// dz over z: T may be narrower, then its row fills the front half of z's. Each step reads kThreads * kLanes logits, waits, and writes at or
// before where it has read: nobody's unread logit is overwritten. kCapped: z holds logits that have been through the soft-cap.
template <typename T, int kLanes, bool kCapped = false>
__device__ __forceinline__ void head_row_gradient(float *z, int64_t vocab, float cap, int32_t target, float weight, float largest,
                                                  float inverse_sum) {
  T *dz = reinterpret_cast<T *>(z);
  const float inverse_cap = cap == 0.0f ? 0.0f : 1.0f / cap;
  const int64_t step = static_cast<int64_t>(blockDim.x) * kLanes;
  for (int64_t first = 0; first < vocab; first += step) {
    const int64_t j = first + static_cast<int64_t>(threadIdx.x) * kLanes;
    Pack<T, kLanes> gradient = {};
    if (j < vocab) {
      const Pack<float, kLanes> read = load_pack<kLanes>(z + j);
#pragma unroll
      for (int i = 0; i < kLanes; i++) {
        const float l = kCapped ? read.lane[i] : head_softcap(read.lane[i], cap), share = l * inverse_cap;
        const float p = expf(l - largest) * inverse_sum;
        gradient.lane[i] = from_float<T>((p - (j + i == target ? 1.0f : 0.0f)) * weight * (1.0f - share * share));
      }
    }
    __syncthreads();
    if (j < vocab) store_pack(dz + j, gradient);
  }
}

// token_weight NULL: only the loss. z [rows_per_chunk, vocab].
template <typename T, int kLanes>
__global__ void __launch_bounds__(kHeadThreads)
    head_row_loss(float *token_loss, float *z, const int32_t *targets, const float *token_weight, HeadRows rows, int64_t chunk,
                  int64_t rows_per_chunk, int64_t vocab, float cap) {
  SAILS_SHARED(double, sum_scratch, kWarp);
  SAILS_SHARED(float, max_scratch, kWarp);
  const int64_t i = blockIdx.x;
  const int32_t filled = rows.chunk_rows[chunk];
  if (filled == 0) return;
  z += i * vocab;
  if (i >= filled) {
    if (token_weight != nullptr) head_copy_row<T, kLanes>(reinterpret_cast<T *>(z), nullptr, vocab);
    return;
  }
  const int64_t t = rows.row[chunk * rows_per_chunk + i];
  const int32_t target = targets[t];
  const float target_logit = head_softcap(z[target], cap);
  const RowSum row = head_row_sum<kLanes>(z, vocab, cap, sum_scratch, max_scratch);
  if (threadIdx.x == 0)
    token_loss[t] = static_cast<float>((static_cast<double>(row.largest) - static_cast<double>(target_logit)) + log(row.sum));
  if (token_weight != nullptr)
    head_row_gradient<T, kLanes>(z, vocab, cap, target, token_weight[t], row.largest, static_cast<float>(1.0 / row.sum));
}

// ---- launchers

inline cudaError_t launch_head_rows(cudaStream_t stream, HeadRows rows, float *token_loss, const int32_t *targets, int64_t n_tokens,
                                    int64_t vocab, int64_t rows_per_chunk, int64_t chunks, Fault *fault) {
  return launch("head_rows", stream, head_rows<kHeadThreads>, dim3(1), dim3(kHeadThreads), 0, rows, token_loss, targets, n_tokens, vocab,
                rows_per_chunk, chunks, fault);
}

template <typename T>
bool head_packed(const T *a, const T *b, int64_t d, int lanes) {
  const int64_t bytes = lanes * static_cast<int64_t>(sizeof(T));
  return d % lanes == 0 && aligned_to(a, bytes) && aligned_to(b, bytes);
}

template <typename T>
cudaError_t launch_head_gather(cudaStream_t stream, T *chunk_hidden, const T *hidden, HeadRows rows, int64_t chunk, int64_t rows_per_chunk,
                               int64_t d_model) {
  const auto kernel = head_packed(chunk_hidden, hidden, d_model, kPackLanes<T>) ? head_gather<T, kPackLanes<T>> : head_gather<T, 1>;
  return launch("head_gather", stream, kernel, dim3(static_cast<unsigned>(rows_per_chunk)), dim3(kHeadCopyThreads), 0, chunk_hidden, hidden,
                rows, chunk, rows_per_chunk, d_model);
}

inline cudaError_t launch_head_scatter(cudaStream_t stream, float *dhidden, const float *chunk_dhidden, HeadRows rows, int64_t chunk,
                                       int64_t rows_per_chunk, int64_t d_model) {
  const auto kernel = head_packed<float>(dhidden, chunk_dhidden, d_model, 4) ? head_scatter<4> : head_scatter<1>;
  return launch("head_scatter", stream, kernel, dim3(static_cast<unsigned>(rows_per_chunk)), dim3(kHeadCopyThreads), 0, dhidden,
                chunk_dhidden, rows, chunk, rows_per_chunk, d_model);
}

inline cudaError_t launch_head_zero(cudaStream_t stream, float *dhidden, const int32_t *targets, int64_t n_tokens, int64_t vocab,
                                    int64_t d_model) {
  const auto kernel = head_packed<float>(dhidden, dhidden, d_model, 4) ? head_zero<4> : head_zero<1>;
  return launch("head_zero", stream, kernel, dim3(static_cast<unsigned>(n_tokens)), dim3(kHeadCopyThreads), 0, dhidden, targets, vocab,
                d_model);
}

// z 16-byte aligned.
template <typename T>
cudaError_t launch_head_row_loss(cudaStream_t stream, float *token_loss, float *z, const int32_t *targets, const float *token_weight,
                                 HeadRows rows, int64_t chunk, int64_t rows_per_chunk, int64_t vocab, float cap) {
  const auto kernel = vocab % 4 == 0 ? head_row_loss<T, 4> : head_row_loss<T, 1>;
  return launch("head_row_loss", stream, kernel, dim3(static_cast<unsigned>(rows_per_chunk)), dim3(kHeadThreads), 0, token_loss, z, targets,
                token_weight, rows, chunk, rows_per_chunk, vocab, cap);
}

}  // namespace sails::kernels
