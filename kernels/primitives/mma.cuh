// Tensor-core instructions of a warp (sm_80 and later): mma.sync m16n8k16 on bf16, ldmatrix, stmatrix. All 32 lanes call together.
//
// Fragments (PTX ISA, "Matrix fragments for mma.m16n8k16"); lane = 4 g + t, a register holds two bf16, the lower column or k in its low
// half:
//   A 16 x 16:  a[0] = (row g,   k 2t..2t+1)  a[1] = (row g+8, k 2t..)  a[2] = (row g, k 2t+8..)  a[3] = (row g+8, k 2t+8..)
//   B 16 x 8:   b[0] = (k 2t..2t+1, column g)  b[1] = (k 2t+8.., column g)
//   C, D 16 x 8 f32:  c[0], c[1] = (row g, columns 2t, 2t+1)   c[2], c[3] = (row g+8, the same columns)
#pragma once

#include "types.cuh"

namespace sails::kernels {

// c += a b
__device__ __forceinline__ void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef SAILS_EMULATOR
  sails_emulator::mma_m16n8k16(c, a, b);
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// Four 8 x 8 matrices of 16-bit elements from shared memory. Lane 8 i + r passes the address (16-byte aligned) of row r of matrix i; every
// lane receives in m[i] the pair (row g, columns 2t, 2t+1) of matrix i.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&m)[4], const void *row_in_shared) {
#ifdef SAILS_EMULATOR
  sails_emulator::ldmatrix(m, 4, false, row_in_shared);
#else
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row_in_shared));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(address)
               : "memory");
#endif
}
// The same, each matrix transposed: the pair (rows 2t, 2t+1; column g).
__device__ __forceinline__ void ldmatrix_x4_transposed(uint32_t (&m)[4], const void *row_in_shared) {
#ifdef SAILS_EMULATOR
  sails_emulator::ldmatrix(m, 4, true, row_in_shared);
#else
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row_in_shared));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(address)
               : "memory");
#endif
}
// Two matrices, addresses from lanes 0 to 15.
__device__ __forceinline__ void ldmatrix_x2(uint32_t (&m)[2], const void *row_in_shared) {
#ifdef SAILS_EMULATOR
  sails_emulator::ldmatrix(m, 2, false, row_in_shared);
#else
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row_in_shared));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(m[0]), "=r"(m[1]) : "r"(address) : "memory");
#endif
}
__device__ __forceinline__ void ldmatrix_x2_transposed(uint32_t (&m)[2], const void *row_in_shared) {
#ifdef SAILS_EMULATOR
  sails_emulator::ldmatrix(m, 2, true, row_in_shared);
#else
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row_in_shared));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(m[0]), "=r"(m[1]) : "r"(address) : "memory");
#endif
}
// The inverse of ldmatrix_x4 (sm_90 and later).
__device__ __forceinline__ void stmatrix_x4(void *row_in_shared, const uint32_t (&m)[4]) {
#ifdef SAILS_EMULATOR
  sails_emulator::stmatrix(row_in_shared, m, 4, false);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row_in_shared));
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(m[0]), "r"(m[1]), "r"(m[2]), "r"(m[3])
               : "memory");
#else
  (void)row_in_shared;
  (void)m;
#endif
}

}  // namespace sails::kernels
