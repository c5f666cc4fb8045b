// A ring of buffers in shared memory between who fills them and who empties them, each buffer with an mbarrier for "full" and one for
// "empty" (mbarrier.cuh).
//
// Both sides go through the same items 0, 1, 2, … and compute for themselves where an item lies:
//   the filler    waits for empty[slot] with empty_parity(), fills, arrives at full[slot]; the first round finds all buffers free
//   the emptier   waits for full[slot] with full_parity(), reads, arrives at empty[slot]
#pragma once

#include "platform.cuh"

namespace sails::kernels {

template <int kStages>
struct RingPosition {
  int slot = 0;
  uint32_t parity = 0;  // of the round: even or odd

  // That of an item by its number: one register where the number is kept anyway, and cheap where kStages is a power of two.
  __device__ __forceinline__ static RingPosition of(uint32_t item) { return {static_cast<int>(item % kStages), item / kStages % 2}; }

  __device__ __forceinline__ uint32_t full_parity() const { return parity; }
  __device__ __forceinline__ uint32_t empty_parity() const { return parity ^ 1; }
  __device__ __forceinline__ void advance() {
    if (++slot == kStages) {
      slot = 0;
      parity ^= 1;
    }
  }
};

}  // namespace sails::kernels
