// sae/find.cuh on Hopper: find and refind as epilogues of matmul/hopper_products.cuh, straight from the accumulators
//   Tiles of 128 x 256, a persistent block a multiprocessor. bf16 in rows of whole 16 bytes: warpgroup_find_fits().
//
// A row of a tile lies in the 4 lanes of a quad, 32 pairs of columns each: columns 8 j + 2 t and the next, t = lane % 4. find goes once
// over the accumulators. An active feature sets bit 2 j or 2 j + 1 of the lane's 64-bit mark, and its z goes to the lane's own list in
// shared memory, so that no register is indexed by a number that the compiler does not know. The marks of the quad then say how many
// features the cell has and, by counting bits below, where in rising order each belongs. refind goes by ballots, a pair of columns at a
// time: it has no bound on a lane's list, and is rare.
//
// Clocks of find beside the 36 * 1024 of its products at d_in 2304 (8 warps, 2 to a scheduler, 128 sums a thread; computed, not measured):
//   z, test, mark, list, next place: 5 or 6 instructions a sum, 128 * 2 * 6 = 1536     bounds: 2 loads of 16 bytes for 4 sums, 128 issued,
//   about 1000 at
//   the shared memory, beside the sums     counts and places: 2 rows * 3 rounds (of the busiest lane, 100 of 16k active) of 45
//   instructions, 540
//   bytes written: 44 for each of the 128 cells, 5.6 KB, beside the 1.7 MB that the tile's operands are
// together about 2200; the machine code of sm_90a has 1310 to 1590 instructions a warp, two warps a scheduler: 2600 to 3200, 8 %. The bounds are asked for before the products and arrive behind them; the producer loads the next tile
// meanwhile. The two warpgroups of a block do this at about the same time, so the tensor cores rest for it. Tiles of one warpgroup each in
// turns (ping-pong) would hide it and cost more: 64 x 256 takes 320 * 128 bytes from L2 every 512 clocks, 80 a clock, where 128 x 256 takes
// 48, in pairs 32, and the L2 gives about 36.
#pragma once

#include <type_traits>

#include "matmul/hopper_epilogue.cuh"
#include "primitives/async_copy.cuh"
#include "sae/find.cuh"

namespace sails::kernels {

using FindTile = WarpgroupTile<2, 256, false, false>;
constexpr int kFindPairs = FindTile::kCols / 2;  // of columns; as many as a warpgroup has threads
static_assert(kFindPairs == kWarpgroup, "a thread brings the tests of one pair");

// The tests of two neighbouring columns in shared memory: what a lane reads for its pair, 16 bytes at a time. The 4 lanes of a quad read
// 128 bytes in a row, the 8 quads of a warp the same ones.
struct PairTests {
  Pack<float, 4> bounds;   // bias, bias of the next, floor, floor of the next
  Pack<float, 4> factors;  // scale, scale of the next, gate, gate of the next
};

// The 128 threads of a warpgroup ask for a pair's tests each, those before all read.
__device__ __forceinline__ void ask_pair_tests(PairTests *tests, const FeatureTests &from, const WarpgroupPlace &at) {
  const int pair = threadIdx.x % kWarpgroup;
  PairTests *to = tests + pair;
  named_barrier_sync(1 + at.consumer, kWarpgroup);
  const auto ask = [&](float *lanes, const float *values, float otherwise) {
#pragma unroll
    for (int c = 0; c < 2; c++) {
      const int64_t feature = at.col + 2 * pair + c;
      if (values == nullptr)
        lanes[c] = otherwise;
      else
        async_copy_4(lanes + c, feature < at.n ? values + feature : values, feature < at.n);
    }
  };
  ask(to->bounds.lane, from.bias, 0.0f);
  ask(to->bounds.lane + 2, from.threshold, 0.0f);
  ask(to->factors.lane, from.scale, 1.0f);
  if (from.gate_bias != nullptr) ask(to->factors.lane + 2, from.gate_bias, 0.0f);
  async_copy_commit();
}

// They have arrived, with floors for thresholds.
__device__ __forceinline__ void await_pair_tests(PairTests *tests, const WarpgroupPlace &at) {
  const int pair = threadIdx.x % kWarpgroup;
  async_copy_wait<0>();
#pragma unroll
  for (int c = 0; c < 2; c++) {
    float *floor = tests[pair].bounds.lane + 2 + c;
    *floor = feature_floor(*floor, at.col + 2 * pair + c < at.n);
  }
  named_barrier_sync(1 + at.consumer, kWarpgroup);
}

// Calls f(which, j, z, active) for each pair of columns of this thread: row `which` of its two (8 apart), columns 8 j + 2 t and the next.
template <bool kGated, int kSums, typename F>
__device__ __forceinline__ void for_activations(const float (&d)[kSums], const PairTests *tests, F &&f) {
  const PairTests *mine = tests + threadIdx.x % 4;
#pragma unroll
  for (int j = 0; j < kSums / 4; j++) {
    const Pack<float, 4> bounds = mine[4 * j].bounds, factors = mine[4 * j].factors;
#pragma unroll
    for (int which = 0; which < 2; which++) {
      float z[2];
      bool active[2];
#pragma unroll
      for (int c = 0; c < 2; c++)
        active[c] = FeatureActivation{factors.lane[c], bounds.lane[c], bounds.lane[2 + c], factors.lane[2 + c], kGated}.value(
            z[c], d[4 * j + 2 * which + c]);
      f(which, j, z, active);
    }
  }
}

// kDense: whether found.dense is there.
template <bool kGated, bool kDense>
struct WarpgroupFind {
  static constexpr int kTestsBytes = kFindPairs * static_cast<int>(sizeof(PairTests)), kMarksBytes = 2 * kWarpgroup * 8;
  // Of each thread and row kSegment places, and one for what is too many.
  static constexpr int kListRows = kSegment + 1, kPlaceBytes = kWarpgroup * 4, kListBytes = 2 * kListRows * kPlaceBytes;
  static constexpr int kConsumerBytes = kTestsBytes + kMarksBytes + kListBytes, kSharedBytes = FindTile::kConsumers * kConsumerBytes;
  FoundCodes found;
  FeatureTests tests;

