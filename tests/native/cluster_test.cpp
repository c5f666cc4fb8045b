// Clusters in the emulator: the blocks of a cluster share what one of them reads, and whoever forgets to meet is caught.
#include "check.h"
#include "device.h"
#include "primitives/tma.cuh"

using check::expect;
using check::expect_contains;
using device::Array;
using device::expect_caught;
using device::expect_right;
using device::kSeeds;
using namespace sails::kernels;

namespace {

constexpr int kBlocks = 4, kShare = 64, kRows = 2, kSteps = 5, kStages = 2;  // each block brings kShare columns of kRows rows to all
constexpr int kCols = kBlocks * kShare, kStageBytes = kRows * kCols * 4, kShareBytes = kRows * kShare * 4;

enum class Fault {
  none,
  no_sync_at_start,
  no_sync_at_end,
  own_arrivals_only,
  no_empty_wait,
  outside_mask,
  own_bytes_only,
  block_scope_wait
};

// out [kBlocks, kSteps, kRows * kCols]: what each block has got of `in` [kSteps * kRows, kCols]. Warp 0 copies, warp 1 reads.
template <Fault kFault>
__global__ void share_rows(float *out, const __grid_constant__ TensorMap map) {
  SAILS_DYNAMIC_SHARED(uint8_t, stages);
  SAILS_SHARED(Mbarrier, full, kStages);
  SAILS_SHARED(Mbarrier, empty, kStages);
  const int rank = cluster_rank();
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; s++) {
      mbarrier_init(full + s, 1);
      mbarrier_init(empty + s, kFault == Fault::own_arrivals_only ? 1 : kBlocks);
    }
    mbarrier_init_fence();
  }
  if (kFault == Fault::no_sync_at_start)
    __syncthreads();
  else
    cluster_sync();
  if (threadIdx.x == 0) {
    for (int step = 0; step < kSteps; step++) {
      const int s = step % kStages;
      if (kFault != Fault::no_empty_wait) mbarrier_wait<kFault != Fault::block_scope_wait>(empty + s, (step / kStages + 1) % 2);
      mbarrier_arrive_expect(full + s, kFault == Fault::own_bytes_only ? kShareBytes : kStageBytes);
      const uint32_t all = (1u << (kFault == Fault::outside_mask ? kBlocks + 1 : kBlocks)) - 1;
      tma_load_2d_multicast(stages + s * kStageBytes + rank * kShareBytes, map, full + s, all, rank * kShare, step * kRows);
    }
  }
  if (threadIdx.x >= kWarp) {
    const int lane = threadIdx.x % kWarp;
    for (int step = 0; step < kSteps; step++) {
      const int s = step % kStages;
      mbarrier_wait(full + s, step / kStages % 2);
      const float *values = reinterpret_cast<const float *>(stages + s * kStageBytes);
      for (int i = lane; i < kRows * kCols; i += kWarp) out[(rank * kSteps + step) * kRows * kCols + i] = values[i];
      __syncwarp();
      if (kFault == Fault::own_arrivals_only) {
        if (lane == 0) mbarrier_arrive(empty + s);
      } else if (lane < kBlocks) {
        mbarrier_arrive_at(empty + s, lane);
      }
    }
  }
  if (kFault != Fault::no_sync_at_end) cluster_sync();
}

template <Fault kFault>
std::string run_share(uint64_t seed, int blocks = kBlocks, int cluster = kBlocks) {
  std::vector<float> in(kSteps * kRows * kCols);
  for (size_t i = 0; i < in.size(); i++) in[i] = static_cast<float>(i);
  Array<float> from(in), out(kBlocks * in.size());
  TensorMap map{};
  if (make_tensor_map(&map, {from, 2, TensorType::f32, {kCols, kSteps * kRows}, {kCols * 4}, {kShare, kRows}, Swizzle::none}) !=
      cudaSuccess)
    return "map";
  const std::string text = device::run_clusters(seed, "share_rows", share_rows<kFault>, static_cast<unsigned>(blocks), 2 * kWarp, cluster,
                                                kStages * kStageBytes, static_cast<float *>(out), map);
  if (!text.empty()) return text;
  // A share lies as a box of its own.
  const std::vector<float> got = out.values();
  for (int block = 0; block < kBlocks; block++)
    for (int step = 0; step < kSteps; step++)
      for (int row = 0; row < kRows; row++)
        for (int col = 0; col < kCols; col++) {
          const int at = col / kShare * kRows * kShare + row * kShare + col % kShare;
          const float is = got[static_cast<size_t>((block * kSteps + step) * kRows * kCols + at)];
          const float wanted = in[static_cast<size_t>((step * kRows + row) * kCols + col)];
          if (is != wanted)
            return "block " + std::to_string(block) + ", step " + std::to_string(step) + ": " + std::to_string(is) + " is not " +
                   std::to_string(wanted);
        }
  return "";
}

