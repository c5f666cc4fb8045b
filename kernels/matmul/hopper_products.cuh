// Matrix products on Hopper (sm_90a): the inside of matmul, of the head and of the SAE encoder where a card of 9.0 runs them
//   sums [m, n] f32 = op(a) op(b) + h w^T      a, b bf16, layouts as in matmul/block_product.cuh; h [m, rank], w [n, rank] f32: a low-rank
//   adapter
//
// A persistent block takes one work item (a tile of the output, for one part of k) after the other. One thread of a producer warpgroup
// copies tiles of a and b by TMA into kStages buffers; kConsumers warpgroups multiply them, 64 rows of the tile each, and hand their sums
// to an epilogue. Full and empty buffers are told by mbarriers; the producer is already in the next item while the epilogue works. The grid
// has at most one block a multiprocessor: 192 KiB of buffers and 128 accumulators a thread leave no room for two. A thread starts with the
// 168 registers that 384 threads may have; the producers hand theirs on, so that an epilogue has 100 beside the accumulators.
//
// Operands lie in shared memory as TMA writes them with swizzle 128: K-major in rows of 64 k; MN-major (the transposed layouts) in blocks
// of 64 rows of the operand, each [64 k, 64]. What lies outside a tensor arrives as zeros, so a sum over k needs no tail; epilogues leave
// out rows and columns outside. Bases are aligned to 16 bytes and strides are multiples of 8 elements: TMA's rule, tma_fits().
//
// In a cluster of two blocks the tiles lie one above the other: each block copies its own a and one half of b, which goes to both by
// multicast. A step of 128 x 256 then asks L2 for 32 KiB a block instead of 48. A buffer is empty when the consumers of both blocks say so;
// the pair goes through its items in step, also where the lower tile lies outside.
//
// kTwo: b is two matrices of the same shape; a tile has kCols / 2 columns of each, those of b in the front half of the accumulators and
// those of b_second in the back half, so that an epilogue holds matching columns of both in one thread. Each has its own adapter.
//
// An adapter's factors come as sums of three bf16 (matmul/triples.cuh), 16 ranks in a step of 64: hi, mid, lo and 16 zeros. Six products of
// 16 (hi hi, hi mid, mid hi, hi lo, lo hi, mid mid) of one pair of buffers make the f32 product but for 2^-26 of it: one step's copies and
// one and a half steps' products for each 16 ranks, of which d_model 2304 has 36. Where b is two matrices, the other one is multiplied with
// zeros the while. w lies as b does: [n, 64 g], or [64 g, n] where b is [k, n]. No adapter where a is transposed.
//
// Each sum runs over k in rising order in one accumulator, the adapter last, so that a tile has the same bits wherever it is computed.
// From L2 a step of 64 k: (kRows + kCols / kCluster) * 128 bytes for 128 * kRows * kCols FLOPs.
#pragma once

#include <type_traits>

#include "matmul/block_product.cuh"
#include "matmul/matmul.cuh"
#include "matmul/triples.cuh"
#include "primitives/cluster.cuh"
#include "primitives/named_barrier.cuh"
#include "primitives/ring.cuh"
#include "primitives/wgmma.cuh"

namespace sails::kernels {

constexpr int kWarpgroupRows = 64, kWarpgroupDepth = 64;
static_assert(kTripleWidth == kWarpgroupDepth, "a group of ranks is a step");
constexpr int kConsumerRegisters = 232, kProducerRegisters = 40;  // with two consumers
constexpr int64_t kWarpgroupBuffers = 192 * 1024;                 // shared memory for operands; 34 KiB are left to epilogues

template <int kConsumerGroups, int kTileCols, bool kTransposeA, bool kTransposeB, bool kTwoMatrices = false, int kBlocks = 1>
struct WarpgroupTile {
  static constexpr int kConsumers = kConsumerGroups, kRows = kConsumers * kWarpgroupRows, kCols = kTileCols, kDepth = kWarpgroupDepth;
  static constexpr int kCluster = kBlocks;  // blocks that share b
  using Pair = WarpgroupTile<kConsumerGroups, kTileCols, kTransposeA, kTransposeB, kTwoMatrices, 2>;
  static constexpr bool kTransposedA = kTransposeA, kTransposedB = kTransposeB, kTwo = kTwoMatrices;  // kTwo: matrices b
  static constexpr int kThreads = (kConsumers + 1) * kWarpgroup;
  static constexpr int kColsOfB = kTwo ? kCols / 2 : kCols;  // columns of the output that a tile covers
  static constexpr int kBytesA = kRows * kDepth * 2, kBytesB = kCols * kDepth * 2, kStageBytes = kBytesA + kBytesB;
  static constexpr int kStages = static_cast<int>(kWarpgroupBuffers / kStageBytes);
  static constexpr int kShareColsOfB = kColsOfB / kCluster,
                       kShareDepthOfB = kDepth / kCluster;  // what one block copies of b: where K-major, where MN-major
  static_assert(kColsOfB % 64 == 0, "MN-major operands come in blocks of 64");
  static_assert(kShareColsOfB % 8 == 0 && kShareDepthOfB % 8 == 0, "shares begin on a swizzle atom");

