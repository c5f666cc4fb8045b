// mbarriers, bulk copies and warpgroup products in the emulator: right kernels give right results under every seed, planted faults are
// caught.
//
// Tiles come by TMA and are read by wgmma: the two describe their layouts in different words (a box and a swizzle; a descriptor), so that a
// tile that one of them misplaces gives a wrong product.
#include "check.h"
#include "device.h"
#include "primitives/ring.cuh"
#include "primitives/types.cuh"
#include "primitives/wgmma.cuh"

using check::expect;
using check::expect_contains;
using device::Array;
using device::expect_caught;
using device::expect_right;
using device::kSeeds;
using namespace sails::kernels;

namespace {

// Whole numbers that bf16 holds and whose products sum exactly in f32.
std::vector<bf16> whole_numbers(size_t n, uint32_t seed) {
  std::vector<bf16> values(n);
  uint32_t state = seed;
  for (bf16 &value : values) {
    state = state * 1664525u + 1013904223u;
    value = to_bf16(static_cast<float>(static_cast<int>(state >> 24 & 15u) - 7));
  }
  return values;
}

std::string swizzle_name(Swizzle s) { return std::to_string(s == Swizzle::none ? 0 : swizzle_span(s)) + "-byte swizzle"; }

TensorMap matrix_map(const bf16 *matrix, uint64_t rows, uint64_t cols, uint32_t box_cols, uint32_t box_rows, Swizzle swizzle) {
  TensorMap map{};
  if (make_tensor_map(&map, {matrix, 2, TensorType::bf16, {cols, rows}, {cols * 2}, {box_cols, box_rows}, swizzle}) != cudaSuccess)
    std::abort();
  return map;
}

}  // namespace

// ---------------------------------------------------------------- warpgroup products

constexpr int kDepth = 64;  // k of a product: 4 instructions

// How an operand of `rows` rows and kDepth k lies in shared memory after its boxes have been loaded one behind the other.
template <Swizzle kSwizzle, bool kMnMajor>
struct OperandLayout {
  static constexpr int kSpan = static_cast<int>(swizzle_span(kSwizzle));  // bytes of a box's row
  static __device__ uint64_t descriptor(const uint8_t *tile, int rows, int k, bool wrong) {
    const Swizzle swizzle = wrong ? Swizzle::none : kSwizzle;
    if (kMnMajor) {
      const uint8_t *start = tile + k * kSpan;
      return kSwizzle == Swizzle::none ? wgmma_descriptor(start, 128, kDepth * 16, swizzle)
                                       : wgmma_descriptor(start, kDepth * kSpan, 8 * kSpan, swizzle);
    }
    const uint8_t *start = tile + k * 2 / kSpan * rows * kSpan + k * 2 % kSpan;
    return kSwizzle == Swizzle::none ? wgmma_descriptor(start, rows * 16, 128, swizzle) : wgmma_descriptor(start, 16, 8 * kSpan, swizzle);
  }
  // All boxes of the operand, by one thread.
  static __device__ void load(uint8_t *tile, const TensorMap &map, Mbarrier *barrier, int rows) {
    constexpr int kBox = kSpan / 2;
    for (int i = 0; i < (kMnMajor ? rows : kDepth) / kBox; i++)
      tma_load_2d(tile + i * kSpan * (kMnMajor ? kDepth : rows), map, barrier, i * kBox, 0);
  }
};

enum class ProductFault { none, no_wait, no_fence, no_commit, swizzle };

