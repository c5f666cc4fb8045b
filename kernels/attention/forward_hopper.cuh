// Attention forward on Hopper (sm_90a): TMA, wgmma and warps with roles, in the shape of FlashAttention-3 (arXiv:2407.08608 section 3).
// Formulas, shapes and rows: attention/attention.cuh; what is written: attention/forward.cuh. bf16, head_dim 64, 128 or 256.
//
// A block owns 128 / group queries of one sequence and key/value head with all query heads of the group: up to 128 rows, one box of TMA.
// Later queries, which see more keys, come first in the grid: multiprocessors take blocks as they become free, long ones first. A block
// that lives on and takes several tiles would hide prologue and epilogue (by estimate 3 of 60 us at 4096 keys) and needs a scheduler of its
// own: not done.
//   producer   one warp. Loads the queries, then tile by tile the keys and values that some row may see, into 2 stages each; leaves out
//   tiles whose
//              documents none of the queries belongs to, and notes which tiles all rows see whole: these need no mask.
//   consumers  two warpgroups, 64 rows each, all accumulators in registers. Both products of a step are issued together, Q K^T of a tile
//   and P V of
//              the tile before, so that the softmax of this tile runs while P V is under way (intra-warpgroup overlap); and the warpgroups
//              take
//              turns to issue, so that the softmax of one runs under the products of the other (ping-pong).
//   Q, K       K-major operands, [64 columns][rows][128 bytes], swizzle 128. V the same tile read MN-major. P goes from accumulators to the
//   A operand
//              in registers, rounded to bf16. O leaves through the rows of Q in shared memory, 16 bytes a lane.
// Masks and softmax: attention/softmax_hopper.cuh.
//
// Limits of an H100 (a multiprocessor and clock: 4096 bf16 FLOPs, 16 special functions, 128 lanes issued), in clocks a score:
//   head_dim  products 4 head_dim / 4096   soft-capped 2 / 16, 16.5 / 128   plain 1 / 16, 5 / 128
//        256                       0.250                    0.125    0.129         0.063  0.039
//        128                       0.125                    0.125    0.129         0.063  0.039
//         64                       0.063                    0.125    0.129         0.063  0.039
//   head_dim 256: the products of one warpgroup take as long as both softmaxes. 128 with a cap: instructions and products take the same,
//   any gap shows.
//   Shared memory read by wgmma, 128 bytes a clock: m64n80k16 reads 36 of its 40 clocks, m64n256k16 with A from registers 64 of 128.
// Registers: O 128, S 40, P 20 a thread at head_dim 256 with 80 keys a tile; 64, 64, 32 at 128 with 128 keys; of 232.
// Shared memory: Q 64 KiB, 2 stages of K and V 40 KiB each at head_dim 256; 32 and 32 at 128; 16 and 16 at 64.
#pragma once

#include <type_traits>

#include "attention/softmax_hopper.cuh"
#include "primitives/named_barrier.cuh"
#include "primitives/ring.cuh"
#include "primitives/wgmma.cuh"