  // With the room that an epilogue wants for itself; the first bytes may be lost to alignment.
  template <class Epilogue>
  static constexpr int64_t shared_bytes() {
    return kSwizzleAtom + kStages * int64_t{kStageBytes} + Epilogue::kSharedBytes;
  }
};

// The operands as boxes for TMA. Adapters and second ones are read where the tile or the problem says so.
struct WarpgroupOperands {
  TensorMap a, b, b_second, h, h_second, w, w_second;
};

struct WarpgroupProblem {
  int64_t m, n, k, rank;      // rank 0: no adapter
  int64_t parts, k_per_part;  // k_per_part a multiple of 64 where there are several parts; the adapters belong to the first
  const int32_t *m_limit;     // on the device, NULL: m. Rows from *m_limit on are neither computed nor written.
  int64_t rank_second = 0;    // of the second matrix b
};

// Which sums a warpgroup holds: rows row to row + 63, columns col to col + kColsOfB - 1 of the output, over one part of k.
struct WarpgroupPlace {
  int64_t row, col, m, n, part;
  int consumer;  // the warpgroup's number in the block
};

// ---- device: work items

struct WarpgroupItem {
  TileIndex tile;
  int64_t part;
  int32_t steps, rank_steps, rank_steps_second;  // of 64 k
};

// Where a block of the grid begins and how far it goes at once, in items of its cluster.
template <class Tile>
__device__ __forceinline__ int64_t first_item() {
  return blockIdx.x / Tile::kCluster;
}
template <class Tile>
__device__ __forceinline__ int64_t item_stride() {
  return gridDim.x / Tile::kCluster;
}

template <class Tile>
struct WarpgroupSchedule {
  WarpgroupProblem p;
  int64_t tile_rows, tile_cols;  // tile_rows: of a cluster's tiles together