template <Fault kFault>
std::string of_seed(uint64_t seed) {
  return run_share<kFault>(seed);
}

__global__ void meet(int *order, int *next) {
  for (int round = 0; round < 3; round++) {
    atomicAdd(next, 1);
    cluster_sync();
    if (threadIdx.x == 0) order[round * 2 + cluster_rank()] = *next;
    cluster_sync();
  }
}
__global__ void leave_early(int *reached) {
  if (cluster_rank() == 0 && threadIdx.x < 3) return;
  cluster_sync();
  atomicAdd(reached, 1);
}
__global__ void same_layout(uint64_t *where) {
  // The blocks come to their arrays in different orders.
  for (int i = 0; i < 2; i++) {
    if ((cluster_rank() + i) % 2 == 0) {
      SAILS_SHARED(float, first, 5);
      if (threadIdx.x == 0) where[2 * cluster_rank()] = __cvta_generic_to_shared(first);
    } else {
      SAILS_SHARED(double, second, 9);
      if (threadIdx.x == 0) where[2 * cluster_rank() + 1] = __cvta_generic_to_shared(second);
    }
  }
}

}  // namespace

TEST("clusters: every block gets what the others read, under every seed") { return expect_right(of_seed<Fault::none>); }
TEST("clusters: all threads meet, as often as they like") {
  for (uint64_t seed : kSeeds) {
    Array<int> order(std::vector<int>(6)), next(std::vector<int>(1));
    const std::string text = device::run_clusters(seed, "meet", meet, 2, 40, 2, 0, static_cast<int *>(order), static_cast<int *>(next));
    if (!text.empty()) return text;
    if (order.values() != std::vector<int>{80, 80, 160, 160, 240, 240})
      return "a thread has gone on before all had come, seed " + std::to_string(seed);
  }
  return "";
}
TEST("clusters: threads that have returned are not waited for") {
  Array<int> reached(std::vector<int>(1));
  const std::string text = device::run_clusters(3, "leave_early", leave_early, 4, 8, 2, 0, static_cast<int *>(reached));
  return text.empty() ? expect(reached.values()[0] == 26, std::to_string(reached.values()[0]) + " threads of 26 went on") : text;
}
TEST("clusters: shared arrays lie in one place in all blocks") {
  Array<uint64_t> where(4);
  const std::string text = device::run_clusters(1, "same_layout", same_layout, 2, 32, 2, 0, static_cast<uint64_t *>(where));
  if (!text.empty()) return text;
  const std::vector<uint64_t> at = where.values();
  return expect(at[0] == at[2] && at[1] == at[3] && at[0] != at[1], "the blocks' arrays lie in different places");
}
TEST("clusters: a grid that is no whole number of clusters") {
  return expect_contains(run_share<Fault::none>(1, kBlocks + 1), "whole clusters");
}
TEST("clusters: more blocks than a cluster may have") { return expect_contains(run_share<Fault::none>(1, 16, 16), "expected 1 to 8"); }
TEST("fault: a cluster's blocks do not meet before the first multicast") { return expect_caught(of_seed<Fault::no_sync_at_start>); }
TEST("fault: a block ends while others still reach it") { return expect_caught(of_seed<Fault::no_sync_at_end>); }
TEST("fault: the producer waits for its own block's readers alone") { return expect_caught(of_seed<Fault::own_arrivals_only>); }
TEST("fault: the producer waits for no reader of the cluster") { return expect_caught(of_seed<Fault::no_empty_wait>); }
TEST("fault: only a block's own share of bytes is announced") { return expect_caught(of_seed<Fault::own_bytes_only>); }
TEST("fault: a wait of the block's scope for arrivals from other blocks") { return expect_caught(of_seed<Fault::block_scope_wait>); }
TEST("fault: a multicast to a block that the cluster does not have") {
  return expect_contains(of_seed<Fault::outside_mask>(1), "block 4 of a cluster of 4");
}
