// Gate and up of a gated layer and their activation on Hopper: one pass over x, one product with two matrices b
// (matmul/hopper_products.cuh), everything else its epilogue
//   gate = x Wg^T + hg Bg^T,  up = x Wu^T + hu Bu^T, both rounded to bf16;  y = act(gate) * up
//   x [m, k], Wg, Wu [n, k], gate, up, y [m, n] bf16, gate and up NULL where they are not kept; adapters' factors as triples, scales in h
//
// y comes from gate and up as rounded, by the function of block/glu.cuh: the bits of glu_forward over what was kept, which a backward may
// compute again.
// FLOPs 4 m n k; bytes 2 m k + 4 n k + 2 m n, 6 m n with gate and up. A pass over gate and up in memory less: 6 m n bytes, 68 us of an H100
// for a layer of the 2B at 4096 tokens, whose product takes 500. A tile of 128 x 128 has 64 activations a thread, 1970 instructions a warp
// in the machine code of sm_90a (SiLU 1740), two warps a scheduler: 3900 clocks beside 36 900 of products.
#pragma once

#include "block/glu.cuh"
#include "matmul/matmul_hopper.cuh"

namespace sails::kernels {

template <typename Activation>
struct GluEpilogue {
  static constexpr int kSharedBytes = 0;
  bf16 *y, *gate, *up;

  template <int kSums>
  __device__ __forceinline__ void operator()(const float (&d)[kSums], const WarpgroupPlace &at, uint8_t *) const {
    constexpr int kUp = kSums / 16;  // sixteens of gate, behind which those of up begin
#pragma unroll
    for (int j = 0; j < kUp; j += 2)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        Pack<float, 4> gates[2], ups[2], products[2];
#pragma unroll
        for (int i = 0; i < 2; i++) {
          gates[i] = quad_four(d, j + i, half);
          ups[i] = quad_four(d, kUp + j + i, half);
#pragma unroll
          for (int e = 0; e < 4; e++)
            products[i].lane[e] = activated<Activation, bf16>(to_float(to_bf16(gates[i].lane[e]))) * to_float(to_bf16(ups[i].lane[e]));
        }
        if (gate != nullptr) store_fours(gate, at.n, at, j, half, gates);
        if (up != nullptr) store_fours(up, at.n, at, j, half, ups);
        store_fours(y, at.n, at, j, half, products);
      }
  }
};

struct GluProblem {
  bf16 *y, *gate, *up;
  WarpgroupMatrices matrices;  // a: x, b: Wg, b_second: Wu
  int64_t m, n, k, gate_r, up_r;
  int32_t activation;
};

inline bool glu_warpgroup_fits(const GluProblem &p) {
  return tma_fits(p.matrices.a, p.k) && tma_fits(p.matrices.b, p.k) && tma_fits(p.matrices.b_second, p.k) && fours_fit(p.y, p.n, p.n) &&
         fours_fit(p.gate, p.n, p.n) && fours_fit(p.up, p.n, p.n) && box_coordinates_fit(p.m, p.n, p.k);
}

// ---- launchers

template <class Tile>
cudaError_t launch_glu_tiles(cudaStream_t stream, const GluProblem &p, const Multiprocessors &on) {
  const WarpgroupProblem problem = {p.m, p.n, p.k, p.gate_r, 1, p.k, nullptr, p.up_r};
  if (p.activation == SAILS_GLU_SILU)
    return launch_warpgroup_products<Tile>("glu_warpgroup", stream, p.matrices, problem, GluEpilogue<Silu>{p.y, p.gate, p.up}, on);
  return launch_warpgroup_products<Tile>("glu_warpgroup", stream, p.matrices, problem, GluEpilogue<GeluTanh>{p.y, p.gate, p.up}, on);
}

inline cudaError_t launch_glu_warpgroup(cudaStream_t stream, const GluProblem &p, const Multiprocessors &on) {
  using Wide = WarpgroupTile<2, 256, false, true, true>;
  const WarpgroupConfig config = choose_warpgroup_two(p.m, p.n, p.k, on);
  if (config.consumers == 1) return launch_glu_tiles<WarpgroupTile<1, 128, false, true, true>>(stream, p, on);
  if (config.tile_cols == 128) return launch_glu_tiles<WarpgroupTile<2, 128, false, true, true>>(stream, p, on);
  return config.cluster > 1 ? launch_glu_tiles<Wide::Pair>(stream, p, on) : launch_glu_tiles<Wide>(stream, p, on);
}

}  // namespace sails::kernels
