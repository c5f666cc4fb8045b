// Products of a few rows with whole weight matrices (decoding): bound by reading the weights once
//   maps   c_i [m, n_i] = alpha_i x W_i^T + beta_i addend_i + bias_i + scale_i h_i B_i^T  for up to kGemvMaps maps of one x [m, k]
//   pair   y [m, n] = act(x Wg^T + scale_g h_g Bg^T) * (x Wu^T + scale_u h_u Bu^T): gate and up of a gated layer, never in memory
//   W_i [n_i, k], rows ld_i apart, with x [m <= kGemvRows, k] of one type f32|bf16, or f32 with x bf16;  c f32, or bf16 where W is;  h [m,
//   r], B
//   [n, r] f32;  sums in f32, in an order that depends on the shape and the number of multiprocessors
//
// Grid: a block of 8 warps owns `steps` times 8 / ways columns (or pairs) of one map; `ways` warps share a column, each with a stretch
// of its row, and their sums are joined in warp order. x stands in shared memory, in pieces of `piece` columns where it is long.
// The first loads of weights are issued before the kernel waits for those before it (primitives/dependent_launch.cuh).
// FLOPs 2 m k sum n_i; bytes k e sum n_i (the weights) + m k and m n_i of the rows.
//
// What bounds it: 3.35 TB/s at a latency of about 700 ns need 2.3 MB under way, 18 KB for each of the 132 multiprocessors of an H100. A
// lane has up to 8 loads of 16 bytes under way, in even rounds, and 24 warps are resident. KiB under way a multiprocessor, one row, by
// choose_gemv: 2B q, k, v 60, o 68, gate and up 72, down 68, head 60; 9B 84 to 96.
#pragma once

#include "block/glu.cuh"
#include "matmul/gemv_problem.cuh"
#include "primitives/dependent_launch.cuh"
#include "primitives/stream_load.cuh"

namespace sails::kernels {

constexpr int kGemvWarps = 8, kGemvThreads = kGemvWarps * kWarp;

// 16-byte loads that a lane has under way.
__host__ __device__ constexpr int gemv_loads(int rows) { return rows == 8 ? 6 : 8; }
// Blocks on a multiprocessor, which leaves a thread 80 or 128 registers.
__host__ __device__ constexpr int gemv_resident(int rows, bool w_bf16) { return rows == 1 && w_bf16 ? 3 : 2; }

// What was chosen for a shape; printable, decided on the host from shape, dtype and device.
struct GemvConfig {
  const char *name;
  int rows;              // of x that the kernel is made for: 1, 4 or 8
  int cols;              // columns of one warp at a time
  int ways;              // warps that share a column
  int steps;             // column groups of a warp, one after another
  int piece;             // columns of x in shared memory
  int64_t shared_bytes;  // dynamic
  int64_t blocks;
  int64_t bytes_under_way;  // loads of weights in flight on one multiprocessor
};

// ---- device

template <typename W, typename C>
struct TypedGemvMap {
  const W *w;
  int64_t n, ldw, blocks;
  bool packed;  // rows of w can be read 16 bytes at a time
  MatmulEpilogue<C> out;
  LowRank low_rank;
};
template <typename W, typename X, typename C>
struct TypedGemv {
  const X *x;
  int64_t m, k, ldx;
  const int32_t *m_limit;
  int activation, ways, steps, piece;
  TypedGemvMap<W, C> map[kGemvMaps];
};

// The 16-byte pieces ("packs") of a row that a lane reads: every 32nd from `first` on, `count` of them, in rounds of `loads`. The warps
// that share a column have one stretch of the row after another.
struct GemvSlice {
  int packs, first, count, rounds, loads;

