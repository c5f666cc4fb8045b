// Reductions over flat arrays
//   sum_of_squares    out_sums [count] f64 = the sum of squares of each tensors[i] [sizes[i]] f32
//   count_nonfinite   *out_count += how many of x [n] f32|bf16|f16 are NaN or infinite
//
// sum_of_squares: up to 64 tensors a launch, by value in the kernel's parameters. Each tensor is cut into at most 256 slices, by its size
// alone; a block sums a slice (four squares in f32, the rest in f64) to `partial`, and a second kernel adds the slices of a tensor in a
// fixed order. count_nonfinite: a grid-wide loop, a count a block, integer atomics.
// Bytes: every element once. FLOPs 2 an element.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kReductionThreads = 256;
constexpr int kSquareMostTensors = 64;
constexpr int64_t kSquareMostSlices = kReductionThreads, kSquareSlice = 16384;  // 16 packs a thread
// What launch_sum_of_squares writes between its two kernels.
constexpr int64_t kSquarePartials = kSquareMostTensors * kSquareMostSlices;

struct SquareSet {
  const float *tensor[kSquareMostTensors];
  int64_t size[kSquareMostTensors];
  int32_t first_slice[kSquareMostTensors + 1];
  int32_t count;
};

inline int64_t square_slices(int64_t size) { return smaller(kSquareMostSlices, ceil_div(size, kSquareSlice)); }

template <int kThreads>
__global__ void __launch_bounds__(kThreads) square_slice_sums(double *partial, const __grid_constant__ SquareSet set) {
  SAILS_SHARED(double, scratch, kWarp);
  const int32_t block = static_cast<int32_t>(blockIdx.x);
  int i = 0;
  while (set.first_slice[i + 1] <= block) i++;
  const float *tensor = set.tensor[i];
  const int64_t size = set.size[i], slices = set.first_slice[i + 1] - set.first_slice[i];
  const int64_t length = ceil_div(ceil_div(size, slices), 4) * 4;
  const int64_t begin = smaller(size, (block - set.first_slice[i]) * length), end = smaller(size, begin + length);
  const int64_t packed = (reinterpret_cast<uintptr_t>(tensor) & 15) == 0 ? begin + (end - begin) / 4 * 4 : begin;
  double sum = 0;
#pragma unroll 4
  for (int64_t at = begin + static_cast<int64_t>(threadIdx.x) * 4; at < packed; at += kThreads * 4) {
    const Pack<float, 4> x = load_pack<4>(tensor + at);
    sum += (x.lane[0] * x.lane[0] + x.lane[1] * x.lane[1]) + (x.lane[2] * x.lane[2] + x.lane[3] * x.lane[3]);
  }
  for (int64_t at = packed + threadIdx.x; at < end; at += kThreads) sum += tensor[at] * tensor[at];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) partial[block] = sum;
}

// A block a tensor, a thread a slice.
template <int kThreads>
__global__ void __launch_bounds__(kThreads) square_sums(double *out_sums, const double *partial, const __grid_constant__ SquareSet set) {
  SAILS_SHARED(double, scratch, kWarp);
  const int32_t slice = set.first_slice[blockIdx.x] + static_cast<int32_t>(threadIdx.x);
  const double sum = block_sum(slice < set.first_slice[blockIdx.x + 1] ? partial[slice] : 0.0, scratch);
  if (threadIdx.x == 0) out_sums[blockIdx.x] = sum;
}

// Bits: the unsigned integer of the element's size. NaN and infinity are the values whose exponent bits are all ones.
template <typename Bits>
__global__ void __launch_bounds__(kReductionThreads)
    count_nonfinite(unsigned long long *out_count, const Bits *x, int64_t n, int64_t packed, Bits exponent) {
  SAILS_SHARED(unsigned long long, scratch, kWarp);
  constexpr int kLanes = kPackLanes<Bits>;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kReductionThreads + threadIdx.x,
                step = static_cast<int64_t>(gridDim.x) * kReductionThreads;
  unsigned long long count = 0;
#pragma unroll 4
  for (int64_t at = first * kLanes; at < packed; at += step * kLanes) {
    const Pack<Bits, kLanes> pack = load_pack<kLanes>(x + at);
#pragma unroll
    for (int i = 0; i < kLanes; i++) count += (pack.lane[i] & exponent) == exponent;
  }
  for (int64_t at = packed + first; at < n; at += step) count += (x[at] & exponent) == exponent;
  count = block_sum(count, scratch);
  if (threadIdx.x == 0 && count > 0) atomicAdd(out_count, count);
}

// ---- launchers

// partial: kSquarePartials.
inline cudaError_t launch_sum_of_squares(cudaStream_t stream, double *out_sums, const float *const *tensors, const int64_t *sizes,
                                         int64_t count, double *partial) {
  for (int64_t first = 0; first < count; first += kSquareMostTensors) {
    SquareSet set = {};
    set.count = static_cast<int32_t>(smaller(kSquareMostTensors, count - first));
    for (int32_t i = 0; i < set.count; i++) {
      set.tensor[i] = tensors[first + i];
      set.size[i] = sizes[first + i];
      set.first_slice[i + 1] = set.first_slice[i] + static_cast<int32_t>(square_slices(sizes[first + i]));
    }
    SAILS_TRY(launch("square_slice_sums", stream, square_slice_sums<kReductionThreads>,
                     dim3(static_cast<unsigned>(set.first_slice[set.count])), dim3(kReductionThreads), 0, partial, set));
    SAILS_TRY(launch("square_sums", stream, square_sums<kReductionThreads>, dim3(static_cast<unsigned>(set.count)), dim3(kReductionThreads),
                     0, out_sums + first, static_cast<const double *>(partial), set));
  }
  return cudaSuccess;
}

// *out_count is 0 before.
template <typename Bits>
cudaError_t launch_count_nonfinite(cudaStream_t stream, int64_t *out_count, const Bits *x, int64_t n, Bits exponent, int multiprocessors) {
  constexpr int kLanes = kPackLanes<Bits>;
  const int64_t packed = aligned_to(x, 16) ? n / kLanes * kLanes : 0;
  const int64_t blocks = smaller(8 * multiprocessors, ceil_div(n, kReductionThreads * kLanes));
  return launch("count_nonfinite", stream, count_nonfinite<Bits>, dim3(static_cast<unsigned>(blocks)), dim3(kReductionThreads), 0,
                reinterpret_cast<unsigned long long *>(out_count), x, n, packed, exponent);
}

}  // namespace sails::kernels
