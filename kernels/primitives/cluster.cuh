// Clusters of blocks (sm_90 and later): neighbours along x that run at the same time and reach each other's shared memory and mbarriers
// (mbarrier.cuh, tma.cuh). A place in another block is named by the same place of one's own: all blocks of a kernel lay out their shared
// memory alike.
//
// Before the first access to another block all must have started and made their mbarriers; a block must not end while another may still
// reach it.
// Both are what cluster_sync is for.
#pragma once

#include "platform.cuh"

namespace sails::kernels {

// What persistent blocks run on, one each.
struct Multiprocessors {
  int count;
  bool clusters;  // neighbours may share what they read
  // Whether a product of m rows is worth clusters of two: each block has rows of its own.
  bool pairs(int64_t m, int tile_rows) const { return clusters && count > 1 && m > tile_rows; }
};

// The block's place in its cluster, from 0.
__device__ __forceinline__ int cluster_rank() {
#ifdef SAILS_EMULATOR
  return sails_emulator::cluster_rank();
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return static_cast<int>(rank);
#else
  return 0;
#endif
}

// All threads of all blocks of the cluster meet; what they wrote before is visible to all after it. Threads that have returned do not
// count.
__device__ __forceinline__ void cluster_sync() {
#ifdef SAILS_EMULATOR
  sails_emulator::cluster_arrive();
  sails_emulator::cluster_wait();
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
#else
  __trap();
#endif
}

// As `launch` (platform.cuh) in clusters of `cluster` blocks along x, at most 8; grid.x is a multiple of it.
template <typename... Parameters, typename... Arguments>
[[nodiscard]] cudaError_t launch_clusters(const char *name, cudaStream_t stream, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                          int cluster, int64_t shared_bytes, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
#ifdef SAILS_EMULATOR
  return sails_emulator::launch(name, stream, kernel, grid, block, cluster, shared_bytes, arguments...);
#else
  (void)name;
  SAILS_TRY(allow_shared_bytes(kernel, shared_bytes));
  cudaLaunchAttribute together = {};
  together.id = cudaLaunchAttributeClusterDimension;
  together.val.clusterDim.x = static_cast<unsigned>(cluster);
  together.val.clusterDim.y = together.val.clusterDim.z = 1;
  cudaLaunchConfig_t config = launch_config(stream, grid, block, shared_bytes);
  config.attrs = &together;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
#endif
}

}  // namespace sails::kernels
