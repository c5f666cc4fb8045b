// Reading memory that is read once (weights of a decoding step): past L1, which is left to what is read often.
#pragma once

#include "types.cuh"

namespace sails::kernels {

// 16 bytes as they are loaded, four registers whatever the type; elements are taken out where they are used.
struct alignas(16) Words {
  uint32_t word[4];

  // Element j of T, j known at compile time.
  template <typename T>
  __device__ __forceinline__ float value(int j) const {
    if constexpr (sizeof(T) == 4) return bits_float(word[j]);
    return j % 2 == 0 ? low_bf16(word[j / 2]) : high_bf16(word[j / 2]);
  }
};

template <typename T>
__device__ __forceinline__ Words load_words(const T *from) {
  return *reinterpret_cast<const Words *>(from);
}

// From an address aligned to 16. Nothing may write there while the kernel runs. The load is issued where it stands: the order of such loads
// and of wait_for_grids_before (dependent_launch.cuh) is the program's. Therefore without .nc, which says so too: ptxas then takes the load
// for one that no wait can concern, and puts it behind.
template <typename T>
__device__ __forceinline__ Words load_words_once(const T *from) {
#ifdef SAILS_EMULATOR
  return load_words(from);
#else
  Words w;
  asm volatile("ld.global.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(w.word[0]), "=r"(w.word[1]), "=r"(w.word[2]), "=r"(w.word[3])
               : "l"(from));
  return w;
#endif
}

}  // namespace sails::kernels
