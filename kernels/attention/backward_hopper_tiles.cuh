// Attention backward on warpgroups (sm_90a, head_dim 128 and 256, bf16): what its kernels share, and why it is cut this way. Formulas:
// attention/backward.cuh.
//
//   prepare   delta and lse of each row, and the smallest and largest segment of each block of rows and tile of keys
//   queries   a block owns 128 rows and walks over tiles of 64 keys: s = q k^T, dp = dout v^T, p, ds, dq += ds k; p and ds are kept as bf16
//   tiles
//   keys      a block owns 128 keys and one gradient: dv = sum of p^T dout, or dk = scale * sum of ds^T q; two plain products over the kept
//   tiles
//
// Five products of rows x keys x head_dim, as few as there are, no atomics, no order between blocks: bits depend on shapes alone. The price
// is memory, 4 bytes per visible pair of row and key, written once and read once. Blocks of rows and keys that cannot see each other
// (causality, window, no common segment) are neither computed nor kept; both kernels ask the same question (visible_tile).
//
// Why. H100 SXM: 989 TFLOP/s, 3.35 TB/s; a product of 64 x 64 x 256 takes the tensor cores of a multiprocessor 512 cycles; its shared
// memory moves 128 bytes a cycle, and wgmma reads both operands there each time. Cycles of shared memory to cycles of products bound what
// share of the peak is possible:
//   7 products, nothing kept: the kernel of keys has dk and dv in registers, so that two warpgroups share 64 keys, split the columns, and
//   exchange p and
//     ds: 3008 for 2048, that of rows 3328 for 3072. 5/7 of 77 %: 540 TFLOP/s at most, counted as 5 products.
//   5 products, dq summed over blocks of keys in their order: 4992 for 3200 (its sums alone are 1024). 64 %: 630, less the waiting for each
//   other.
//   Here: queries 3328 for 3072 (128 x 64 pairs; ds is an operand in registers, p and ds leave through registers). keys 1024 for 1024, and
//   48 bytes a cycle
//     from L2 and memory, which give about 36: 75 %. Memory: 1536 FLOPs for 4 bytes written, 1024 for 4 bytes read; at 60 % of the peak 1.6
//     and 2.3 TB/s.
// Predicted at 60 % of the peak in both, 4096 tokens, causal:
//   16/8 heads of 256: 206 GFLOP in 0.35 ms + 137 GFLOP in 0.23 ms + 0.03 ms of prepare = 0.61 ms, 560 TFLOP/s counted
//   8/4 heads of 256: half of it in 256 + 256 blocks, 10 to 15 % lost to the last blocks: 500 TFLOP/s counted
//   head_dim 128: the same 4 bytes for half the FLOPs, so that reading binds keys (3 TB/s: 384 TFLOP/s); in queries a soft-capped pair has
//   0.19 clocks of
//     products beside 0.13 of special functions and 22 instructions, 0.17 at 128 lanes a clock. 350 TFLOP/s counted.
//
// Per head and 4096 tokens of two grouped heads the tiles are 68 MB; heads are taken in as many turns as keep them within kKeptBudgetBytes.
#pragma once

#include "attention/attention.cuh"
#include "primitives/exponential.cuh"
#include "primitives/named_barrier.cuh"
#include "primitives/ring.cuh"
#include "primitives/warp.cuh"
#include "primitives/wgmma.cuh"

