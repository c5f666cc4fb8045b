// Choosing the next token: greedy, or temperature, top-k and top-p (arXiv:1904.09751) by inversion of one uniform number
//   temperature 0   ids[r] = the largest logit, the lower id on a tie
//   otherwise       w_i = exp((x_i - max x) / temperature), in the order of falling logit, rising id; cut to the top_k first (0: all), then
//   to the
//                   shortest start whose sum reaches top_p of the rest; ids[r] = the first whose running sum exceeds uniform[r] of what is
//                   kept
//   logits [n_rows, vocab] f32, uniform [n_rows] f32 in [0, 1), ids [n_rows] i32 (=). A row with NaN or infinite logits is reported; its id
//   is 0.
//
// Grid: a block of 512 threads a row. Nothing is sorted. All three cuts ask for the same thing, the first place of the order where a
// running sum (of ones, or of w) reaches a bound, and find it by descent: a histogram over kBins slices of the order, the slice that the
// bound falls into, and that slice again by more bits, until it has at most kCandidates elements, which are then ranked against each other.
// The first histogram is over (max x - x) / temperature, the later ones over the bits of (falling x, rising id).
// The w are whole multiples of 2^-shift in 64-bit integers, shift = 62 - ceil(log2 vocab): the sums do not depend on the order in which
// atomics arrive, and are exact to 2^-27 at a vocabulary of 256k.
// Bytes: the row 4 to 8 times, from L2 but for the first; with temperature 0 once. FLOPs about 4 an element and pass.
#pragma once

#include "elementwise/elementwise.cuh"
#include "primitives/fault.cuh"
#include "primitives/warp.cuh"

namespace sails::kernels {

constexpr int kSampleThreads = 512;
constexpr int kBins = 1024, kBinBits = 10;
constexpr int kCandidates = 512;       // ranked by one thread each
constexpr float kBinsPerUnit = 32.0f;  // of (max - x) / temperature in the first histogram: 32 units, after which w < 2^-46

using Mass = unsigned long long;

struct SampleRows {
  int32_t *ids;
  const float *logits, *uniform;
  int64_t n_rows, vocab;
  float temperature;
  int64_t top_k;
  float top_p;
};

// Rises with falling x (0 and -0 are equal), then with id.
__device__ __forceinline__ uint64_t order_key(float x, int64_t id) {
  const uint32_t bits = float_bits(x + 0.0f);
  const uint32_t rising = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(~rising) << 32 | static_cast<uint64_t>(id);
}

// One row; f(x, id) for each of its elements.
struct SampleRow {
  const float *logits;
  int64_t vocab;
  bool packed;  // 16 bytes at a time
  float maximum, temperature, mass_scale;

  template <typename F>
  __device__ __forceinline__ void each(F &&f) const {
    if (packed) {
      // One block has to keep enough loads under way for a whole multiprocessor: 32 KiB.
      constexpr int kAhead = 4;
      constexpr int64_t kStep = kSampleThreads * 4;
      for (int64_t first = static_cast<int64_t>(threadIdx.x) * 4; first < vocab; first += kAhead * kStep) {
        Pack<float, 4> x[kAhead];
#pragma unroll
        for (int a = 0; a < kAhead; a++)
          if (first + a * kStep < vocab) x[a] = load_pack<4>(logits + first + a * kStep);
#pragma unroll
        for (int a = 0; a < kAhead; a++) {
          if (first + a * kStep >= vocab) break;
#pragma unroll
          for (int j = 0; j < 4; j++) f(x[a].lane[j], first + a * kStep + j);
        }
      }
    } else {
      for (int64_t i = threadIdx.x; i < vocab; i += kSampleThreads) f(logits[i], i);
    }
  }

  // How far below the maximum, in units of the temperature.
  __device__ __forceinline__ float depth(float x) const { return (maximum - x) / temperature; }
  __device__ __forceinline__ int first_bin(float x) const { return static_cast<int>(fminf(depth(x) * kBinsPerUnit, kBins - 1)); }
  __device__ __forceinline__ Mass mass(float x) const { return static_cast<Mass>(expf(-depth(x)) * mass_scale); }
};

// Shared memory of a block.
struct SampleShared {
  Mass mass[kBins];
  uint32_t count[kBins];
  uint64_t candidate_keys[kCandidates];
  Mass candidate_measures[kCandidates];
  Mass warp_sums[2 * kWarp];
  // What the descent is at: the slice, and what comes before it in the order.
  Mass before, before_mass;
  uint64_t key;       // of the element found
  Mass reached_mass;  // the sum of w up to it
  uint32_t slice_count, listed;
  int32_t bin;
};

// The part of the order that a descent has come to: a bin of the first histogram, and below it the leading `known` bits of the key.
struct OrderSlice {
  int bin;
  int known;
  uint64_t prefix;

