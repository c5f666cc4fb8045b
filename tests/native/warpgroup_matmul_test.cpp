// Products by single blocks and by pairs of blocks that share b: the same bits, in all layouts.
#include "check.h"
#include "device.h"
#include "matmul/matmul_hopper.cuh"

using device::Array;
using namespace sails::kernels;

namespace {

constexpr int64_t kM = 264, kN = 504, kK = 456;  // tiles across all edges, more steps than buffers
const Multiprocessors kFour = {4, true};

std::vector<bf16> normals(size_t n, uint32_t seed) {
  std::vector<bf16> values(n);
  uint32_t state = seed;
  for (bf16 &value : values) {
    float sum = 0;
    for (int i = 0; i < 4; i++) {
      state = state * 1664525u + 1013904223u;
      sum += static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
    }
    value = to_bf16(sum);
  }
  return values;
}

template <bool kTransposeA, bool kTransposeB>
std::string compare(int tile_cols) {
  const std::vector<bf16> a = normals(kM * kK, 1), b = normals(kN * kK, 2);
  Array<bf16> on_a(a), on_b(b);
  std::vector<float> results[2];
  for (int cluster = 1; cluster <= 2; cluster++) {
    Array<float> c(std::vector<float>(kM * kN, NAN));
    const MatmulProblem p = {c,     on_a, on_b,        kM,          kN,   kK,   kN,     kTransposeA ? kM : kK, kTransposeB ? kK : kN,
                             false, true, kTransposeA, kTransposeB, 1.0f, 0.0f, nullptr};
    const WarpgroupConfig config = {"products", 2, tile_cols, cluster, 1, kK, 0};
    const std::string text = device::run_queued(static_cast<uint64_t>(10 * tile_cols + cluster), [&](cudaStream_t stream) {
      return launch_warpgroup_layout<kTransposeA, kTransposeB, float>(stream, p, config, {}, kFour);
    });
    if (!text.empty()) return "cluster " + std::to_string(cluster) + ": " + text;
    results[cluster - 1] = c.values();
  }
  for (size_t i = 0; i < results[0].size(); i++)
    if (!(results[0][i] == results[1][i]))
      return "element " + std::to_string(i) + " of tiles of " + std::to_string(tile_cols) + " columns: " + std::to_string(results[0][i]) +
             " and " + std::to_string(results[1][i]);
  return "";
}

template <bool kTransposeA, bool kTransposeB>
std::string both() {
  const std::string wide = compare<kTransposeA, kTransposeB>(256);
  return wide.empty() ? compare<kTransposeA, kTransposeB>(192) : wide;
}

}  // namespace

TEST("pairs of blocks give the bits of single ones: x W^T") { return both<false, true>(); }
TEST("pairs of blocks give the bits of single ones: dy W") { return both<false, false>(); }
TEST("pairs of blocks give the bits of single ones: dy^T x") { return both<true, false>(); }
