// Warpgroup matrix products (wgmma, sm_90a): d [64, N] f32 += a [64, 16] b [16, N], bf16 operands.
//
// A warpgroup is 4 consecutive warps, the first a multiple of 4; its 128 threads call together. b is in shared memory, a in shared memory
// or registers.
// Accumulators (PTX ISA, "wgmma.mma_async.m64nNk16"): warp w of the group has rows 16 w to 16 w + 15; lane = 4 g + t has, for each block j
// of 8 columns,
//   d[4j], d[4j+1] = (row 16 w + g, columns 8 j + 2 t, + 1)     d[4j+2], d[4j+3] = (row 16 w + g + 8, the same columns)
// and a from registers as the A fragment of mma.m16n8k16 (mma.cuh), each warp its own 16 rows.
// Order: wgmma_fence, the products, wgmma_commit, wgmma_wait<n>. Accumulators (and a's registers) are not touched between the product and
// its wait, and wgmma_fence comes again after they were. Operands written by ordinary stores need fence_proxy_async by the writers and a
// barrier.
#pragma once

#include "tma.cuh"

#if defined(SAILS_EMULATOR) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define SAILS_HAS_WGMMA 1
#endif

namespace sails::kernels {

constexpr int kWarpgroup = 128;

// Whether this pass of the compiler can make code of wgmma. A kernel of sm_90a guards its body with `if constexpr (kHasWgmma)`, so that the
// other architectures hold an empty one; the host chooses it on cards of 9.0 alone.
#ifdef SAILS_HAS_WGMMA
constexpr bool kHasWgmma = true;
#else
constexpr bool kHasWgmma = false;
#endif

// Where an operand lies in shared memory (PTX ISA, "matrix descriptor"; the canonical layouts are those of CUTLASS
// include/cute/arch/mma_sm90_desc.hpp).
// With rows the index of m or n, S = swizzle_span:
//   K-major (k contiguous)    rows of S bytes, 8 of them an atom; stride_bytes between groups of 8 rows; leading_bytes unused. Without
//   swizzle: cores of
//                             8 rows x 16 bytes, leading_bytes between the two cores of k, stride_bytes between groups of 8 rows.
//   MN-major (rows contiguous) k rows of S bytes = S / 2 rows of the operand, 8 of them an atom; leading_bytes between blocks of S / 2
//   rows, stride_bytes
//                             between groups of 8 k. Without swizzle: cores of 8 k x 16 bytes, stride_bytes between blocks of 8 rows,
//                             leading_bytes
//                             between groups of 8 k.
// The next 16 k of a K-major row are 32 bytes on: add them to the start. The start of an atom is a multiple of 8 S bytes.
__device__ __forceinline__ uint64_t wgmma_descriptor(const void *shared, uint32_t leading_bytes, uint32_t stride_bytes, Swizzle swizzle) {
#ifdef SAILS_EMULATOR
  const uint32_t address = sails_emulator::shared_address(shared);
#else
  const uint32_t address = shared_window_address(shared);
#endif
  return static_cast<uint64_t>(address >> 4 & 0x3fff) | static_cast<uint64_t>(leading_bytes >> 4 & 0x3fff) << 16 |
         static_cast<uint64_t>(stride_bytes >> 4 & 0x3fff) << 32 | static_cast<uint64_t>(swizzle) << 62;
}

// The descriptor of an operand that starts `bytes` (a multiple of 16) later.
__device__ __forceinline__ uint64_t wgmma_advance(uint64_t descriptor, int bytes) { return descriptor + static_cast<uint64_t>(bytes >> 4); }

__device__ __forceinline__ void wgmma_fence() {
#ifdef SAILS_EMULATOR
  sails_emulator::wgmma_fence();
#elif defined(SAILS_HAS_WGMMA)
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  __trap();
#endif
}
__device__ __forceinline__ void wgmma_commit() {
#ifdef SAILS_EMULATOR
  sails_emulator::wgmma_commit();
#elif defined(SAILS_HAS_WGMMA)
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  __trap();
#endif
}
// Until at most kPending of the warpgroup's latest groups are under way.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
#ifdef SAILS_EMULATOR
  sails_emulator::wgmma_wait(kPending);
#elif defined(SAILS_HAS_WGMMA)
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#else
  __trap();
#endif
}
// Accumulators as values that exist from here on: after a wait, so that no instruction that reads them is moved before it. The compiler
// does not know that the products wrote them until then.
template <int kCount>
__device__ __forceinline__ void wgmma_done(float (&d)[kCount]) {
#if defined(SAILS_HAS_WGMMA) && !defined(SAILS_EMULATOR)
#pragma unroll
  for (int i = 0; i < kCount; i++) asm volatile("" : "+f"(d[i])::"memory");
#else
  (void)d;
#endif
}
// The same for fragments of a: they are read until the wait, and their registers must not be written before.
__device__ __forceinline__ void wgmma_done(uint32_t (&a)[4]) {
#if defined(SAILS_HAS_WGMMA) && !defined(SAILS_EMULATOR)
#pragma unroll
  for (int i = 0; i < 4; i++) asm volatile("" : "+r"(a[i])::"memory");
#else
  (void)a;
#endif
}
// Gives 24 to 256 registers a thread (a multiple of 8) to this warpgroup, or takes those above; all its threads call. In kernels with
// __launch_bounds__(threads, 1).
template <int kRegisters>
__device__ __forceinline__ void take_registers() {
#if defined(SAILS_HAS_WGMMA) && !defined(SAILS_EMULATOR)
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}
template <int kRegisters>
__device__ __forceinline__ void give_registers() {
#if defined(SAILS_HAS_WGMMA) && !defined(SAILS_EMULATOR)
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}

