// What primitives/{mbarrier,tma,wgmma}.cuh call: mbarriers, bulk copies and warpgroup products.
//
// Asynchronous work takes effect at any moment that the hardware allows, chosen by the seed: a bulk load when it is issued, or not before
// all threads wait; a store reads shared memory when it is issued, or at its wait; a product reads its operands at its commit, or at its
// wait. Whoever does not wait finds NaN (or the old contents) under some seed.
#pragma once

#include "emulator/device_runtime.h"

namespace sails_emulator {

void mbarrier_init(void *barrier, uint32_t count, Site site = Site::here());
void mbarrier_invalidate(void *barrier, Site site = Site::here());
// One arrival that announces `bytes`.
void mbarrier_arrive(void *barrier, uint32_t bytes, Site site = Site::here());
// One arrival at the mbarrier that block `rank` of the cluster has at the same place.
void mbarrier_arrive_at(void *barrier, uint32_t rank, Site site = Site::here());
// Whether the phase of this parity has completed; until_done: sleeps until it has; cluster: what other blocks of the cluster did before
// they arrived is done.
bool mbarrier_wait(void *barrier, uint32_t parity, bool until_done, bool cluster, Site site = Site::here());

// A tensor in global memory and the box that a copy takes, innermost dimension first.
struct TensorView {
  const void *base;
  int rank, element_bytes;
  uint64_t size[4], stride_bytes[3];
  uint32_t box[4];
  int swizzle_span;  // bytes, 16: none
};
// Writes the view to `map`; false where it breaks a rule of cuTensorMapEncodeTiled.
bool make_tensor_map(void *map, size_t map_bytes, const TensorView &view);
void tensor_load(void *to_shared, const void *map, void *barrier, int rank, int32_t x, int32_t y, int32_t z, int32_t w,
                 Site site = Site::here());
// To the same place of every block whose bit is set in `blocks`; completes on the mbarrier of each.
void tensor_load_multicast(void *to_shared, const void *map, void *barrier, uint32_t blocks, int rank, int32_t x, int32_t y, int32_t z,
                           int32_t w, Site site = Site::here());
void bulk_load(void *to_shared, const void *from_global, uint32_t bytes, void *barrier, Site site = Site::here());
void tensor_store(const void *map, const void *from_shared, int rank, int32_t x, int32_t y, int32_t z, int32_t w, Site site = Site::here());
void bulk_store(void *to_global, const void *from_shared, uint32_t bytes, Site site = Site::here());
void bulk_commit();
// Until at most `pending` of the thread's groups still read shared memory, or (read_only false) are not yet in global memory.
void bulk_wait(int pending, bool read_only);

void wgmma_fence(Site site = Site::here());
// d: the calling thread's n / 2 accumulators; a_registers NULL: a from the descriptor.
void wgmma(float *d, int n, const uint32_t *a_registers, uint64_t a, uint64_t b, bool accumulate, bool a_mn_major, bool b_mn_major,
           Site site = Site::here());
void wgmma_commit(Site site = Site::here());
void wgmma_wait(int pending, Site site = Site::here());

}  // namespace sails_emulator
