// Encoding by threshold into sparse codes (sae_codes.cuh), and the gradient of any encoding
//   z0 = x w_enc;  z = z0 * scale + bias (scale NULL: 1, bias NULL: 0)
//   active where sae_activation.cuh says
//   backward  dx[t,:] = sum_j dvalues[t,j] * scale[i_j] * w_enc[:,i_j]      over the stored slots j of row t, i_j = indices[t,j]
//   x [n_tokens, d_in], w_enc [d_in, d_sae] f32|bf16, one dtype;  scale, bias, threshold, gate_bias [d_sae] f32;  dx [n_tokens, d_in] f32 (=)
//   indices i32, values f32 [n_tokens, capacity] (=, slots past the count not written), counts [n_tokens] i32 (=), may exceed capacity
// Nothing may alias. z is never in memory: the threshold works on the tile of the product that a block holds. Over a block of tokens:
//   find    a block per tile of x w_enc: for each of its rows how many features are active, and the first kSegment of them, in the workspace
//   place   a block per token: running sums over its tiles say where each tile's features belong; segments that hold all go there
//   refind  a block per tile, leaves at once unless a row of its tile had more than kSegment: computes the tile again (the same bits, see
//           block_matmul.cuh) and writes those rows where they belong
// Workspace: 44 bytes for each token of a block and tile of features. FLOPs 2 n_tokens d_in d_sae, twice for the tiles found again (an SAE has
// about 100 of 16k features active, less than one of a tile's 128); bytes: those of the product, and 12 per code and 4 per tile row written.
//
// backward: a block per token and kBackwardRows rows of w_enc, a thread per row, sums in the order of the slots. Columns of w_enc are strided:
// each weight costs a 32-byte sector. Blocks that share rows of w_enc follow each other, so that tokens with common features find them in L2.
#pragma once

#include "block_matmul.cuh"
#include "matmul.cuh"
#include "sae_activation.cuh"
#include "sae_codes.cuh"

namespace sails::kernels {

constexpr int kSegment = 8;          // codes that a tile keeps of a row
constexpr int kPlaceThreads = 128;   // tiles at a time: those of 16k features
constexpr int kBackwardRows = 128;   // of w_enc, threads of a block
constexpr int kBackwardLoads = 8;    // that a thread has under way
constexpr int64_t kEncodeWorkspaceBytes = int64_t{256} << 20;  // about: more tokens than these hold are encoded in turn

// What the tiles of a block of tokens found, in the workspace; a "cell" is a token's part of a tile: token * tiles + tile.
struct FoundCodes {
  float *z;               // [tokens, tiles, kSegment]
  uint8_t *columns;       // [tokens, tiles, kSegment], of the tile
  int32_t *counts;        // [tokens, tiles]; after `place` where the cell's codes start in their row
  uint8_t *overflows;     // [tile rows, tiles] 1: a cell of the tile has more than kSegment codes and room for them
  int64_t tiles;          // of a token
};

// Where codes go; rows of the block of tokens.
struct CodeRows {
  int32_t *indices;
  float *values;
  int32_t *counts;
  int64_t capacity;
};

// ---- forward

// kAgain false is `find`, true `refind`.
template <class Tile, bool kAgain>
__global__ void __launch_bounds__(Tile::kThreads)
    sae_encode_tiles(FoundCodes found, CodeRows rows, MatmulOperands<typename Tile::Element> p, FeatureTests tests) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  constexpr int kWarps = Tile::kThreads / kWarp, kPerLane = Tile::kCols / kWarp;
  static_assert(Tile::kCols <= 256, "a column of a tile is kept in a byte");
  const TileIndex tile = grouped_tile(blockIdx.x, ceil_div(p.m, Tile::kRows), found.tiles);
  uint8_t *overflow = found.overflows + tile.row * found.tiles + tile.col;
  if (kAgain && *overflow == 0) return;
  if (!kAgain && threadIdx.x == 0) *overflow = 0;
  const int64_t row = tile.row * Tile::kRows, col = tile.col * Tile::kCols;
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
    const int64_t cell = (row + r) * found.tiles + tile.col;
    if (kAgain && count <= kSegment) continue;
    int before = 0;
#pragma unroll
    for (int q = 0; q < kPerLane; q++) {
      const int place = before + __popc(active[q] & ((1u << lane) - 1u));
      before += __popc(active[q]);
      if ((active[q] >> lane & 1u) == 0) continue;
      const int column = q * kWarp + lane;
      if (kAgain) {
        const int64_t slot = int64_t{found.counts[cell]} + place;
        if (slot < rows.capacity) {
          rows.indices[(row + r) * rows.capacity + slot] = static_cast<int32_t>(col + column);
          rows.values[(row + r) * rows.capacity + slot] = z[q];
        }
      } else if (place < kSegment) {
        found.columns[cell * kSegment + place] = static_cast<uint8_t>(column);
        found.z[cell * kSegment + place] = z[q];
      }
    }
    if (!kAgain && lane == 0) found.counts[cell] = count;
  }
}