  __device__ __forceinline__ void begin(const WarpgroupPlace &at, uint8_t *scratch) const {
    ask_pair_tests(scratch_of(at, scratch).tests, tests, at);
  }

  __device__ __forceinline__ void operator()(const float (&d)[FindTile::kCols / 2], const WarpgroupPlace &at, uint8_t *scratch) const {
    const Scratch mine = scratch_of(at, scratch);
    if (found.n_again != nullptr && at.row == 0 && at.col == 0 && threadIdx.x == 0) *found.n_again = 0;
    await_pair_tests(mine.tests, at);
    uint32_t marks[2] = {0, 0};                  // half of a mark
    int next[2] = {0, kListRows * kPlaceBytes};  // place in the row's list
    for_activations<kGated>(d, mine.tests, [&](int which, int j, const float(&z)[2], const bool(&active)[2]) {
#pragma unroll
      for (int c = 0; c < 2; c++) {
        if (!active[c]) continue;
        marks[which] |= 1u << (2 * j + c) % 32;
        *reinterpret_cast<float *>(mine.list + next[which]) = z[c];
        next[which] = min(next[which] + kPlaceBytes, (which * kListRows + kSegment) * kPlaceBytes);
      }
      if (j % 16 != 15) return;
      reinterpret_cast<uint32_t *>(mine.marks + which * kWarpgroup)[j / 16] = marks[which];
      marks[which] = 0;
    });
    __syncwarp();
    if (kDense) write_dense(d, mine, at);
#pragma unroll
    for (int which = 0; which < 2; which++) write_cell(mine, at, which);
  }

 private:
  // The warpgroup's tests; marks [2][kWarpgroup] and lists [2][kListRows][kWarpgroup] by row and thread, from the calling thread on.
  struct Scratch {
    PairTests *tests;
    uint64_t *marks;
    uint8_t *list;
  };
  __device__ __forceinline__ static Scratch scratch_of(const WarpgroupPlace &at, uint8_t *scratch) {
    uint8_t *base = scratch + at.consumer * kConsumerBytes;
    const int thread = threadIdx.x % kWarpgroup;
    return {reinterpret_cast<PairTests *>(base), reinterpret_cast<uint64_t *>(base + kTestsBytes) + thread,
            base + kTestsBytes + kMarksBytes + thread * 4};
  }

  // The marks of the lanes of the quad, and how many features they say.
  __device__ __forceinline__ static int quad_marks(uint64_t (&of_lane)[4], const Scratch &mine, int which) {
    const uint64_t *from = mine.marks + which * kWarpgroup - threadIdx.x % 4;
    int count = 0;
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const Pack<uint64_t, 2> two = load_pack<2>(from + i);
      of_lane[i] = two.lane[0];
      of_lane[i + 1] = two.lane[1];
      count += __popcll(two.lane[0]) + __popcll(two.lane[1]);
    }
    return count;
  }