namespace sails::kernels {

constexpr int kWarpgroupAttentionConsumers = 2;
constexpr int kWarpgroupAttentionThreads = (kWarpgroupAttentionConsumers + 1) * kWarpgroup;
constexpr int kWarpgroupAttentionStages = 2;
constexpr int64_t kWarpgroupAttentionMinRows = 64;  // below, the blocks of attention/forward.cuh with 64 rows waste less
constexpr int64_t kWarpgroupAttentionMaxGroup = 32;

template <int kHeadDim>
struct WarpgroupAttentionTile {
  static constexpr int kWidth = kHeadDim, kRows = 64 * kWarpgroupAttentionConsumers, kKeys = kHeadDim == 256 ? 80 : 128;
  static constexpr int kBlocks = kWidth / 64;  // of 64 columns, 128 bytes, the swizzle's span
  static constexpr int kQueryBlockBytes = kRows * 128, kKeyBlockBytes = kKeys * 128;
  static constexpr int kQueryBytes = kBlocks * kQueryBlockBytes, kKeyBytes = kBlocks * kKeyBlockBytes;
  static constexpr int64_t kSharedBytes = kSwizzleAtom + kQueryBytes + 2 * kWarpgroupAttentionStages * int64_t{kKeyBytes};
};

// q [batch * n_queries, n_heads, head_dim] in boxes of [128 / group, group, 64]; k, v [batch, keys, n_kv_heads * head_dim] in boxes of
// [1, kKeys, 64], keys up to the last that a query can see: what lies behind arrives as zeros, where NaN times a probability of 0 would be
// NaN.
struct WarpgroupAttentionMaps {
  TensorMap q, k, v;
};

// ---- device: what producer and consumers share

// The block's shared memory. Barriers of keys and values by stage.
template <class Tile>
struct WarpgroupAttentionMemory {
  uint8_t *queries, *keys, *values;  // [kStages] of keys and values
  KeyTileNote *notes;
  int32_t *segments;  // [kKeyNotes][kKeys], of tiles that are not whole
  Mbarrier *queries_full, *keys_full, *keys_empty, *values_full, *values_empty;
};
constexpr int kWarpgroupAttentionBarriers = 1 + 4 * kWarpgroupAttentionStages;

template <class Tile>
__device__ __forceinline__ WarpgroupAttentionMemory<Tile> lay_out(uint8_t *dynamic, KeyTileNote *notes, int32_t *segments,
                                                                  Mbarrier *barriers) {
  constexpr int kStages = kWarpgroupAttentionStages;
  uint8_t *queries = first_swizzle_atom(dynamic);
  uint8_t *keys = queries + Tile::kQueryBytes;
  Mbarrier *stages = barriers + 1;
  return {queries,
          keys,
          keys + kStages * Tile::kKeyBytes,
          notes,
          segments,
          barriers,
          stages,
          stages + kStages,
          stages + 2 * kStages,
          stages + 3 * kStages};
}

// By one thread, before a barrier of the block. Each consumer warp gives a stage back for itself.
template <class Tile>
__device__ __forceinline__ void init_barriers(const WarpgroupAttentionMemory<Tile> &memory) {
  constexpr int kConsumerWarps = kWarpgroupAttentionConsumers * kWarpgroup / kWarp;
  mbarrier_init(memory.queries_full, 1);
  for (int stage = 0; stage < kWarpgroupAttentionStages; stage++) {
    mbarrier_init(memory.keys_full + stage, 1);
    mbarrier_init(memory.values_full + stage, 1);
    mbarrier_init(memory.keys_empty + stage, kConsumerWarps);
    mbarrier_init(memory.values_empty + stage, kConsumerWarps);
  }
  mbarrier_init_fence();
}

// Where the n-th tile of keys and its values lie.
using WarpgroupAttentionStage = RingPosition<kWarpgroupAttentionStages>;

// ---- device: the producer

// The documents of a tile's queries.
struct QuerySegments {
  int32_t low, high;  // of those that are not padding; low > high: all are padding
  bool uniform;       // one document, no padding
};
__device__ __forceinline__ QuerySegments query_segments(const AttentionShape &p, const QueryTile &tile) {
  const int32_t *segments = p.q_segment + tile.head.sequence * p.n_queries + tile.first;
  int32_t low = INT32_MAX, high = INT32_MIN;
  bool padding = false;
  for (int i = threadIdx.x % kWarp; i < tile.count; i += kWarp) {
    const int32_t segment = segments[i];
    padding |= segment == 0;
    low = segment == 0 ? low : min(low, segment);
    high = segment == 0 ? high : max(high, segment);
  }
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    low = min(low, __shfl_xor_sync(kFullMask, low, distance));
    high = max(high, __shfl_xor_sync(kFullMask, high, distance));
  }
  return {low, high, !__any_sync(kFullMask, padding) && low == high};
}

// The keys that every query of the tile sees, segments aside.
__device__ __forceinline__ IndexRange keys_of_all(const AttentionShape &p, const QueryTile &tile) {
  const int64_t low = p.query_offset + tile.first, high = low + tile.count - 1;
  return {p.window == 0 ? 0 : larger(0, high - p.window + 1), smaller(p.n_keys, low + 1)};
}

// The segments of the keys [first, first + kKeys), a lane has those of keys lane, lane + 32, ...; padding from `end` on.
template <int kKeys>
struct KeySegments {
  static constexpr int kCount = (kKeys + kWarp - 1) / kWarp;
  int32_t segment[kCount];

