// The emulator itself: right kernels give right results whatever the order of threads, and planted faults are caught.
#include "check.h"
#include "device.h"
#include "primitives/async_copy.cuh"
#include "primitives/dependent_launch.cuh"
#include "primitives/mma.cuh"
#include "primitives/warp.cuh"

using check::expect;
using check::expect_contains;
using device::Array;
using device::kSanitized;
using device::kSeeds;
using namespace sails::kernels;

// ---------------------------------------------------------------- right kernels

static __global__ void sum_block(float *out, const float *x) {
  SAILS_SHARED(float, scratch, 32);
  const float sum = block_sum(x[threadIdx.x], scratch);
  if (threadIdx.x == 0) *out = sum;
}

TEST("a block sum is right under every seed") {
  std::vector<float> x(256);
  for (size_t i = 0; i < x.size(); i++) x[i] = static_cast<float>(i);
  Array<float> in(x), out(1);
  for (uint64_t seed : kSeeds) {
    const std::string text =
        device::run(seed, "sum_block", sum_block, 1, 256, 0, static_cast<float *>(out), static_cast<const float *>(in));
    if (!text.empty()) return text;
    if (out.values()[0] != 32640.0f) return "sum " + std::to_string(out.values()[0]) + " under seed " + std::to_string(seed);
  }
  return "";
}

static __global__ void shuffles(int *out) {
  const int lane = threadIdx.x;
  int *mine = out + lane * 8;
  mine[0] = __shfl_sync(kFullMask, lane, 5);
  mine[1] = __shfl_xor_sync(kFullMask, lane, 3);
  mine[2] = __shfl_up_sync(kFullMask, lane, 2);
  mine[3] = __shfl_down_sync(kFullMask, lane, 4, 8);
  mine[4] = static_cast<int>(__ballot_sync(kFullMask, lane % 2));
  mine[5] = __any_sync(kFullMask, lane == 31) + 2 * __all_sync(kFullMask, lane < 31);
  // Half a warp on its own.
  mine[6] = lane < 16 ? __shfl_xor_sync(0xffffu, lane, 1) : -1;
  mine[7] = __shfl_sync(kFullMask, lane, 1, 4);
}

TEST("shuffles and votes give each lane what CUDA gives it") {
  Array<int> out(32 * 8);
  const std::string text = device::run(3, "shuffles", shuffles, 1, 32, 0, static_cast<int *>(out));
  if (!text.empty()) return text;
  const std::vector<int> v = out.values();
  for (int lane = 0; lane < 32; lane++) {
    const int expected[8] = {5,
                             lane ^ 3,
                             lane < 2 ? lane : lane - 2,
                             lane % 8 < 4 ? lane + 4 : lane,
                             static_cast<int>(0xaaaaaaaau),
                             1,
                             lane < 16 ? lane ^ 1 : -1,
                             lane / 4 * 4 + 1};
    for (int i = 0; i < 8; i++)
      if (v[static_cast<size_t>(lane * 8 + i)] != expected[i]) return "lane " + std::to_string(lane) + ", result " + std::to_string(i);
  }
  return "";
}

static __global__ void count_up(int *total, unsigned long long *largest) {
  atomicAdd(total, 1);
  atomicMax(largest, static_cast<unsigned long long>(blockIdx.x) * 1000 + threadIdx.x);
  if (atomicCAS(total + 1, 0, 7) == 0) atomicAdd(total + 2, 1);
}

TEST("integer atomics count every thread of every block, on several OS threads") {
  Array<int> total(std::vector<int>{0, 0, 0});
  Array<unsigned long long> largest(std::vector<unsigned long long>{0});
  sails_emulator::set_threads(4);
  const std::string text =
      device::run(1, "count_up", count_up, 50, 96, 0, static_cast<int *>(total), static_cast<unsigned long long *>(largest));
  sails_emulator::set_threads(1);
  if (!text.empty()) return text;
  const std::vector<int> v = total.values();
  return expect(v[0] == 50 * 96 && v[1] == 7 && v[2] == 1 && largest.values()[0] == 49 * 1000 + 95, "wrong totals");
}