  // The cell of a row by the quad that has it.
  __device__ __forceinline__ void write_cell(const Scratch &mine, const WarpgroupPlace &at, int which) const {
    const int64_t row = at.row + quad_row(which);
    if (row >= at.m) return;
    const int t = threadIdx.x % 4;
    uint64_t of_lane[4];
    const int count = quad_marks(of_lane, mine, which);
    const int64_t cell = row * found.tiles + at.col / FindTile::kCols;
    if (t == 0) found.counts[cell] = count;
    if (count > kSegment) return;
    const uint8_t *list = mine.list + which * kListRows * kPlaceBytes;
    for (uint64_t mark = mine.marks[which * kWarpgroup]; mark != 0; mark &= mark - 1, list += kPlaceBytes) {
      const int bit = __popcll((mark & (0 - mark)) - 1);
      // Lower columns: up to this pair of 8 in the lanes before, not yet in the lanes after.
      const uint64_t below_pair = (uint64_t{1} << (bit & ~1)) - 1, up_to_pair = (uint64_t{2} << (bit | 1)) - 1;
      int place = 0;
#pragma unroll
      for (int i = 0; i < 4; i++) place += __popcll(of_lane[i] & (i < t ? up_to_pair : i > t ? below_pair : (uint64_t{1} << bit) - 1));
      found.columns[cell * kSegment + place] = static_cast<uint8_t>(bit / 2 * 8 + 2 * t + bit % 2);
      found.z[cell * kSegment + place] = *reinterpret_cast<const float *>(list);
    }
  }

  // The sums of the rows whose cells have more codes than they keep.
  __device__ __forceinline__ void write_dense(const float (&d)[FindTile::kCols / 2], const Scratch &mine, const WarpgroupPlace &at) const {
    const int64_t col = at.col + threadIdx.x % 4 * 2;
    const int cols = static_cast<int>(smaller(FindTile::kCols, at.n - col));
#pragma unroll
    for (int which = 0; which < 2; which++) {
      const int64_t row = at.row + quad_row(which);
      uint64_t of_lane[4];
      if (row >= at.m || quad_marks(of_lane, mine, which) <= kSegment) continue;
      float *to = found.dense + row * at.n + col;
#pragma unroll
      for (int j = 0; j < FindTile::kCols / 8; j++)
        if (8 * j < cols) store_pack_plain(to + 8 * j, Pack<float, 2>{{d[4 * j + 2 * which], d[4 * j + 2 * which + 1]}});
    }
  }
};

template <bool kGated>
struct WarpgroupRefind {
  static constexpr int kConsumerBytes = kFindPairs * static_cast<int>(sizeof(PairTests)),
                       kSharedBytes = FindTile::kConsumers * kConsumerBytes;
  FoundCodes found;  // counts: where cells begin
  FeatureTests tests;
  CodeRows rows;
  const int32_t *tokens;

  __device__ __forceinline__ void begin(const WarpgroupPlace &at, uint8_t *scratch) const {
    ask_pair_tests(pairs_of(at, scratch), tests, at);
  }

  __device__ __forceinline__ void operator()(const float (&d)[FindTile::kCols / 2], const WarpgroupPlace &at, uint8_t *scratch) const {
    PairTests *pairs = pairs_of(at, scratch);
    await_pair_tests(pairs, at);
    int32_t token[2], next[2];
#pragma unroll
    for (int which = 0; which < 2; which++) token[which] = find_cell(at, at.row + quad_row(which), next[which]);
    const int lane = threadIdx.x % kWarp;
    const unsigned quad = 0xfu << lane / 4 * 4, before = quad & ((1u << lane) - 1u);
    for_activations<kGated>(d, pairs, [&](int which, int j, const float(&z)[2], const bool(&active)[2]) {
      const unsigned first = __ballot_sync(kFullMask, active[0]), second = __ballot_sync(kFullMask, active[1]);
      int32_t slot = next[which] + __popc(first & before) + __popc(second & before);
      next[which] += __popc(first & quad) + __popc(second & quad);
#pragma unroll
      for (int c = 0; c < 2; c++) {
        if (!active[c]) continue;
        if (token[which] >= 0 && slot < rows.capacity) {
          const int64_t to = token[which] * rows.capacity + slot;
          rows.indices[to] = static_cast<int32_t>(at.col) + 8 * j + lane % 4 * 2 + c;
          rows.values[to] = z[c];
        }
        slot++;
      }
    });
  }