  __device__ __forceinline__ bool has(const SampleRow &row, float x, uint64_t key) const {
    return row.first_bin(x) == bin && (known == 0 || key >> (64 - known) == prefix);
  }
};

// The bin in which the running sum reaches `bound`, and what comes before it. All threads call.
__device__ __forceinline__ void find_bin(SampleShared &s, Mass bound, bool by_mass) {
  constexpr int kPerThread = kBins / kSampleThreads, kWarps = kSampleThreads / kWarp;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, first = static_cast<int>(threadIdx.x) * kPerThread;
  Mass counts = 0, masses = 0;
  for (int b = first; b < first + kPerThread; b++) {
    counts += s.count[b];
    masses += s.mass[b];
  }
  Mass count_to = counts, mass_to = masses;
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const Mass c = __shfl_up_sync(kFullMask, count_to, distance), m = __shfl_up_sync(kFullMask, mass_to, distance);
    if (lane >= distance) {
      count_to += c;
      mass_to += m;
    }
  }
  if (lane == kWarp - 1) {
    s.warp_sums[warp] = count_to;
    s.warp_sums[kWarp + warp] = mass_to;
  }
  __syncthreads();
  const Mass start = s.before, start_mass = s.before_mass;
  Mass count_before = count_to - counts, mass_before = mass_to - masses;
  for (int w = 0; w < warp && w < kWarps; w++) {
    count_before += s.warp_sums[w];
    mass_before += s.warp_sums[kWarp + w];
  }
  Mass before = start + (by_mass ? mass_before : count_before), before_mass = start_mass + mass_before;
  __syncthreads();  // everyone has read what the finder overwrites
  for (int b = first; b < first + kPerThread; b++) {
    const Mass measure = by_mass ? s.mass[b] : s.count[b];
    if (before < bound && before + measure >= bound) {
      s.bin = b;
      s.slice_count = s.count[b];
      s.before = before;
      s.before_mass = before_mass;
    }
    before += measure;
    before_mass += s.mass[b];
  }
  __syncthreads();
}

// The histogram of a slice by bin_of(x, key). The last bin of the first histogram may hold most of a row: threads sum their own share of
// it.
template <typename BinOf>
__device__ __forceinline__ void fill_bins(SampleShared &s, const SampleRow &row, BinOf &&bin_of) {
  for (int b = threadIdx.x; b < kBins; b += kSampleThreads) {
    s.mass[b] = 0;
    s.count[b] = 0;
  }
  __syncthreads();
  Mass last_mass = 0;
  uint32_t last_count = 0;
  row.each([&](float x, int64_t id) {
    const int bin = bin_of(x, order_key(x, id));
    if (bin < 0) return;
    if (bin == kBins - 1) {
      last_mass += row.mass(x);
      last_count++;
      return;
    }
    atomicAdd(&s.mass[bin], row.mass(x));
    atomicAdd(&s.count[bin], 1u);
  });
  if (last_count > 0) {
    atomicAdd(&s.mass[kBins - 1], last_mass);
    atomicAdd(&s.count[kBins - 1], last_count);
  }
  __syncthreads();
}

// Few elements are left: lists them, in any order, and lets each find its place.
__device__ __forceinline__ void rank_candidates(SampleShared &s, const SampleRow &row, const OrderSlice &slice, Mass bound, bool by_mass) {
  if (threadIdx.x == 0) s.listed = 0;
  __syncthreads();
  row.each([&](float x, int64_t id) {
    const uint64_t key = order_key(x, id);
    if (!slice.has(row, x, key)) return;
    const uint32_t place = atomicAdd(&s.listed, 1u);
    s.candidate_keys[place] = key;
    s.candidate_measures[place] = row.mass(x);
  });
  __syncthreads();
  const Mass start = s.before, start_mass = s.before_mass;
  const uint32_t n = s.listed, own = threadIdx.x;
  __syncthreads();  // the finder overwrites none of these, but the next descent does
  if (own < n) {
    const uint64_t key = s.candidate_keys[own];
    Mass count = 0, mass = 0;  // of the candidates before this one
    for (uint32_t i = 0; i < n; i++) {
      if (s.candidate_keys[i] >= key) continue;
      count++;
      mass += s.candidate_measures[i];
    }
    const Mass own_measure = by_mass ? s.candidate_measures[own] : 1, before = start + (by_mass ? mass : count);
    if (before < bound && before + own_measure >= bound) {
      s.key = key;
      s.reached_mass = start_mass + mass + s.candidate_measures[own];
    }
  }
  __syncthreads();
}