  __device__ __forceinline__ static int key(int i) { return static_cast<int>(threadIdx.x % kWarp) + i * kWarp; }
  __device__ __forceinline__ void load(const int32_t *segments, int32_t first, int32_t end) {
#pragma unroll
    for (int i = 0; i < kCount; i++) segment[i] = key(i) < kKeys && first + key(i) < end ? segments[first + key(i)] : 0;
  }
  // Whether one of them may be a document of the queries.
  __device__ __forceinline__ bool any(const QuerySegments &queries) const {
    bool found = false;
#pragma unroll
    for (int i = 0; i < kCount; i++) found |= segment[i] != 0 && segment[i] >= queries.low && segment[i] <= queries.high;
    return __any_sync(kFullMask, found) != 0;
  }
  __device__ __forceinline__ bool all(const QuerySegments &queries) const {
    bool same = queries.uniform;
#pragma unroll
    for (int i = 0; i < kCount; i++) same &= key(i) >= kKeys || segment[i] == queries.low;
    return __all_sync(kFullMask, same) != 0;
  }
  __device__ __forceinline__ void store(int32_t *to) const {
#pragma unroll
    for (int i = 0; i < kCount; i++)
      if (key(i) < kKeys) to[key(i)] = segment[i];
  }
};

template <class Tile>
__device__ __forceinline__ void load_key_tile(uint8_t *to, const TensorMap &map, Mbarrier *full, AttentionHead head, int32_t first) {
  mbarrier_arrive_expect(full, Tile::kKeyBytes);
#pragma unroll
  for (int block = 0; block < Tile::kBlocks; block++)
    tma_load_3d(to + block * Tile::kKeyBlockBytes, map, full, static_cast<int32_t>(head.kv_head) * Tile::kWidth + 64 * block, first,
                static_cast<int32_t>(head.sequence));
}

// By the 32 lanes of one warp.
template <class Tile>
__device__ __forceinline__ void attention_produce(const AttentionShape &p, const WarpgroupAttentionMaps &maps, const QueryTile &tile,
                                                  int32_t group, const WarpgroupAttentionMemory<Tile> &memory) {
  constexpr int kKeys = Tile::kKeys;
  const bool issues = threadIdx.x % kWarp == 0;
  if (issues) {
    mbarrier_arrive_expect(memory.queries_full, Tile::kBlocks * 128 * static_cast<uint32_t>(Tile::kRows / group * group));
#pragma unroll
    for (int block = 0; block < Tile::kBlocks; block++)
      tma_load_3d(memory.queries + block * Tile::kQueryBlockBytes, maps.q, memory.queries_full, 64 * block,
                  static_cast<int32_t>(tile.head.kv_head) * group, static_cast<int32_t>(tile.head.sequence * p.n_queries) + tile.first);
  }
  const QuerySegments queries = query_segments(p, tile);
  const IndexRange seen_by_all = keys_of_all(p, tile);
  const int32_t *segments = p.k_segment + tile.head.sequence * p.n_keys;
  const int32_t end = static_cast<int32_t>(tile.keys.end);
  uint32_t n = 0;
  KeySegments<kKeys> next;
  next.load(segments, static_cast<int32_t>(tile.keys.begin), end);
  for (int32_t first = static_cast<int32_t>(tile.keys.begin); first < end; first += kKeys) {
    const KeySegments<kKeys> here = next;
    if (first + kKeys < end) next.load(segments, first + kKeys, end);
    if (!here.any(queries)) continue;
    const bool whole = here.all(queries) && first >= seen_by_all.begin && first + kKeys <= seen_by_all.end;
    const auto at = WarpgroupAttentionStage::of(n);
    mbarrier_wait(memory.keys_empty + at.slot, at.empty_parity());
    if (!whole) here.store(memory.segments + n % kKeyNotes * kKeys);
    if (issues) memory.notes[n % kKeyNotes] = {first, whole};
    __syncwarp();
    if (issues) load_key_tile<Tile>(memory.keys + at.slot * Tile::kKeyBytes, maps.k, memory.keys_full + at.slot, tile.head, first);
    mbarrier_wait(memory.values_empty + at.slot, at.empty_parity());
    if (issues) load_key_tile<Tile>(memory.values + at.slot * Tile::kKeyBytes, maps.v, memory.values_full + at.slot, tile.head, first);
    n++;
  }
  const auto after = WarpgroupAttentionStage::of(n);
  mbarrier_wait(memory.keys_empty + after.slot, after.empty_parity());
  if (issues) {
    memory.notes[n % kKeyNotes] = {-1, 0};
    mbarrier_arrive(memory.keys_full + after.slot);
  }
}