static __global__ void votes(int *out) {
  const int any = __syncthreads_or(threadIdx.x == 77), all = __syncthreads_and(threadIdx.x < 96);
  const int count = __syncthreads_count(threadIdx.x % 3 == 0);
  if (threadIdx.x == 5) {
    out[0] = any;
    out[1] = all;
    out[2] = count;
  }
}

TEST("barriers that vote") {
  Array<int> out(3);
  const std::string text = device::run(2, "votes", votes, 1, 96, 0, static_cast<int *>(out));
  return text.empty() ? expect(out.values() == std::vector<int>{1, 1, 32}, "wrong votes") : text;
}

// Two shared arrays, a static and a dynamic one; each thread mirrors an element through both.
static __global__ void mirror(float *out, const float *x, int n) {
  SAILS_SHARED(float, first, 128);
  SAILS_DYNAMIC_SHARED(float, second);
  first[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  second[threadIdx.x] = first[n - 1 - threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = second[n - 1 - threadIdx.x] + second[0] - second[0];
}

TEST("static and dynamic shared memory") {
  std::vector<float> x(128);
  for (size_t i = 0; i < x.size(); i++) x[i] = static_cast<float>(i * i);
  Array<float> in(x), out(x.size());
  for (uint64_t seed : kSeeds) {
    const std::string text =
        device::run(seed, "mirror", mirror, 1, 128, 128 * 4, static_cast<float *>(out), static_cast<const float *>(in), 128);
    if (!text.empty()) return text;
    if (out.values() != x) return "wrong under seed " + std::to_string(seed);
  }
  return "";
}

template <bool kWait>
static __global__ void pipeline(float *out, const float *x) {
  SAILS_SHARED(float, tile, 128);
  async_copy_16(tile + threadIdx.x * 4, x + threadIdx.x * 4, threadIdx.x != 31);
  async_copy_commit();
  if (kWait) async_copy_wait<0>();
  __syncthreads();
  for (int i = 0; i < 4; i++) out[threadIdx.x + 32 * i] = tile[threadIdx.x + 32 * i];
}

TEST("cp.async brings what it promises, zeros where it is told to") {
  std::vector<float> x(128, 2.5f);
  Array<float> in(x), out(128);
  const std::string text = device::run(5, "pipeline", pipeline<true>, 1, 32, 0, static_cast<float *>(out), static_cast<const float *>(in));
  for (size_t i = 124; i < 128; i++) x[i] = 0;
  return text.empty() ? expect(out.values() == x, "wrong copy") : text;
}

// d [16, 8] = a [16, 16] b [16, 8] through ldmatrix, and a again through stmatrix.
static __global__ void multiply(float *d, bf16 *a_again, const bf16 *a, const bf16 *b, bool transposed_b) {
  SAILS_SHARED(bf16, tile_a, 16 * 24);
  SAILS_SHARED(bf16, tile_b, 16 * 24);
  const int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32) tile_a[i / 16 * 24 + i % 16] = a[i];
  for (int i = lane; i < 128; i += 32) {
    const int k = i / 8, n = i % 8;
    tile_b[transposed_b ? n * 24 + k : k * 24 + n] = b[i];
  }
  __syncthreads();
  uint32_t fa[4], fb[2];
  ldmatrix_x4(fa, tile_a + (lane % 16) * 24 + lane / 16 * 8);
  if (transposed_b)
    ldmatrix_x2(fb, tile_b + (lane % 8) * 24 + lane / 8 % 2 * 8);
  else
    ldmatrix_x2_transposed(fb, tile_b + (lane % 16) * 24);
  float c[4] = {1, 1, 1, 1};
  mma_m16n8k16(c, fa, fb);
  const int g = lane / 4, t = lane % 4;
  for (int i = 0; i < 4; i++) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = c[i];
  __syncthreads();
  stmatrix_x4(tile_b + (lane % 16) * 24 + lane / 16 * 8, fa);
  __syncthreads();
  for (int i = lane; i < 256; i += 32) a_again[i] = tile_b[i / 16 * 24 + i % 16];
}

TEST("ldmatrix, mma.sync and stmatrix against double") {
  std::vector<bf16> a(256), b(128);
  for (size_t i = 0; i < a.size(); i++) a[i] = to_bf16(static_cast<float>((i * 37) % 19) - 9.0f);
  for (size_t i = 0; i < b.size(); i++) b[i] = to_bf16(static_cast<float>((i * 23) % 17) - 8.0f);
  for (bool transposed : {false, true}) {
    Array<bf16> da(a), db(b), again(a.size());
    Array<float> d(128);
    const std::string text = device::run(4, "multiply", multiply, 1, 32, 0, static_cast<float *>(d), static_cast<bf16 *>(again),
                                         static_cast<const bf16 *>(da), static_cast<const bf16 *>(db), transposed);
    if (!text.empty()) return text;
    for (size_t i = 0; i < a.size(); i++)
      if (again.values()[i].bits != a[i].bits) return "stmatrix lost an element";
    for (size_t row = 0; row < 16; row++)
      for (size_t col = 0; col < 8; col++) {
        double sum = 1;
        for (size_t k = 0; k < 16; k++)
          sum += static_cast<double>(to_float(a[row * 16 + k])) * static_cast<double>(to_float(b[k * 8 + col]));
        if (static_cast<double>(d.values()[row * 8 + col]) != sum) return "element " + std::to_string(row) + ", " + std::to_string(col);
      }
  }
  return "";
}

static __global__ void hand_over(int *out) {
  SAILS_SHARED(int, box, 1);
  if (threadIdx.x < 32) {
    if (threadIdx.x == 0) box[0] = 42;
    sails_emulator::named_barrier(3, 64, false);
  } else {
    sails_emulator::named_barrier(3, 64, true);
    if (threadIdx.x == 40) *out = box[0];
  }
}

TEST("a named barrier lets the arriving warp go on and holds the waiting one") {
  for (uint64_t seed : kSeeds) {
    Array<int> out(1);
    const std::string text = device::run(seed, "hand_over", hand_over, 1, 64, 0, static_cast<int *>(out));
    if (!text.empty()) return text;
    if (out.values()[0] != 42) return "read before the write under seed " + std::to_string(seed);
  }
  return "";
}

static __global__ void add(int *x, int value) { *x += value; }
static __global__ void twice(int *x) { *x *= 2; }

TEST("queued work runs when it is waited for, streams keep to their events") {
  for (uint64_t seed : kSeeds) {
    sails_emulator::set_seed(seed);
    Array<int> x(std::vector<int>{1});
    int seen = -1;
    cudaStream_t first = nullptr, second = nullptr;
    cudaEvent_t event = nullptr;
    (void)cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking);
    (void)cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking);
    (void)cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    (void)launch("add", first, add, 1, 1, 0, static_cast<int *>(x), 10);
    (void)cudaEventRecord(event, first);
    (void)cudaStreamWaitEvent(second, event, 0);
    (void)launch("twice", second, twice, 1, 1, 0, static_cast<int *>(x));
    (void)cudaMemcpyAsync(&seen, x, sizeof(int), cudaMemcpyDeviceToHost, second);
    if (seen != -1 || x.values()[0] != 1) return "work ran before anybody waited";
    (void)cudaStreamSynchronize(second);
    if (seen != 22) return "saw " + std::to_string(seen) + " under seed " + std::to_string(seed);
    (void)cudaEventDestroy(event);
    (void)cudaStreamDestroy(first);
    (void)cudaStreamDestroy(second);
  }
  return "";
}