template <int N, Swizzle kSwizzle, bool kAMnMajor, bool kBMnMajor, ProductFault kFault>
static __global__ void product(float *out, const __grid_constant__ TensorMap a_map, const __grid_constant__ TensorMap b_map) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  SAILS_SHARED(Mbarrier, loaded, 1);
  using A = OperandLayout<kSwizzle, kAMnMajor>;
  using B = OperandLayout<kSwizzle, kBMnMajor>;
  uint8_t *a = first_swizzle_atom(shared), *b = a + 64 * kDepth * 2;
  if (threadIdx.x == 0) {
    mbarrier_init(loaded, 1);
    mbarrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(loaded, (64 + N) * kDepth * 2);
    A::load(a, a_map, loaded, 64);
    B::load(b, b_map, loaded, N);
  }
  mbarrier_wait(loaded, 0);
  float d[N / 2];
  for (float &x : d) x = 1.0f;
  if (kFault != ProductFault::no_fence) wgmma_fence();
  for (int k = 0; k < kDepth; k += 16)
    wgmma<N, kAMnMajor, kBMnMajor>(d, A::descriptor(a, 64, k, kFault == ProductFault::swizzle), B::descriptor(b, N, k, false), true);
  if (kFault != ProductFault::no_commit) wgmma_commit();
  if (kFault != ProductFault::no_wait) wgmma_wait<0>();
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  for (int j = 0; j < N / 8; j++)
    for (int e = 0; e < 4; e++) out[(row + e / 2 * 8) * N + 8 * j + lane % 4 * 2 + e % 2] = d[4 * j + e];
  if (kFault == ProductFault::no_wait) wgmma_wait<0>();
}

// What is wrong with 1 + a b, "" if nothing.
static std::string compare_product(const std::vector<float> &out, const std::vector<bf16> &a, const std::vector<bf16> &b, int n, int depth,
                                   bool a_mn, bool b_mn, float start) {
  for (int row = 0; row < 64; row++)
    for (int col = 0; col < n; col++) {
      double sum = static_cast<double>(start);
      for (int k = 0; k < depth; k++)
        sum += static_cast<double>(to_float(a[static_cast<size_t>(a_mn ? k * 64 + row : row * depth + k)])) *
               static_cast<double>(to_float(b[static_cast<size_t>(b_mn ? k * n + col : col * depth + k)]));
      const double got = static_cast<double>(out[static_cast<size_t>(row * n + col)]);
      if (got != sum)
        return "element (" + std::to_string(row) + ", " + std::to_string(col) + ") is " + std::to_string(got) + ", expected " +
               std::to_string(sum);
    }
  return "";
}

template <int N, Swizzle kSwizzle, bool kAMnMajor, bool kBMnMajor, ProductFault kFault = ProductFault::none>
static std::string run_product(uint64_t seed) {
  const std::vector<bf16> a = whole_numbers(64 * kDepth, 1), b = whole_numbers(N * kDepth, 2);
  Array<bf16> da(a), db(b);
  Array<float> out(64 * N);
  const uint32_t box = swizzle_span(kSwizzle) / 2;
  const TensorMap a_map = kAMnMajor ? matrix_map(da, kDepth, 64, box, kDepth, kSwizzle) : matrix_map(da, 64, kDepth, box, 64, kSwizzle);
  const TensorMap b_map = kBMnMajor ? matrix_map(db, kDepth, N, box, kDepth, kSwizzle) : matrix_map(db, N, kDepth, box, N, kSwizzle);
  const std::string text = device::run(seed, "product", product<N, kSwizzle, kAMnMajor, kBMnMajor, kFault>, 1, 128,
                                       (64 + N) * kDepth * 2 + 1024, static_cast<float *>(out), a_map, b_map);
  return text.empty() ? compare_product(out.values(), a, b, N, kDepth, kAMnMajor, kBMnMajor, 1.0f) : text;
}

template <int N, Swizzle kSwizzle>
static std::string run_all_majors() {
  for (uint64_t seed : {1, 2}) {
    const std::string found[] = {run_product<N, kSwizzle, false, false>(seed), run_product<N, kSwizzle, true, false>(seed),
                                 run_product<N, kSwizzle, false, true>(seed), run_product<N, kSwizzle, true, true>(seed)};
    for (int i = 0; i < 4; i++)
      if (!found[i].empty())
        return "N " + std::to_string(N) + ", " + swizzle_name(kSwizzle) + ", a " + (i % 2 ? "MN" : "K") + "-major, b " +
               (i / 2 ? "MN" : "K") + "-major: " + found[i];
  }
  return "";
}