// ---- device: the consumers

// Whose turn it is to issue products. Each warpgroup takes a turn and passes it on as often as the other; the first turn is passed by
// warpgroup 1.
struct IssueTurn {
  static constexpr int kThreads = kWarpgroupAttentionConsumers * kWarpgroup;
  __device__ __forceinline__ static int consumer() { return thread_read_again() / kWarpgroup; }
  __device__ __forceinline__ void take() const { named_barrier_sync(1 + consumer(), kThreads); }
  __device__ __forceinline__ void pass() const { named_barrier_arrive(2 - consumer(), kThreads); }
};

// s = Q K^T of a warpgroup's 64 rows and a tile of keys; a group of its own.
template <class Tile>
__device__ __forceinline__ void issue_scores(float (&s)[Tile::kKeys / 2], uint64_t q, uint64_t k) {
  wgmma_fence();
#pragma unroll
  for (int column = 0; column < Tile::kWidth; column += 16)
    wgmma<Tile::kKeys>(s, wgmma_advance(q, column / 64 * Tile::kQueryBlockBytes + column % 64 * 2),
                       wgmma_advance(k, column / 64 * Tile::kKeyBlockBytes + column % 64 * 2), column > 0);
  wgmma_commit();
}

// o += P V; a group of its own.
template <class Tile>
__device__ __forceinline__ void issue_values(float (&o)[Tile::kWidth / 2], const uint32_t (&probabilities)[Tile::kKeys / 16][4],
                                             uint64_t v) {
  wgmma_fence();
#pragma unroll
  for (int key = 0; key < Tile::kKeys; key += 16) wgmma<Tile::kWidth, true>(o, probabilities[key / 16], wgmma_advance(v, key * 128), true);
  wgmma_commit();
}

// Accumulators of 16 columns become the A fragment of the same 16 x 16 numbers.
template <class Tile>
__device__ __forceinline__ void round_probabilities(uint32_t (&probabilities)[Tile::kKeys / 16][4], const float (&s)[Tile::kKeys / 2]) {
#pragma unroll
  for (int i = 0; i < Tile::kKeys / 4; i++) probabilities[i / 4][i % 4] = pack_bf16(s[2 * i], s[2 * i + 1]);
}

// A warp says that it is done with a stage.
__device__ __forceinline__ void give_back(Mbarrier *empty) {
  __syncwarp();
  if (threadIdx.x % kWarp == 0) mbarrier_arrive(empty);
}