static __global__ void fill(float *x, float value) { x[blockIdx.x * blockDim.x + threadIdx.x] = value; }
template <bool kWaitsFirst>
static __global__ void multiply_early(float *y, const float *x, const float *weights) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const float weight = weights[i];
  float value = kWaitsFirst ? 0.0f : x[i];
  wait_for_grids_before();
  let_next_grid_start();
  if (kWaitsFirst) value = x[i];
  y[i] = value * weight;
}

// How many of the seeds give a wrong product where `last` was filled directly before; -1 and the sentence where one failed.
template <bool kWaitsFirst>
static int wrong_products(bool weights_last, bool early, std::string &text) {
  constexpr unsigned kBlocks = 8, kThreads = 32;
  int wrong = 0;
  for (uint64_t seed : kSeeds) {
    Array<float> x(std::vector<float>(kBlocks * kThreads, 1.0f)), weights(std::vector<float>(kBlocks * kThreads, 1.0f)),
        y(kBlocks * kThreads);
    text = device::run_queued(seed, [&](cudaStream_t stream) {
      for (bool of_weights : {!weights_last, weights_last})
        SAILS_TRY(
            launch("fill", stream, fill, kBlocks, kThreads, 0, static_cast<float *>(of_weights ? weights : x), of_weights ? 3.0f : 2.0f));
      return launch_early("multiply_early", {stream, early}, multiply_early<kWaitsFirst>, kBlocks, kThreads, 0, static_cast<float *>(y),
                          static_cast<const float *>(x), static_cast<const float *>(weights));
    });
    if (!text.empty()) return -1;
    for (float product : y.values())
      if (product != 6.0f) {
        wrong++;
        break;
      }
  }
  return wrong;
}