TEST("wgmma: every swizzle, both operands K-major and MN-major") {
  for (const std::string &why :
       {run_all_majors<64, Swizzle::none>(), run_all_majors<64, Swizzle::bytes_32>(), run_all_majors<64, Swizzle::bytes_64>(),
        run_all_majors<64, Swizzle::bytes_128>(), run_all_majors<128, Swizzle::bytes_128>()})
    if (!why.empty()) return why;
  return "";
}

TEST("wgmma: every width") {
  for (const std::string &why : {run_product<8, Swizzle::bytes_128, false, false>(1), run_product<16, Swizzle::bytes_64, false, false>(2),
                                 run_product<32, Swizzle::bytes_32, false, false>(3), run_product<80, Swizzle::bytes_128, false, false>(5),
                                 run_product<256, Swizzle::bytes_128, false, false>(4)})
    if (!why.empty()) return why;
  return "";
}

// a from registers, two groups under way at once, and accumulators that are overwritten.
static __global__ void product_of_registers(float *out, const bf16 *a, const __grid_constant__ TensorMap b_map) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  SAILS_SHARED(Mbarrier, loaded, 1);
  using B = OperandLayout<Swizzle::bytes_128, false>;
  uint8_t *b = first_swizzle_atom(shared);
  if (threadIdx.x == 0) {
    mbarrier_init(loaded, 1);
    mbarrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expect(loaded, 64 * kDepth * 2);
    B::load(b, b_map, loaded, 64);
  }
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  uint32_t fragments[kDepth / 16][4];
  for (int k = 0; k < kDepth; k += 16)
    for (int i = 0; i < 4; i++) {
      const bf16 *pair = a + (row + i % 2 * 8) * kDepth + k + i / 2 * 8 + lane % 4 * 2;
      fragments[k / 16][i] = static_cast<uint32_t>(pair[0].bits) | static_cast<uint32_t>(pair[1].bits) << 16;
    }
  mbarrier_wait(loaded, 0);
  float d[32];
  wgmma_fence();
  for (int k = 0; k < kDepth; k += 16) {
    wgmma<64>(d, fragments[k / 16], B::descriptor(b, 64, k, false), k > 0);
    wgmma_commit();
  }
  wgmma_wait<1>();
  wgmma_wait<0>();
  for (int j = 0; j < 8; j++)
    for (int e = 0; e < 4; e++) out[(row + e / 2 * 8) * 64 + 8 * j + lane % 4 * 2 + e % 2] = d[4 * j + e];
}

TEST("wgmma: a from registers, several groups, accumulators overwritten") {
  const std::vector<bf16> a = whole_numbers(64 * kDepth, 3), b = whole_numbers(64 * kDepth, 4);
  Array<bf16> da(a), db(b);
  Array<float> out(64 * 64);
  const TensorMap b_map = matrix_map(db, 64, kDepth, 64, 64, Swizzle::bytes_128);
  for (uint64_t seed : kSeeds) {
    std::string why = device::run(seed, "product_of_registers", product_of_registers, 1, 128, 64 * kDepth * 2 + 1024,
                                  static_cast<float *>(out), static_cast<const bf16 *>(da), b_map);
    if (why.empty()) why = compare_product(out.values(), a, b, 64, kDepth, false, false, 0.0f);
    if (!why.empty()) return why + " under seed " + std::to_string(seed);
  }
  return "";
}