// o and the softmax's sums over all tiles of keys, in their order.
//
// ptxas is free to put the softmax behind wgmma_wait<0>, and did: arithmetic on registers is tied to no wait. So the keys are given back
// after it, at a place that its outcome decides (a sum is never -1): an arrival stays before the wait, and the softmax before the arrival.
// Registers then hold O, S and P at once, 188 at head_dim 256. What else lives across the loop is read again instead of kept, and there
// the mask is made after P V (Softmax::kMasksWeights): some 700 clocks in the one or two tiles of a block that need one.
template <class Tile, class Softmax>
__device__ __forceinline__ void attention_consume(float (&o)[Tile::kWidth / 2], Softmax &softmax, const AttentionShape &p,
                                                  const QueryTile &tile, const WarpgroupAttentionMemory<Tile> &memory, uint32_t group,
                                                  int consumer) {
  constexpr bool kMasksLast = Softmax::kMasksWeights && Tile::kWidth == 256;
  const IssueTurn turn;
  const uint64_t q = wgmma_descriptor(memory.queries + consumer * 64 * 128, 16, kSwizzleAtom, Swizzle::bytes_128);
  const uint64_t k = wgmma_descriptor(memory.keys, 16, kSwizzleAtom, Swizzle::bytes_128);
  const uint64_t v = wgmma_descriptor(memory.values, Tile::kKeyBlockBytes, kSwizzleAtom, Swizzle::bytes_128);
  float s[Tile::kKeys / 2];
  uint32_t probabilities[Tile::kKeys / 16][4];

  mbarrier_wait(memory.queries_full, 0);
  mbarrier_wait(memory.keys_full, 0);
  KeyTileNote keys = memory.notes[0];
  if (keys.first < 0) return;
  if (turn.consumer() == 1) turn.pass();
  turn.take();
  issue_scores<Tile>(s, q, k);
  turn.pass();
  KeyMask mask = key_mask<Tile::kKeys>(p, tile, group, keys, memory.segments);
  wgmma_wait<0>();
  wgmma_done(s);
  give_back(memory.keys_empty);
  softmax.update(s, mask);
  softmax.finish(s, mask);
  round_probabilities<Tile>(probabilities, s);

  uint32_t n = 1;
  for (;; n++) {
    const auto at = WarpgroupAttentionStage::of(n), before = WarpgroupAttentionStage::of(n - 1);
    mbarrier_wait(memory.keys_full + at.slot, at.full_parity());
    keys = memory.notes[n % kKeyNotes];
    if (keys.first < 0) break;
    turn.take();
    issue_scores<Tile>(s, q, wgmma_advance(k, at.slot * Tile::kKeyBytes));
    mbarrier_wait(memory.values_full + before.slot, before.full_parity());
    issue_values<Tile>(o, probabilities, wgmma_advance(v, before.slot * Tile::kKeyBytes));
    turn.pass();
    // While the products run.
    if (!kMasksLast) mask = key_mask<Tile::kKeys>(p, tile, group, keys, memory.segments + n % kKeyNotes * Tile::kKeys);
    wgmma_wait<1>();
    wgmma_done(s);
    softmax.update(s, mask);
    give_back(memory.keys_empty + at.slot + softmax.never());
    wgmma_wait<0>();
    wgmma_done(o);
#pragma unroll
    for (int i = 0; i < Tile::kKeys / 16; i++) wgmma_done(probabilities[i]);
    give_back(memory.values_empty + before.slot);
    softmax.rescale(o);
    if (kMasksLast)
      mask = key_mask<Tile::kKeys>(p, tile, group, memory.notes[n % kKeyNotes], memory.segments + n % kKeyNotes * Tile::kKeys);
    softmax.finish(s, mask);
    round_probabilities<Tile>(probabilities, s);
  }
  const auto last = WarpgroupAttentionStage::of(n - 1);
  turn.take();
  mbarrier_wait(memory.values_full + last.slot, last.full_parity());
  issue_values<Tile>(o, probabilities, wgmma_advance(v, last.slot * Tile::kKeyBytes));
  if (turn.consumer() == 0) turn.pass();
  wgmma_wait<0>();
  wgmma_done(o);
}

// Which query and head of the model a row of the tile is.
struct QueryHead {
  int64_t query, head;  // query of the sequence
};
__device__ __forceinline__ QueryHead query_head(const QueryTile &tile, uint32_t group, int row) {
  const uint32_t query = static_cast<uint32_t>(row) / group;
  return {tile.first + int64_t{query}, tile.head.kv_head * group + (static_cast<uint32_t>(row) - query * group)};
}

// O through the warp's 16 rows of the queries, which nobody reads any more, to global memory in whole rows.
template <class Tile>
__device__ __forceinline__ void write_rows(const AttentionShape &p, const QueryTile &tile, uint32_t group, bf16 *out,
                                           const float (&o)[Tile::kWidth / 2], const float (&inverse)[2], uint8_t *queries, int tile_row) {
  const int lane = threadIdx.x % kWarp;
  // 16-byte chunk c of row r, as TMA has swizzled the queries.
  const auto chunk = [&](int row, int c) {
    return queries + c / 8 * Tile::kQueryBlockBytes + (tile_row + row) * 128 + ((c % 8) ^ (row % 8)) * 16;
  };
#pragma unroll
  for (int i = 0; i < Tile::kWidth / 16; i++) {
    uint32_t m[4];
#pragma unroll
    for (int j = 0; j < 4; j++) m[j] = pack_bf16(o[8 * i + 2 * j] * inverse[j % 2], o[8 * i + 2 * j + 1] * inverse[j % 2]);
    stmatrix_x4(chunk(lane % 16, 2 * i + lane / 16), m);
  }
  __syncwarp();
  constexpr int kChunks = Tile::kWidth / 8;
#pragma unroll 4
  for (int at = lane; at < 16 * kChunks; at += kWarp) {
    const int row = at / kChunks, c = at % kChunks;
    if (tile_row + row >= tile.rows) continue;
    const QueryHead to = query_head(tile, group, tile_row + row);
    store_pack(out + ((tile.head.sequence * p.n_queries + to.query) * p.n_heads + to.head) * Tile::kWidth + c * 8,
               load_pack<8>(reinterpret_cast<const bf16 *>(chunk(row, c))));
  }
}