__global__ void __launch_bounds__(kPlaceThreads) sae_encode_place(CodeRows rows, FoundCodes found, int64_t tile_rows, int64_t tile_cols) {
  constexpr int kWarps = kPlaceThreads / kWarp;
  SAILS_SHARED(int32_t, of_warps, 2 * kWarps);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t t = blockIdx.x;
  int32_t before = 0;  // codes in the tiles of earlier steps
  int turn = 0;        // the half of of_warps that this step uses: a slow warp may still read the other
  for (int64_t base = 0; base < found.tiles; base += kPlaceThreads, turn ^= 1) {
    const int64_t tile = base + threadIdx.x, cell = t * found.tiles + tile;
    const int32_t count = tile < found.tiles ? found.counts[cell] : 0;
    int32_t up_to = count;
    for (int distance = 1; distance < kWarp; distance *= 2) {
      const int32_t other = __shfl_up_sync(kFullMask, up_to, distance);
      if (lane >= distance) up_to += other;
    }
    if (lane == kWarp - 1) of_warps[turn * kWarps + warp] = up_to;
    __syncthreads();
    int32_t start = before + up_to - count;
    for (int w = 0; w < kWarps; w++) {
      const int32_t of_warp = of_warps[turn * kWarps + w];
      if (w < warp) start += of_warp;
      before += of_warp;
    }
    if (tile >= found.tiles) continue;
    found.counts[cell] = start;
    if (count > kSegment) {
      // Every thread that comes here writes the same.
      if (start < rows.capacity) found.overflows[t / tile_rows * found.tiles + tile] = 1;
      continue;
    }
    for (int i = 0; i < count && start + i < rows.capacity; i++) {
      rows.indices[t * rows.capacity + start + i] = static_cast<int32_t>(tile * tile_cols + found.columns[cell * kSegment + i]);
      rows.values[t * rows.capacity + start + i] = found.z[cell * kSegment + i];
    }
  }
  if (threadIdx.x == 0) rows.counts[t] = before;
}

// ---- backward

template <typename T>
__global__ void __launch_bounds__(kBackwardRows) sae_encode_backward_kernel(float *dx, SparseCodes codes, const T *w_enc,
                                                                             const float *scale, int64_t d_in) {
  SAILS_SHARED(int32_t, ids, kCodeBatch);
  SAILS_SHARED(float, factors, kCodeBatch);
  const int64_t t = blockIdx.x % codes.n_tokens, row = blockIdx.x / codes.n_tokens * kBackwardRows + threadIdx.x;
  const int64_t stored = stored_codes(codes, t);
  float sum = 0.0f;
  for (int64_t first = 0; first < stored; first += kCodeBatch) {
    load_code_batch(ids, factors, codes, scale, t, first, stored);
    if (row >= d_in) continue;
    const int batch = static_cast<int>(smaller(kCodeBatch, stored - first));
    for (int s = 0; s < batch; s += kBackwardLoads) {
      T weights[kBackwardLoads];
#pragma unroll
      for (int u = 0; u < kBackwardLoads; u++) weights[u] = ids[s + u] < 0 ? T{} : w_enc[row * codes.d_sae + ids[s + u]];
#pragma unroll
      for (int u = 0; u < kBackwardLoads; u++) sum = fmaf(to_float(weights[u]), factors[s + u], sum);
    }
  }
  if (row < d_in) dx[t * d_in + row] = sum;
}

// ---- variants and launchers

// How many tokens are encoded at once, and by which tiles.
struct EncodeConfig {
  const char *name;
  bool large;  // tiles of 128 x 128
  int tile_rows, tile_cols;
  int64_t tokens;  // a multiple of tile_rows
  int64_t tiles;   // of a token
};

