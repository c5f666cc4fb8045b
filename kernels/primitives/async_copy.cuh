// cp.async (sm_80): copies from global to shared memory that the issuing thread waits for later.
//
// A copy is visible to the issuing thread after async_copy_wait, to others after a barrier as well. Until then the destination holds what
// it held (the emulator does the copy at the wait, not before).
#pragma once

#include "platform.cuh"

namespace sails::kernels {

// 16 bytes; both addresses aligned to 16. Where `inside` is false 16 zero bytes are written and `from` is not read (it must still be a
// valid pointer value).
__device__ __forceinline__ void async_copy_16(void *to_shared, const void *from_global, bool inside) {
#ifdef SAILS_EMULATOR
  sails_emulator::async_copy(to_shared, from_global, 16, inside ? 16 : 0);
#else
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(to_shared));
  const uint32_t bytes = inside ? 16u : 0u;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from_global), "r"(bytes) : "memory");
#endif
}
// 16 bytes of which the first `valid_bytes` (0 to 16) are copied and the rest are zeros; addresses as above.
__device__ __forceinline__ void async_copy_16_part(void *to_shared, const void *from_global, int valid_bytes) {
#ifdef SAILS_EMULATOR
  sails_emulator::async_copy(to_shared, from_global, 16, valid_bytes);
#else
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(to_shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from_global), "r"(valid_bytes) : "memory");
#endif
}
// 4 bytes; both addresses aligned to 4.
__device__ __forceinline__ void async_copy_4(void *to_shared, const void *from_global, bool inside) {
#ifdef SAILS_EMULATOR
  sails_emulator::async_copy(to_shared, from_global, 4, inside ? 4 : 0);
#else
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(to_shared));
  const uint32_t bytes = inside ? 4u : 0u;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from_global), "r"(bytes) : "memory");
#endif
}
// Closes the group of the calling thread's copies since the last commit (it may be empty).
__device__ __forceinline__ void async_copy_commit() {
#ifdef SAILS_EMULATOR
  sails_emulator::async_copy_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most kPending of the calling thread's latest groups are under way.
template <int kPending>
__device__ __forceinline__ void async_copy_wait() {
#ifdef SAILS_EMULATOR
  sails_emulator::async_copy_wait(kPending);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace sails::kernels