template <int kWidth, bool kCapped>
__global__ void __launch_bounds__(kWarpgroupAttentionThreads, 1)
    attention_forward_warpgroup(AttentionProblem<bf16> p, const __grid_constant__ WarpgroupAttentionMaps maps,
                                const __grid_constant__ ScoreFactors factors, const __grid_constant__ QueryTiling tiling, bf16 *out,
                                float *lse) {
  if constexpr (kHasWgmma) {
    using Tile = WarpgroupAttentionTile<kWidth>;
    using Softmax = std::conditional_t<kCapped, CappedSoftmax, OnlineWarpgroupSoftmax>;
    SAILS_DYNAMIC_SHARED(uint8_t, dynamic);
    SAILS_SHARED(KeyTileNote, notes, kKeyNotes);
    SAILS_SHARED(int32_t, segments, kKeyNotes * Tile::kKeys);
    SAILS_SHARED(Mbarrier, barriers, kWarpgroupAttentionBarriers);
    // In shared memory, from where the epilogue reads it again: the loop has no registers for it.
    SAILS_SHARED(QueryTile, tile, 1);
    const WarpgroupAttentionMemory<Tile> memory = lay_out<Tile>(dynamic, notes, segments, barriers);
    if (threadIdx.x == 0) {
      *tile = query_tile(p, tiling, blockIdx.x);
      init_barriers(memory);
    }
    __syncthreads();

    const int consumer = __shfl_sync(kFullMask, static_cast<int>(threadIdx.x) / kWarpgroup, 0);  // known to be the same in a warp
    if (consumer == kWarpgroupAttentionConsumers) {
      give_registers<40>();
      if (threadIdx.x % kWarpgroup < kWarp) attention_produce<Tile>(p, maps, *tile, static_cast<int32_t>(tiling.group), memory);
      return;
    }
    take_registers<232>();
    Softmax softmax{factors};
    float o[kWidth / 2];
#pragma unroll
    for (int i = 0; i < kWidth / 2; i++) o[i] = 0.0f;
    attention_consume<Tile>(o, softmax, p, *tile, memory, tiling.group, consumer);
    const int thread = thread_read_again(), tile_row = thread / kWarp * 16, row = tile_row_of(thread);
    named_barrier_sync(3 + IssueTurn::consumer(), kWarpgroup);  // all warps of the warpgroup have done with its queries
    float inverse[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float sum = quad_sum(softmax.sum[half]);
      const QueryHead at = query_head(*tile, tiling.group, row + 8 * half);
      inverse[half] = sum == 0.0f ? 0.0f : 1.0f / sum;
      if (lse != nullptr && threadIdx.x % 4 == 0 && row + 8 * half < tile->rows)
        lse[(tile->head.sequence * p.n_heads + at.head) * p.n_queries + at.query] =
            sum == 0.0f ? -INFINITY : softmax.base(half) + logf(sum);
    }
    write_rows<Tile>(p, *tile, tiling.group, out, o, inverse, memory.queries, tile_row);
  }
}

// ---- host

// What the kernel can do; the tensors' rows are aligned to 16 bytes.
inline bool warpgroup_attention_fits(const AttentionShape &s) {
  const bool width = s.head_dim == 64 || s.head_dim == 128 || s.head_dim == 256;
  const bool scores = s.softcap == 0.0f ? s.scale > 0.0f : s.softcap <= kMaxFixedCap;
  // TMA wants sizes above 0, coordinates of 32 bits, and strides that are multiples of each other.
  constexpr int64_t kMaxCoordinate = int64_t{1} << 30;
  const bool boxes = s.batch > 0 && s.n_keys > 0 && s.n_keys < kMaxCoordinate && s.batch * s.n_queries < kMaxCoordinate &&
                     s.n_kv_heads * s.head_dim < kMaxCoordinate && (s.batch == 1 || s.kv_batch_stride % (s.n_kv_heads * s.head_dim) == 0);
  return width && scores && boxes && s.rows() >= kWarpgroupAttentionMinRows && s.group() <= kWarpgroupAttentionMaxGroup;
}

