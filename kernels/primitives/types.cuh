// 16-bit floating point types without the toolkit's headers (the emulator has none), and reading and writing elements as f32.
#pragma once

#include "platform.cuh"

namespace sails::kernels {

struct alignas(2) bf16 {
  uint16_t bits;
};
struct alignas(2) f16 {
  uint16_t bits;
};

__host__ __device__ __forceinline__ uint32_t float_bits(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(x);
#else
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
#endif
}
__host__ __device__ __forceinline__ float bits_float(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
#endif
}

// Round to nearest even; NaN stays NaN (made quiet).
__host__ __device__ __forceinline__ bf16 to_bf16(float x) {
#if defined(__CUDA_ARCH__)
  bf16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  const uint32_t bits = float_bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
#endif
}

// Round to nearest even; NaN stays NaN.
__host__ __device__ __forceinline__ f16 to_f16(float x) {
#if defined(__CUDA_ARCH__)
  f16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  const uint32_t bits = float_bits(x), magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // 65520 and more
  if (magnitude < 0x38800000u)  // below 2^-14: 0.5 has the spacing of the subnormals, 2^-24
    return {static_cast<uint16_t>(sign | (float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000u))};
  return {static_cast<uint16_t>(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13)};
#endif
}

__host__ __device__ __forceinline__ float to_float(float x) { return x; }
__host__ __device__ __forceinline__ float to_float(bf16 x) { return bits_float(static_cast<uint32_t>(x.bits) << 16); }
__host__ __device__ __forceinline__ float to_float(f16 x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#else
  const uint32_t sign = (x.bits & 0x8000u) << 16, magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return bits_float(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  if (magnitude >= 0x400u) return bits_float(sign | ((magnitude << 13) + 0x38000000u));
  const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
  return sign != 0 ? -subnormal : subnormal;
#endif
}

// An f32 in the element type T.
template <typename T>
__host__ __device__ __forceinline__ T from_float(float x);
template <>
__host__ __device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
__host__ __device__ __forceinline__ bf16 from_float<bf16>(float x) {
  return to_bf16(x);
}
template <>
__host__ __device__ __forceinline__ f16 from_float<f16>(float x) {
  return to_f16(x);
}

// Two bf16 in one register, `low` in the low half (the lower column or k).
__host__ __device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
#if defined(__CUDA_ARCH__)
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return static_cast<uint32_t>(to_bf16(low).bits) | static_cast<uint32_t>(to_bf16(high).bits) << 16;
#endif
}
__host__ __device__ __forceinline__ float low_bf16(uint32_t pair) { return bits_float(pair << 16); }
__host__ __device__ __forceinline__ float high_bf16(uint32_t pair) { return bits_float(pair & 0xffff0000u); }

// kLanes elements that are loaded and stored as one access of kLanes * sizeof(T) bytes; the address must be aligned to that.
template <typename T, int kLanes>
struct alignas(sizeof(T) * kLanes) Pack {
  T lane[kLanes];
};
// Elements of T in 16 bytes.
template <typename T>
constexpr int kPackLanes = 16 / sizeof(T);

template <int kLanes, typename T>
__device__ __forceinline__ Pack<T, kLanes> load_pack(const T *from) {
  return *reinterpret_cast<const Pack<T, kLanes> *>(from);
}
// To shared memory, where the compiler sees that it is; and to global memory where an instruction of its own would cost too many registers
// (sae/find_hopper.cuh: ptxas then lets its products run one by one).
template <int kLanes, typename T>
__device__ __forceinline__ void store_pack_plain(T *to, const Pack<T, kLanes> &pack) {
  *reinterpret_cast<Pack<T, kLanes> *>(to) = pack;
}
// To global memory. 8 and 16 bytes by an instruction of their own: the compiler takes the store of a struct apart and does not put it
// together again for some forms of its address, such as to + row * d + (int64_t{blockIdx.x} * 128 + threadIdx.x) * 4 (nvcc 13.0, for
// float4 as for Pack, whatever is said about the alignment).
template <int kLanes, typename T>
__device__ __forceinline__ void store_pack(T *to, const Pack<T, kLanes> &pack) {
#if defined(__CUDA_ARCH__)
  constexpr int kBytes = static_cast<int>(sizeof(pack));
  if constexpr (kBytes == 8 || kBytes == 16) {
    uint32_t word[kBytes / 4];
    __builtin_memcpy(word, &pack, kBytes);
    if constexpr (kBytes == 16)
      asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3]) : "memory");
    else
      asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(to), "r"(word[0]), "r"(word[1]) : "memory");
    return;
  }
#endif
  store_pack_plain(to, pack);
}
inline bool aligned_to(const void *pointer, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(bytes) == 0;
}

}  // namespace sails::kernels