TEST("a kernel that starts early sees what was written before the kernel before it, and all after its wait") {
  std::string text;
  const int wrong = wrong_products<true>(false, true, text);
  return wrong == 0 ? "" : text + std::to_string(wrong) + " seeds give a wrong product";
}

TEST("fault: a kernel that starts early reads before its wait") {
  std::string text;
  if (wrong_products<false>(false, true, text) <= 0) return "x, written by the kernel before, was read in time under every seed " + text;
  if (wrong_products<true>(true, true, text) <= 0)
    return "weights, written by the kernel before, were read in time under every seed " + text;
  const int wrong = wrong_products<false>(false, false, text);
  return wrong == 0 ? "" : text + "one behind the other gives a wrong product";
}

TEST("a graph runs what was recorded, each time it is launched") {
  Array<int> x(std::vector<int>{1});
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  (void)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  (void)cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  (void)launch("add", stream, add, 1, 1, 0, static_cast<int *>(x), 1);
  (void)launch("twice", stream, twice, 1, 1, 0, static_cast<int *>(x));
  (void)cudaStreamEndCapture(stream, &graph);
  (void)cudaGraphInstantiate(&executable, graph, 0);
  (void)cudaGraphDestroy(graph);
  if (x.values()[0] != 1) return "recording ran the kernels";
  for (int i = 0; i < 3; i++) (void)cudaGraphLaunch(executable, stream);
  (void)cudaStreamSynchronize(stream);
  (void)cudaGraphExecDestroy(executable);
  (void)cudaStreamDestroy(stream);
  return expect(x.values()[0] == ((1 + 1) * 2 + 1) * 2 * 2 + 2, "x is " + std::to_string(x.values()[0]));
}

// ---------------------------------------------------------------- planted faults

