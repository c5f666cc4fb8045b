// Dense matrix product of bf16 on Hopper: the contract of matmul/matmul.cuh through the products of matmul/hopper_products.cuh
//   Grid: one block a multiprocessor at most, each over many tiles. With several parts of k, partial tiles go to the workspace [parts, m,
//   n] f32 and
//   matmul_combine adds them in order, as in matmul/matmul.cuh. An adapter's factors are split into triples in the workspace first, the
//   scale in h.
#pragma once

#include "matmul/hopper_epilogue.cuh"

namespace sails::kernels {

// Sums to c, or to the part's partial tile where `partial` is given. c, addend and parts are written 16 bytes at a time (fours_fit). What a
// problem has no use for is asked once a tile: tested at each sum it would be most of the epilogue's instructions.
template <typename C>
struct WarpgroupStore {
  static constexpr int kSharedBytes = 0;
  MatmulEpilogue<C> out;
  float *partial;

  template <int kSums>
  __device__ __forceinline__ void operator()(float (&d)[kSums], const WarpgroupPlace &at, uint8_t *) const {
    if (partial != nullptr) {
      store_rows<false>(MatmulEpilogue<float>{partial + at.part * at.m * at.n, nullptr, nullptr, at.n, 1.0f, 0.0f}, d, at);
      return;
    }
    MatmulEpilogue<C> rest = out;
    if (out.bias != nullptr) {
      add_bias(d, out, at);
      rest.alpha = 1.0f;
    }
    if (out.addend != nullptr)
      store_rows<true>(rest, d, at);
    else
      store_rows<false>(rest, d, at);
  }
};

// ---- variant choice

struct WarpgroupConfig {
  const char *name;
  int consumers, tile_cols, cluster;
  int64_t parts, k_per_part, workspace_bytes;

