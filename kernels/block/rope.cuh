// Rotary position embedding, half-split (arXiv:2104.09864; layout of huggingface/transformers modeling_gemma2.py, rotate_half)
//   table    [n_tokens, head_dim / 2, 2] f32: cos and sin of positions[t] inv_freq[j], in double; inv_freq [head_dim / 2] f64
//   rotate   (a, b) = (x[j], x[j + head_dim/2]) -> (a cos - b sin, b cos + a sin); inverse: sin negated, which is also the backward
//   x, y [n_tokens, n_heads, head_dim] f32|bf16, one dtype; y may alias x
// Grid: table one thread a pair; rotate as rows of elementwise/elementwise.cuh, a row = the pairs of one token, so that a table row is read
// by one block.
// Bytes: x and y once, the table once a head (from cache). FLOPs 6 a pair.
#pragma once

#include "elementwise/elementwise.cuh"

namespace sails::kernels {

struct RopeTable {
  float *table;
  const int32_t *positions;
  const double *inv_freq;
  int64_t half;
  template <int kLanes>
  __device__ void at(int64_t token, int64_t j) const {
    const double angle = positions[token] * inv_freq[j];
    float *to = table + (token * half + j) * 2;
    to[0] = static_cast<float>(cos(angle));
    to[1] = static_cast<float>(sin(angle));
  }
};

template <typename T>
struct Rope {
  T *y;
  const T *x;
  const float *table;
  int64_t n_heads, half;
  float sign;  // of the sine
  template <int kLanes>
  __device__ void at(int64_t token, int64_t pair) const {
    const int64_t head = pair / half, j = pair - head * half, first = (token * n_heads + head) * 2 * half + j;
    float a[kLanes], b[kLanes], turn[2 * kLanes];
    const float *from = table + (token * half + j) * 2;
    if (kLanes > 1) {
      load_lanes(turn, from);
    } else {  // may stand on 4 bytes
      turn[0] = from[0];
      turn[1] = from[1];
    }
    load_lanes(a, x + first);
    load_lanes(b, x + first + half);
#pragma unroll
    for (int i = 0; i < kLanes; i++) {
      const float c = turn[2 * i], s = sign * turn[2 * i + 1], from_a = a[i], from_b = b[i];
      a[i] = from_a * c - from_b * s;
      b[i] = from_b * c + from_a * s;
    }
    store_lanes(y + first, a);
    store_lanes(y + first + half, b);
  }
};

inline cudaError_t launch_rope_table(cudaStream_t stream, float *table, const int32_t *positions, const double *inv_freq, int64_t n_tokens,
                                     int64_t head_dim) {
  return launch_row_elements<1>("rope_table", stream, RopeTable{table, positions, inv_freq, head_dim / 2}, n_tokens, head_dim / 2, true);
}

template <typename T>
cudaError_t launch_rope(cudaStream_t stream, T *y, const T *x, const float *table, int64_t n_tokens, int64_t n_heads, int64_t head_dim,
                        bool inverse) {
  constexpr int kLanes = kPackLanes<T>;
  const int64_t half = head_dim / 2;
  const bool aligned = half % kLanes == 0 && aligned_to(y, 16) && aligned_to(x, 16) && aligned_to(table, 16);
  return launch_row_elements<kLanes>("rope", stream, Rope<T>{y, x, table, n_heads, half, inverse ? -1.0f : 1.0f}, n_tokens, n_heads * half,
                                     aligned);
}

}  // namespace sails::kernels