TEST("fault: accumulators read before the wait") {
  return expect_caught(run_product<64, Swizzle::bytes_128, false, false, ProductFault::no_wait>);
}
TEST("fault: products that are never committed") {
  return expect_caught(run_product<64, Swizzle::bytes_128, false, false, ProductFault::no_commit>);
}
TEST("fault: no wgmma.fence before the first product") {
  return expect_contains(run_product<64, Swizzle::bytes_128, false, false, ProductFault::no_fence>(1), "without a wgmma.fence");
}
TEST("fault: a descriptor with another swizzle than the copy's") {
  return expect_caught(run_product<64, Swizzle::bytes_128, false, false, ProductFault::swizzle>);
}

// ---------------------------------------------------------------- copies

struct Corner {
  int32_t x, y, z, w;
};

// One box through shared memory and out again, to another place; `seen` is what shared memory held.
static __global__ void move(float *seen, const __grid_constant__ TensorMap from, const __grid_constant__ TensorMap to, int elements,
                            int rank, Corner from_at, Corner to_at) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  SAILS_SHARED(Mbarrier, loaded, 1);
  float *box = reinterpret_cast<float *>(first_swizzle_atom(shared));
  if (threadIdx.x == 0) {
    mbarrier_init(loaded, 1);
    mbarrier_init_fence();
    mbarrier_arrive_expect(loaded, elements * 4);
    if (rank == 2)
      tma_load_2d(box, from, loaded, from_at.x, from_at.y);
    else if (rank == 3)
      tma_load_3d(box, from, loaded, from_at.x, from_at.y, from_at.z);
    else
      tma_load_4d(box, from, loaded, from_at.x, from_at.y, from_at.z, from_at.w);
  }
  __syncthreads();
  while (!mbarrier_try_wait(loaded, 0)) {}
  for (int i = threadIdx.x; i < elements; i += blockDim.x) seen[i] = box[i];
  __syncthreads();
  if (threadIdx.x == 0) {
    if (rank == 2)
      tma_store_2d(to, box, to_at.x, to_at.y);
    else if (rank == 3)
      tma_store_3d(to, box, to_at.x, to_at.y, to_at.z);
    else
      tma_store_4d(to, box, to_at.x, to_at.y, to_at.z, to_at.w);
    bulk_commit();
    bulk_wait_read<0>();
  }
}

// A tensor of `size` (innermost first) whose rows are padded to `pitch` elements, holding 1, 2, 3, …
static std::vector<float> counted(size_t n) {
  std::vector<float> values(n);
  for (size_t i = 0; i < n; i++) values[i] = static_cast<float>(i + 1);
  return values;
}

