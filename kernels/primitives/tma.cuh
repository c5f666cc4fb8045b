// Bulk copies between global and shared memory (TMA; sm_90 and later).
//
// A box of a tensor of 2 to 4 dimensions, innermost first, lies in shared memory as [w][z][y][x] without gaps, its bytes swizzled by their
// absolute address (swizzled() below). Loads complete on an mbarrier, to which the whole box counts, elements outside the tensor as zeros;
// stores leave out what is outside. Shared addresses are multiples of 128 bytes; a swizzled tile that wgmma reads starts on its atom (1024,
// 512 or 256 bytes). One thread issues a copy.
#pragma once

#include "mbarrier.cuh"

#ifndef SAILS_EMULATOR
#include <cuda.h>

#include <atomic>
#endif

namespace sails::kernels {

// XOR patterns over absolute shared addresses: bits 4, 5 and 6 are XORed with bits 7, 8 and 9 (128 bytes), 4 and 5 with 7 and 8 (64), 4
// with 7 (32). The values are those of a wgmma descriptor's field (sm_90).
enum class Swizzle : uint32_t { none = 0, bytes_128 = 1, bytes_64 = 2, bytes_32 = 3 };

__host__ __device__ constexpr uint32_t swizzle_span(Swizzle s) {
  return s == Swizzle::bytes_128 ? 128 : s == Swizzle::bytes_64 ? 64 : s == Swizzle::bytes_32 ? 32 : 16;
}
// Where the byte at this address lies; the pattern is an involution.
__host__ __device__ constexpr uint32_t swizzled(uint32_t address, Swizzle s) {
  return address ^ ((address >> 7 & (swizzle_span(s) / 16 - 1)) << 4);
}

// A tile with the pattern of 128 bytes starts on 8 of its rows, where the pattern starts: the first such place in dynamic shared memory,
// which promises 128 bytes only. One atom more than the tiles need is enough room.
constexpr int kSwizzleAtom = 1024;
__device__ __forceinline__ uint8_t *first_swizzle_atom(uint8_t *dynamic_shared) {
  return dynamic_shared + (kSwizzleAtom - __cvta_generic_to_shared(dynamic_shared) % kSwizzleAtom) % kSwizzleAtom;
}

enum class TensorType : uint32_t { f32 = 4, bf16 = 2 };  // the value is the element's size

// How a tensor in global memory is cut into boxes: made on the host, passed to a kernel as `const __grid_constant__ TensorMap`.
struct alignas(64) TensorMap {
  uint64_t words[16];
};

struct TensorBox {
  const void *base;  // aligned to 16 bytes
  int rank;          // 2 to 4
  TensorType type;
  uint64_t size[4];          // elements, innermost first
  uint64_t stride_bytes[3];  // from the second dimension on, multiples of 16
  uint32_t box[4];           // elements, at most 256 each; the innermost fits the swizzle's span and is a multiple of 16 bytes
  Swizzle swizzle;
};

#ifndef SAILS_EMULATOR
using TensorMapEncoder = CUresult (*)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *, const cuuint64_t *,
                                      const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                                      CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

// The driver's cuTensorMapEncodeTiled: asked for once, it stays where it is.
inline cudaError_t tensor_map_encoder(TensorMapEncoder *encoder) {
  static std::atomic<TensorMapEncoder> known{nullptr};
  *encoder = known.load(std::memory_order_relaxed);
  if (*encoder != nullptr) return cudaSuccess;
  void *entry = nullptr;
  cudaDriverEntryPointQueryResult found;
  SAILS_TRY(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found));
  if (found != cudaDriverEntryPointSuccess) return cudaErrorNotSupported;
  *encoder = reinterpret_cast<TensorMapEncoder>(entry);
  known.store(*encoder, std::memory_order_relaxed);
  return cudaSuccess;
}
#endif

// Fails with cudaErrorInvalidValue where the description breaks a rule above.
inline cudaError_t make_tensor_map(TensorMap *map, const TensorBox &b) {
#ifdef SAILS_EMULATOR
  const sails_emulator::TensorView view{b.base,
                                        b.rank,
                                        static_cast<int>(b.type),
                                        {b.size[0], b.size[1], b.size[2], b.size[3]},
                                        {b.stride_bytes[0], b.stride_bytes[1], b.stride_bytes[2]},
                                        {b.box[0], b.box[1], b.box[2], b.box[3]},
                                        static_cast<int>(swizzle_span(b.swizzle))};
  return sails_emulator::make_tensor_map(map, sizeof *map, view) ? cudaSuccess : cudaErrorInvalidValue;
#else
  TensorMapEncoder encode = nullptr;
  SAILS_TRY(tensor_map_encoder(&encode));
  static_assert(sizeof(TensorMap) == sizeof(CUtensorMap), "the driver writes the whole map");
  const cuuint64_t sizes[4] = {b.size[0], b.size[1], b.size[2], b.size[3]},
                   strides[3] = {b.stride_bytes[0], b.stride_bytes[1], b.stride_bytes[2]};
  const cuuint32_t box[4] = {b.box[0], b.box[1], b.box[2], b.box[3]}, steps[4] = {1, 1, 1, 1};
  const CUtensorMapSwizzle swizzle = b.swizzle == Swizzle::bytes_128  ? CU_TENSOR_MAP_SWIZZLE_128B
                                     : b.swizzle == Swizzle::bytes_64 ? CU_TENSOR_MAP_SWIZZLE_64B
                                     : b.swizzle == Swizzle::bytes_32 ? CU_TENSOR_MAP_SWIZZLE_32B
                                                                      : CU_TENSOR_MAP_SWIZZLE_NONE;
  const CUresult result = encode(
      reinterpret_cast<CUtensorMap *>(map), b.type == TensorType::f32 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT32 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
      static_cast<cuuint32_t>(b.rank), const_cast<void *>(b.base), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
#endif
}

// ---- loads

// The box at (x, y), (x, y, z) or (x, y, z, w), to shared memory; its bytes count to the barrier.
__device__ __forceinline__ void tma_load_2d(void *to_shared, const TensorMap &map, Mbarrier *barrier, int32_t x, int32_t y) {
#ifdef SAILS_EMULATOR
  sails_emulator::tensor_load(to_shared, &map, barrier, 2, x, y, 0, 0);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
                   shared_window_address(to_shared)),
               "l"(&map), "r"(shared_window_address(barrier)), "r"(x), "r"(y)
               : "memory");
