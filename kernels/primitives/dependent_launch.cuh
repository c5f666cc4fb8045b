// Programmatic dependent launch (sm_90): the blocks of a kernel take their places while those of the kernel before still run.
//
// A kernel that is queued by launch_early
//   - calls wait_for_grids_before before it reads what an operation before it may have written, and before it writes anything;
//   - then calls let_next_grid_start, in this order: when the kernel after it starts, all kernels but this one have ended, so that what it
//   reads
//     before its own wait may have been written by any of them, only not by the operation queued directly before it.
// Both are nothing where the kernel was queued by `launch` or the device cannot do it: then a kernel starts when all before it have ended.
#pragma once

#include "platform.cuh"

#if defined(SAILS_EMULATOR) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
#define SAILS_HAS_GRID_DEPENDENCIES 1
#endif

namespace sails::kernels {

// Whether this pass of the compiler can make code that waits. Code that cannot must not be queued by launch_early, whatever card runs it.
#ifdef SAILS_HAS_GRID_DEPENDENCIES
constexpr bool kWaitsForGrids = true;
#else
constexpr bool kWaitsForGrids = false;
#endif

// All kernels before this one have ended, and what they wrote is visible.
__device__ __forceinline__ void wait_for_grids_before() {
#ifdef SAILS_EMULATOR
  sails_emulator::wait_for_grids();
#elif defined(SAILS_HAS_GRID_DEPENDENCIES)
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ __forceinline__ void let_next_grid_start() {
#if defined(SAILS_HAS_GRID_DEPENDENCIES) && !defined(SAILS_EMULATOR)
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// The queue of a device, and whether it starts kernels early: the code that the card has loaded must wait (loaded_code.cuh).
struct EarlyStream {
  cudaStream_t stream;
  bool early;
};

// As `launch` (platform.cuh), for a kernel that keeps the rules above.
template <typename... Parameters, typename... Arguments>
[[nodiscard]] cudaError_t launch_early(const char *name, EarlyStream queue, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                       int64_t shared_bytes, Arguments... arguments) {
  const bool early_start = queue.early && grid.x > 0 && grid.y > 0 && grid.z > 0;
#ifdef SAILS_EMULATOR
  if (early_start) return sails_emulator::launch_early(name, queue.stream, kernel, grid, block, shared_bytes, arguments...);
#else
  if (early_start) {
    SAILS_TRY(allow_shared_bytes(kernel, shared_bytes));
    cudaLaunchAttribute early = {};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = launch_config(queue.stream, grid, block, shared_bytes);
    config.attrs = &early;
    config.numAttrs = 1;
    return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
  }
#endif
  return launch(name, queue.stream, kernel, grid, block, shared_bytes, arguments...);
}

}  // namespace sails::kernels
