// The kernel of keys of the backward pass on warpgroups: dv and dk from the kept tiles. attention/backward_hopper_tiles.cuh.
//
// A block owns 128 keys of one sequence and key/value head, and one gradient of both: dv = sum over rows of p^T dout, dk = scale * sum of
// ds^T q, the rows of all query heads of the group in their order. Two warpgroups hold 64 keys x kWidth columns each; a thread of the third
// loads 64 rows at a time, the tiles of each warpgroup and dout or q, 4 stages of 48 KB at width 256, 6 of 32 KB at width 128.
#pragma once

#include "attention/backward_hopper_tiles.cuh"

namespace sails::kernels {

template <int kWidth>
struct KeyStages {
  static constexpr int kRowBytes = WideTile<kWidth>::kBytes, kBytes = 2 * kKeptBytes + kRowBytes, kStages = kWidth == 256 ? 4 : 6;
  static constexpr int64_t kSharedBytes = kBoxAtomSlack + kStages * kBytes;
  using Ring = RingPosition<kStages>;
  static __device__ uint8_t *rows(uint8_t *base, int stage) { return base + stage * kBytes; }
  static __device__ uint8_t *tile(uint8_t *base, int stage, int half) { return base + stage * kBytes + kRowBytes + half * kKeptBytes; }
};
template <int kWidth>
struct KeyBarriers {
  Mbarrier full[KeyStages<kWidth>::kStages], empty[KeyStages<kWidth>::kStages];
};
struct KeyMaps {
  TensorMap q, dout, dk, dv;
};

struct KeyBlock {
  AttentionHead head;
  int64_t head_in_turn, first_key;
  bool of_keys;  // dk, else dv
};
__device__ __forceinline__ KeyBlock key_block(const AttentionShape &p, const KeptBackward &kept) {
  const int64_t index = blockIdx.x / 2, head = index % kept.n_heads;
  return {attention_head(p, kept.first_head + head), head, index / kept.n_heads * kGradientBlockKeys, blockIdx.x % 2 != 0};
}

// By one thread. steps[stage]: bit h says that there is a tile for warpgroup h; 0: no more.
template <int kWidth>
__device__ __forceinline__ void load_kept_tiles(const AttentionShape &p, const KeptBackward &kept, const KeyMaps &maps, uint8_t *base,
                                                KeyBarriers<kWidth> *barriers, uint32_t *steps) {
  using Stages = KeyStages<kWidth>;
  const KeyBlock at = key_block(p, kept);
  const int32_t group = static_cast<int32_t>(p.group()), kv_head = static_cast<int32_t>(at.head.kv_head),
                sequence = static_cast<int32_t>(at.head.sequence);
  const IndexRange rows = rows_of_keys(p, at.first_key, smaller(p.n_keys, at.first_key + kGradientBlockKeys));
  const int64_t first_tile = at.first_key / kKeptKeys, key_tiles = ceil_div(p.n_keys, kKeptKeys);
  const SegmentRange *const segments = kept.key_segments + at.head.sequence * key_tiles;
  typename Stages::Ring stage;
  for (int64_t block = rows.begin / kGradientBlockRows; block * kGradientBlockRows < rows.end; block++) {
    const IndexRange range = tiles_of_block(p, block);
    const SegmentRange row_segments = kept.row_segments[at.head.sequence * kept.layout.blocks + block];
    const uint8_t *tiles[2] = {};
    uint32_t present = 0;
    for (int half = 0; half < 2; half++) {
      const int64_t tile = first_tile + half;
      bool uniform;
      if (tile < range.begin || tile >= range.end || !visible_tile(row_segments, segments[tile], uniform)) continue;
      present |= 1u << half;
      tiles[half] =
          kept.tiles + kept.layout.slot(at.head_in_turn, block, tile - range.begin) * kKeptSlotBytes + (at.of_keys ? 2 * kKeptBytes : 0);
    }
    for (int part = 0; part < 2 && present != 0 && block * kGradientBlockRows + part * kKeptRows < p.rows(); part++, stage.advance()) {
      Mbarrier *const full = &barriers->full[stage.slot];
      mbarrier_wait(&barriers->empty[stage.slot], stage.empty_parity());
      steps[stage.slot] = present;
      mbarrier_arrive_expect(full, Stages::kRowBytes + (present == 3 ? 2 : 1) * kKeptBytes);
      for (int half = 0; half < 2; half++)
        if ((present >> half & 1) != 0) bulk_load(Stages::tile(base, stage.slot, half), tiles[half] + part * kKeptBytes, kKeptBytes, full);
      for (int chunk = 0; chunk < WideTile<kWidth>::kChunks; chunk++)
        tma_load_4d(Stages::rows(base, stage.slot) + chunk * kBoxBytes, at.of_keys ? maps.q : maps.dout, full, chunk * kBoxColumns,
                    kv_head * group, static_cast<int32_t>(block * kGradientBlockRows + part * kKeptRows) / group, sequence);
    }
  }
  mbarrier_wait(&barriers->empty[stage.slot], stage.empty_parity());
  steps[stage.slot] = 0;
  mbarrier_arrive(&barriers->full[stage.slot]);
}

// By each of the two computing warpgroups.
template <int kWidth>
__device__ __forceinline__ void compute_key_gradients(const AttentionShape &p, const KeptBackward &kept, const KeyMaps &maps, uint8_t *base,
                                                      KeyBarriers<kWidth> *barriers, const uint32_t *steps) {
  using Stages = KeyStages<kWidth>;
  const int half = threadIdx.x / kWarpgroup;
  const bool speaks = threadIdx.x % kWarp == 0;
  float d[kWidth / 2];
#pragma unroll
  for (int i = 0; i < kWidth / 2; i++) d[i] = 0.0f;
  Mbarrier *under_way = nullptr;  // of the stage whose products may not be done
  for (typename Stages::Ring stage;; stage.advance()) {
    mbarrier_wait(&barriers->full[stage.slot], stage.full_parity());
    const uint32_t present = steps[stage.slot];
    if (present == 0) break;
    if ((present >> half & 1) != 0) {
      // p^T or ds^T: cores of 8 rows x 8 keys, keys contiguous.
      const uint64_t tile = wgmma_descriptor(Stages::tile(base, stage.slot, half), kKeptBytes / 8, 128, Swizzle::none);
      const uint64_t rows = WideTile<kWidth>::by_rows(Stages::rows(base, stage.slot));
      wgmma_fence();
#pragma unroll
      for (int k = 0; k < kKeptRows / 16; k++) wgmma<kWidth, true, true>(d, tile + (k * (kKeptBytes / 4) >> 4), rows + k * kRowStep, true);
      wgmma_commit();
      wgmma_wait<1>();
      if (under_way != nullptr && speaks) mbarrier_arrive(under_way);
      under_way = &barriers->empty[stage.slot];
    } else {
      wgmma_wait<0>();
      if (under_way != nullptr && speaks) mbarrier_arrive(under_way);
      if (speaks) mbarrier_arrive(&barriers->empty[stage.slot]);
      under_way = nullptr;
    }
  }
  wgmma_wait<0>();
  wgmma_done(d);
  named_barrier_sync(3, 2 * kWarpgroup);  // both are through with the stages, all of which have arrived
  const KeyBlock at = key_block(p, kept);
  store_accumulators<kWidth>(base + half * WideTile<kWidth>::kBytes, d, at.of_keys ? p.scale : 1.0f, [&](const uint8_t *from, int column) {
    tma_store_4d(at.of_keys ? maps.dk : maps.dv, from, column, static_cast<int32_t>(at.head.kv_head),
                 static_cast<int32_t>(at.first_key) + half * kKeptKeys, static_cast<int32_t>(at.head.sequence));
  });
}

template <int kWidth>
__global__ void __launch_bounds__(kGradientThreads, 1)
    attention_backward_keys_warpgroup(AttentionShape p, KeptBackward kept, const __grid_constant__ KeyMaps maps) {
  if constexpr (kHasWgmma) {
    using Stages = KeyStages<kWidth>;
    SAILS_DYNAMIC_SHARED(uint8_t, shared);
    SAILS_SHARED(KeyBarriers<kWidth>, barriers, 1);
    SAILS_SHARED(uint32_t, steps, Stages::kStages);
    uint8_t *const base = first_swizzle_atom(shared);
    if (threadIdx.x == 0) {
      for (int i = 0; i < Stages::kStages; i++) {
        mbarrier_init(&barriers->full[i], 1);
        mbarrier_init(&barriers->empty[i], kGradientWarps);
      }
      mbarrier_init_fence();
    }
    __syncthreads();
    if (threadIdx.x >= 2 * kWarpgroup) {
      give_registers<40>();
      if (threadIdx.x == 2 * kWarpgroup) load_kept_tiles<kWidth>(p, kept, maps, base, barriers, steps);
    } else {
      take_registers<232>();
      compute_key_gradients<kWidth>(p, kept, maps, base, barriers, steps);
    }
  }
}

}  // namespace sails::kernels
