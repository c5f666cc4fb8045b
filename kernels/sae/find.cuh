// Which features are active, found tile by tile in the encoder's product: the inside of sae/encode.cuh and sae/statistics.cuh
//   z0 = x w_enc;  z and which of them are active: sae/activation.cuh
//   x [n_tokens, d_in], w_enc [d_in, d_sae] f32|bf16, one dtype;  scale, bias, threshold, gate_bias [d_sae] f32
// z is never in memory: the threshold works on the tile of the product that a block holds. A "cell" is a token's part of a tile.
//   find    a block per tile: for each of its rows how many features are active, and those of the cells with at most kSegment. For the
//   other cells
//           either z0 of all the tile's features is kept (`dense`), or `refind` comes later.
//   refind  the same products for tokens that have such cells, their rows of x gathered (sae/encode.cuh); writes those cells' codes where
//   they belong.
//           Every sum is made in the same order in either, so z has the same bits (matmul/block_product.cuh, matmul/hopper_products.cuh).
// Workspace: 44 bytes for each token of a block and tile of features; 4 d_sae more a token where cells are kept dense. FLOPs 2 n_tokens
// d_in d_sae, once more for each row that is found again (an SAE has about 100 of 16k features active, less than two of a tile's 256; the
// tokens that begin a text can have thousands). Bytes: those of the product; 12 per code and 4 per cell written.
#pragma once

#include "matmul/block_product.cuh"
#include "matmul/matmul.cuh"
#include "primitives/cluster.cuh"
#include "sae/activation.cuh"

namespace sails::kernels {

constexpr int kSegment = 8;                                  // codes that are kept of a cell
constexpr int64_t kFindWorkspaceBytes = int64_t{256} << 20;  // about: more tokens than these hold are found in turn

// What the tiles of a block of tokens found; cell = token * tiles + tile.
struct FoundCodes {
  float *z;          // [tokens, tiles, kSegment]
  uint8_t *columns;  // [tokens, tiles, kSegment], of the tile
  int32_t *counts;   // [tokens, tiles]
  int64_t tiles;     // of a token
  float *dense;      // [tokens, d_sae] or NULL; written in cells with more than kSegment codes: z0
  int32_t *n_again;  // NULL or set to 0: for those who count what is to be found again
};

// Where codes go; rows of the block of tokens.
struct CodeRows {
  int32_t *indices;
  float *values;
  int32_t *counts;
  int64_t capacity;
};

// Tokens with cells that did not fit, in any order: *count of them, their numbers, and their rows of x [*count, d_in].
template <typename T>
struct TokensAgain {
  int32_t *count, *tokens;
  T *x;
};

// kAgain false is `find`, true `refind`: then p.a are the gathered rows, found.counts say where cells begin.
template <class Tile, bool kAgain>
__global__ void __launch_bounds__(Tile::kThreads) sae_find_tiles(FoundCodes found, CodeRows rows, TokensAgain<typename Tile::Element> again,
                                                                 MatmulOperands<typename Tile::Element> p, FeatureTests tests) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  constexpr int kWarps = Tile::kThreads / kWarp, kPerLane = Tile::kCols / kWarp;
  static_assert(Tile::kCols <= 256, "a column of a tile is kept in a byte");
  const TileIndex tile = grouped_tile(blockIdx.x, ceil_div(p.m, Tile::kRows), found.tiles);
  const int64_t row = tile.row * Tile::kRows, col = tile.col * Tile::kCols;
  if (kAgain) p.m = smaller(p.m, *again.count);
  if (row >= p.m) return;
  if (!kAgain && found.n_again != nullptr && blockIdx.x == 0 && threadIdx.x == 0) *found.n_again = 0;
  Tile product;
  product.run(p, row, col, 0, p.k, shared);
  float *z0 = reinterpret_cast<float *>(shared);
  product.stage(z0);

  // A lane has the columns lane, lane + 32, ...
  const int lane = threadIdx.x % kWarp;
  FeatureActivation activation[kPerLane];
#pragma unroll
  for (int q = 0; q < kPerLane; q++) activation[q] = feature_activation(tests, col + q * kWarp + lane, p.n);
  const int last = static_cast<int>(smaller(Tile::kRows, p.m - row));
  for (int r = threadIdx.x / kWarp; r < last; r += kWarps) {
    float z[kPerLane];
    unsigned active[kPerLane];
    int count = 0;
#pragma unroll
    for (int q = 0; q < kPerLane; q++) {
      active[q] = __ballot_sync(kFullMask, activation[q].value(z[q], z0[r * Tile::kStageStride + q * kWarp + lane]));
      count += __popc(active[q]);
    }
    const int64_t t = kAgain ? again.tokens[row + r] : row + r, cell = t * found.tiles + tile.col;
    if (!kAgain && lane == 0) found.counts[cell] = count;
    if (kAgain ? count <= kSegment : count > kSegment && found.dense == nullptr) continue;
    int before = 0;
#pragma unroll
    for (int q = 0; q < kPerLane; q++) {
      const bool mine = (active[q] >> lane & 1u) != 0;
      const int place = before + __popc(active[q] & ((1u << lane) - 1u)), column = q * kWarp + lane;
      before += __popc(active[q]);
      if (!kAgain && count > kSegment) {
        if (col + column < p.n) found.dense[t * p.n + col + column] = z0[r * Tile::kStageStride + column];
      } else if (mine && kAgain) {
        const int64_t slot = int64_t{found.counts[cell]} + place;
        if (slot < rows.capacity) {
          rows.indices[t * rows.capacity + slot] = static_cast<int32_t>(col + column);
          rows.values[t * rows.capacity + slot] = z[q];
        }
      } else if (mine) {
        found.columns[cell * kSegment + place] = static_cast<uint8_t>(column);
        found.z[cell * kSegment + place] = z[q];
      }
    }
  }
}

