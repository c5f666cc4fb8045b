// The head's projection on Hopper: logits from warpgroup products (matmul/hopper_products.cuh), with soft-cap and each row's share of the
// softmax's sum taken from the accumulators
//   l = softcap(hidden embed^T);  of each row and each tile of 256 columns: largest = max l, sum = sum exp(l - largest), and l[target]
//   hidden [rows, d_model], embed [vocab, d_model] bf16;  l [rows, vocab] f32 (=), NULL where only losses are wanted: then no logit is ever
//   in memory
//   tiles [rows, tile_cols] (=), target_logit [rows] f32 (=)
// Against a product and two passes over its result this reads 4 bytes a logit less and takes tanh once, or moves none at all for a loss
// alone.
//
// Cost of the epilogue at d_model 2304, by the machine code of sm_90a: a tile's 128 x 256 logits take 3640 instructions a warp with
// soft-cap, 2950 where no logit is kept, two warps a scheduler: 7300 or 5900 clocks beside 36 900 of products, which they do not overlap.
// Under them 1 (soft-cap) + 1 (exp) results of the special function unit a logit, 16 a clock: 4100 clocks. A pass over the logits in
// memory would take 1.2 ps a logit, this takes 0.9.
#pragma once

#include "head/head_loss.cuh"
#include "matmul/hopper_epilogue.cuh"
#include "primitives/exponential.cuh"

namespace sails::kernels {

constexpr int kHeadTileCols = 256;
using HeadTile = WarpgroupTile<2, kHeadTileCols, false, true>;

// Of a row's logits in one tile.
struct alignas(8) TileSum {
  float largest, sum;
};

// What the projection leaves for a chunk of rows, and head_row_softmax reads.
struct HeadTiles {
  TileSum *sums;        // [rows, tile_cols]
  float *target_logit;  // [rows]
  int64_t tile_cols;
};

// ---- device

// Nothing here branches around a logit: the chains of tanh and exp, some 60 clocks long, run side by side only inside one stretch of code.
struct HeadEpilogue {
  static constexpr int kSharedBytes = 0;
  float *logits;  // NULL: not kept
  HeadTiles tiles;
  const int32_t *targets;
  const int64_t *counted;  // the chunk's rows in targets
  float inverse_cap;       // 0: no soft-cap
  TanhQuotient tanh;       // times the cap

  // A lane has two neighbouring columns of every eight, in two rows.
  __device__ __forceinline__ void operator()(float (&d)[kHeadTileCols / 2], const WarpgroupPlace &at, uint8_t *) const {
    const int64_t row = at.row + threadIdx.x % kWarpgroup / kWarp * 16 + threadIdx.x % kWarp / 4;
    const int64_t first = at.col + threadIdx.x % 4 * 2;
    // Both are on their way while tanh is computed.
    int32_t target[2];
#pragma unroll
    for (int half = 0; half < 2; half++) target[half] = row + 8 * half < at.m ? targets[counted[row + 8 * half]] : -1;
    if (inverse_cap != 0.0f) {
#pragma unroll
      for (float &l : d) l = scaled_tanh(tanh, l * inverse_cap);
    }
    if (logits != nullptr) keep(d, row, first, at);
#pragma unroll
    for (int half = 0; half < 2; half++) finish_row(d, half, row + 8 * half, first, target[half], at);
  }

 private:
  // A row lies in the four lanes of a quad. Columns are counted from the lane's first, in 32 bits.
  __device__ __forceinline__ void finish_row(float (&d)[kHeadTileCols / 2], int half, int64_t row, int64_t first, int32_t target_id,
                                             const WarpgroupPlace &at) const {
    const bool inside = row < at.m;
    const int columns = static_cast<int>(smaller(at.n - first, kHeadTileCols));
    const int target = static_cast<int>(target_id - first);
    float largest = -INFINITY, at_target = 0.0f;
#pragma unroll
    for (int j = 0; j < kHeadTileCols / 8; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        float &l = d[4 * j + 2 * half + e];
        const int column = 8 * j + e;
        l = column >= columns ? -INFINITY : l;
        at_target = column == target ? l : at_target;
        largest = fmaxf(largest, l);
      }
    if (inside && target >= 0 && target < columns && target % 8 < 2) tiles.target_logit[row] = at_target;
    largest = quad_max(largest);
    // exp(l - largest) as 2^(l log2e - base). A NaN passes fmaxf by and reaches the sum here; -inf, which may be all that there is, adds
    // nothing.
    const float base = largest == -INFINITY ? 0.0f : largest * kLog2E;
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < kHeadTileCols / 8; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) sum += fast_exp2(fmaf(d[4 * j + 2 * half + e], kLog2E, -base));
    sum = quad_sum(sum);
    // What the rounding of base has put into every term.
    if (largest != -INFINITY) sum *= fast_exp2(-fmaf(largest, kLog2E, -base));
    if (inside && threadIdx.x % 4 == 0) tiles.sums[row * tiles.tile_cols + at.col / kHeadTileCols] = {largest, sum};
  }

