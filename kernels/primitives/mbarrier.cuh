// mbarriers (sm_90 and later): barriers in shared memory that count arrivals of threads and bytes of asynchronous copies.
//
// A barrier goes through phases 0, 1, 0, 1, …. A phase completes when `count` arrivals and all the bytes that were announced for it have
// come.
// mbarrier_wait(b, parity) returns once the phase of that parity has completed: on a fresh barrier parity 1 passes at once ("the buffer is
// free"), parity 0 waits for the first completion. What was written before an arrival, and what a copy brought, is visible after the wait.
#pragma once

#include "platform.cuh"

#if defined(SAILS_EMULATOR) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
#define SAILS_HAS_MBARRIER 1
#endif

namespace sails::kernels {

// 8 bytes of shared memory, touched by these functions alone.
struct alignas(8) Mbarrier {
  uint64_t state;
};

#ifndef SAILS_EMULATOR
__device__ __forceinline__ uint32_t shared_window_address(const void *pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}
#endif

// One thread; others may use the barrier after mbarrier_init_fence by that thread and a barrier of the block.
__device__ __forceinline__ void mbarrier_init(Mbarrier *barrier, uint32_t count) {
#ifdef SAILS_EMULATOR
  sails_emulator::mbarrier_init(barrier, count);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_window_address(barrier)), "r"(count) : "memory");
#else
  __trap();
#endif
}
__device__ __forceinline__ void mbarrier_init_fence() {
#ifdef SAILS_EMULATOR
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#else
  __trap();
#endif
}
// Ends the barrier's life: its memory may be used for something else.
__device__ __forceinline__ void mbarrier_invalidate(Mbarrier *barrier) {
#ifdef SAILS_EMULATOR
  sails_emulator::mbarrier_invalidate(barrier);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(shared_window_address(barrier)) : "memory");
#else
  __trap();
#endif
}
// One arrival.
__device__ __forceinline__ void mbarrier_arrive(Mbarrier *barrier) {
#ifdef SAILS_EMULATOR
  sails_emulator::mbarrier_arrive(barrier, 0);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_window_address(barrier)) : "memory");
#else
  __trap();
#endif
}
// One arrival, and `bytes` more to wait for in this phase: those of the copies that are told to complete on the barrier.
__device__ __forceinline__ void mbarrier_arrive_expect(Mbarrier *barrier, uint32_t bytes) {
#ifdef SAILS_EMULATOR
  sails_emulator::mbarrier_arrive(barrier, bytes);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_window_address(barrier)), "r"(bytes) : "memory");
#else
  __trap();
#endif
}
// One arrival at the mbarrier that block `rank` of the cluster has at this place (cluster.cuh). Its waiters use mbarrier_wait<true>.
__device__ __forceinline__ void mbarrier_arrive_at(Mbarrier *barrier, int rank) {
#ifdef SAILS_EMULATOR
  sails_emulator::mbarrier_arrive_at(barrier, static_cast<uint32_t>(rank));
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile(
      "{\n"
      ".reg .b32 remote;\n"
      "mapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n"
      "}\n" ::"r"(shared_window_address(barrier)),
      "r"(rank)
      : "memory");
#else
  __trap();
#endif
}
// Whether the phase of this parity has completed; may wait a while before it says no. kCluster: threads of other blocks arrive, and what
// they did before is done for this thread too.
template <bool kCluster = false>
__device__ __forceinline__ bool mbarrier_try_wait(Mbarrier *barrier, uint32_t parity) {
#ifdef SAILS_EMULATOR
  return sails_emulator::mbarrier_wait(barrier, parity, false, kCluster);
#elif defined(SAILS_HAS_MBARRIER)
#define SAILS_TRY_WAIT(scope) \
  asm volatile( \
      "{\n" \
      ".reg .pred p;\n" \
      "mbarrier.try_wait.parity.acquire." scope \
      ".shared::cta.b64 p, [%1], %2;\n" \
      "selp.u32 %0, 1, 0, p;\n" \
      "}\n" \
      : "=r"(done) \
      : "r"(shared_window_address(barrier)), "r"(parity) \
      : "memory")
  uint32_t done;
  if constexpr (kCluster)
    SAILS_TRY_WAIT("cluster");
  else
    SAILS_TRY_WAIT("cta");
#undef SAILS_TRY_WAIT
  return done != 0;
#else
  __trap();
#endif
}
template <bool kCluster = false>
__device__ __forceinline__ void mbarrier_wait(Mbarrier *barrier, uint32_t parity) {
#ifdef SAILS_EMULATOR
  sails_emulator::mbarrier_wait(barrier, parity, true, kCluster);
#else
  while (!mbarrier_try_wait<kCluster>(barrier, parity)) {}
#endif
}

// Ordinary writes to shared memory by the calling thread become visible to the asynchronous proxy (bulk copies out of shared memory, wgmma
// operands):
// by each writing thread, before the barrier that hands the memory over. The emulator cannot see a missing one.
__device__ __forceinline__ void fence_proxy_async() {
#ifdef SAILS_EMULATOR
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  __trap();
#endif
}

}  // namespace sails::kernels