 private:
  __device__ __forceinline__ static PairTests *pairs_of(const WarpgroupPlace &at, uint8_t *scratch) {
    return reinterpret_cast<PairTests *>(scratch + at.consumer * kConsumerBytes);
  }

  // The token of a gathered row and where the codes of its cell in this tile begin; -1 where none are missing.
  __device__ __forceinline__ int32_t find_cell(const WarpgroupPlace &at, int64_t row, int32_t &begin) const {
    begin = 0;
    if (row >= at.m) return -1;
    const int32_t token = tokens[row];
    const int64_t tile = at.col / FindTile::kCols, cell = token * found.tiles + tile;
    begin = found.counts[cell];
    const int32_t end = tile + 1 < found.tiles ? found.counts[cell + 1] : rows.counts[token];
    return end - begin > kSegment ? token : -1;
  }
};

// ---- launchers

// Whether TMA can read the operands; those of `refind` are workspace with the same stride.
inline bool warpgroup_find_fits(const void *x, const void *w_enc, int64_t n_tokens, int64_t d_in, int64_t d_sae) {
  return tma_fits(x, d_in) && tma_fits(w_enc, d_sae) && box_coordinates_fit(n_tokens, d_sae, d_in);
}

template <class Epilogue>
cudaError_t launch_find_products(const char *name, cudaStream_t stream, const Epilogue &epilogue, const MatmulOperands<bf16> &p,
                                 const int32_t *m_limit, const Multiprocessors &on) {
  WarpgroupProblem problem{};
  problem.m = p.m;
  problem.n = p.n;
  problem.k = problem.k_per_part = p.k;
  problem.parts = 1;
  problem.m_limit = m_limit;
  // Behind a limit there are most often few rows, less than a pair of tiles.
  if (m_limit != nullptr) return launch_warpgroup_products<FindTile>(name, stream, {p.a, p.b, p.lda, p.ldb}, problem, epilogue, on);
  return launch_warpgroup_pairs<FindTile>(name, stream, {p.a, p.b, p.lda, p.ldb}, problem, epilogue, on);
}

// One block of tokens, p.m of them. Of `find` rows and again are not read.
template <bool kAgain>
cudaError_t launch_sae_find_warpgroups(cudaStream_t stream, const FoundCodes &found, const CodeRows &rows, const TokensAgain<bf16> &again,
                                       const MatmulOperands<bf16> &p, const FeatureTests &tests, const Multiprocessors &on) {
  const bool gated = tests.gate_bias != nullptr;
  if constexpr (kAgain) {
    constexpr const char *kName = "sae_refind_warpgroup";
    return gated ? launch_find_products(kName, stream, WarpgroupRefind<true>{found, tests, rows, again.tokens}, p, again.count, on)
                 : launch_find_products(kName, stream, WarpgroupRefind<false>{found, tests, rows, again.tokens}, p, again.count, on);
  } else {
    constexpr const char *kName = "sae_find_warpgroup";
    if (found.dense != nullptr)
      return gated ? launch_find_products(kName, stream, WarpgroupFind<true, true>{found, tests}, p, nullptr, on)
                   : launch_find_products(kName, stream, WarpgroupFind<false, true>{found, tests}, p, nullptr, on);
    return gated ? launch_find_products(kName, stream, WarpgroupFind<true, false>{found, tests}, p, nullptr, on)
                 : launch_find_products(kName, stream, WarpgroupFind<false, false>{found, tests}, p, nullptr, on);
  }
}

// The variant that choose_sae_find named.
template <bool kAgain, typename T>
cudaError_t launch_sae_find(cudaStream_t stream, const FoundCodes &found, const CodeRows &rows, const TokensAgain<T> &again,
                            const MatmulOperands<T> &p, const FeatureTests &tests, FindVariant variant, const Multiprocessors &on) {
  if constexpr (std::is_same<T, bf16>::value)
    if (variant == FindVariant::warpgroups) return launch_sae_find_warpgroups<kAgain>(stream, found, rows, again, p, tests, on);
  return launch_sae_find_tiles<kAgain>(stream, found, rows, again, p, tests, variant);
}

}  // namespace sails::kernels