static std::string check_move(int rank, Corner from_at, Corner to_at, Swizzle swizzle, uint64_t seed) {
  constexpr int kWidth = 37, kPitch = 40, kHeight = 11, kDepths = 3, kCount = 2;
  const int box[4] = {swizzle == Swizzle::none ? 20 : static_cast<int>(swizzle_span(swizzle) / 4), 4, rank >= 3 ? 2 : 1, rank == 4 ? 2 : 1};
  const int elements = box[0] * box[1] * box[2] * box[3];
  const std::vector<float> source = counted(kPitch * kHeight * kDepths * kCount);
  std::vector<float> target(source.size(), -1.0f);
  Array<float> from(source), to(target), seen(static_cast<size_t>(elements));
  const auto map = [&](const float *base) {
    TensorMap m{};
    const TensorBox description{
        base,
        rank,
        TensorType::f32,
        {kWidth, kHeight, kDepths, kCount},
        {kPitch * 4, kPitch * kHeight * 4, kPitch * kHeight * kDepths * 4},
        {static_cast<uint32_t>(box[0]), static_cast<uint32_t>(box[1]), static_cast<uint32_t>(box[2]), static_cast<uint32_t>(box[3])},
        swizzle};
    if (make_tensor_map(&m, description) != cudaSuccess) std::abort();
    return m;
  };
  const std::string text = device::run(seed, "move", move, 1, 64, elements * 4 + 1024, static_cast<float *>(seen), map(from), map(to),
                                       elements, rank, from_at, to_at);
  if (!text.empty()) return text;
  const auto inside = [&](const int(&at)[4]) {
    const int sizes[4] = {kWidth, kHeight, rank >= 3 ? kDepths : 1, rank == 4 ? kCount : 1};
    bool all = true;
    for (int i = 0; i < 4; i++) all = all && at[i] >= 0 && at[i] < sizes[i];
    return all;
  };
  const auto place = [&](const int(&at)[4]) { return static_cast<size_t>(((at[3] * kDepths + at[2]) * kHeight + at[1]) * kPitch + at[0]); };
  const std::vector<float> in_shared = seen.values();
  for (int i = 0; i < elements; i++) {
    const int x = i % box[0], y = i / box[0] % box[1], z = i / box[0] / box[1] % box[2], w = i / box[0] / box[1] / box[2];
    const int source_at[4] = {from_at.x + x, from_at.y + y, from_at.z + z, from_at.w + w};
    const int target_at[4] = {to_at.x + x, to_at.y + y, to_at.z + z, to_at.w + w};
    const float value = inside(source_at) ? source[place(source_at)] : 0.0f;
    const int row = i / box[0] * box[0] * 4;
    // The tile starts on an atom: its own offsets have the pattern of its addresses. 16-byte units of a row trade places, by the row's
    // number.
    const int unit = x / 4, rows_a_pattern = box[0] * 4 / 16;
    const int place_in_row = swizzle == Swizzle::none ? unit : unit ^ (row / 128 % rows_a_pattern);
    const auto at = static_cast<size_t>(row / 4 + place_in_row * 4 + x % 4);
    if (in_shared[at] != value) return "shared element " + std::to_string(i) + " of the box";
    if (inside(target_at)) target[place(target_at)] = value;
  }
  return expect(to.values() == target, "the store wrote something else");
}

TEST("bulk tensor copies: 2, 3 and 4 dimensions, edges as zeros, stores clipped, every swizzle") {
  for (uint64_t seed : kSeeds)
    for (int rank : {2, 3, 4})
      for (Swizzle swizzle : {Swizzle::none, Swizzle::bytes_32, Swizzle::bytes_64, Swizzle::bytes_128})
        for (const auto &at : {std::pair<Corner, Corner>{{0, 0, 0, 0}, {8, 3, 0, 0}},
                               {{30, 9, 2, 1}, {1, 1, 0, -1}},
                               {{-3, -2, 0, 0}, {33, 8, 1, 1}},
                               {{4, 4, 1, -1}, {-5, -1, -1, 0}}}) {
          Corner from = at.first, to = at.second;
          if (rank == 2) from.z = to.z = 0;
          if (rank <= 3) from.w = to.w = 0;
          const std::string why = check_move(rank, from, to, swizzle, seed);
          if (!why.empty()) return swizzle_name(swizzle) + ", rank " + std::to_string(rank) + ", seed " + std::to_string(seed) + ": " + why;
        }
  return "";
}

TEST("bulk tensor copies: descriptions that cuTensorMapEncodeTiled refuses") {
  Array<float> memory(4096);
  const TensorBox good{memory, 2, TensorType::f32, {64, 8}, {256}, {32, 8}, Swizzle::bytes_128};
  TensorMap map;
  if (make_tensor_map(&map, good) != cudaSuccess) return "a right one is refused";
  const auto refused = [&](auto change) {
    TensorBox box = good;
    change(box);
    return make_tensor_map(&map, box) == cudaErrorInvalidValue;
  };
  return expect(refused([&](TensorBox &b) { b.base = memory + 1; }) && refused([](TensorBox &b) { b.stride_bytes[0] = 260; }) &&
                    refused([](TensorBox &b) { b.box[0] = 64; }) && refused([](TensorBox &b) { b.box[1] = 257; }) &&
                    refused([](TensorBox &b) { b.box[0] = 5; }) && refused([](TensorBox &b) { b.size[0] = 0; }),
                "a wrong one is accepted");
}