// d += a b, or d = a b where `accumulate` is false. MnMajor: the operand's rows are contiguous, see above.
// N 8, 16, 32, 64, 80, 128, 192 or 256.
template <int N, bool kAMnMajor = false, bool kBMnMajor = false>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate);
// The same with a from registers.
template <int N, bool kBMnMajor = false>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate);

#ifdef SAILS_EMULATOR
template <int N, bool kAMnMajor, bool kBMnMajor>
void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate) {
  sails_emulator::wgmma(d, N, nullptr, a, b, accumulate, kAMnMajor, kBMnMajor);
}
template <int N, bool kBMnMajor>
void wgmma(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  sails_emulator::wgmma(d, N, a, 0, b, accumulate, false, kBMnMajor);
}
#elif defined(SAILS_HAS_WGMMA)
template <int N>
struct WgmmaShape;

#define SAILS_WGMMA_TEXT_0 "%0, %1, %2, %3, %4, %5, %6, %7"
#define SAILS_WGMMA_TEXT_1 "%8, %9, %10, %11, %12, %13, %14, %15"
#define SAILS_WGMMA_TEXT_2 "%16, %17, %18, %19, %20, %21, %22, %23"
#define SAILS_WGMMA_TEXT_3 "%24, %25, %26, %27, %28, %29, %30, %31"
#define SAILS_WGMMA_TEXT_4 "%32, %33, %34, %35, %36, %37, %38, %39"
#define SAILS_WGMMA_TEXT_5 "%40, %41, %42, %43, %44, %45, %46, %47"
#define SAILS_WGMMA_TEXT_6 "%48, %49, %50, %51, %52, %53, %54, %55"
#define SAILS_WGMMA_TEXT_7 "%56, %57, %58, %59, %60, %61, %62, %63"
#define SAILS_WGMMA_TEXT_8 "%64, %65, %66, %67, %68, %69, %70, %71"
#define SAILS_WGMMA_TEXT_9 "%72, %73, %74, %75, %76, %77, %78, %79"
#define SAILS_WGMMA_TEXT_10 "%80, %81, %82, %83, %84, %85, %86, %87"
#define SAILS_WGMMA_TEXT_11 "%88, %89, %90, %91, %92, %93, %94, %95"
#define SAILS_WGMMA_TEXT_12 "%96, %97, %98, %99, %100, %101, %102, %103"
#define SAILS_WGMMA_TEXT_13 "%104, %105, %106, %107, %108, %109, %110, %111"
#define SAILS_WGMMA_TEXT_14 "%112, %113, %114, %115, %116, %117, %118, %119"
#define SAILS_WGMMA_TEXT_15 "%120, %121, %122, %123, %124, %125, %126, %127"
#define SAILS_WGMMA_REGISTERS(i) \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define SAILS_WGMMA_UNPACK(...) __VA_ARGS__
// p0 and on: the operands' numbers after the accumulators.
#define SAILS_WGMMA_SHAPE(n, text, registers, p0, p1, p2, p3, p4, p5, p6) \
  template <> \
  struct WgmmaShape<n> { \
    template <int kAMnMajor, int kBMnMajor> \
    __device__ __forceinline__ static void run(float (&d)[n / 2], uint64_t a, uint64_t b, uint32_t accumulate) { \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " p2 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n \
                   "k16.f32.bf16.bf16 {" SAILS_WGMMA_UNPACK text "}, " p0 ", " p1 ", p, 1, 1, " p3 ", " p4 ";\n}\n" \
                   : SAILS_WGMMA_UNPACK registers \
                   : "l"(a), "l"(b), "r"(accumulate), "n"(kAMnMajor), "n"(kBMnMajor)); \
    } \
    template <int kBMnMajor> \
    __device__ __forceinline__ static void run(float (&d)[n / 2], const uint32_t (&a)[4], uint64_t b, uint32_t accumulate) { \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " p5 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n \
                   "k16.f32.bf16.bf16 {" SAILS_WGMMA_UNPACK text "}, {" p0 ", " p1 ", " p2 ", " p3 "}, " p4 ", p, 1, 1, " p6 ";\n}\n" \
                   : SAILS_WGMMA_UNPACK registers \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(kBMnMajor)); \
    } \
  };
