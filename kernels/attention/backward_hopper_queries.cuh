// The kernel of queries of the backward pass on warpgroups: dq, and the tiles of p and ds that the kernel of keys multiplies.
// attention/backward_hopper_tiles.cuh.
//
// A block owns 128 rows of one sequence and key/value head; q and dout stay in shared memory. Two warpgroups compute 64 rows each and never
// wait for one another: while one weighs its scores, the other's products fill the tensor cores. A thread of the third warpgroup loads
// tiles of 64 keys, k in 2 stages and v in a ring of chunks of 64 columns that are given back one by one.
//   shared memory, width 256: q 64 KB + dout 64 KB + k 2 x 32 KB + v 32 KB;  width 128: half of it for the first three, v two tiles
//   registers: dq kWidth / 2, scores 32, dp 32, p or ds 16
// A step of a warpgroup; the products of dq are still under way when the next scores are asked for:
//   s = q k^T | dp = dout v^T, by chunks | p and the slope from s, while dp is computed | ds | dq += ds k
// ds goes from accumulators to the A operand as in attention/forward.cuh. p and ds are written as the accumulators lie: per warp, 8 rows
// and 8 keys 128 contiguous bytes, which is what wgmma reads without a swizzle.
#pragma once

#include "attention/backward_hopper_tiles.cuh"