enum class CopyFault { none, no_wait, no_read_wait, misaligned, outside, uninitialised, bytes, parity };

// out = 2 in, a bulk load and a bulk store of contiguous bytes, in a buffer that is used twice.
template <CopyFault kFault>
static __global__ void twice(float *out, const float *in) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  SAILS_SHARED(Mbarrier, loaded, 1);
  float *buffer = reinterpret_cast<float *>(first_swizzle_atom(shared)), *result = buffer + 64;
  if (threadIdx.x == 0 && kFault != CopyFault::uninitialised) {
    mbarrier_init(loaded, 1);
    mbarrier_init_fence();
  }
  __syncthreads();
  for (int part = 0; part < 2; part++) {
    if (threadIdx.x == 0) {
      mbarrier_arrive_expect(loaded, kFault == CopyFault::bytes ? 512 : 256);
      bulk_load(kFault == CopyFault::misaligned ? buffer + 1
                : kFault == CopyFault::outside  ? buffer + 64 * 1024
                                                : buffer,
                in + part * 64, 256, loaded);
    }
    if (kFault != CopyFault::no_wait) mbarrier_wait(loaded, (kFault == CopyFault::parity ? part + 1 : part) % 2);
    result[threadIdx.x] = 2.0f * buffer[threadIdx.x];
    fence_proxy_async();
    __syncthreads();
    if (threadIdx.x == 0) {
      bulk_store(out + part * 64, result, 256);
      bulk_commit();
      if (kFault != CopyFault::no_read_wait) bulk_wait_read<0>();
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    if (kFault == CopyFault::no_read_wait) bulk_wait_read<0>();
    bulk_wait<0>();
    if (kFault == CopyFault::none) mbarrier_invalidate(loaded);
  }
}

template <CopyFault kFault>
static std::string run_twice(uint64_t seed) {
  const std::vector<float> in = counted(128);
  Array<float> from(in), to(128);
  const std::string text =
      device::run(seed, "twice", twice<kFault>, 1, 64, 512 + 1024, static_cast<float *>(to), static_cast<const float *>(from));
  if (!text.empty()) return text;
  const std::vector<float> out = to.values();
  for (size_t i = 0; i < in.size(); i++)
    if (out[i] != 2.0f * in[i]) return "wrong result";
  return "";
}

TEST("bulk copies of contiguous bytes, a buffer used twice") { return expect_right(run_twice<CopyFault::none>); }
TEST("fault: a bulk load that nobody waits for") { return expect_caught(run_twice<CopyFault::no_wait>); }
TEST("fault: shared memory overwritten before a bulk store has read it") { return expect_caught(run_twice<CopyFault::no_read_wait>); }
TEST("fault: a wait for the wrong phase") { return expect_caught(run_twice<CopyFault::parity>); }
TEST("fault: a bulk load to a misaligned address") { return expect_contains(run_twice<CopyFault::misaligned>(1), "multiples of 16"); }
TEST("fault: a bulk load outside shared memory") {
  return expect_contains(run_twice<CopyFault::outside>(1), "outside the block's shared memory");
}
TEST("fault: an mbarrier that nobody initialised") { return expect_contains(run_twice<CopyFault::uninitialised>(1), "not initialised"); }
TEST("fault: more bytes announced than copied") {
  return expect_contains(run_twice<CopyFault::bytes>(1), "lacks 0 arrivals and 256 bytes");
}

// ---------------------------------------------------------------- a pipeline: a producer warp loads, a warpgroup multiplies

constexpr int kStages = 3, kSteps = 8, kStageBytes = 2 * 64 * kDepth * 2;

enum class PipelineFault { none, no_full_wait, no_empty_wait, early_release };