inline EncodeConfig choose_sae_encode(int64_t n_tokens, int64_t d_sae, bool bf16_weights, int multiprocessors) {
  const bool large = n_tokens > 64 && d_sae > 64 && ceil_div(n_tokens, 128) * ceil_div(d_sae, 128) >= multiprocessors;
  const int side = large ? 128 : bf16_weights ? 64 : 32;
  const char *name = bf16_weights ? (large ? "tensorcore_128x128" : "tensorcore_64x64") : large ? "simt_128x128" : "simt_32x32";
  const int64_t tiles = larger(1, ceil_div(d_sae, side)), token_bytes = tiles * (kSegment * 5 + 4);
  const int64_t most = larger(1, kEncodeWorkspaceBytes / (token_bytes * side)) * side;
  // Blocks of about the same size.
  const int64_t blocks = larger(1, ceil_div(n_tokens, most));
  return {name, large, side, side, ceil_div(ceil_div(n_tokens, blocks), side) * side, tiles};
}

// One block of tokens.
template <class Tile>
cudaError_t launch_sae_encode(cudaStream_t stream, const CodeRows &rows, const FoundCodes &found,
                              const MatmulOperands<typename Tile::Element> &p, const FeatureTests &tests) {
  const dim3 tiles(static_cast<unsigned>(ceil_div(p.m, Tile::kRows) * found.tiles));
  SAILS_TRY(launch("sae_encode_find", stream, sae_encode_tiles<Tile, false>, tiles, Tile::kThreads, Tile::kSharedBytes, found, rows, p, tests));
  SAILS_TRY(launch("sae_encode_place", stream, sae_encode_place, static_cast<unsigned>(p.m), kPlaceThreads, 0, rows, found,
                   int64_t{Tile::kRows}, int64_t{Tile::kCols}));
  return launch("sae_encode_refind", stream, sae_encode_tiles<Tile, true>, tiles, Tile::kThreads, Tile::kSharedBytes, found, rows, p, tests);
}

template <typename T>
cudaError_t launch_sae_encode_tiled(cudaStream_t stream, const CodeRows &rows, const FoundCodes &found, const MatmulOperands<T> &p,
                                    const FeatureTests &tests, bool large) {
  if constexpr (sizeof(T) == 4)
    return large ? launch_sae_encode<SimtTile<128, 128, 8, 8, false, false>>(stream, rows, found, p, tests)
                 : launch_sae_encode<SimtTile<32, 32, 4, 4, false, false>>(stream, rows, found, p, tests);
  else
    return large ? launch_sae_encode<TensorCoreTile<128, 128, 2, 4, 4, false, false>>(stream, rows, found, p, tests)
                 : launch_sae_encode<TensorCoreTile<64, 64, 2, 2, 4, false, false>>(stream, rows, found, p, tests);
}

// `found` has room for config.tokens.
template <typename T>
cudaError_t sae_encode(cudaStream_t stream, const CodeRows &rows, const T *x, const T *w_enc, const FeatureTests &tests, int64_t n_tokens,
                       int64_t d_in, int64_t d_sae, const EncodeConfig &config, const FoundCodes &found) {
  for (int64_t t = 0; t < n_tokens; t += config.tokens) {
    const CodeRows block{rows.indices + t * rows.capacity, rows.values + t * rows.capacity, rows.counts + t, rows.capacity};
    const MatmulOperands<T> p = matmul_operands(x + t * d_in, w_enc, smaller(config.tokens, n_tokens - t), d_sae, d_in, d_in, d_sae);
    SAILS_TRY(launch_sae_encode_tiled(stream, block, found, p, tests, config.large));
  }
  return cudaSuccess;
}

// codes.values are the gradients.
template <typename T>
cudaError_t sae_encode_backward(cudaStream_t stream, float *dx, const SparseCodes &codes, const T *w_enc, const float *scale, int64_t d_in) {
  const dim3 grid(static_cast<unsigned>(codes.n_tokens * ceil_div(d_in, kBackwardRows)));
  return launch("sae_encode_backward", stream, sae_encode_backward_kernel<T>, grid, dim3(kBackwardRows), 0, dx, codes, w_enc, scale, d_in);
}

}  // namespace sails::kernels