static __global__ void reverse_without_barrier(int *out) {
  SAILS_SHARED(int, tile, 64);
  tile[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = tile[63 - threadIdx.x];
}

TEST("fault: a missing barrier gives a wrong result") {
  int wrong = 0;
  for (uint64_t seed : kSeeds) {
    Array<int> out(64);
    const std::string text = device::run(seed, "reverse_without_barrier", reverse_without_barrier, 1, 64, 0, static_cast<int *>(out));
    if (!text.empty()) return text;
    for (size_t i = 0; i < 64; i++) wrong += out.values()[i] != 63 - static_cast<int>(i);
  }
  return expect(wrong > 0, "no seed showed it");
}

TEST("fault: a missing cp.async wait leaves NaN") {
  std::vector<float> x(128, 2.5f);
  Array<float> in(x), out(128);
  const std::string text = device::run(5, "pipeline", pipeline<false>, 1, 32, 0, static_cast<float *>(out), static_cast<const float *>(in));
  return text.empty() ? expect(std::isnan(out.values()[3]), "the data was there") : text;
}

static __global__ void read_unwritten(float *out) {
  SAILS_SHARED(float, tile, 64);
  SAILS_DYNAMIC_SHARED(float, more);
  if (threadIdx.x != 9) tile[threadIdx.x] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
  out[64 + threadIdx.x] = more[threadIdx.x];
}

TEST("fault: shared memory that nobody wrote reads as NaN") {
  Array<float> out(128);
  const std::string text = device::run(1, "read_unwritten", read_unwritten, 1, 64, 256, static_cast<float *>(out));
  const std::vector<float> v = out.values();
  return text.empty() ? expect(v[8] == 1.0f && std::isnan(v[9]) && std::isnan(v[64]), "it had a value") : text;
}

static __global__ void copy_element(float *out, const float *x, int from) { out[threadIdx.x] = x[from + static_cast<int>(threadIdx.x)]; }

TEST("fault: fresh device memory reads as NaN") {
  Array<float> in(4), out(4);
  const std::string text =
      device::run(1, "copy_element", copy_element, 1, 4, 0, static_cast<float *>(out), static_cast<const float *>(in), 0);
  return text.empty() ? expect(std::isnan(out.values()[2]), "it had a value") : text;
}

static __global__ void write_past_shared(int index) {
  SAILS_SHARED(float, tile, 30);
  tile[threadIdx.x < 30 ? static_cast<int>(threadIdx.x) : index] = 1.0f;
}

TEST("fault: a write past a shared array") {
  for (int index : {30, 33, -1}) {
    const check::Child child =
        check::in_child([index] { std::puts(device::run(1, "write_past_shared", write_past_shared, 1, 32, 0, index).c_str()); });
    const std::string why = kSanitized ? expect(child.died, "the sanitizer let it pass") + expect_contains(child.output, "use-after-poison")
                                       : expect_contains(child.output, "a write outside the shared array tile");
    if (!why.empty()) return why;
  }
  return "";
}

static __global__ void write_element(float *x, int at) { x[at] = 1.0f; }

TEST("fault: a write past an allocation") {
  for (int at : {10, 12, -1}) {
    const check::Child child = check::in_child([at] {
      float *x = nullptr;
      (void)cudaMalloc(reinterpret_cast<void **>(&x), 10 * sizeof(float));
      std::puts(device::run(1, "write_element", write_element, 1, 1, 0, x, at).c_str());
      if (cudaFree(x) != cudaSuccess) std::puts(sails_emulator::failure_text().c_str());
    });
    const std::string why = kSanitized
                                ? expect(child.died, "the sanitizer let it pass") + expect_contains(child.output, "heap-buffer-overflow")
                                : expect_contains(child.output, "a write outside an allocation of 40 bytes");
    if (!why.empty()) return why;
  }
  return "";
}

TEST("fault: a read past an allocation") {
  if (!kSanitized) return "skip: only the sanitized build sees reads";
  const check::Child child = check::in_child([] {
    Array<float> in(10), out(4);
    std::puts(device::run(1, "copy_element", copy_element, 1, 4, 0, static_cast<float *>(out), static_cast<const float *>(in), 7).c_str());
  });
  return expect(child.died, "the sanitizer let it pass") + expect_contains(child.output, "heap-buffer-overflow");
}

static __global__ void divergent_barrier(int *out) {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
}

TEST("fault: barriers at different lines") {
  Array<int> out(32);
  const std::string text = device::run(1, "divergent_barrier", divergent_barrier, 1, 32, 0, static_cast<int *>(out));
  return expect_contains(text, "divergent barrier") + expect_contains(text, "kernel divergent_barrier, block (0, 0, 0)") +
         expect_contains(text, "emulator_test.cpp:");
}

static __global__ void leave_early(int *out) {
  if (threadIdx.x == 40) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}

TEST("fault: a thread that returns before a barrier") {
  Array<int> out(64);
  const std::string text = device::run(1, "leave_early", leave_early, 1, 64, 0, static_cast<int *>(out));
  return expect_contains(text, "deadlock: 63 of 64 threads wait for __syncthreads, 1 have returned");
}

static __global__ void shuffle_without_lane(int *out) {
  int value = static_cast<int>(threadIdx.x);
  if (threadIdx.x != 3) value = __shfl_xor_sync(kFullMask, value, 1);
  out[threadIdx.x] = value;
}

TEST("fault: a lane of the mask does not come to the shuffle") {
  Array<int> out(32);
  const std::string text = device::run(1, "shuffle_without_lane", shuffle_without_lane, 1, 32, 0, static_cast<int *>(out));
  return expect_contains(text, "deadlock: 31 of 32 threads wait for __shfl_xor_sync");
}

static __global__ void shuffle_outside_mask(int *out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffu, static_cast<int>(threadIdx.x), 20);
}