namespace sails::kernels {

constexpr int kKeptRows = 64, kKeptKeys = 64;      // of a kept tile, and of a warpgroup's scores
constexpr int kGradientBlockRows = 2 * kKeptRows;  // of a block of queries
constexpr int kGradientBlockKeys = 2 * kKeptKeys;  // of a block of keys
constexpr int kKeptBytes = kKeptRows * kKeptKeys * 2;
constexpr int kKeptSlotBytes = 4 * kKeptBytes;     // p of both halves of the rows, ds of both
constexpr int kBoxColumns = 64;                    // of a box: 128 bytes, the swizzle's span
constexpr int kBoxBytes = 64 * kBoxColumns * 2;    // 64 rows or keys of them
constexpr int kBoxAtomSlack = kSwizzleAtom - 128;  // dynamic shared memory starts on 128 bytes
constexpr int kGradientThreads = 3 * kWarpgroup;   // two warpgroups compute, a thread of the third loads
constexpr int kGradientWarps = 2 * kWarpgroup / kWarp;
constexpr int kPrepareWarps = 8;
constexpr int64_t kKeptBudgetBytes = int64_t{640} << 20;  // 8 heads of the 9B at 4096 tokens
constexpr int64_t kMaxHeadTileBytes = int64_t{2} << 30;   // one head of more is left to the kernels that keep nothing

// Where kept tiles lie: per sequence and key/value head, block b of rows shares `pitch` slots with block blocks - 1 - b, one from the front
// and one from the back. Under causality every pair then needs about the same, half of what a rectangle would.
struct KeptTiles {
  int64_t blocks;  // of kGradientBlockRows rows
  int64_t pitch;   // slots of a pair of blocks
  __host__ __device__ int64_t slots() const { return (blocks + 1) / 2 * pitch; }
  // The slot of the position-th tile of a block.
  __host__ __device__ int64_t slot(int64_t head, int64_t block, int64_t position) const {
    const int64_t mirror = blocks - 1 - block;
    return (head * ((blocks + 1) / 2) + smaller(block, mirror)) * pitch + (block <= mirror ? position : pitch - 1 - position);
  }
};

// Tiles of keys that some row of a block may see, whatever the segments.
__host__ __device__ inline IndexRange tiles_of_block(const AttentionShape &p, int64_t block) {
  const IndexRange keys = keys_of_rows(p, block * kGradientBlockRows, smaller(p.rows(), (block + 1) * kGradientBlockRows));
  return {keys.begin / kKeptKeys, ceil_div(keys.end, kKeptKeys)};
}

inline KeptTiles kept_tiles(const AttentionShape &p) {
  KeptTiles tiles = {ceil_div(p.rows(), kGradientBlockRows), 0};
  const auto count = [&](int64_t block) {
    const IndexRange range = tiles_of_block(p, block);
    return range.end - range.begin;
  };
  for (int64_t block = 0; 2 * block < tiles.blocks; block++) {
    const int64_t mirror = tiles.blocks - 1 - block;
    tiles.pitch = larger(tiles.pitch, count(block) + (mirror != block ? count(mirror) : 0));
  }
  return tiles;
}

// lse log2 e (+inf where a row sees nothing, so that its probabilities are 0) and delta of a row.
struct RowSums {
  float lse, delta;
};
struct SegmentRange {
  int32_t low, high;
};

// What the kernels share in the workspace.
struct KeptBackward {
  KeptTiles layout;
  uint8_t *tiles;               // slots of the heads of one turn
  RowSums *rows;                // [heads, layout.blocks * kGradientBlockRows]
  SegmentRange *row_segments;   // [batch, layout.blocks]
  SegmentRange *key_segments;   // [batch, tiles of keys]
  int64_t first_head, n_heads;  // of this turn, of sequences and key/value heads together
};

// Whether the rows of a block and a tile of its range can see each other; `uniform`: all of both are of one document.
__device__ __forceinline__ bool visible_tile(SegmentRange rows, SegmentRange keys, bool &uniform) {
  uniform = rows.low == rows.high && keys.low == keys.high && rows.low == keys.low;
  const bool padding = (rows.low == 0 && rows.high == 0) || (keys.low == 0 && keys.high == 0);
  return !padding && rows.low <= keys.high && keys.low <= rows.high;
}

// 64 rows or keys of kWidth columns in shared memory: boxes of 64 columns, each row of a box 128 bytes, swizzled.
template <int kWidth>
struct WideTile {
  static constexpr int kChunks = kWidth / kBoxColumns, kBytes = kChunks * kBoxBytes;
  // As an operand whose columns are k: the descriptor of the first 16 columns; those of step k of chunk c lie at(c, k).
  static __device__ uint64_t by_columns(const uint8_t *tile) { return wgmma_descriptor(tile, 16, kSwizzleAtom, Swizzle::bytes_128); }
  static __device__ __forceinline__ uint32_t at(int chunk, int step) { return (chunk * kBoxBytes + step * 32) >> 4; }
  // As an operand whose rows are k: the next 16 rows are kRowStep on.
  static __device__ uint64_t by_rows(const uint8_t *tile) { return wgmma_descriptor(tile, kBoxBytes, kSwizzleAtom, Swizzle::bytes_128); }
};
constexpr uint32_t kRowStep = 16 * 128 >> 4;

// Of the calling thread; from lane 0, which tells the compiler that all lanes have the same.
__device__ __forceinline__ int warpgroup_index() { return __shfl_sync(kFullMask, static_cast<int>(threadIdx.x) / kWarpgroup, 0); }

// 64 rows of accumulators, times `scale`, to a tile in shared memory as bf16 and from there to global memory, by one warpgroup; `store`
// issues the copy of a chunk from its place in shared memory.
template <int kWidth, typename Store>
__device__ __forceinline__ void store_accumulators(uint8_t *tile, const float (&d)[kWidth / 2], float scale, Store &&store) {
  const int thread = threadIdx.x % kWarpgroup, g = thread % kWarp / 4, t = thread % 4;
#pragma unroll
  for (int j = 0; j < kWidth / 8; j++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = thread / kWarp * 16 + g + 8 * half;
      uint8_t *const unit = tile + j / 8 * kBoxBytes + row * 128 + ((j % 8) ^ (row % 8)) * 16;
      *reinterpret_cast<uint32_t *>(unit + 4 * t) = pack_bf16(scale * d[4 * j + 2 * half], scale * d[4 * j + 2 * half + 1]);
    }
  fence_proxy_async();
  named_barrier_sync(1 + threadIdx.x / kWarpgroup, kWarpgroup);
  if (thread != 0) return;
#pragma unroll
  for (int chunk = 0; chunk < WideTile<kWidth>::kChunks; chunk++) store(tile + chunk * kBoxBytes, chunk * kBoxColumns);
  bulk_commit();
  bulk_wait_read<0>();
}

// A warp a row, then a warp a block of rows or tile of keys.
__global__ void __launch_bounds__(kPrepareWarps *kWarp)
    attention_backward_prepare(AttentionShape p, KeptBackward kept, const bf16 *dout, const bf16 *out, const float *lse) {
  const int64_t padded_rows = kept.layout.blocks * kGradientBlockRows, rows = p.heads() * padded_rows,
                key_tiles = ceil_div(p.n_keys, kKeptKeys);
  const int lane = threadIdx.x % kWarp;
  int64_t index = static_cast<int64_t>(blockIdx.x) * kPrepareWarps + threadIdx.x / kWarp;
  if (index < rows) {
    const AttentionHead head = attention_head(p, index / padded_rows);
    const int64_t row = index % padded_rows;
    float sum = 0.0f, log_sum = INFINITY;
    if (row < p.rows()) {
      const int64_t offset = row_offset(p, head, row);
      for (int64_t d = lane * 8; d < p.head_dim; d += kWarp * 8) {
        const Pack<bf16, 8> a = load_pack<8>(dout + offset + d), b = load_pack<8>(out + offset + d);
#pragma unroll
        for (int i = 0; i < 8; i++) sum += to_float(a.lane[i]) * to_float(b.lane[i]);
      }
      log_sum = lse[row_lse_index(p, head, row)];
    }
    sum = warp_sum(sum);
    if (lane == 0) kept.rows[index] = {log_sum == -INFINITY ? INFINITY : log_sum * kLog2E, sum};
    return;
  }
  index -= rows;
  const bool of_rows = index < p.batch * kept.layout.blocks;
  if (!of_rows) index -= p.batch * kept.layout.blocks;
  if (index >= p.batch * key_tiles && !of_rows) return;
  const int64_t per_sequence = of_rows ? kept.layout.blocks : key_tiles, length = of_rows ? p.n_queries : p.n_keys;
  const int64_t step = of_rows ? kGradientBlockRows / p.group() : kKeptKeys, sequence = index / per_sequence,
                first = index % per_sequence * step;
  const int32_t *const segments = (of_rows ? p.q_segment : p.k_segment) + sequence * length;
  int32_t low = INT32_MAX, high = INT32_MIN;
  for (int64_t i = first + lane; i < smaller(length, first + step); i += kWarp) {
    low = segments[i] < low ? segments[i] : low;
    high = segments[i] > high ? segments[i] : high;
  }
  for (int apart = kWarp / 2; apart > 0; apart /= 2) {
    const int32_t other_low = __shfl_xor_sync(kFullMask, low, apart), other_high = __shfl_xor_sync(kFullMask, high, apart);
    low = other_low < low ? other_low : low;
    high = other_high > high ? other_high : high;
  }
  if (lane == 0) (of_rows ? kept.row_segments : kept.key_segments)[index] = {low, high};
}

}  // namespace sails::kernels
