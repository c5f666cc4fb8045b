// destination [n] = source [n] between f32, bf16, f16 and f64, different types, no aliasing: round to nearest even, NaN stays NaN.
// Grid: elementwise/elementwise.cuh. Bytes: one read and one write an element.
#pragma once

#include "elementwise/elementwise.cuh"

namespace sails::kernels {

// The f32 from which rounding to bf16 or f16 gives what rounding x itself would give: f64 -> f32 -> bf16 to nearest would round twice. An
// inexact result is made odd; f32 has enough digits more than either type that it is then never taken for a tie.
__host__ __device__ __forceinline__ float round_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  const uint32_t bits = float_bits(nearest);
  if (static_cast<double>(nearest) == x || x != x || (bits & 0x7fffffffu) == 0x7f800000u || (bits & 1u) != 0) return nearest;
  const double magnitude = x < 0 ? -x : x;
  return bits_float(bits_float(bits & 0x7fffffffu) < magnitude ? bits + 1 : bits - 1);
}

template <typename To, typename From>
struct ConvertElement {
  __host__ __device__ static To of(From x) { return from_float<To>(to_float(x)); }
};
template <typename From>
struct ConvertElement<double, From> {
  __host__ __device__ static double of(From x) { return to_float(x); }
};
template <typename To>
struct ConvertElement<To, double> {
  __host__ __device__ static To of(double x) { return from_float<To>(round_to_odd(x)); }
};
template <>
struct ConvertElement<float, double> {
  __host__ __device__ static float of(double x) { return static_cast<float>(x); }
};

template <typename To, typename From>
struct Convert {
  To *destination;
  const From *source;
  template <int kLanes>
  __device__ void at(int64_t i) const {
    const Pack<From, kLanes> from = load_pack<kLanes>(source + i);
    Pack<To, kLanes> to;
#pragma unroll
    for (int j = 0; j < kLanes; j++) to.lane[j] = ConvertElement<To, From>::of(from.lane[j]);
    store_pack(destination + i, to);
  }
};

template <typename To, typename From>
cudaError_t launch_convert(cudaStream_t stream, To *destination, const From *source, int64_t n) {
  constexpr int kLanes = kLanesOf<To, From>;
  const bool aligned = aligned_to(destination, sizeof(Pack<To, kLanes>)) && aligned_to(source, sizeof(Pack<From, kLanes>));
  return launch_elements<kLanes>("convert", stream, Convert<To, From>{destination, source}, n, aligned);
}

}  // namespace sails::kernels