// ---- variant choice

enum class FindVariant { small_tiles, large_tiles, warpgroups };

// How many tokens are encoded at once, and by which tiles.
struct FindConfig {
  const char *name;
  FindVariant variant;
  int tile_rows, tile_cols;
  int64_t tokens;  // a multiple of tile_rows
  int64_t tiles;   // of a token

  int64_t cells() const { return tokens * tiles; }
};

// `warpgroups`: sae/find_hopper.cuh could compute this. It does where its tiles keep at least half of the multiprocessors busy: tiles of
// half the size would keep all of them busy, at no more than half the rate (computed, not measured). `dense`: with room for dense cells.
inline FindConfig choose_sae_find(int64_t n_tokens, int64_t d_in, int64_t d_sae, bool bf16_weights, bool dense, bool warpgroups,
                                  const Multiprocessors &on) {
  FindConfig c{};
  const bool many = n_tokens > 64 && d_sae > 64;
  if (warpgroups && many && 2 * ceil_div(n_tokens, 128) * ceil_div(d_sae, 256) >= on.count)
    c = {"warpgroup_128x256", FindVariant::warpgroups, 128, 256, 0, 0};
  else if (many && ceil_div(n_tokens, 128) * ceil_div(d_sae, 128) >= on.count)
    c = {bf16_weights ? "tensorcore_128x128" : "simt_128x128", FindVariant::large_tiles, 128, 128, 0, 0};
  else if (bf16_weights)
    c = {"tensorcore_64x64", FindVariant::small_tiles, 64, 64, 0, 0};
  else
    c = {"simt_32x32", FindVariant::small_tiles, 32, 32, 0, 0};
  c.tiles = larger(1, ceil_div(d_sae, c.tile_cols));
  const int64_t token_bytes = c.tiles * (kSegment * 5 + 4) + (dense ? 4 * d_sae : 4 + d_in * (bf16_weights ? 2 : 4));
  const int64_t fit = larger(1, kFindWorkspaceBytes / (token_bytes * c.tile_rows));
  // Whole rows of tiles, or of pairs of them where blocks go in pairs: half of one would be computed for nothing.
  const int64_t step = c.tile_rows * (c.variant == FindVariant::warpgroups && fit > 1 && on.pairs(n_tokens, c.tile_rows) ? 2 : 1);
  const int64_t most = fit * c.tile_rows / step * step;
  // Blocks of about the same size.
  const int64_t blocks = larger(1, ceil_div(n_tokens, most));
  c.tokens = ceil_div(ceil_div(n_tokens, blocks), step) * step;
  return c;
}

// ---- launchers

template <class Tile, bool kAgain>
cudaError_t launch_sae_find_tile(cudaStream_t stream, const FoundCodes &found, const CodeRows &rows,
                                 const TokensAgain<typename Tile::Element> &again, const MatmulOperands<typename Tile::Element> &p,
                                 const FeatureTests &tests) {
  const dim3 tiles(static_cast<unsigned>(ceil_div(p.m, Tile::kRows) * found.tiles));
  return launch(kAgain ? "sae_refind" : "sae_find", stream, sae_find_tiles<Tile, kAgain>, tiles, Tile::kThreads, Tile::kSharedBytes, found,
                rows, again, p, tests);
}

// One block of tokens, p.m of them. Of `find` rows and again are not read.
template <bool kAgain, typename T>
cudaError_t launch_sae_find_tiles(cudaStream_t stream, const FoundCodes &found, const CodeRows &rows, const TokensAgain<T> &again,
                                  const MatmulOperands<T> &p, const FeatureTests &tests, FindVariant variant) {
  const bool large = variant == FindVariant::large_tiles;
  if constexpr (sizeof(T) == 4)
    return large ? launch_sae_find_tile<SimtTile<128, 128, 8, 8, false, false>, kAgain>(stream, found, rows, again, p, tests)
                 : launch_sae_find_tile<SimtTile<32, 32, 4, 4, false, false>, kAgain>(stream, found, rows, again, p, tests);
  else
    return large ? launch_sae_find_tile<TensorCoreTile<128, 128, 2, 4, 4, false, false>, kAgain>(stream, found, rows, again, p, tests)
                 : launch_sae_find_tile<TensorCoreTile<64, 64, 2, 2, 4, false, false>, kAgain>(stream, found, rows, again, p, tests);
}

}  // namespace sails::kernels
