// Device side of the stand-in: what kernels call. Everything here runs inside a fiber (scheduler.h).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

namespace sails_emulator {

// The coordinates that a fiber sees. One pointer per OS thread, set by the scheduler at every switch.
struct Coordinates {
  uint3 thread, block;
  dim3 block_dim, grid_dim;
};
// __thread and not thread_local: no other file could know that it needs no initialiser.
extern __thread const Coordinates *coordinates __attribute__((tls_model("initial-exec")));

// Where a call stands in the source, taken by default arguments at the caller.
struct Site {
  const char *file;
  int line;
  static Site here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

void *shared_array(const void *key, const char *name, size_t bytes);
void *dynamic_shared();
// The address inside the block's shared window, as __cvta_generic_to_shared gives it; an error if it is not there.
uint32_t shared_address(const void *pointer, Site site = Site::here());
// The pointer of a shared-window address.
void *shared_pointer(uint32_t address);

enum class BlockVote { none, any, all, count };
int block_barrier(BlockVote vote, int predicate, Site site);
// bar.sync / bar.arrive on barrier `id` (1 to 15) of `threads` threads.
void named_barrier(int id, int threads, bool wait, Site site = Site::here());
// The block's place in its cluster, and barrier.cluster of all the cluster's threads.
int cluster_rank();
void cluster_arrive(Site site = Site::here());
void cluster_wait(Site site = Site::here());
// Until the kernels queued before this one have ended, where it has started early.
void wait_for_grids(Site site = Site::here());

// All lanes of `mask` meet; then each holds the 8-byte value of its source lane.
uint64_t warp_shuffle(uint32_t mask, uint64_t value, int source, const char *what, Site site);
// All lanes of `mask` meet; then each holds the bits of the lanes whose predicate is not 0.
uint32_t warp_ballot(uint32_t mask, int predicate, const char *what, Site site);
int lane_index();

void async_copy(void *to_shared, const void *from_global, int bytes, int source_bytes, Site site = Site::here());
void async_copy_commit();
void async_copy_wait(int pending);

void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site = Site::here());
void ldmatrix(uint32_t *m, int count, bool transposed, const void *row_in_shared, Site site = Site::here());
void stmatrix(void *row_in_shared, const uint32_t *m, int count, bool transposed, Site site = Site::here());

[[noreturn]] void trap(const char *why, Site site = Site::here());

template <typename T>
uint64_t to_word(T value) {
  static_assert(sizeof(T) <= 8, "a warp exchanges at most 8 bytes a lane");
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  return word;
}
template <typename T>
T from_word(uint64_t word) {
  T value;
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

template <typename T>
T shuffle(uint32_t mask, T value, int source, const char *what, Site site) {
  return from_word<T>(warp_shuffle(mask, to_word(value), source, what, site));
}

}  // namespace sails_emulator

#define threadIdx (sails_emulator::coordinates->thread)
#define blockIdx (sails_emulator::coordinates->block)
#define blockDim (sails_emulator::coordinates->block_dim)
#define gridDim (sails_emulator::coordinates->grid_dim)
constexpr int warpSize = 32;

inline void __syncthreads(sails_emulator::Site site = sails_emulator::Site::here()) {
  sails_emulator::block_barrier(sails_emulator::BlockVote::none, 0, site);
}
inline int __syncthreads_or(int p, sails_emulator::Site site = sails_emulator::Site::here()) {
  return sails_emulator::block_barrier(sails_emulator::BlockVote::any, p, site);
}
inline int __syncthreads_and(int p, sails_emulator::Site site = sails_emulator::Site::here()) {
  return sails_emulator::block_barrier(sails_emulator::BlockVote::all, p, site);
}
inline int __syncthreads_count(int p, sails_emulator::Site site = sails_emulator::Site::here()) {
  return sails_emulator::block_barrier(sails_emulator::BlockVote::count, p, site);
}
inline void __syncwarp(uint32_t mask = 0xffffffffu, sails_emulator::Site site = sails_emulator::Site::here()) {
  sails_emulator::warp_ballot(mask, 0, "__syncwarp", site);
}

template <typename T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32, sails_emulator::Site site = sails_emulator::Site::here()) {
  const int lane = sails_emulator::lane_index();
  return sails_emulator::shuffle(mask, value, lane / width * width + (source & (width - 1)), "__shfl_sync", site);
}
template <typename T>
T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32, sails_emulator::Site site = sails_emulator::Site::here()) {
  const int lane = sails_emulator::lane_index(), other = lane ^ lanes;
  return sails_emulator::shuffle(mask, value, other / width == lane / width ? other : lane, "__shfl_xor_sync", site);
}
template <typename T>
T __shfl_up_sync(uint32_t mask, T value, unsigned delta, int width = 32, sails_emulator::Site site = sails_emulator::Site::here()) {
  const int lane = sails_emulator::lane_index(), first = lane / width * width, other = lane - static_cast<int>(delta);
  return sails_emulator::shuffle(mask, value, other >= first ? other : lane, "__shfl_up_sync", site);
}
template <typename T>
T __shfl_down_sync(uint32_t mask, T value, unsigned delta, int width = 32, sails_emulator::Site site = sails_emulator::Site::here()) {
  const int lane = sails_emulator::lane_index(), end = (lane / width + 1) * width, other = lane + static_cast<int>(delta);
  return sails_emulator::shuffle(mask, value, other < end ? other : lane, "__shfl_down_sync", site);
}
inline unsigned __ballot_sync(uint32_t mask, int predicate, sails_emulator::Site site = sails_emulator::Site::here()) {
  return sails_emulator::warp_ballot(mask, predicate, "__ballot_sync", site);
}
inline int __any_sync(uint32_t mask, int predicate, sails_emulator::Site site = sails_emulator::Site::here()) {
  return __ballot_sync(mask, predicate, site) != 0;
}
inline int __all_sync(uint32_t mask, int predicate, sails_emulator::Site site = sails_emulator::Site::here()) {
  return __ballot_sync(mask, predicate, site) == mask;
}