  __device__ __forceinline__ GemvSlice(int packs, int ways, int part, int most_loads) : packs(packs) {
    const int each = (packs + kWarp * ways - 1) / (kWarp * ways);
    first = part * each * kWarp + static_cast<int>(threadIdx.x) % kWarp;
    count = first < packs ? (packs - first + kWarp - 1) / kWarp : 0;
    if (count > each) count = each;
    rounds = (each + most_loads - 1) / most_loads;
    loads = rounds == 0 ? 0 : (each + rounds - 1) / rounds;  // evened out: no round with one load
  }
  // How many loads of a round are this lane's, which may be more than a round has.
  __device__ __forceinline__ int left(int round) const { return round + 1 < rounds ? loads : count - round * loads; }
  // Where they begin.
  __device__ __forceinline__ int at(int round) const { return first + round * loads * kWarp; }
};

template <typename W, int kCols, int kEach>
struct GemvLoads {
  static constexpr int kLanes = kPackLanes<W>;
  Words pack[kCols][kEach];

  __device__ __forceinline__ void load(const W *const (&w)[kCols], const GemvSlice &slice, int round) {
    const int left = slice.left(round), at = slice.at(round) * kLanes;
#pragma unroll
    for (int u = 0; u < kEach; u++)
#pragma unroll
      for (int c = 0; c < kCols; c++)
        if (u < left) pack[c][u] = load_words_once(w[c] + at + u * kWarp * kLanes);
  }