#else
  __trap();
#endif
}
__device__ __forceinline__ void tma_load_3d(void *to_shared, const TensorMap &map, Mbarrier *barrier, int32_t x, int32_t y, int32_t z) {
#ifdef SAILS_EMULATOR
  sails_emulator::tensor_load(to_shared, &map, barrier, 3, x, y, z, 0);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
                   shared_window_address(to_shared)),
               "l"(&map), "r"(shared_window_address(barrier)), "r"(x), "r"(y), "r"(z)
               : "memory");
#else
  __trap();
#endif
}
__device__ __forceinline__ void tma_load_4d(void *to_shared, const TensorMap &map, Mbarrier *barrier, int32_t x, int32_t y, int32_t z,
                                            int32_t w) {
#ifdef SAILS_EMULATOR
  sails_emulator::tensor_load(to_shared, &map, barrier, 4, x, y, z, w);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(
                   shared_window_address(to_shared)),
               "l"(&map), "r"(shared_window_address(barrier)), "r"(x), "r"(y), "r"(z), "r"(w)
               : "memory");
#else
  __trap();
#endif
}
// To the same place of every block of the cluster whose bit is set in `blocks`; the bytes count to the barrier of each.
__device__ __forceinline__ void tma_load_2d_multicast(void *to_shared, const TensorMap &map, Mbarrier *barrier, uint32_t blocks, int32_t x,
                                                      int32_t y) {
#ifdef SAILS_EMULATOR
  sails_emulator::tensor_load_multicast(to_shared, &map, barrier, blocks, 2, x, y, 0, 0);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::
          "r"(shared_window_address(to_shared)),
      "l"(&map), "r"(shared_window_address(barrier)), "r"(x), "r"(y), "h"(static_cast<uint16_t>(blocks))
      : "memory");
#else
  __trap();
#endif
}
// Contiguous bytes, a multiple of 16; both addresses aligned to 16.
__device__ __forceinline__ void bulk_load(void *to_shared, const void *from_global, uint32_t bytes, Mbarrier *barrier) {
#ifdef SAILS_EMULATOR
  sails_emulator::bulk_load(to_shared, from_global, bytes, barrier);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared_window_address(to_shared)),
      "l"(from_global), "r"(bytes), "r"(shared_window_address(barrier))
      : "memory");
#else
  __trap();
#endif
}

// ---- stores; the threads that wrote the shared memory have called fence_proxy_async and met the issuing thread

__device__ __forceinline__ void tma_store_2d(const TensorMap &map, const void *from_shared, int32_t x, int32_t y) {
#ifdef SAILS_EMULATOR
  sails_emulator::tensor_store(&map, from_shared, 2, x, y, 0, 0);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(&map),
               "r"(shared_window_address(from_shared)), "r"(x), "r"(y)
               : "memory");
#else
  __trap();
#endif
}
__device__ __forceinline__ void tma_store_3d(const TensorMap &map, const void *from_shared, int32_t x, int32_t y, int32_t z) {
#ifdef SAILS_EMULATOR
  sails_emulator::tensor_store(&map, from_shared, 3, x, y, z, 0);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(&map),
               "r"(shared_window_address(from_shared)), "r"(x), "r"(y), "r"(z)
               : "memory");
#else
  __trap();
#endif
}
__device__ __forceinline__ void tma_store_4d(const TensorMap &map, const void *from_shared, int32_t x, int32_t y, int32_t z, int32_t w) {
#ifdef SAILS_EMULATOR
  sails_emulator::tensor_store(&map, from_shared, 4, x, y, z, w);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(&map),
               "r"(shared_window_address(from_shared)), "r"(x), "r"(y), "r"(z), "r"(w)
               : "memory");
#else
  __trap();
#endif
}
__device__ __forceinline__ void bulk_store(void *to_global, const void *from_shared, uint32_t bytes) {
#ifdef SAILS_EMULATOR
  sails_emulator::bulk_store(to_global, from_shared, bytes);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(to_global), "r"(shared_window_address(from_shared)),
               "r"(bytes)
               : "memory");
#else
  __trap();
#endif
}
// Closes the group of the calling thread's stores since the last commit.
__device__ __forceinline__ void bulk_commit() {
#ifdef SAILS_EMULATOR
  sails_emulator::bulk_commit();
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#else
  __trap();
#endif
}
// Until at most kPending of the calling thread's groups still read shared memory. A thread must not return before that holds for all.
template <int kPending>
__device__ __forceinline__ void bulk_wait_read() {
#ifdef SAILS_EMULATOR
  sails_emulator::bulk_wait(kPending, true);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
#else
  __trap();
#endif
}
// Until at most kPending groups are not yet written to global memory.
template <int kPending>
__device__ __forceinline__ void bulk_wait() {
#ifdef SAILS_EMULATOR
  sails_emulator::bulk_wait(kPending, false);
#elif defined(SAILS_HAS_MBARRIER)
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(kPending) : "memory");
#else
  __trap();
#endif
}

}  // namespace sails::kernels