// The first element of the order at which the running sum (of w, or of ones) reaches bound >= 1, which must not be more than that of the
// row: its key is s.key, the sum of w up to it s.reached_mass. All threads call; the results hold until the next call.
__device__ __forceinline__ void descend(SampleShared &s, const SampleRow &row, Mass bound, bool by_mass) {
  if (threadIdx.x == 0) {
    s.before = 0;
    s.before_mass = 0;
  }
  fill_bins(s, row, [&](float x, uint64_t) { return row.first_bin(x); });
  find_bin(s, bound, by_mass);
  OrderSlice slice{s.bin, 0, 0};
  while (s.slice_count > kCandidates) {
    const int bits = static_cast<int>(smaller(kBinBits, 64 - slice.known)), shift = 64 - slice.known - bits;
    fill_bins(s, row,
              [&](float x, uint64_t key) { return slice.has(row, x, key) ? static_cast<int>(key >> shift & ((1u << bits) - 1u)) : -1; });
    find_bin(s, bound, by_mass);
    slice.known += bits;
    slice.prefix = slice.prefix << bits | static_cast<uint64_t>(s.bin);
  }
  rank_candidates(s, row, slice, bound, by_mass);
}

// part * whole rounded up, in [1, whole].
__device__ __forceinline__ Mass share_of(float part, Mass whole) {
  const double share = ceil(static_cast<double>(part) * static_cast<double>(whole));
  return static_cast<Mass>(fmin(fmax(share, 1.0), static_cast<double>(whole)));
}

// The first whole number above uniform * whole, in [1, whole].
__device__ __forceinline__ Mass point_of(float uniform, Mass whole) {
  const double point = floor(static_cast<double>(uniform) * static_cast<double>(whole));
  const Mass bound = static_cast<Mass>(fmax(point, 0.0)) + 1;
  return bound < whole ? bound : whole;
}

// The maximum of a row and its key; false, with a report, where the row holds NaN or infinity.
__device__ __forceinline__ bool top_of_row(SampleShared &s, SampleRow &row, Fault *fault, int64_t r) {
  if (threadIdx.x == 0) s.key = ~uint64_t{0};
  __syncthreads();
  uint64_t best = ~uint64_t{0};
  bool finite = true;
  row.each([&](float x, int64_t id) {
    finite = finite && (float_bits(x) & 0x7f800000u) != 0x7f800000u;
    const uint64_t key = order_key(x, id);
    best = key < best ? key : best;
  });
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const uint64_t other = __shfl_xor_sync(kFullMask, best, distance);
    best = other < best ? other : best;
  }
  if (threadIdx.x % kWarp == 0) atomicMin(reinterpret_cast<unsigned long long *>(&s.key), static_cast<unsigned long long>(best));
  if (__syncthreads_or(finite ? 0 : 1) != 0) {
    if (threadIdx.x == 0) report_fault(fault, kFaultLogits, r, 0, 0);
    return false;
  }
  row.maximum = row.logits[s.key & 0xffffffffu];
  return true;
}

__device__ __forceinline__ Mass mass_of_row(SampleShared &s, const SampleRow &row) {
  Mass mass = 0;
  row.each([&](float x, int64_t) { mass += row.mass(x); });
  return block_sum(mass, s.warp_sums);
}

__global__ void __launch_bounds__(kSampleThreads, 1) sample_rows(const SampleRows rows, bool packed, float mass_scale, Fault *fault) {
  SAILS_SHARED(SampleShared, shared, 1);
  SampleShared &s = *shared;
  for (int64_t r = blockIdx.x; r < rows.n_rows; r += gridDim.x) {
    SampleRow row{rows.logits + r * rows.vocab, rows.vocab, packed, 0.0f, rows.temperature, mass_scale};
    const bool good = top_of_row(s, row, fault, r);
    if (good && rows.temperature > 0.0f) {
      const bool cut_at_k = rows.top_k > 0 && rows.top_k < rows.vocab;
      Mass kept = cut_at_k ? 0 : mass_of_row(s, row);
      // One call for the three cuts: the descent is inlined once.
      for (int cut = cut_at_k ? 0 : 1; cut < 3; cut++) {
        if (cut == 1 && rows.top_p >= 1.0f) continue;
        descend(s, row,
                cut == 0   ? static_cast<Mass>(rows.top_k)
                : cut == 1 ? share_of(rows.top_p, kept)
                           : point_of(rows.uniform[r], kept),
                cut > 0);
        kept = s.reached_mass;
        __syncthreads();
      }
    }
    if (threadIdx.x == 0) rows.ids[r] = good ? static_cast<int32_t>(s.key & 0xffffffffu) : 0;
    __syncthreads();
  }
}

// ---- launcher

inline cudaError_t launch_sample(cudaStream_t stream, const SampleRows &rows, Fault *fault) {
  int vocab_bits = 0;
  while ((int64_t{1} << vocab_bits) < rows.vocab) vocab_bits++;
  const float mass_scale = static_cast<float>(int64_t{1} << (62 - vocab_bits));
  const bool packed = rows.vocab % 4 == 0 && aligned_to(rows.logits, 16);
  return launch("sample", stream, sample_rows, dim3(static_cast<unsigned>(smaller(kMostBlocks, rows.n_rows))), dim3(kSampleThreads), 0,
                rows, packed, mass_scale, fault);
}

}  // namespace sails::kernels
