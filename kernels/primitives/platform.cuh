// What every kernel starts from: the CUDA runtime (or the emulator's stand-in for it), shared memory, and launching.
//
// The same source is compiled by nvcc for libsails_cuda and by the host compiler for libsails_emulator, where SAILS_EMULATOR is defined
// and native/emulator/include/cuda_runtime.h stands in for the runtime. Therefore:
//   - kernels are launched with `launch`, not with <<<>>>;
//   - shared memory is declared with SAILS_SHARED and SAILS_DYNAMIC_SHARED, so that the emulator can poison it and set red zones;
//   - PTX is written here in primitives/ only, each function with a portable body beside it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

// A __shared__ array of `count` elements of `type`, 16-byte aligned: SAILS_SHARED(float, sums, 32);
// A dynamic one (only one a kernel), 128-byte aligned: SAILS_DYNAMIC_SHARED(uint8_t, bytes);
#ifdef SAILS_EMULATOR
#define SAILS_SHARED(type, name, count) \
  static const char name##_site = 0; \
  type *const name = static_cast<type *>(sails_emulator::shared_array(&name##_site, #name, sizeof(type) * (count)))
#define SAILS_DYNAMIC_SHARED(type, name) type *const name = static_cast<type *>(sails_emulator::dynamic_shared())
#else
#define SAILS_SHARED(type, name, count) __shared__ __align__(16) type name[count]
#define SAILS_DYNAMIC_SHARED(type, name) \
  extern __shared__ __align__(128) unsigned char sails_dynamic_shared[]; \
  type *const name = reinterpret_cast<type *>(sails_dynamic_shared)
#endif

namespace sails::kernels {

constexpr int kWarp = 32;

// Shared memory of a block that needs no permission from the runtime.
constexpr int64_t kDefaultSharedBytes = 48 * 1024;

__host__ __device__ constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
__host__ __device__ constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
__host__ __device__ constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

#ifndef SAILS_EMULATOR
// Asks the runtime's permission for what a kernel needs beyond the default.
template <typename... Parameters>
[[nodiscard]] cudaError_t allow_shared_bytes(void (*kernel)(Parameters...), int64_t shared_bytes) {
  if (shared_bytes <= kDefaultSharedBytes) return cudaSuccess;
  return cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(shared_bytes));
}

// With no attributes yet.
inline cudaLaunchConfig_t launch_config(cudaStream_t stream, dim3 grid, dim3 block, int64_t shared_bytes) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = stream;
  return config;
}
#endif

// Queues kernel(arguments...) on the stream; a grid without blocks is done at once. `name` is what the emulator's messages and its trace
// (environment variable SAILS_TRACE_LAUNCHES) call it.
template <typename... Parameters, typename... Arguments>
[[nodiscard]] cudaError_t launch(const char *name, cudaStream_t stream, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                 int64_t shared_bytes, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
#ifdef SAILS_EMULATOR
  return sails_emulator::launch(name, stream, kernel, grid, block, 1, shared_bytes, arguments...);
#else
  (void)name;
  const cudaError_t allowed = allow_shared_bytes(kernel, shared_bytes);
  if (allowed != cudaSuccess) return allowed;
  const cudaLaunchConfig_t config = launch_config(stream, grid, block, shared_bytes);
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
#endif
}

}  // namespace sails::kernels

// Inside a launcher: leave with the first error.
#define SAILS_TRY(call) \
  do { \
    const cudaError_t sails_try_status = (call); \
    if (sails_try_status != cudaSuccess) return sails_try_status; \
  } while (0)