SAILS_WGMMA_SHAPE(8, ("%0, %1, %2, %3"), ("+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])), "%4", "%5", "%6", "%7", "%8", "%9", "%10")
SAILS_WGMMA_SHAPE(16, (SAILS_WGMMA_TEXT_0), (SAILS_WGMMA_REGISTERS(0)), "%8", "%9", "%10", "%11", "%12", "%13", "%14")
SAILS_WGMMA_SHAPE(32, (SAILS_WGMMA_TEXT_0 ", " SAILS_WGMMA_TEXT_1), (SAILS_WGMMA_REGISTERS(0), SAILS_WGMMA_REGISTERS(8)), "%16", "%17",
                  "%18", "%19", "%20", "%21", "%22")
SAILS_WGMMA_SHAPE(64, (SAILS_WGMMA_TEXT_0 ", " SAILS_WGMMA_TEXT_1 ", " SAILS_WGMMA_TEXT_2 ", " SAILS_WGMMA_TEXT_3),
                  (SAILS_WGMMA_REGISTERS(0), SAILS_WGMMA_REGISTERS(8), SAILS_WGMMA_REGISTERS(16), SAILS_WGMMA_REGISTERS(24)), "%32", "%33",
                  "%34", "%35", "%36", "%37", "%38")
SAILS_WGMMA_SHAPE(80, (SAILS_WGMMA_TEXT_0 ", " SAILS_WGMMA_TEXT_1 ", " SAILS_WGMMA_TEXT_2 ", " SAILS_WGMMA_TEXT_3 ", " SAILS_WGMMA_TEXT_4),
                  (SAILS_WGMMA_REGISTERS(0), SAILS_WGMMA_REGISTERS(8), SAILS_WGMMA_REGISTERS(16), SAILS_WGMMA_REGISTERS(24),
                   SAILS_WGMMA_REGISTERS(32)),
                  "%40", "%41", "%42", "%43", "%44", "%45", "%46")
SAILS_WGMMA_SHAPE(128,
                  (SAILS_WGMMA_TEXT_0 ", " SAILS_WGMMA_TEXT_1 ", " SAILS_WGMMA_TEXT_2 ", " SAILS_WGMMA_TEXT_3 ", " SAILS_WGMMA_TEXT_4
                                      ", " SAILS_WGMMA_TEXT_5 ", " SAILS_WGMMA_TEXT_6 ", " SAILS_WGMMA_TEXT_7),
                  (SAILS_WGMMA_REGISTERS(0), SAILS_WGMMA_REGISTERS(8), SAILS_WGMMA_REGISTERS(16), SAILS_WGMMA_REGISTERS(24),
                   SAILS_WGMMA_REGISTERS(32), SAILS_WGMMA_REGISTERS(40), SAILS_WGMMA_REGISTERS(48), SAILS_WGMMA_REGISTERS(56)),
                  "%64", "%65", "%66", "%67", "%68", "%69", "%70")
SAILS_WGMMA_SHAPE(192,
                  (SAILS_WGMMA_TEXT_0 ", " SAILS_WGMMA_TEXT_1 ", " SAILS_WGMMA_TEXT_2 ", " SAILS_WGMMA_TEXT_3 ", " SAILS_WGMMA_TEXT_4
                                      ", " SAILS_WGMMA_TEXT_5 ", " SAILS_WGMMA_TEXT_6 ", " SAILS_WGMMA_TEXT_7 ", " SAILS_WGMMA_TEXT_8
                                      ", " SAILS_WGMMA_TEXT_9 ", " SAILS_WGMMA_TEXT_10 ", " SAILS_WGMMA_TEXT_11),
                  (SAILS_WGMMA_REGISTERS(0), SAILS_WGMMA_REGISTERS(8), SAILS_WGMMA_REGISTERS(16), SAILS_WGMMA_REGISTERS(24),
                   SAILS_WGMMA_REGISTERS(32), SAILS_WGMMA_REGISTERS(40), SAILS_WGMMA_REGISTERS(48), SAILS_WGMMA_REGISTERS(56),
                   SAILS_WGMMA_REGISTERS(64), SAILS_WGMMA_REGISTERS(72), SAILS_WGMMA_REGISTERS(80), SAILS_WGMMA_REGISTERS(88)),
                  "%96", "%97", "%98", "%99", "%100", "%101", "%102")
SAILS_WGMMA_SHAPE(256,
                  (SAILS_WGMMA_TEXT_0 ", " SAILS_WGMMA_TEXT_1 ", " SAILS_WGMMA_TEXT_2 ", " SAILS_WGMMA_TEXT_3 ", " SAILS_WGMMA_TEXT_4
                                      ", " SAILS_WGMMA_TEXT_5 ", " SAILS_WGMMA_TEXT_6 ", " SAILS_WGMMA_TEXT_7 ", " SAILS_WGMMA_TEXT_8
                                      ", " SAILS_WGMMA_TEXT_9 ", " SAILS_WGMMA_TEXT_10 ", " SAILS_WGMMA_TEXT_11 ", " SAILS_WGMMA_TEXT_12
                                      ", " SAILS_WGMMA_TEXT_13 ", " SAILS_WGMMA_TEXT_14 ", " SAILS_WGMMA_TEXT_15),
                  (SAILS_WGMMA_REGISTERS(0), SAILS_WGMMA_REGISTERS(8), SAILS_WGMMA_REGISTERS(16), SAILS_WGMMA_REGISTERS(24),
                   SAILS_WGMMA_REGISTERS(32), SAILS_WGMMA_REGISTERS(40), SAILS_WGMMA_REGISTERS(48), SAILS_WGMMA_REGISTERS(56),
                   SAILS_WGMMA_REGISTERS(64), SAILS_WGMMA_REGISTERS(72), SAILS_WGMMA_REGISTERS(80), SAILS_WGMMA_REGISTERS(88),
                   SAILS_WGMMA_REGISTERS(96), SAILS_WGMMA_REGISTERS(104), SAILS_WGMMA_REGISTERS(112), SAILS_WGMMA_REGISTERS(120)),
                  "%128", "%129", "%130", "%131", "%132", "%133", "%134")
#undef SAILS_WGMMA_SHAPE
#undef SAILS_WGMMA_UNPACK
#undef SAILS_WGMMA_REGISTERS
#undef SAILS_WGMMA_TEXT_0
#undef SAILS_WGMMA_TEXT_1
#undef SAILS_WGMMA_TEXT_2
#undef SAILS_WGMMA_TEXT_3
#undef SAILS_WGMMA_TEXT_4
#undef SAILS_WGMMA_TEXT_5
#undef SAILS_WGMMA_TEXT_6
#undef SAILS_WGMMA_TEXT_7
#undef SAILS_WGMMA_TEXT_8
#undef SAILS_WGMMA_TEXT_9
#undef SAILS_WGMMA_TEXT_10
#undef SAILS_WGMMA_TEXT_11
#undef SAILS_WGMMA_TEXT_12
#undef SAILS_WGMMA_TEXT_13
#undef SAILS_WGMMA_TEXT_14
#undef SAILS_WGMMA_TEXT_15

template <int N, bool kAMnMajor, bool kBMnMajor>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate) {
  WgmmaShape<N>::template run<kAMnMajor, kBMnMajor>(d, a, b, accumulate);
}
template <int N, bool kBMnMajor>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  WgmmaShape<N>::template run<kBMnMajor>(d, a, b, accumulate);
}
#else
template <int N, bool kAMnMajor, bool kBMnMajor>
__device__ __forceinline__ void wgmma(float (&)[N / 2], uint64_t, uint64_t, bool) {
  __trap();
}
template <int N, bool kBMnMajor>
__device__ __forceinline__ void wgmma(float (&)[N / 2], const uint32_t (&)[4], uint64_t, bool) {
  __trap();
}
#endif

}  // namespace sails::kernels