  __device__ __forceinline__ explicit WarpgroupSchedule(const WarpgroupProblem &problem) : p(problem) {
    if (p.m_limit != nullptr) p.m = smaller(p.m, *p.m_limit);
    tile_rows = ceil_div(p.m, Tile::kRows * Tile::kCluster);
    tile_cols = ceil_div(p.n, Tile::kColsOfB);
  }
  __device__ __forceinline__ int64_t items() const { return tile_rows * tile_cols * p.parts; }
  // With the calling block's own tile.
  __device__ __forceinline__ WarpgroupItem item(int64_t i) const {
    const int64_t part = i % p.parts, begin = part * p.k_per_part, end = smaller(p.k, begin + p.k_per_part);
    TileIndex tile = grouped_tile<kGroupRows / Tile::kCluster>(i / p.parts, tile_rows, tile_cols);
    if constexpr (Tile::kCluster > 1) tile.row = tile.row * Tile::kCluster + cluster_rank();
    return {tile, part, static_cast<int32_t>(ceil_div(larger(0, end - begin), Tile::kDepth)),
            part == 0 ? static_cast<int32_t>(triple_groups(p.rank)) : 0,
            Tile::kTwo && part == 0 ? static_cast<int32_t>(triple_groups(p.rank_second)) : 0};
  }
};

struct WarpgroupBuffers {
  uint8_t *stages;
  Mbarrier *full, *empty;
};

// ---- device: the producer

// kOperandRows rows of an operand at (row, k), K-major in one box or MN-major in boxes of 64.
template <int kOperandRows, bool kMnMajor>
__device__ __forceinline__ void load_operand(uint8_t *to, const TensorMap &map, Mbarrier *full, int32_t row, int32_t k) {
  if (!kMnMajor) {
    tma_load_2d(to, map, full, k, row);
  } else {
#pragma unroll
    for (int block = 0; block < kOperandRows / 64; block++)
      tma_load_2d(to + block * 64 * kWarpgroupDepth * 2, map, full, row + block * 64, k);
  }
}

// kColsOfB columns of b at (col, k). In a cluster this block's share of them, to all of its blocks: K-major some of the columns, MN-major
// some of the k.
template <class Tile>
__device__ __forceinline__ void load_b(uint8_t *to, const TensorMap &map, Mbarrier *full, int32_t col, int32_t k) {
  constexpr bool kMnMajor = !Tile::kTransposedB;
  if constexpr (Tile::kCluster == 1) {
    load_operand<Tile::kColsOfB, kMnMajor>(to, map, full, col, k);
  } else {
    constexpr uint32_t kAll = (1u << Tile::kCluster) - 1;
    constexpr int kRowBytes = swizzle_span(Swizzle::bytes_128);  // of 64 k, or of 64 columns
    const int rank = cluster_rank();
    if (!kMnMajor) {
      const int first = rank * Tile::kShareColsOfB;
      tma_load_2d_multicast(to + first * kRowBytes, map, full, kAll, k, col + first);
    } else {
      const int first = rank * Tile::kShareDepthOfB;
#pragma unroll
      for (int block = 0; block < Tile::kColsOfB / 64; block++)
        tma_load_2d_multicast(to + block * 64 * kWarpgroupDepth * 2 + first * kRowBytes, map, full, kAll, col + block * 64, k + first);
    }
  }
}

template <class Tile>
__device__ __forceinline__ void warpgroup_produce(const WarpgroupSchedule<Tile> &schedule, const WarpgroupOperands &o,
                                                  WarpgroupBuffers buffers) {
  constexpr int kHalfB = Tile::kBytesB / 2;
  RingPosition<Tile::kStages> at;
  // copy(a, b, full) into the next buffer when it is empty.
  const auto fill = [&](auto &&copy) {
    uint8_t *a = buffers.stages + at.slot * Tile::kStageBytes;
    Mbarrier *full = buffers.full + at.slot;
    mbarrier_wait<(Tile::kCluster > 1)>(buffers.empty + at.slot, at.empty_parity());
    mbarrier_arrive_expect(full, Tile::kStageBytes);
    copy(a, a + Tile::kBytesA, full);
    at.advance();
  };
  for (int64_t i = first_item<Tile>(); i < schedule.items(); i += item_stride<Tile>()) {
    const WarpgroupItem item = schedule.item(i);
    // Coordinates of boxes have 32 bits, and registers are few here.
    const auto row = static_cast<int32_t>(item.tile.row * Tile::kRows), col = static_cast<int32_t>(item.tile.col * Tile::kColsOfB);
    const auto k_begin = static_cast<int32_t>(item.part * schedule.p.k_per_part), outside = static_cast<int32_t>(schedule.p.n);
    for (int32_t step = 0; step < item.steps; step++)
      fill([&](uint8_t *a, uint8_t *b, Mbarrier *full) {
        const int32_t k = k_begin + step * Tile::kDepth;
        load_operand<Tile::kRows, Tile::kTransposedA>(a, o.a, full, row, k);
        load_b<Tile>(b, o.b, full, col, k);
        if (Tile::kTwo) load_b<Tile>(b + kHalfB, o.b_second, full, col, k);
      });
    for (int32_t step = 0; step < item.rank_steps; step++)
      fill([&](uint8_t *a, uint8_t *b, Mbarrier *full) {
        load_operand<Tile::kRows, false>(a, o.h, full, row, step * Tile::kDepth);
        load_b<Tile>(b, o.w, full, col, step * Tile::kDepth);
        // The other matrix has no part in this: columns that lie outside are zeros.
        if (Tile::kTwo) load_b<Tile>(b + kHalfB, o.w, full, outside, step * Tile::kDepth);
      });
    if constexpr (Tile::kTwo) {
      for (int32_t step = 0; step < item.rank_steps_second; step++)
        fill([&](uint8_t *a, uint8_t *b, Mbarrier *full) {
          load_operand<Tile::kRows, false>(a, o.h_second, full, row, step * Tile::kDepth);
          load_b<Tile>(b, o.w_second, full, outside, step * Tile::kDepth);
          load_b<Tile>(b + kHalfB, o.w_second, full, col, step * Tile::kDepth);
        });
    }
  }
}

// ---- device: the consumers

// The operand's 64-row block, at its k-th column of 64.
template <bool kMnMajor>
__device__ __forceinline__ uint64_t operand_descriptor(const uint8_t *block, int k) {
  constexpr uint32_t kBlockBytes = 64 * kWarpgroupDepth * 2, kGroupBytes = kSwizzleAtom;
  return kMnMajor ? wgmma_descriptor(block + k / 8 * kGroupBytes, kBlockBytes, kGroupBytes, Swizzle::bytes_128)
                  : wgmma_descriptor(block + k * 2, 16, kGroupBytes, Swizzle::bytes_128);
}

// d += a b over one buffer.
template <int N, bool kAMnMajor, bool kBMnMajor>
__device__ __forceinline__ void warpgroup_multiply(float (&d)[N / 2], const uint8_t *a, const uint8_t *b) {
#pragma unroll
  for (int k = 0; k < kWarpgroupDepth; k += 16)
    wgmma<N, kAMnMajor, kBMnMajor>(d, operand_descriptor<kAMnMajor>(a, k), operand_descriptor<kBMnMajor>(b, k), true);
}

// d += h w^T over one buffer of triples.
template <int N, bool kBMnMajor>
__device__ __forceinline__ void warpgroup_multiply_triples(float (&d)[N / 2], const uint8_t *h, const uint8_t *w) {
  constexpr int kPairs[6][2] = {{0, 0}, {0, 1}, {1, 0}, {0, 2}, {2, 0}, {1, 1}};
#pragma unroll
  for (int i = 0; i < 6; i++)
    wgmma<N, false, kBMnMajor>(d, operand_descriptor<false>(h, kPairs[i][0] * kTripleRanks),
                               operand_descriptor<kBMnMajor>(w, kPairs[i][1] * kTripleRanks), true);
}

// A consumer's way through the ring: multiplies one buffer after the other, and gives each back when the products of the next are under
// way.
template <class Tile>
struct WarpgroupConsumer {
  WarpgroupBuffers buffers;
  int rows_at;  // of this warpgroup in the tile of a, bytes
  int tells;    // the block of the cluster that this thread tells when its warp is done with a buffer, -1: none
  RingPosition<Tile::kStages> at = {};
  int before = -1;  // the buffer whose products may still be under way