// Blocks run on several OS threads, so these must be atomic for real.
template <typename T>
T sails_emulator_cas(T *address, T expected, T desired) {
  __atomic_compare_exchange_n(address, &expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
inline int atomicCAS(int *p, int expected, int desired) { return sails_emulator_cas(p, expected, desired); }
inline unsigned atomicCAS(unsigned *p, unsigned expected, unsigned desired) { return sails_emulator_cas(p, expected, desired); }
inline unsigned long long atomicCAS(unsigned long long *p, unsigned long long expected, unsigned long long desired) {
  return sails_emulator_cas(p, expected, desired);
}
#define SAILS_EMULATOR_ATOMICS(T) \
  inline T atomicAdd(T *p, T x) { return __atomic_fetch_add(p, x, __ATOMIC_RELAXED); } \
  inline T atomicExch(T *p, T x) { return __atomic_exchange_n(p, x, __ATOMIC_RELAXED); } \
  inline T atomicOr(T *p, T x) { return __atomic_fetch_or(p, x, __ATOMIC_RELAXED); } \
  inline T atomicAnd(T *p, T x) { return __atomic_fetch_and(p, x, __ATOMIC_RELAXED); } \
  inline T atomicMax(T *p, T x) { \
    T old = __atomic_load_n(p, __ATOMIC_RELAXED); \
    while (old < x && !__atomic_compare_exchange_n(p, &old, x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {} \
    return old; \
  } \
  inline T atomicMin(T *p, T x) { \
    T old = __atomic_load_n(p, __ATOMIC_RELAXED); \
    while (x < old && !__atomic_compare_exchange_n(p, &old, x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {} \
    return old; \
  }
SAILS_EMULATOR_ATOMICS(int)
SAILS_EMULATOR_ATOMICS(unsigned)
SAILS_EMULATOR_ATOMICS(unsigned long long)
#undef SAILS_EMULATOR_ATOMICS

inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() {}
[[noreturn]] inline void __trap() { sails_emulator::trap("__trap()"); }

template <typename T>
T __ldg(const T *p) {
  return *p;
}
template <typename T>
T __ldcs(const T *p) {
  return *p;
}
template <typename T>
void __stcs(T *p, T value) {
  *p = value;
}

inline unsigned __float_as_uint(float x) { return sails_emulator::from_word<unsigned>(sails_emulator::to_word(x)); }
inline int __float_as_int(float x) { return sails_emulator::from_word<int>(sails_emulator::to_word(x)); }
inline float __uint_as_float(unsigned x) { return sails_emulator::from_word<float>(x); }
inline float __int_as_float(int x) { return sails_emulator::from_word<float>(sails_emulator::to_word(x)); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x)); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __dadd_rn(double x, double y) { return x + y; }

// CUDA has these in the global namespace for the built-in types.
#define SAILS_EMULATOR_MIN_MAX(T) \
  inline T min(T a, T b) { return b < a ? b : a; } \
  inline T max(T a, T b) { return a < b ? b : a; }
SAILS_EMULATOR_MIN_MAX(int)
SAILS_EMULATOR_MIN_MAX(unsigned)
SAILS_EMULATOR_MIN_MAX(long)
SAILS_EMULATOR_MIN_MAX(unsigned long)
SAILS_EMULATOR_MIN_MAX(long long)
SAILS_EMULATOR_MIN_MAX(unsigned long long)
#undef SAILS_EMULATOR_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline size_t __cvta_generic_to_shared(const void *pointer) { return sails_emulator::shared_address(pointer); }