template <int kWidth>
AttentionConfig warpgroup_attention_config() {
  using Tile = WarpgroupAttentionTile<kWidth>;
  AttentionConfig c = {};
  c.name = "forward_warpgroup";
  c.tensorcore = c.warpgroups = c.exact = c.vectors = true;
  c.width = kWidth;
  c.rows = Tile::kRows;
  c.keys = Tile::kKeys;
  c.threads = kWarpgroupAttentionThreads;
  c.shared_bytes = Tile::kSharedBytes;
  c.splits = 1;
  return c;
}
inline AttentionConfig warpgroup_attention_config(const AttentionShape &s) {
  return s.head_dim == 64    ? warpgroup_attention_config<64>()
         : s.head_dim == 128 ? warpgroup_attention_config<128>()
                             : warpgroup_attention_config<256>();
}

inline unsigned warpgroup_attention_blocks(const AttentionShape &s) {
  const QueryTiling tiling = query_tiling(s, 64 * kWarpgroupAttentionConsumers);
  return tiling.heads * tiling.tiles;
}

template <class Tile>
[[nodiscard]] cudaError_t make_attention_maps(WarpgroupAttentionMaps *maps, const AttentionProblem<bf16> &p) {
  const auto size = [](int64_t n) { return static_cast<uint64_t>(n); };
  const auto box = [](int64_t n) { return static_cast<uint32_t>(n); };
  SAILS_TRY(make_tensor_map(&maps->q, {p.q,
                                       3,
                                       TensorType::bf16,
                                       {size(p.head_dim), size(p.n_heads), size(p.batch * p.n_queries)},
                                       {size(2 * p.head_dim), size(2 * p.n_heads * p.head_dim)},
                                       {64, box(p.group()), box(Tile::kRows / p.group())},
                                       Swizzle::bytes_128}));
  const int64_t key = p.n_kv_heads * p.head_dim, sequence = p.batch == 1 ? p.n_keys * key : p.kv_batch_stride;
  const int64_t keys = smaller(p.n_keys, p.query_offset + p.n_queries);
  for (const bool of_keys : {true, false})
    SAILS_TRY(make_tensor_map(of_keys ? &maps->k : &maps->v, {of_keys ? p.k : p.v,
                                                              3,
                                                              TensorType::bf16,
                                                              {size(key), size(keys), size(p.batch)},
                                                              {size(2 * key), size(2 * sequence)},
                                                              {64, Tile::kKeys, 1},
                                                              Swizzle::bytes_128}));
  return cudaSuccess;
}

template <int kWidth>
[[nodiscard]] cudaError_t launch_attention_forward_warpgroup(cudaStream_t stream, const AttentionProblem<bf16> &p, bf16 *out, float *lse) {
  using Tile = WarpgroupAttentionTile<kWidth>;
  WarpgroupAttentionMaps maps = {};
  SAILS_TRY(make_attention_maps<Tile>(&maps, p));
  return launch("attention_forward_warpgroup", stream,
                p.softcap == 0.0f ? attention_forward_warpgroup<kWidth, false> : attention_forward_warpgroup<kWidth, true>,
                dim3(warpgroup_attention_blocks(p)), dim3(kWarpgroupAttentionThreads), Tile::kSharedBytes, p, maps, score_factors(p),
                query_tiling(p, Tile::kRows), out, lse);
}
[[nodiscard]] inline cudaError_t launch_attention_forward_warpgroup(cudaStream_t stream, const AttentionProblem<bf16> &p, bf16 *out,
                                                                    float *lse) {
  if (p.head_dim == 64) return launch_attention_forward_warpgroup<64>(stream, p, out, lse);
  if (p.head_dim == 128) return launch_attention_forward_warpgroup<128>(stream, p, out, lse);
  return launch_attention_forward_warpgroup<256>(stream, p, out, lse);
}

}  // namespace sails::kernels