  int tile_rows() const { return consumers * kWarpgroupRows; }
};

// Whether warpgroup products can compute this: bf16 in one of the three layouts that training has, and more rows than decoding.
inline bool warpgroup_matmul_applies(int64_t m, bool ab_bf16, bool transpose_a, bool transpose_b) {
  return ab_bf16 && !(transpose_a && transpose_b) && !gemv_takes(m, transpose_a, transpose_b);
}

// Clocks of a multiprocessor for the whole product under a tile: rounds of tiles times a tile's time. A step of 64 k takes what the tensor
// cores (2048 multiply-adds a clock) or the operands' way from L2 need, whichever is longer. Computed, not measured: kL2Bytes is what an
// H100's 5.5 TB/s give a multiprocessor, and half as much again for neighbours that ask for the same lines; kStartClocks is filling the
// first buffer, kStoreBytes what matmul/hopper_epilogue.cuh stores of f32 in a clock. The blocks of a cluster each ask for their share of
// b, and go from tile to tile together.
inline double warpgroup_clocks(int64_t m, int64_t n, const WarpgroupConfig &c, int multiprocessors) {
  constexpr double kL2Bytes = 36, kStoreBytes = 51, kMemoryBytes = 14, kStartClocks = 1500, kCombineClocks = 6000;
  const double rows = c.tile_rows(), cols = c.tile_cols;
  const int64_t items = ceil_div(m, c.tile_rows() * c.cluster) * ceil_div(n, c.tile_cols) * c.parts;
  const double tensor = rows * cols * kWarpgroupDepth / 2048, operands = (rows + cols / c.cluster) * kWarpgroupDepth * 2 / kL2Bytes;
  const double steps = static_cast<double>(ceil_div(c.k_per_part, kWarpgroupDepth));
  const double tile = steps * (tensor > operands ? tensor : operands) + rows * cols * 4 / kStoreBytes;
  const double rounds = static_cast<double>(ceil_div(items, larger(1, multiprocessors / c.cluster)));
  const double combine = c.parts == 1 ? 0
                                      : kCombineClocks + static_cast<double>(m) * static_cast<double>(n) *
                                                             static_cast<double>(c.parts + 1) * 4 / (kMemoryBytes * multiprocessors);
  return rounds * tile + kStartClocks + combine;
}

// The tile and the number of parts of k with the fewest clocks; of equals the first tile with fewer parts.
template <int kTiles>
WarpgroupConfig fewest_warpgroup_clocks(const WarpgroupConfig (&tiles)[kTiles], int64_t m, int64_t n, int64_t k, const Multiprocessors &on,
                                        int64_t most_parts) {
  constexpr int64_t kLeastSteps = 4;
  WarpgroupConfig best = tiles[kTiles - 1];
  double fewest = 0;
  for (const WarpgroupConfig &tile : tiles) {
    if (tile.cluster > 1 && !on.pairs(m, tile.tile_rows())) continue;
    const int64_t steps = larger(1, ceil_div(k, kWarpgroupDepth));
    for (int64_t wanted = 1; wanted <= most_parts && (wanted == 1 || wanted * kLeastSteps <= steps); wanted++) {
      WarpgroupConfig config = tile;
      config.k_per_part = ceil_div(steps, wanted) * kWarpgroupDepth;
      config.parts = larger(1, ceil_div(k, config.k_per_part));
      config.workspace_bytes = config.parts > 1 ? ceil_div(config.parts * m * n * 4, 64) * 64 : 0;
      const double clocks = warpgroup_clocks(m, n, config, on.count);
      if (fewest != 0 && clocks >= fewest) continue;
      fewest = clocks;
      best = config;
    }
  }
  return best;
}

// 192 columns are there for what they leave of a round: 4096 tokens by d_model 2304 are 288 tiles of 256 columns, three rounds of 132
// multiprocessors, or 384 of 192, three rounds of three quarters of the time. Pairs are there for the large tiles: small ones are for what
// is left of a round, and a pair is twice as coarse.
inline WarpgroupConfig choose_warpgroup_matmul(int64_t m, int64_t n, int64_t k, const Multiprocessors &on) {
  const WarpgroupConfig tiles[] = {{"warpgroup_2x128x256", 2, 256, 2, 1, 0, 0}, {"warpgroup_2x128x192", 2, 192, 2, 1, 0, 0},
                                   {"warpgroup_128x256", 2, 256, 1, 1, 0, 0},   {"warpgroup_128x192", 2, 192, 1, 1, 0, 0},
                                   {"warpgroup_128x128", 2, 128, 1, 1, 0, 0},   {"warpgroup_64x128", 1, 128, 1, 1, 0, 0}};
  return fewest_warpgroup_clocks(tiles, m, n, k, on, 32);
}
// For two matrices b of n columns each in one tile, half of its columns for each. k is not split: an epilogue that takes both needs their
// whole sums.
inline WarpgroupConfig choose_warpgroup_two(int64_t m, int64_t n, int64_t k, const Multiprocessors &on) {
  const WarpgroupConfig tiles[] = {{"warpgroup_two_2x128x256", 2, 256, 2, 1, 0, 0},
                                   {"warpgroup_two_128x256", 2, 256, 1, 1, 0, 0},
                                   {"warpgroup_two_128x128", 2, 128, 1, 1, 0, 0},
                                   {"warpgroup_two_64x128", 1, 128, 1, 1, 0, 0}};
  return fewest_warpgroup_clocks(tiles, m, 2 * n, k, on, 1);
}

// Whether c and what is added to it can be written and read 16 bytes at a time.
template <typename C>
bool warpgroup_store_fits(const MatmulProblem &p) {
  const MatmulEpilogue<C> out = matmul_epilogue<C>(p);
  return fours_fit(out.c, p.n, p.ldc) && fours_fit(out.addend, p.n, p.ldc);
}
// Whether the matrices of a problem for which warpgroup products apply are such that TMA reads them and the epilogue writes them: the
// others, odd numbers of columns among them, are left to the portable tiles. Single elements here would be 250 KB of code a kernel.
inline bool warpgroup_matmul_fits(const MatmulProblem &p) {
  const bool adapter_fits = p.low_rank.r == 0 || (p.alpha == 1.0f && !p.transpose_a && p.low_rank.w_transposed != p.transpose_b);
  const bool store_fits = p.c_bf16 ? warpgroup_store_fits<bf16>(p) : warpgroup_store_fits<float>(p);
  return adapter_fits && store_fits && tma_fits(p.a, p.lda) && tma_fits(p.b, p.ldb) && box_coordinates_fit(p.m, p.n, p.k);
}

// Workspace: the parts, then the adapter's factors as triples.
struct WarpgroupWorkspace {
  float *partial;
  bf16 *h, *w;
};
inline int64_t warpgroup_adapter_bytes(int64_t m, int64_t n, int64_t r) { return (triple_elements(m, r) + triple_elements(n, r)) * 2; }

// ---- launchers

// h and w of the problem's adapter as triples; w lies as b does.
inline cudaError_t launch_adapter_triples(cudaStream_t stream, const MatmulProblem &p, const WarpgroupWorkspace &to) {
  const LowRank &l = p.low_rank;
  TripleSet set = {};
  if (l.r > 0) {
    set.count = 2;
    set.matrix[0] = {l.h, to.h, p.m, l.r, l.scale, false, 0};
    set.matrix[1] = l.w_transposed ? TripleMatrix{l.w, to.w, l.r, p.n, 1.0f, true, 0} : TripleMatrix{l.w, to.w, p.n, l.r, 1.0f, false, 0};
  }
  return launch_triples(stream, set);
}

template <class Tile, typename C>
cudaError_t launch_warpgroup_tiles(cudaStream_t stream, const MatmulProblem &p, const WarpgroupConfig &config,
                                   const WarpgroupWorkspace &workspace, const Multiprocessors &on) {
  const MatmulEpilogue<C> out = matmul_epilogue<C>(p);
  float *partial = config.parts > 1 ? workspace.partial : nullptr;
  WarpgroupMatrices matrices = {p.a, p.b, p.lda, p.ldb};
  matrices.h = workspace.h;
  matrices.w = workspace.w;
  SAILS_TRY(launch_warpgroup_products<Tile>(config.name, stream, matrices,
                                            {p.m, p.n, p.k, p.low_rank.r, config.parts, config.k_per_part, p.m_limit},
                                            WarpgroupStore<C>{out, partial}, on));
  if (partial == nullptr) return cudaSuccess;
  return launch_matmul_combine(stream, out, partial, p.m, p.n, config.parts, p.m_limit);
}

template <bool kTransposeA, bool kTransposeB, typename C>
cudaError_t launch_warpgroup_layout(cudaStream_t stream, const MatmulProblem &p, const WarpgroupConfig &config,
                                    const WarpgroupWorkspace &workspace, const Multiprocessors &on) {
  using Wide = WarpgroupTile<2, 256, kTransposeA, kTransposeB>;
  using Narrow = WarpgroupTile<2, 192, kTransposeA, kTransposeB>;
  const auto with = [&](auto tile) { return launch_warpgroup_tiles<decltype(tile), C>(stream, p, config, workspace, on); };
  if (config.cluster > 1 && (config.consumers == 1 || config.tile_cols == 128)) return cudaErrorNotSupported;  // no chooser asks for these
  if (config.consumers == 1) return with(WarpgroupTile<1, 128, kTransposeA, kTransposeB>());
  switch (config.tile_cols) {
    case 128: return with(WarpgroupTile<2, 128, kTransposeA, kTransposeB>());
    case 192: return config.cluster > 1 ? with(typename Narrow::Pair()) : with(Narrow());
    default: return config.cluster > 1 ? with(typename Wide::Pair()) : with(Wide());
  }
}

// workspace: config.workspace_bytes and warpgroup_adapter_bytes.
template <typename C>
cudaError_t launch_warpgroup_matmul(cudaStream_t stream, const MatmulProblem &p, const WarpgroupConfig &config, void *workspace,
                                    const Multiprocessors &on) {
  if (p.m == 0 || p.n == 0) return cudaSuccess;
  bf16 *h = reinterpret_cast<bf16 *>(static_cast<char *>(workspace) + config.workspace_bytes);
  const WarpgroupWorkspace pieces = {static_cast<float *>(workspace), h, h + triple_elements(p.m, p.low_rank.r)};
  SAILS_TRY(launch_adapter_triples(stream, p, pieces));
  if (p.transpose_a) return launch_warpgroup_layout<true, false, C>(stream, p, config, pieces, on);
  return p.transpose_b ? launch_warpgroup_layout<false, true, C>(stream, p, config, pieces, on)
                       : launch_warpgroup_layout<false, false, C>(stream, p, config, pieces, on);
}

}  // namespace sails::kernels