  // 16 bytes at once where rows begin on 16; first: the lane's first column.
  __device__ __forceinline__ void keep(const float (&d)[kHeadTileCols / 2], int64_t row, int64_t first, const WarpgroupPlace &at) const {
    if (at.n % 4 == 0) {
      store_rows<false>(MatmulEpilogue<float>{logits, nullptr, nullptr, at.n, 1.0f, 0.0f}, d, at);
      return;
    }
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
      for (int j = 0; j < kHeadTileCols / 4; j++) {
        const int64_t column = first + 8 * (j / 2) + j % 2, at_row = row + 8 * half;
        if (at_row < at.m && column < at.n) logits[at_row * at.n + column] = d[4 * (j / 2) + 2 * half + j % 2];
      }
  }
};

// The loss of each row from its tiles' sums, and dz over l where token_weight is given. A block for each row.
template <int kLanes>
__global__ void __launch_bounds__(kHeadThreads)
    head_row_softmax(float *token_loss, float *logits, HeadTiles tiles, const int32_t *targets, const float *token_weight, HeadRows rows,
                     int64_t chunk, int64_t rows_per_chunk, int64_t vocab, float cap) {
  SAILS_SHARED(double, sum_scratch, kWarp);
  SAILS_SHARED(float, max_scratch, kWarp);
  const int64_t i = blockIdx.x;
  const int32_t filled = rows.chunk_rows[chunk];
  if (filled == 0) return;
  float *l = logits + i * vocab;
  if (i >= filled) {
    if (token_weight != nullptr) head_copy_row<bf16, kLanes>(reinterpret_cast<bf16 *>(l), nullptr, vocab);
    return;
  }
  const TileSum *sums = tiles.sums + i * tiles.tile_cols;
  float largest = -INFINITY;
  for (int64_t tile = threadIdx.x; tile < tiles.tile_cols; tile += blockDim.x) largest = fmaxf(largest, sums[tile].largest);
  largest = block_max(largest, max_scratch);
  double sum = 0.0;
  for (int64_t tile = threadIdx.x; tile < tiles.tile_cols; tile += blockDim.x)
    if (sums[tile].sum != 0.0f) sum += static_cast<double>(sums[tile].sum) * static_cast<double>(expf(sums[tile].largest - largest));
  sum = block_sum(sum, sum_scratch);
  const int64_t t = rows.row[chunk * rows_per_chunk + i];
  if (threadIdx.x == 0)
    token_loss[t] = static_cast<float>((static_cast<double>(largest) - static_cast<double>(tiles.target_logit[i])) + log(sum));
  if (token_weight != nullptr)
    head_row_gradient<bf16, kLanes, true>(l, vocab, cap, targets[t], token_weight[t], largest, static_cast<float>(1.0 / sum));
}

// ---- launchers

inline int64_t head_tile_cols(int64_t vocab) { return ceil_div(vocab, kHeadTileCols); }

inline cudaError_t launch_head_products(cudaStream_t stream, float *logits, const HeadTiles &tiles, const bf16 *chunk_hidden,
                                        const bf16 *embed, const int32_t *targets, HeadRows rows, int64_t chunk, int64_t rows_per_chunk,
                                        int64_t vocab, int64_t d_model, float cap, const Multiprocessors &on) {
  const HeadEpilogue epilogue{
      logits, tiles, targets, rows.row + chunk * rows_per_chunk, cap == 0.0f ? 0.0f : 1.0f / cap, tanh_quotient(cap)};
  return launch_warpgroup_pairs<HeadTile>("head_products", stream, {chunk_hidden, embed, d_model, d_model},
                                          {rows_per_chunk, vocab, d_model, 0, 1, d_model, rows.chunk_rows + chunk}, epilogue, on);
}

// logits 16-byte aligned; NULL with token_weight NULL.
inline cudaError_t launch_head_row_softmax(cudaStream_t stream, float *token_loss, float *logits, const HeadTiles &tiles,
                                           const int32_t *targets, const float *token_weight, HeadRows rows, int64_t chunk,
                                           int64_t rows_per_chunk, int64_t vocab, float cap) {
  const auto kernel = vocab % 4 == 0 ? head_row_softmax<4> : head_row_softmax<1>;
  return launch("head_row_softmax", stream, kernel, dim3(static_cast<unsigned>(rows_per_chunk)), dim3(kHeadThreads), 0, token_loss, logits,
                tiles, targets, token_weight, rows, chunk, rows_per_chunk, vocab, cap);
}

}  // namespace sails::kernels