  // multiply(a, b) queues products.
  template <typename F>
  __device__ __forceinline__ void step(F &&multiply) {
    const uint8_t *a = buffers.stages + at.slot * Tile::kStageBytes, *b = a + Tile::kBytesA;
    mbarrier_wait(buffers.full + at.slot, at.full_parity());
    wgmma_fence();
    multiply(a + rows_at, b);
    wgmma_commit();
    // The step before is done when only this one is under way.
    wgmma_wait<1>();
    give_back();
    before = at.slot;
    at.advance();
  }
  __device__ __forceinline__ void finish(float (&d)[Tile::kCols / 2]) {
    wgmma_wait<0>();
    wgmma_done(d);
    give_back();
    before = -1;
  }

 private:
  __device__ __forceinline__ void give_back() {
    if (before < 0 || tells < 0) return;
    if constexpr (Tile::kCluster > 1)
      mbarrier_arrive_at(buffers.empty + before, tells);
    else
      mbarrier_arrive(buffers.empty + before);
  }
};

// Whether an epilogue has begin(): what it does before the products of its tile, to have the outcome after them without waiting.
template <class Epilogue, class = void>
constexpr bool kEpilogueBegins = false;
template <class Epilogue>
constexpr bool kEpilogueBegins<Epilogue, std::void_t<decltype(&Epilogue::begin)>> = true;

template <class Tile, class Epilogue>
__device__ __forceinline__ void warpgroup_consume(const WarpgroupSchedule<Tile> &schedule, const Epilogue &epilogue,
                                                  WarpgroupBuffers buffers, uint8_t *scratch) {
  constexpr bool kMnMajorB = !Tile::kTransposedB;
  const int consumer = threadIdx.x / kWarpgroup, lane = threadIdx.x % kWarp;
  WarpgroupConsumer<Tile> ring = {buffers, consumer * kWarpgroupRows * kWarpgroupDepth * 2, lane < Tile::kCluster ? lane : -1};
  for (int64_t i = first_item<Tile>(); i < schedule.items(); i += item_stride<Tile>()) {
    const WarpgroupItem item = schedule.item(i);
    const WarpgroupPlace place{item.tile.row * Tile::kRows + consumer * kWarpgroupRows,
                               item.tile.col * Tile::kColsOfB,
                               schedule.p.m,
                               schedule.p.n,
                               item.part,
                               consumer};
    if constexpr (kEpilogueBegins<Epilogue>) epilogue.begin(place, scratch);
    float d[Tile::kCols / 2];
#pragma unroll
    for (int e = 0; e < Tile::kCols / 2; e++) d[e] = 0.0f;
    // Loops of their own: a branch around the products would make ptxas run them one by one.
    for (int32_t step = 0; step < item.steps; step++)
      ring.step([&](const uint8_t *a, const uint8_t *b) { warpgroup_multiply<Tile::kCols, Tile::kTransposedA, kMnMajorB>(d, a, b); });
    if constexpr (!Tile::kTransposedA) {
      for (int32_t step = 0; step < item.rank_steps + item.rank_steps_second; step++)
        ring.step([&](const uint8_t *h, const uint8_t *w) { warpgroup_multiply_triples<Tile::kCols, kMnMajorB>(d, h, w); });
    }
    ring.finish(d);
    epilogue(d, place, scratch);
  }
}

// Epilogue: a type with kSharedBytes (scratch for all consumers together),
//   begin(const WarpgroupPlace &, uint8_t *scratch) const   if it likes, before the products, and
//   operator()(float (&d)[kCols / 2], const WarpgroupPlace &, uint8_t *scratch) const   by the 128 threads of a warpgroup; d is theirs to
//   change
template <class Tile, class Epilogue>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    warpgroup_products(const __grid_constant__ WarpgroupOperands operands, const Epilogue epilogue, const WarpgroupProblem problem) {
  if constexpr (kHasWgmma) {
    SAILS_DYNAMIC_SHARED(uint8_t, shared);
    SAILS_SHARED(Mbarrier, full, Tile::kStages);
    SAILS_SHARED(Mbarrier, empty, Tile::kStages);
    uint8_t *stages = first_swizzle_atom(shared);
    if (threadIdx.x == 0) {
      for (int s = 0; s < Tile::kStages; s++) {
        mbarrier_init(full + s, 1);
        mbarrier_init(empty + s, Tile::kCluster * Tile::kConsumers * (kWarpgroup / kWarp));
      }
      mbarrier_init_fence();
    }
    if constexpr (Tile::kCluster > 1)
      cluster_sync();
    else
      __syncthreads();
    const WarpgroupSchedule<Tile> schedule(problem);
    const WarpgroupBuffers buffers{stages, full, empty};
    if (threadIdx.x < Tile::kConsumers * kWarpgroup) {
      if constexpr (Tile::kConsumers > 1) take_registers<kConsumerRegisters>();
      warpgroup_consume<Tile>(schedule, epilogue, buffers, stages + Tile::kStages * Tile::kStageBytes);
    } else {
      if constexpr (Tile::kConsumers > 1) give_registers<kProducerRegisters>();
      if (threadIdx.x == Tile::kConsumers * kWarpgroup) warpgroup_produce<Tile>(schedule, operands, buffers);
    }
    // The other block's consumers still tell this one's mbarriers.
    if constexpr (Tile::kCluster > 1) cluster_sync();
  }
}

// ---- host

// Whether boxes that begin past the last tile still have coordinates of 31 bits.
inline bool box_coordinates_fit(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kMost = (int64_t{1} << 31) - 4096;
  return m <= kMost && n <= kMost && k <= kMost;
}

// Whether TMA can read a row-major matrix with this base and row stride (elements of bf16).
inline bool tma_fits(const void *base, int64_t stride) { return aligned_to(base, 16) && stride % 8 == 0; }

// The box of an operand: `rows` of its m or n by 64 of its k, or 64 by `depth` where mn_major. Stored [extent, k], or [k, extent] where
// mn_major; at least one row each.
inline cudaError_t make_operand_map(TensorMap *map, const void *base, int64_t extent, int64_t k, int64_t stride, int rows, bool mn_major,
                                    int depth = kWarpgroupDepth) {
  TensorBox box = {};
  box.base = base;
  box.rank = 2;
  box.type = TensorType::bf16;
  box.size[0] = static_cast<uint64_t>(mn_major ? extent : k);
  box.size[1] = static_cast<uint64_t>(mn_major ? k : extent);
  box.stride_bytes[0] = static_cast<uint64_t>(stride) * 2;
  box.box[0] = 64;
  box.box[1] = static_cast<uint32_t>(mn_major ? depth : rows);
  box.swizzle = Swizzle::bytes_128;
  return make_tensor_map(map, box);
}

// The matrices of a product, all bf16; k and strides as in matmul/block_product.cuh.
struct WarpgroupMatrices {
  const void *a, *b;
  int64_t lda, ldb;
  const void *b_second = nullptr;  // of tiles with two, laid out as b
  // Adapters as triples, NULL where the rank is 0.
  const void *h = nullptr, *w = nullptr, *h_second = nullptr, *w_second = nullptr;
};

// What one block copies of b, or of anything that lies as b does.
template <class Tile>
cudaError_t make_map_of_b(TensorMap *map, const void *base, int64_t n, int64_t k, int64_t stride) {
  return make_operand_map(map, base, n, k, stride, Tile::kShareColsOfB, !Tile::kTransposedB, Tile::kShareDepthOfB);
}

// The adapter h w^T as triples.
template <class Tile>
cudaError_t make_adapter_maps(TensorMap *h_map, TensorMap *w_map, const void *h, const void *w, const WarpgroupProblem &p, int64_t rank) {
  if (rank == 0) return cudaSuccess;
  const int64_t k = triple_groups(rank) * kTripleWidth;
  SAILS_TRY(make_operand_map(h_map, h, p.m, k, k, Tile::kRows, false));
  return make_map_of_b<Tile>(w_map, w, p.n, k, Tile::kTransposedB ? k : p.n);
}

template <class Tile>
cudaError_t make_warpgroup_operands(WarpgroupOperands *o, const WarpgroupMatrices &x, const WarpgroupProblem &p) {
  *o = {};
  if (p.k > 0) {
    SAILS_TRY(make_operand_map(&o->a, x.a, p.m, p.k, x.lda, Tile::kRows, Tile::kTransposedA));
    SAILS_TRY(make_map_of_b<Tile>(&o->b, x.b, p.n, p.k, x.ldb));
    if (Tile::kTwo) SAILS_TRY(make_map_of_b<Tile>(&o->b_second, x.b_second, p.n, p.k, x.ldb));
  }
  SAILS_TRY(make_adapter_maps<Tile>(&o->h, &o->w, x.h, x.w, p, p.rank));
  if (Tile::kTwo) SAILS_TRY(make_adapter_maps<Tile>(&o->h_second, &o->w_second, x.h_second, x.w_second, p, p.rank_second));
  return cudaSuccess;
}

template <class Tile, class Epilogue>
cudaError_t launch_warpgroup_products(const char *name, cudaStream_t stream, const WarpgroupMatrices &matrices, const WarpgroupProblem &p,
                                      const Epilogue &epilogue, const Multiprocessors &on) {
  WarpgroupOperands operands;
  SAILS_TRY(make_warpgroup_operands<Tile>(&operands, matrices, p));
  const int64_t items = ceil_div(p.m, Tile::kRows * Tile::kCluster) * ceil_div(p.n, Tile::kColsOfB) * p.parts;
  const int64_t blocks = Tile::kCluster * smaller(items, larger(1, on.count / Tile::kCluster));
  const auto kernel = warpgroup_products<Tile, Epilogue>;
  if constexpr (Tile::kCluster > 1)
    return launch_clusters(name, stream, kernel, static_cast<unsigned>(blocks), Tile::kThreads, Tile::kCluster,
                           Tile::template shared_bytes<Epilogue>(), operands, epilogue, p);
  else
    return launch(name, stream, kernel, static_cast<unsigned>(blocks), Tile::kThreads, Tile::template shared_bytes<Epilogue>(), operands,
                  epilogue, p);
}

// The same by a tile of one block, or by its pair where there are rows for both: p.m is about how many there will be, also where p.m_limit
// says less.
template <class Tile, class Epilogue>
cudaError_t launch_warpgroup_pairs(const char *name, cudaStream_t stream, const WarpgroupMatrices &matrices, const WarpgroupProblem &p,
                                   const Epilogue &epilogue, const Multiprocessors &on) {
  if (on.pairs(p.m, Tile::kRows)) return launch_warpgroup_products<typename Tile::Pair>(name, stream, matrices, p, epilogue, on);
  return launch_warpgroup_products<Tile>(name, stream, matrices, p, epilogue, on);
}

}  // namespace sails::kernels
