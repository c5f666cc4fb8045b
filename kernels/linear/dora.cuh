// DoRA (arXiv:2402.09353 eq. 5): a linear map V = weight + scale lora_b lora_a whose rows have a trained length of their own
//   norm      norm[i] = |V[i]|
//   forward   y[n,i] = u[n,i] magnitude[i] / norm[i],  u = x V^T
//   backward  du[n,i] = dy[n,i] magnitude[i] / norm[i];  dmagnitude[i] += sum_n dy[n,i] u[n,i] / norm[i];  the norm counts as a constant
//   (section 4.3)
//   weight [d_out, d_in] f32|bf16; lora_a [r, d_in], lora_b [d_out, r], magnitude, norm, dmagnitude [d_out] f32; u [n, d_out] f32; y, dy,
//   du
//   [n, d_out] f32|bf16; y may alias u, du may alias dy
//
// Grid: norm a block of 256 threads for kDoraRows rows, a thread a column, so that lora_a is read once for all of them; lora_b's rows are
// in shared memory by pieces of kDoraRanks. forward as elementwise/elementwise.cuh has it. backward a block of 32 columns x 8 threads down
// the rows; sums of a column are added in a fixed order.
// Bytes: norm weight + lora_a d_out / kDoraRows; forward 4 + y; backward 4 + 2 dy an element. FLOPs: norm d_out d_in (2 r + 4), 1, 3 an
// element.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kDoraThreads = 256, kDoraRows = 8, kDoraRanks = 64;
constexpr int kDoraColumns = kWarp, kDoraSlices = 8;

template <typename W>
__global__ void __launch_bounds__(kDoraThreads)
    dora_norm(float *norm, const W *weight, const float *lora_a, const float *lora_b, int64_t d_out, int64_t d_in, int64_t r, float scale) {
  SAILS_SHARED(float, factors, kDoraRows *kDoraRanks);
  SAILS_SHARED(double, scratch, kWarp);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kDoraRows;
  double squares[kDoraRows] = {};
  for (int64_t from = 0; from < d_in; from += kDoraThreads) {
    const int64_t column = from + threadIdx.x;
    float low_rank[kDoraRows] = {};
    for (int64_t rank = 0; rank < r; rank += kDoraRanks) {
      __syncthreads();
      for (int i = threadIdx.x; i < kDoraRows * kDoraRanks; i += kDoraThreads) {
        const int64_t row = first + i / kDoraRanks, k = rank + i % kDoraRanks;
        factors[i] = row < d_out && k < r ? lora_b[row * r + k] : 0.0f;
      }
      __syncthreads();
      const int ranks = static_cast<int>(smaller(kDoraRanks, r - rank));
      for (int k = 0; k < ranks && column < d_in; k++) {
        const float a = lora_a[(rank + k) * d_in + column];
#pragma unroll
        for (int i = 0; i < kDoraRows; i++) low_rank[i] += factors[i * kDoraRanks + k] * a;
      }
    }
#pragma unroll
    for (int i = 0; i < kDoraRows; i++) {
      if (column >= d_in || first + i >= d_out) continue;
      const float value = to_float(weight[(first + i) * d_in + column]) + scale * low_rank[i];
      squares[i] += value * value;
    }
  }
#pragma unroll
  for (int i = 0; i < kDoraRows; i++) {
    const double sum = block_sum(squares[i], scratch);
    if (threadIdx.x == 0 && first + i < d_out) norm[first + i] = static_cast<float>(sqrt(sum));
  }
}

template <typename Y>
struct DoraForward {
  Y *y;
  const float *u, *magnitude, *norm;
  int64_t d_out;
  template <int kLanes>
  __device__ void at(int64_t i, int64_t column) const {
    float values[kLanes], lengths[kLanes], norms[kLanes];
    load_lanes(values, u + i * d_out + column);
    load_lanes(lengths, magnitude + column);
    load_lanes(norms, norm + column);
#pragma unroll
    for (int j = 0; j < kLanes; j++) values[j] *= lengths[j] / norms[j];
    store_lanes(y + i * d_out + column, values);
  }
};

template <typename T>
__global__ void __launch_bounds__(kDoraColumns *kDoraSlices)
    dora_backward(T *du, float *dmagnitude, const T *dy, const float *u, const float *magnitude, const float *norm, int64_t n,
                  int64_t d_out) {
  SAILS_SHARED(float, sums, kDoraColumns *kDoraSlices);
  const int lane = threadIdx.x % kDoraColumns, slice = threadIdx.x / kDoraColumns;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kDoraColumns + lane;
  const float length = column < d_out ? norm[column] : 1.0f, gain = column < d_out ? magnitude[column] / length : 0.0f;
  float sum = 0;
  for (int64_t row = slice; row < n && column < d_out; row += kDoraSlices) {
    const int64_t at = row * d_out + column;
    const float gradient = to_float(dy[at]);
    sum += gradient * u[at];
    du[at] = from_float<T>(gradient * gain);
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (slice != 0 || column >= d_out || dmagnitude == nullptr) return;
  for (int i = 1; i < kDoraSlices; i++) sum += sums[i * kDoraColumns + lane];
  dmagnitude[column] += sum / length;
}

// ---- launchers

template <typename W>
cudaError_t launch_dora_norm(cudaStream_t stream, float *norm, const W *weight, const float *lora_a, const float *lora_b, int64_t d_out,
                             int64_t d_in, int64_t r, float scale) {
  return launch("dora_norm", stream, dora_norm<W>, dim3(static_cast<unsigned>(ceil_div(d_out, kDoraRows))), dim3(kDoraThreads), 0, norm,
                weight, lora_a, lora_b, d_out, d_in, r, scale);
}

template <typename Y>
cudaError_t launch_dora_forward(cudaStream_t stream, Y *y, const float *u, const float *magnitude, const float *norm, int64_t n,
                                int64_t d_out) {
  const bool aligned = lanes_aligned<4>(y) && lanes_aligned<4>(u) && lanes_aligned<4>(magnitude) && lanes_aligned<4>(norm);
  return launch_row_elements<4>("dora_forward", stream, DoraForward<Y>{y, u, magnitude, norm, d_out}, n, d_out, aligned);
}

template <typename T>
cudaError_t launch_dora_backward(cudaStream_t stream, T *du, float *dmagnitude, const T *dy, const float *u, const float *magnitude,
                                 const float *norm, int64_t n, int64_t d_out) {
  return launch("dora_backward", stream, dora_backward<T>, dim3(static_cast<unsigned>(ceil_div(d_out, kDoraColumns))),
                dim3(kDoraColumns * kDoraSlices), 0, du, dmagnitude, dy, u, magnitude, norm, n, d_out);
}

}  // namespace sails::kernels