TEST("fault: a shuffle reads a lane outside its mask") {
  Array<int> out(32);
  return expect_contains(device::run(1, "shuffle_outside_mask", shuffle_outside_mask, 1, 32, 0, static_cast<int *>(out)),
                         "not in its mask");
}

static __global__ void load_matrix(uint32_t *out, int offset) {
  SAILS_SHARED(bf16, tile, 512);
  for (int i = threadIdx.x; i < 512; i += 32) tile[i] = bf16{0};
  __syncthreads();
  uint32_t m[4];
  ldmatrix_x4(m, tile + threadIdx.x * 8 + offset);
  out[threadIdx.x] = m[0];
}

TEST("fault: ldmatrix from a misaligned row, and from outside shared memory") {
  Array<uint32_t> out(32);
  const auto run = [&](int offset) { return device::run(1, "load_matrix", load_matrix, 1, 32, 0, static_cast<uint32_t *>(out), offset); };
  return expect(run(0).empty(), "the aligned one failed") + expect_contains(run(4), "not aligned to 16 bytes") +
         expect_contains(run(1024), "outside the block's shared memory");
}

static __global__ void nothing() {}

static __global__ void static_and_dynamic(float *out) {
  SAILS_SHARED(float, fixed, 2048);
  SAILS_DYNAMIC_SHARED(float, more);
  fixed[threadIdx.x] = more[threadIdx.x] = 1.0f;
  out[threadIdx.x] = fixed[threadIdx.x];
}

TEST("fault: static and dynamic shared memory of more than 48 KiB that nobody has permitted") {
  Array<float> out(32);
  const auto with = [&](int64_t dynamic) {
    return device::run(3, "static_and_dynamic", static_and_dynamic, 1, 32, dynamic, static_cast<float *>(out));
  };
  for (int64_t permitted : {40 * 1024, 48 * 1024 + 16})
    if (const std::string text = with(permitted); !text.empty()) return text;
  return expect_contains(with(40 * 1024 + 16), "more than 48 KiB together");
}

TEST("fault: launches that a GPU refuses") {
  return expect_contains(device::run(1, "nothing", nothing, 1, 1025, 0), "a block of 1025 threads") +
         expect_contains(device::run(1, "nothing", nothing, dim3(1, 65536), 32, 0), "expected at most") +
         expect_contains(device::run(1, "nothing", nothing, 1, 32, 228 * 1024), "dynamic shared memory") +
         expect(device::run(1, "nothing", nothing, 1, 32, 227 * 1024).empty(), "227 KiB were refused");
}

TEST("an event that was never recorded holds nobody back") {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  (void)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  (void)cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  // As on a GPU: an event without a record holds nobody back.
  (void)cudaStreamWaitEvent(stream, event, 0);
  const bool passes = cudaStreamSynchronize(stream) == cudaSuccess;
  (void)cudaEventDestroy(event);
  (void)cudaStreamDestroy(stream);
  return expect(passes, "an event that was never recorded held the stream back");
}