  // sum[r][c] += these pieces of column c times the same of row r of x, rows `pitch` apart in shared memory.
  template <int kRows>
  __device__ __forceinline__ void multiply(float (&sum)[kRows][kCols], const W *x, int pitch, const GemvSlice &slice, int round) const {
    const int left = slice.left(round);
    x += slice.at(round) * kLanes;
#pragma unroll
    for (int u = 0; u < kEach; u++) {
      if (u >= left) break;
#pragma unroll
      for (int r = 0; r < kRows; r++) {
        const Words row = load_words(x + r * pitch + u * kWarp * kLanes);
#pragma unroll
        for (int c = 0; c < kCols; c++)
#pragma unroll
          for (int j = 0; j < kLanes; j++) sum[r][c] = fmaf(pack[c][u].template value<W>(j), row.template value<W>(j), sum[r][c]);
      }
    }
  }
};

// Columns [first, first + n) of all rows of x to shared memory, in the weights' type; rows past m are zeros.
template <int kRows, typename W, typename X>
__device__ __forceinline__ void stage_rows(W *to, int pitch, const X *x, int64_t ldx, int m, int64_t first, int n) {
#pragma unroll 1
  for (int r = 0; r < kRows; r++) {
    const X *from = x + r * ldx + first;
    constexpr int kLanes = kPackLanes<X>;
    const bool packed = sizeof(X) == sizeof(W) && reinterpret_cast<uintptr_t>(from) % 16 == 0;
    const int packs = packed && r < m ? n / kLanes : 0;
    for (int i = threadIdx.x; i < packs; i += kGemvThreads) {
      const Pack<X, kLanes> piece = load_pack<kLanes>(from + i * kLanes);
      Pack<W, kLanes> same;
#pragma unroll
      for (int j = 0; j < kLanes; j++) same.lane[j] = from_float<W>(to_float(piece.lane[j]));
      store_pack_plain(to + r * pitch + i * kLanes, same);
    }
#pragma unroll 1
    for (int i = packs * kLanes + threadIdx.x; i < n; i += kGemvThreads)
      to[r * pitch + i] = from_float<W>(r < m ? to_float(from[i]) : 0.0f);
  }
}

// scale * h[row] . B[col], of this lane's share of the rank.
__device__ __forceinline__ float low_rank_share(const LowRank &p, int64_t row, int64_t col, int64_t n) {
  float sum = 0.0f;
#pragma unroll 1
  for (int64_t j = threadIdx.x % kWarp; j < p.r; j += kWarp) sum = fmaf(p.scale * p.h[row * p.r + j], p.w_at(col, j, n), sum);
  return sum;
}

// The sums of a column over the lanes of its warps, in the lanes of the first; shared: [kGemvWarps, kRows, kCols].
template <int kRows, int kCols>
__device__ __forceinline__ void join_sums(float (&sum)[kRows][kCols], float *shared, int ways, int part) {
  const int warp = threadIdx.x / kWarp;
#pragma unroll
  for (int r = 0; r < kRows; r++)
#pragma unroll
    for (int c = 0; c < kCols; c++) sum[r][c] = warp_sum(sum[r][c]);
  if (ways == 1) return;
  __syncthreads();  // the sums of the columns before have been read
  if (threadIdx.x % kWarp == 0)
#pragma unroll
    for (int r = 0; r < kRows; r++)
#pragma unroll
      for (int c = 0; c < kCols; c++) shared[(warp * kRows + r) * kCols + c] = sum[r][c];
  __syncthreads();
  if (part != 0) return;
  for (int other = 1; other < ways; other++)
#pragma unroll
    for (int r = 0; r < kRows; r++)
#pragma unroll
      for (int c = 0; c < kCols; c++) sum[r][c] += shared[((warp + other) * kRows + r) * kCols + c];
}

__device__ __forceinline__ float activated(int activation, float z) {
  return activation == SAILS_GLU_SILU ? Silu::of(z).value : GeluTanh::of(z).value;
}

// kPair: the two columns of a warp are one of the gate and one of up.
template <typename W, typename X, typename C, int kRows, int kCols, bool kPair>
__global__ void __launch_bounds__(kGemvThreads, gemv_resident(kRows, sizeof(W) == 2)) gemv(const __grid_constant__ TypedGemv<W, X, C> p) {
  SAILS_DYNAMIC_SHARED(W, rows);
  SAILS_SHARED(float, joined, kGemvWarps *kRows *kCols);
  constexpr int kLanes = kPackLanes<W>, kWidth = kPair ? 1 : kCols, kEach = gemv_loads(kRows) / kCols;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, part = warp % p.ways;
  int which = 0;
  int64_t block = blockIdx.x;
  if (!kPair)
    while (block >= p.map[which].blocks) block -= p.map[which++].blocks;
  const TypedGemvMap<W, C> &map = p.map[which];
  const int64_t groups = kGemvWarps / p.ways, first_col = (block * p.steps * groups + warp / p.ways) * kWidth;
  const bool packed = map.packed && (!kPair || p.map[1].packed);
  const auto columns = [&](const W *(&w)[kCols], int step, int64_t from) {
#pragma unroll
    for (int c = 0; c < kCols; c++) {
      const TypedGemvMap<W, C> &own = kPair ? p.map[c] : map;
      // Columns past the last are those of the last once more, and are not written.
      w[c] = own.w + smaller(first_col + step * groups * kWidth + (kPair ? 0 : c), own.n - 1) * own.ldw + from;
    }
  };
  const auto slice_of = [&](int64_t from) {
    return GemvSlice(packed ? static_cast<int>(smaller(p.piece, p.k - from)) / kLanes : 0, p.ways, part, kEach);
  };

  const W *w[kCols];
  GemvLoads<W, kCols, kEach> loads;
  GemvSlice slice = slice_of(0);
  columns(w, 0, 0);
  loads.load(w, slice, 0);
  wait_for_grids_before();
  let_next_grid_start();
  const int m = static_cast<int>(p.m_limit == nullptr ? p.m : smaller(p.m, *p.m_limit));
  const bool whole = p.k <= p.piece;
  for (int step = 0; step < p.steps; step++) {
    float sum[kRows][kCols] = {};
    for (int64_t from = 0; from < p.k; from += p.piece) {
      const int n = static_cast<int>(smaller(p.piece, p.k - from));
      if (step + from > 0 && !whole) {
        __syncthreads();  // everyone has done with the piece before
        slice = slice_of(from);
        columns(w, step, from);
        loads.load(w, slice, 0);
      }
      if (step == 0 || !whole) {
        stage_rows<kRows>(rows, p.piece, p.x, p.ldx, m, from, n);
        __syncthreads();
      }
      const W *current[kCols];
#pragma unroll
      for (int c = 0; c < kCols; c++) current[c] = w[c];
      for (int round = 0; round < slice.rounds; round++) {
        loads.multiply(sum, rows, p.piece, slice, round);
        // What comes next is under way while the sums of this column are joined.
        if (round + 1 < slice.rounds) {
          loads.load(w, slice, round + 1);
        } else if (whole && step + 1 < p.steps) {
          columns(w, step + 1, 0);
          loads.load(w, slice, 0);
        }
      }
#pragma unroll 1
      for (int i = slice.packs * kLanes + part * kWarp + lane; i < n; i += p.ways * kWarp)
#pragma unroll
        for (int c = 0; c < kCols; c++)
#pragma unroll
          for (int r = 0; r < kRows; r++) sum[r][c] = fmaf(to_float(current[c][i]), to_float(rows[r * p.piece + i]), sum[r][c]);
    }
    if (whole && slice.rounds == 0) columns(w, step + 1, 0);
    const int64_t col = first_col + step * groups * kWidth;
    if (part == 0 && col < map.n) {
#pragma unroll
      for (int c = 0; c < kCols; c++) {
        const TypedGemvMap<W, C> &own = kPair ? p.map[c] : map;
        const int64_t at = kPair ? col : col + c;
        if (own.low_rank.r == 0 || at >= own.n) continue;
#pragma unroll
        for (int r = 0; r < kRows; r++)
          if (r < m) sum[r][c] += low_rank_share(own.low_rank, r, at, own.n);
      }
    }
    join_sums(sum, joined, p.ways, part);
    // All lanes hold all sums; each writes one.
    const int row = kPair ? lane : lane / kCols, c = kPair ? 0 : lane % kCols;
    if (part != 0 || row >= m || row >= kRows || col + c >= map.n) continue;
    float mine = 0.0f, up = 0.0f;
#pragma unroll
    for (int r = 0; r < kRows; r++) {
#pragma unroll
      for (int i = 0; i < kCols; i++)
        if (row == r && c == i) mine = sum[r][i];
      if (kPair && row == r) up = sum[r][kCols - 1];
    }
    map.out.store(row, col + c, kPair ? activated(p.activation, mine) * up : mine);
  }
}

// ---- variant choice

// n: columns of all maps together, of one of the two of a pair. One row is read column by column; with more, two columns share the
// conversion of the rows to f32. Warps share a column where there are too few columns for 16 warps a multiprocessor; a warp takes several
// columns, one after another, where blocks would be so many that each loads the rows for little work.
inline GemvConfig choose_gemv(int64_t m, int64_t n, int64_t k, bool w_bf16, bool pair, int multiprocessors) {
  constexpr int64_t kMostShared = 36 * 1024, kLeastWarps = 16, kMostSteps = 8;
  GemvConfig c = {};
  const int64_t element = w_bf16 ? 2 : 4, lanes = 16 / element;
  c.rows = m <= 1 ? 1 : m <= 4 ? 4 : 8;
  c.cols = pair || m > 1 ? 2 : 1;
  c.name = pair ? "gemv_pair" : c.rows == 1 ? "gemv_1" : c.rows == 4 ? "gemv_4" : "gemv_8";
  const int64_t most = kMostShared / (c.rows * element) / (kWarp * lanes) * (kWarp * lanes);
  c.piece = static_cast<int>(smaller(most, ceil_div(k, lanes) * lanes));
  c.shared_bytes = c.rows * c.piece * element;
  const int64_t groups = ceil_div(n, pair ? 1 : c.cols), loads = ceil_div(ceil_div(c.piece, lanes), kWarp);
  c.ways = 1;
  while (c.ways < kGemvWarps && groups * c.ways < kLeastWarps * multiprocessors && loads >= 4 * c.ways) c.ways *= 2;
  const int64_t blocks = ceil_div(groups, kGemvWarps / c.ways);
  c.steps = static_cast<int>(larger(1, smaller(kMostSteps, blocks / (kLeastWarps * multiprocessors))));
  c.blocks = ceil_div(blocks, c.steps);
  const int64_t resident = smaller(gemv_resident(c.rows, w_bf16), ceil_div(c.blocks, multiprocessors)) * kGemvWarps;
  const int64_t mine = ceil_div(loads, c.ways), each = gemv_loads(c.rows) / c.cols, rounds = larger(1, ceil_div(mine, each));
  c.bytes_under_way = smaller(resident, larger(1, groups * c.ways / multiprocessors)) * c.cols * ceil_div(mine, rounds) * kWarp * 16;
  return c;
}

// ---- launchers

template <typename W, typename X, typename C>
TypedGemv<W, X, C> typed_gemv(const GemvProblem &p, const GemvConfig &config) {
  TypedGemv<W, X, C> typed = {
      static_cast<const X *>(p.x), p.m, p.k, p.ldx, p.m_limit, p.activation, config.ways, config.steps, config.piece, {}};
  const int64_t width = p.activation == kGemvNoActivation ? config.cols : 1, columns = kGemvWarps / config.ways * width * config.steps;
  for (int i = 0; i < p.count; i++) {
    const GemvMap &map = p.maps[i];
    const C *addend = map.beta == 0.0f ? nullptr : static_cast<const C *>(map.addend != nullptr ? map.addend : map.c);
    typed.map[i] = {static_cast<const W *>(map.w),
                    map.n,
                    map.ldw,
                    ceil_div(map.n, columns),
                    aligned_to(map.w, 16) && map.ldw % kPackLanes<W> == 0,
                    {static_cast<C *>(map.c), addend, map.bias, map.ldc, map.alpha, map.beta},
                    map.low_rank};
  }
  return typed;
}

template <typename W, typename X, typename C>
cudaError_t launch_typed_gemv(EarlyStream queue, const GemvProblem &p, const GemvConfig &config) {
  const TypedGemv<W, X, C> typed = typed_gemv<W, X, C>(p, config);
  const bool pair = p.activation != kGemvNoActivation;
  int64_t blocks = 0;
  for (int i = 0; i < (pair ? 1 : p.count); i++) blocks += typed.map[i].blocks;
  const auto run = [&](auto kernel) {
    return launch_early(config.name, queue, kernel, dim3(static_cast<unsigned>(blocks)), dim3(kGemvThreads), config.shared_bytes, typed);
  };
  if constexpr (sizeof(X) == sizeof(W) && sizeof(X) == sizeof(C)) {
    if (pair)
      return config.rows == 1   ? run(gemv<W, X, C, 1, 2, true>)
             : config.rows == 4 ? run(gemv<W, X, C, 4, 2, true>)
                                : run(gemv<W, X, C, 8, 2, true>);
  }
  return config.rows == 1   ? run(gemv<W, X, C, 1, 1, false>)
         : config.rows == 4 ? run(gemv<W, X, C, 4, 2, false>)
                            : run(gemv<W, X, C, 8, 2, false>);
}

inline GemvConfig choose_gemv(const GemvProblem &p, int multiprocessors) {
  const bool pair = p.activation != kGemvNoActivation;
  int64_t n = 0;
  for (int i = 0; i < (pair ? 1 : p.count); i++) n += p.maps[i].n;
  return choose_gemv(p.m, n, p.k, p.w_bf16, pair, multiprocessors);
}

// count maps, at most kGemvMaps; a pair has two of one n, and all its tensors of one type. Where queue.early holds, the weights (not the
// adapters' h) must not have been written by the operation queued directly before.
inline cudaError_t launch_gemv(EarlyStream queue, const GemvProblem &p, int multiprocessors) {
  if (p.m == 0) return cudaSuccess;
  const GemvConfig config = choose_gemv(p, multiprocessors);
  if (!p.w_bf16)
    return p.x_bf16 ? launch_typed_gemv<float, bf16, float>(queue, p, config) : launch_typed_gemv<float, float, float>(queue, p, config);
  return p.c_bf16 ? launch_typed_gemv<bf16, bf16, bf16>(queue, p, config) : launch_typed_gemv<bf16, bf16, float>(queue, p, config);
}

}  // namespace sails::kernels
