// What is chosen for sparse autoencoders on an H100: the tiles and blocks of tokens of the encoder, where it falls back, and the slices of
// the decoder; rows without columns.
#include "check.h"
#include "device.h"
#include "sae/decode.cuh"
#include "sae/find_hopper.cuh"
#include "sae/standardize.cuh"

using namespace sails::kernels;

namespace {

constexpr int kH100 = 132;

std::string printed(const FindConfig &c) {
  return std::string(c.name) + " tokens " + std::to_string(c.tokens) + " tiles " + std::to_string(c.tiles);
}

}  // namespace

TEST("the encoder of Gemma Scope's SAEs chooses what docs/kernel-predictions.md counts on") {
  const struct {
    int64_t n_tokens, d_in, d_sae;
    bool bf16_weights, dense, warpgroups;
    const char *expected;
  } cases[] = {
      {4096, 2304, 65536, true, false, true, "warpgroup_128x256 tokens 4096 tiles 256"},
      {4096, 2304, 16384, true, false, true, "warpgroup_128x256 tokens 4096 tiles 64"},
      {4096, 3584, 131072, true, false, true, "warpgroup_128x256 tokens 4096 tiles 512"},
      {4096, 2304, 65536, true, true, true, "warpgroup_128x256 tokens 768 tiles 256"},  // statistics: with room for dense cells
      {4096, 2304, 16384, true, true, true, "warpgroup_128x256 tokens 2048 tiles 64"},
      {4096, 2304, 65536, true, false, false, "tensorcore_128x128 tokens 4096 tiles 512"},  // bases or strides that TMA cannot read
      {4096, 2304, 65536, false, false, false, "simt_128x128 tokens 4096 tiles 512"},
      {256, 2304, 16384, true, false, true, "warpgroup_128x256 tokens 256 tiles 64"},
      {128, 2304, 8192, true, false, true, "tensorcore_64x64 tokens 128 tiles 128"},
      {1, 2304, 16384, true, false, true, "tensorcore_64x64 tokens 64 tiles 256"},
  };
  for (const auto &c : cases) {
    const std::string got = printed(choose_sae_find(c.n_tokens, c.d_in, c.d_sae, c.bf16_weights, c.dense, c.warpgroups, {kH100, true}));
    if (got != c.expected) return got + ", expected " + c.expected;
  }
  return "";
}

TEST("blocks of tokens are whole tiles that fit the workspace, or one tile") {
  for (int64_t n_tokens : {1, 63, 65, 129, 4096, 1000000})
    for (int64_t d_sae : {1, 65, 257, 16384, 1048576})
      for (int way = 0; way < 8; way++) {
        const bool bf16_weights = (way & 1) != 0, dense = (way & 2) != 0, warpgroups = bf16_weights && (way & 4) != 0;
        const FindConfig c = choose_sae_find(n_tokens, 2304, d_sae, bf16_weights, dense, warpgroups, {kH100, d_sae % 2 == 0});
        const int64_t bytes = c.cells() * 44 + c.tokens * (dense ? 4 * d_sae : 4 + 2304 * (bf16_weights ? 2 : 4));
        if (c.tokens % c.tile_rows != 0 || c.tokens < 1 || c.tiles * c.tile_cols < d_sae ||
            (bytes > kFindWorkspaceBytes && c.tokens > c.tile_rows))
          return printed(c) + " for " + std::to_string(n_tokens) + " tokens, " + std::to_string(d_sae) +
                 " features: " + std::to_string(bytes) + " bytes";
      }
  return "";
}

TEST("the scratch of the encoder's epilogues fits beside the buffers of its products") {
  constexpr int64_t kMostShared = 227 * 1024, kBarriers = 128;
  const int64_t most = larger(FindTile::shared_bytes<WarpgroupFind<true, true>>(), FindTile::shared_bytes<WarpgroupRefind<true>>());
  return check::expect(most + kBarriers <= kMostShared, std::to_string(most) + " bytes");
}

TEST("a slice of W_dec stays in the cache, and slices cover every column") {
  const struct {
    int64_t d_in, d_sae;
    int threads;
    int64_t slices;
  } cases[] = {{2304, 65536, 32, 9},   {2304, 16384, 96, 3}, {3584, 131072, 32, 14},
               {2304, 1048576, 32, 9}, {2304, 4096, 160, 2}, {64, 16384, 32, 1}};
  for (const auto &c : cases) {
    const DecodeConfig got = choose_sae_decode(c.d_in, c.d_sae, 8, 2);
    if (got.threads != c.threads || got.slices != c.slices)
      return std::to_string(got.slices) + " slices of " + std::to_string(got.threads) + " threads";
  }
  for (int64_t d_in : {1, 31, 257, 2304, 36865})
    for (int64_t d_sae : {0, 1, 70000, 2000000})
      for (int lanes : {1, 4, 8}) {
        const DecodeConfig c = choose_sae_decode(d_in, d_sae, lanes, 16 / (lanes == 1 ? 4 : lanes));
        if (c.threads < kWarp || c.threads > kDecodeThreads || c.slices * c.threads * lanes < d_in ||
            (c.slices - 1) * c.threads * lanes >= d_in)
          return std::to_string(d_in) + " columns in " + std::to_string(c.slices) + " slices of " + std::to_string(c.threads) + " threads";
      }
  return "";
}

TEST("rows of no columns have the gradients 0 of mean and std, and their std is not read") {
  device::Array<float> dmean(std::vector<float>(3, 7)), dstd(std::vector<float>(3, 7));
  const std::string failure = device::run_queued(
      1, [&](cudaStream_t stream) { return launch_unstandardize_backward(stream, nullptr, dmean, dstd, nullptr, nullptr, nullptr, 3, 0); });
  if (!failure.empty()) return failure;
  const std::vector<float> zeros(3, 0);
  return dmean.values() == zeros && dstd.values() == zeros ? std::string() : std::string("a gradient is not 0");
}