template <PipelineFault kFault>
static __global__ void pipelined_matmul(float *out, const __grid_constant__ TensorMap a_map, const __grid_constant__ TensorMap b_map) {
  SAILS_DYNAMIC_SHARED(uint8_t, shared);
  SAILS_SHARED(Mbarrier, full, kStages);
  SAILS_SHARED(Mbarrier, empty, kStages);
  using Layout = OperandLayout<Swizzle::bytes_128, false>;
  uint8_t *buffers = first_swizzle_atom(shared);
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; s++) {
      mbarrier_init(full + s, 1);
      mbarrier_init(empty + s, kWarpgroup);
    }
    mbarrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x >= kWarpgroup) {
    give_registers<40>();
    if (threadIdx.x == kWarpgroup) {
      RingPosition<kStages> at;
      for (int step = 0; step < kSteps; step++, at.advance()) {
        const int s = at.slot;
        if (kFault != PipelineFault::no_empty_wait) mbarrier_wait(empty + s, at.empty_parity());
        mbarrier_arrive_expect(full + s, kStageBytes);
        tma_load_2d(buffers + s * kStageBytes, a_map, full + s, step * kDepth, 0);
        tma_load_2d(buffers + s * kStageBytes + kStageBytes / 2, b_map, full + s, step * kDepth, 0);
      }
    }
    return;
  }
  take_registers<240>();
  float d[32];
  for (float &x : d) x = 0.0f;
  for (int step = 0; step < kSteps; step++) {
    const auto at = RingPosition<kStages>::of(static_cast<uint32_t>(step));
    const int s = at.slot;
    const uint8_t *a = buffers + s * kStageBytes, *b = a + kStageBytes / 2;
    if (kFault != PipelineFault::no_full_wait) mbarrier_wait(full + s, at.full_parity());
    wgmma_fence();
    for (int k = 0; k < kDepth; k += 16) wgmma<64>(d, Layout::descriptor(a, 64, k, false), Layout::descriptor(b, 64, k, false), true);
    wgmma_commit();
    if (kFault == PipelineFault::early_release) {
      mbarrier_arrive(empty + s);
      wgmma_wait<0>();
    } else {
      wgmma_wait<0>();
      mbarrier_arrive(empty + s);
    }
  }
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  for (int j = 0; j < 8; j++)
    for (int e = 0; e < 4; e++) out[(row + e / 2 * 8) * 64 + 8 * j + lane % 4 * 2 + e % 2] = d[4 * j + e];
}

template <PipelineFault kFault>
static std::string run_pipeline(uint64_t seed) {
  constexpr int kK = kSteps * kDepth;
  const std::vector<bf16> a = whole_numbers(64 * kK, 5), b = whole_numbers(64 * kK, 6);
  Array<bf16> da(a), db(b);
  Array<float> out(64 * 64);
  const TensorMap a_map = matrix_map(da, 64, kK, 64, 64, Swizzle::bytes_128), b_map = matrix_map(db, 64, kK, 64, 64, Swizzle::bytes_128);
  const std::string text = device::run(seed, "pipelined_matmul", pipelined_matmul<kFault>, 1, kWarpgroup + 32, kStages * kStageBytes + 1024,
                                       static_cast<float *>(out), a_map, b_map);
  return text.empty() ? compare_product(out.values(), a, b, 64, kK, false, false, 0.0f) : text;
}

TEST("a pipeline of loads and products, a producer warp and a warpgroup") { return expect_right(run_pipeline<PipelineFault::none>); }
TEST("fault: the warpgroup does not wait for full buffers") { return expect_caught(run_pipeline<PipelineFault::no_full_wait>); }
TEST("fault: the producer does not wait for empty buffers") { return expect_caught(run_pipeline<PipelineFault::no_empty_wait>); }
TEST("fault: a buffer given back before its products are done") { return expect_caught(run_pipeline<PipelineFault::early_release>); }
