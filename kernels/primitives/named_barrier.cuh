// Barriers of some of a block's warps (bar.sync, bar.arrive): those of one warpgroup, or of all that share a buffer.
//
// `id` 1 to 15 (0 is __syncthreads'), `threads` a multiple of 32: how many arrive, waiting or not, until those that wait go on.
#pragma once

#include "platform.cuh"

namespace sails::kernels {

// Arrives and waits. What any of the threads wrote to shared memory before is visible after.
__device__ __forceinline__ void named_barrier_sync(int id, int threads) {
#ifdef SAILS_EMULATOR
  sails_emulator::named_barrier(id, threads, true);
#else
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}
// Arrives without waiting.
__device__ __forceinline__ void named_barrier_arrive(int id, int threads) {
#ifdef SAILS_EMULATOR
  sails_emulator::named_barrier(id, threads, false);
#else
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}

}  // namespace sails::kernels