namespace sails::kernels {

template <int kWidth>
struct QueryStages {
  static constexpr int kTile = WideTile<kWidth>::kBytes, kChunks = WideTile<kWidth>::kChunks;
  static constexpr int kKeyStages = 2, kValueSlots = 4;
  using KeyRing = RingPosition<kKeyStages>;
  using ValueRing = RingPosition<kValueSlots>;  // of chunks: kChunks items a tile
  static constexpr int64_t kSharedBytes = kBoxAtomSlack + (4 + kKeyStages) * kTile + kValueSlots * kBoxBytes;
  static __device__ uint8_t *queries(uint8_t *base, int half) { return base + half * kTile; }
  static __device__ uint8_t *douts(uint8_t *base, int half) { return base + (2 + half) * kTile; }
  static __device__ uint8_t *keys(uint8_t *base, int stage) { return base + (4 + stage) * kTile; }
  static __device__ uint8_t *values(uint8_t *base, int slot) { return base + (4 + kKeyStages) * kTile + slot * kBoxBytes; }
};
template <int kWidth>
struct QueryBarriers {
  Mbarrier queries_full, douts_full;
  Mbarrier keys_full[QueryStages<kWidth>::kKeyStages], keys_empty[QueryStages<kWidth>::kKeyStages];
  Mbarrier values_full[QueryStages<kWidth>::kValueSlots], values_empty[QueryStages<kWidth>::kValueSlots];
};
// What a stage of keys holds: the number of the tile, and whether all of it and of the block's rows is one document.
struct KeyStep {
  int32_t tile;  // -1: no more
  int32_t uniform;
};
// What a warpgroup needs of its 64 rows now and then; in shared memory, because the accumulators leave few registers.
struct QueryRows {
  RowSums sums[kKeptRows];
  int32_t row_segments[kKeptRows];  // 0 past the last row
  const int32_t *segments;          // of the sequence's keys
  uint8_t *first_slot;              // of the block's first tile, and its number
  int64_t slot_step;
  int32_t first_tile;
  int32_t open_from, open_to;               // a tile of one document whose first key lies between them hides nothing
  int32_t head, query, sequence, position;  // of the first row
  int32_t group_bits;                       // the group is a power of two
};
struct QueryMaps {
  TensorMap q, dout, k, v, dq;
};

// The block's rows and tiles, by number.
struct QueryBlock {
  AttentionHead head;
  int64_t head_in_turn, block;
};
__device__ __forceinline__ QueryBlock query_block(const AttentionShape &p, const KeptBackward &kept) {
  const int64_t head = blockIdx.x % kept.n_heads;
  return {attention_head(p, kept.first_head + head), head,
          kept.layout.blocks - 1 - blockIdx.x / kept.n_heads};  // those with the most keys first
}

// By one thread: everything that the block reads through shared memory.
template <int kWidth>
__device__ __forceinline__ void load_query_tiles(const AttentionShape &p, const KeptBackward &kept, const QueryMaps &maps, uint8_t *base,
                                                 QueryBarriers<kWidth> *barriers, KeyStep *steps) {
  using Stages = QueryStages<kWidth>;
  const QueryBlock at = query_block(p, kept);
  const int32_t group = static_cast<int32_t>(p.group()), kv_head = static_cast<int32_t>(at.head.kv_head),
                sequence = static_cast<int32_t>(at.head.sequence);
  const int32_t first_query = static_cast<int32_t>(at.block) * (kGradientBlockRows / group);
  const auto load_rows = [&](bool dout) {
    Mbarrier *const full = dout ? &barriers->douts_full : &barriers->queries_full;
    mbarrier_arrive_expect(full, 2 * Stages::kTile);
    for (int i = 0; i < 2 * Stages::kChunks; i++) {
      const int half = i / Stages::kChunks, chunk = i % Stages::kChunks;
      tma_load_4d((dout ? Stages::douts(base, half) : Stages::queries(base, half)) + chunk * kBoxBytes, dout ? maps.dout : maps.q, full,
                  chunk * kBoxColumns, kv_head * group, first_query + half * (kKeptRows / group), sequence);
    }
  };
  const IndexRange range = tiles_of_block(p, at.block);
  const SegmentRange rows = kept.row_segments[at.head.sequence * kept.layout.blocks + at.block];
  const SegmentRange *const keys = kept.key_segments + at.head.sequence * ceil_div(p.n_keys, kKeptKeys);
  load_rows(false);
  uint32_t step = 0;
  for (int32_t tile = static_cast<int32_t>(range.begin); tile < range.end; tile++) {
    bool uniform;
    if (!visible_tile(rows, keys[tile], uniform)) continue;
    const auto stage = Stages::KeyRing::of(step);
    Mbarrier *const full = &barriers->keys_full[stage.slot];
    mbarrier_wait(&barriers->keys_empty[stage.slot], stage.empty_parity());
    steps[stage.slot] = {tile, uniform};
    mbarrier_arrive_expect(full, Stages::kTile);
    for (int chunk = 0; chunk < Stages::kChunks; chunk++)
      tma_load_4d(Stages::keys(base, stage.slot) + chunk * kBoxBytes, maps.k, full, chunk * kBoxColumns, kv_head, tile * kKeptKeys,
                  sequence);
    if (step == 0) load_rows(true);
    for (int chunk = 0; chunk < Stages::kChunks; chunk++) {
      const auto at = Stages::ValueRing::of(step * Stages::kChunks + chunk);
      mbarrier_wait(&barriers->values_empty[at.slot], at.empty_parity());
      mbarrier_arrive_expect(&barriers->values_full[at.slot], kBoxBytes);
      tma_load_4d(Stages::values(base, at.slot), maps.v, &barriers->values_full[at.slot], chunk * kBoxColumns, kv_head, tile * kKeptKeys,
                  sequence);
    }
    step++;
  }
  if (step == 0) load_rows(true);
  const auto after = Stages::KeyRing::of(step);
  mbarrier_wait(&barriers->keys_empty[after.slot], after.empty_parity());
  steps[after.slot] = {-1, 0};
  mbarrier_arrive(&barriers->keys_full[after.slot]);
}

// The score of q.k = dot as a power of two; operands in constant memory, as the forward has them.
struct PowerScore {
  float inner;        // scale / cap; without a soft-cap scale log2(e)
  TanhQuotient tanh;  // times log2(e) cap
  float inverse_cap;  // 1 / (log2(e) cap)
};
inline PowerScore power_score(const AttentionShape &p) {
  if (p.softcap == 0.0f) return {p.scale * kLog2E, {}, 0.0f};
  return {p.scale / p.softcap, tanh_quotient(p.softcap * kLog2E), 1.0f / (p.softcap * kLog2E)};
}
// p = exp(s - lse), and p (1 - t^2) in place of dot; lse in powers of two. s has the bits that the forward summed in lse.
template <bool kSoftcap>
__device__ __forceinline__ float score_probability(const PowerScore &score, float &dot, float lse) {
  if constexpr (kSoftcap) {
    const float s = scaled_tanh(score.tanh, score.inner * dot), t = score.inverse_cap * s;
    const float probability = fast_exp2(s - lse);
    dot = probability * fmaf(-t, t, 1.0f);
    return probability;
  } else {
    return dot = fast_exp2(score.inner * dot - lse);
  }
}

__device__ __forceinline__ KeyLimits tile_key_limits(const AttentionShape &p, const QueryRows &rows, int row) {
  const int32_t position = rows.position + (row >> rows.group_bits), n_keys = static_cast<int32_t>(p.n_keys),
                window = static_cast<int32_t>(p.window);
  const int32_t first = window == 0 || position < window ? 0 : position - window + 1, end = position < n_keys ? position + 1 : n_keys;
  return {first, rows.row_segments[row] == 0 || end < first ? 0 : static_cast<uint32_t>(end - first), rows.row_segments[row]};
}
// Bit i: the thread's pair i does not see each other.
__device__ __forceinline__ uint32_t hidden_pairs(const AttentionShape &p, const QueryRows &rows, int row, int32_t first_key) {
  const KeyLimits above = tile_key_limits(p, rows, row), below = tile_key_limits(p, rows, row + 8);
  const int32_t *const segments = rows.segments + first_key;
  const int32_t n_keys = static_cast<int32_t>(p.n_keys);
  uint32_t hidden = 0;
#pragma unroll
  for (int i = 0; i < kKeptKeys / 4; i++) {
    const int32_t column = i / 2 * 8 + threadIdx.x % 4 * 2 + i % 2, key = first_key + column, segment = key < n_keys ? segments[column] : 0;
    hidden |= (above.sees(key, segment) ? 0u : 1u) << (i / 2 * 4 + i % 2) | (below.sees(key, segment) ? 0u : 1u) << (i / 2 * 4 + 2 + i % 2);
  }
  return hidden;
}

// Two bf16 of a warpgroup's 64 x 64 pairs to a kept tile: cores of 8 rows x 8 keys, those of the same rows one behind the other.
__device__ __forceinline__ void keep_pair(uint8_t *tile, int j, int half, uint32_t pair) {
  const int thread = threadIdx.x % kWarpgroup;
  *reinterpret_cast<uint32_t *>(tile + (thread / kWarp * 2 + half) * (kKeptBytes / 8) + j * 128 + thread % kWarp * 4) = pair;
}

// Probabilities of the chunk's share of the keys, then the chunk of v that dp is through with goes back; chunk after chunk, because a wait
// takes a constant.
// masked: some bit of some thread's `hidden` is set.
template <int kWidth, bool kSoftcap, int kChunk = 0>
__device__ __forceinline__ void weigh_scores(float (&s)[32], uint8_t *tile, const PowerScore &score, const float (&lse)[2], bool masked,
                                             uint32_t hidden, QueryBarriers<kWidth> *barriers, uint32_t turn) {
  using Stages = QueryStages<kWidth>;
  constexpr int kBlocks = kKeptKeys / 8 / Stages::kChunks;
  uint32_t pairs[kBlocks][2];
#pragma unroll
  for (int j = 0; j < kBlocks; j++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float *const dots = s + 4 * (kChunk * kBlocks + j) + 2 * half;
      const float low = score_probability<kSoftcap>(score, dots[0], lse[half]),
                  high = score_probability<kSoftcap>(score, dots[1], lse[half]);
      pairs[j][half] = pack_bf16(low, high);
    }
  if (masked) {
#pragma unroll
    for (int i = 0; i < 4 * kBlocks; i++) {
      if ((hidden >> (4 * kChunk * kBlocks + i) & 1) == 0) continue;
      s[4 * kChunk * kBlocks + i] = 0.0f;
      pairs[i / 4][i / 2 % 2] &= i % 2 == 0 ? 0xffff0000u : 0x0000ffffu;
    }
  }
#pragma unroll
  for (int j = 0; j < kBlocks; j++)
#pragma unroll
    for (int half = 0; half < 2; half++) keep_pair(tile, kChunk * kBlocks + j, half, pairs[j][half]);
  wgmma_wait<Stages::kChunks - 1 - kChunk>();
  if (threadIdx.x % kWarp == 0) mbarrier_arrive(&barriers->values_empty[Stages::ValueRing::of(turn + kChunk).slot]);
  if constexpr (kChunk + 1 < Stages::kChunks)
    weigh_scores<kWidth, kSoftcap, kChunk + 1>(s, tile, score, lse, masked, hidden, barriers, turn);
}

// By all threads of a warpgroup.
__device__ __forceinline__ void describe_rows(const AttentionShape &p, const KeptBackward &kept, int half, QueryRows *rows) {
  const int thread = threadIdx.x % kWarpgroup;
  const QueryBlock at = query_block(p, kept);
  const int64_t first_row = at.block * kGradientBlockRows + half * kKeptRows, group = p.group();
  if (thread < kKeptRows) {
    const int64_t query = (first_row + thread) / group;
    rows->row_segments[thread] = query < p.n_queries ? p.q_segment[at.head.sequence * p.n_queries + query] : 0;
    rows->sums[thread] = kept.rows[(kept.first_head + at.head_in_turn) * kept.layout.blocks * kGradientBlockRows + first_row + thread];
  } else if (thread == kKeptRows) {
    const int64_t first_position = p.query_offset + first_row / group, last_position = p.query_offset + (first_row + kKeptRows - 1) / group;
    rows->segments = p.k_segment + at.head.sequence * p.n_keys;
    rows->first_slot = kept.tiles + kept.layout.slot(at.head_in_turn, at.block, 0) * kKeptSlotBytes + half * kKeptBytes;
    rows->slot_step = 2 * at.block < kept.layout.blocks ? kKeptSlotBytes : -kKeptSlotBytes;
    rows->first_tile = static_cast<int32_t>(tiles_of_block(p, at.block).begin);
    rows->open_from = p.window == 0 ? 0 : static_cast<int32_t>(last_position - p.window) + 1;
    rows->open_to = first_row + kKeptRows > p.rows() ? -1 : static_cast<int32_t>(smaller(first_position + 1, p.n_keys)) - kKeptKeys;
    rows->head = static_cast<int32_t>(at.head.kv_head * group);
    rows->query = static_cast<int32_t>(first_row / group);
    rows->sequence = static_cast<int32_t>(at.head.sequence);
    rows->position = static_cast<int32_t>(first_position);
    rows->group_bits = 0;
    while (group >> rows->group_bits > 1) rows->group_bits++;
  }
  named_barrier_sync(1 + half, kWarpgroup);
}

// By each of the two computing warpgroups.
template <int kWidth, bool kSoftcap>
__device__ __forceinline__ void compute_query_gradients(const AttentionShape &p, const KeptBackward &kept, const PowerScore &score,
                                                        const TensorMap &dq_map, uint8_t *base, QueryBarriers<kWidth> *barriers,
                                                        const KeyStep *steps, QueryRows *all_rows) {
  using Stages = QueryStages<kWidth>;
  using Tile = WideTile<kWidth>;
  const int half = warpgroup_index(), thread = threadIdx.x % kWarpgroup, row = thread / kWarp * 16 + thread % kWarp / 4;
  const bool speaks = threadIdx.x % kWarp == 0;
  QueryRows *const rows = all_rows + half;
  describe_rows(p, kept, half, rows);
  const uint64_t queries = Tile::by_columns(Stages::queries(base, half)), douts = Tile::by_columns(Stages::douts(base, half));
  float dq[kWidth / 2];
  uint32_t ds[4][4] = {};
#pragma unroll
  for (int i = 0; i < kWidth / 2; i++) dq[i] = 0.0f;

  mbarrier_wait(&barriers->queries_full, 0);
  for (uint32_t step = 0;; step++) {
    const auto stage = Stages::KeyRing::of(step);
    const uint32_t turn = step * Stages::kChunks;
    mbarrier_wait(&barriers->keys_full[stage.slot], stage.full_parity());
    const KeyStep now = steps[stage.slot];
    if (now.tile < 0) break;
    const uint64_t keys = Tile::by_columns(Stages::keys(base, stage.slot)), key_rows = Tile::by_rows(Stages::keys(base, stage.slot));
    float s[32], dp[32];
    wgmma_fence();
#pragma unroll
    for (int chunk = 0; chunk < Stages::kChunks; chunk++)
#pragma unroll
      for (int k = 0; k < 4; k++) wgmma<kKeptKeys>(s, queries + Tile::at(chunk, k), keys + Tile::at(chunk, k), chunk + k > 0);
    wgmma_commit();
    if (step == 0) mbarrier_wait(&barriers->douts_full, 0);
#pragma unroll
    for (int chunk = 0; chunk < Stages::kChunks; chunk++) {
      const auto at = Stages::ValueRing::of(turn + chunk);
      mbarrier_wait(&barriers->values_full[at.slot], at.full_parity());
      wgmma_fence();
      const uint64_t values = Tile::by_columns(Stages::values(base, at.slot));
#pragma unroll
      for (int k = 0; k < 4; k++) wgmma<kKeptKeys>(dp, douts + Tile::at(chunk, k), values + Tile::at(0, k), chunk + k > 0);
      wgmma_commit();
    }
    const int32_t first_key = now.tile * kKeptKeys;
    const bool masked = now.uniform == 0 || first_key > rows->open_to || first_key < rows->open_from;
    const uint32_t hidden = masked ? hidden_pairs(p, *rows, row, first_key) : 0;
    uint8_t *const slot = rows->first_slot + (now.tile - rows->first_tile) * rows->slot_step;
    const float lse[2] = {rows->sums[row].lse, rows->sums[row + 8].lse};
    wgmma_wait<Stages::kChunks>();  // s, and before it dq of the last step
    wgmma_done(s);
#pragma unroll
    for (int k = 0; k < kKeptKeys / 16; k++) wgmma_done(ds[k]);
    if (step > 0 && speaks) mbarrier_arrive(&barriers->keys_empty[Stages::KeyRing::of(step - 1).slot]);
    weigh_scores<kWidth, kSoftcap>(s, slot, score, lse, masked, hidden, barriers, turn);
    wgmma_done(dp);
    const float delta[2] = {rows->sums[row].delta, rows->sums[row + 8].delta};
#pragma unroll
    for (int j = 0; j < kKeptKeys / 8; j++)
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const int at = 4 * j + 2 * i;
        ds[j / 2][j % 2 * 2 + i] = pack_bf16(s[at] * (dp[at] - delta[i]), s[at + 1] * (dp[at + 1] - delta[i]));
      }
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kKeptKeys / 16; k++) wgmma<kWidth, true>(dq, ds[k], key_rows + k * kRowStep, true);
    wgmma_commit();
#pragma unroll
    for (int j = 0; j < kKeptKeys / 8; j++)
#pragma unroll
      for (int i = 0; i < 2; i++) keep_pair(slot + 2 * kKeptBytes, j, i, ds[j / 2][j % 2 * 2 + i]);
  }
  wgmma_wait<0>();
  wgmma_done(dq);
#pragma unroll
  for (int k = 0; k < kKeptKeys / 16; k++) wgmma_done(ds[k]);
  mbarrier_wait(&barriers->douts_full, 0);   // of a block that saw no key: nothing may arrive after its end
  named_barrier_sync(1 + half, kWarpgroup);  // all warps have done with the queries, which dq takes the place of
  store_accumulators<kWidth>(Stages::queries(base, half), dq, p.scale, [&](const uint8_t *from, int column) {
    tma_store_4d(dq_map, from, column, rows->head, rows->query, rows->sequence);
  });
}

template <int kWidth, bool kSoftcap>
__global__ void __launch_bounds__(kGradientThreads, 1)
    attention_backward_queries_warpgroup(AttentionShape p, KeptBackward kept, const __grid_constant__ PowerScore score,
                                         const __grid_constant__ QueryMaps maps) {
  if constexpr (kHasWgmma) {
    using Stages = QueryStages<kWidth>;
    SAILS_DYNAMIC_SHARED(uint8_t, shared);
    SAILS_SHARED(QueryBarriers<kWidth>, barriers, 1);
    SAILS_SHARED(KeyStep, steps, Stages::kKeyStages);
    SAILS_SHARED(QueryRows, rows, 2);
    uint8_t *const base = first_swizzle_atom(shared);
    if (threadIdx.x == 0) {
      mbarrier_init(&barriers->queries_full, 1);
      mbarrier_init(&barriers->douts_full, 1);
      for (int i = 0; i < Stages::kKeyStages; i++) {
        mbarrier_init(&barriers->keys_full[i], 1);
        mbarrier_init(&barriers->keys_empty[i], kGradientWarps);
      }
      for (int i = 0; i < Stages::kValueSlots; i++) {
        mbarrier_init(&barriers->values_full[i], 1);
        mbarrier_init(&barriers->values_empty[i], kGradientWarps);
      }
      mbarrier_init_fence();
    }
    __syncthreads();
    if (threadIdx.x >= 2 * kWarpgroup) {
      give_registers<24>();
      if (threadIdx.x == 2 * kWarpgroup) load_query_tiles<kWidth>(p, kept, maps, base, barriers, steps);
    } else {
      take_registers<240>();
      compute_query_gradients<kWidth, kSoftcap>(p, kept, score, maps.dq, base, barriers, steps, rows);
    }
  }
}

}  // namespace sails::kernels
