// Kernels whose machine code io.sails4j.machinecode is tested with. The cubins beside this file are what nvcc 13.0 makes of it:
//   nvcc -std=c++17 -O3 -arch=sm_90a -cubin -o sample.sm_90a.cubin sample.cu
//   nvcc -std=c++17 -O3 -arch=sm_80 -cubin -o sample.sm_80.cubin sample.cu
#include <cstdint>

// One load and one store of 16 bytes.
__global__ void wide(float4 *y, const float4 *x) {
  float4 v = x[threadIdx.x];
  v.x += 1.0f;
  asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(y + threadIdx.x), "f"(v.x), "f"(v.y), "f"(v.z), "f"(v.w) : "memory");
}
// 8, 16, 32 and 64 bits.
__global__ void narrow(uint8_t *a, uint16_t *b, uint32_t *c, uint2 *d) {
  a[threadIdx.x] += 1;
  b[threadIdx.x] += 1;
  c[threadIdx.x] += 1;
  const uint2 pair = d[threadIdx.x];
  d[threadIdx.x] = make_uint2(pair.y, pair.x);
}
// A loop behind a branch, around one special function.
__global__ void branching(float *y, int n) {
  float v = y[threadIdx.x];
  if (v > 0.0f) {
#pragma unroll 1
    for (int i = 0; i < n; i++) asm volatile("ex2.approx.ftz.f32 %0, %0;" : "+f"(v));
  }
  y[threadIdx.x] = v;
}
// Two loads before the wait, one after it.
__global__ void early(float *y, const float *x) {
#if __CUDA_ARCH__ >= 900
  float a, b;
  asm volatile("ld.global.f32 %0, [%1];" : "=f"(a) : "l"(x + threadIdx.x));
  asm volatile("ld.global.f32 %0, [%1];" : "=f"(b) : "l"(x + threadIdx.x + 1024));
  asm volatile("griddepcontrol.wait;" ::: "memory");
  y[threadIdx.x] = a + b + y[threadIdx.x + 1024];
#endif
}
// 64 registers for 72 values.
__global__ void __launch_bounds__(1024) spilling(float *y, const float *x, int n) {
  float v[72];
#pragma unroll
  for (int i = 0; i < 72; i++) v[i] = x[i * 1024 + threadIdx.x];
  for (int k = 0; k < n; k++)
#pragma unroll
    for (int i = 0; i < 72; i++) v[i] = v[i] * v[(i + 7) % 72] + x[k];
#pragma unroll
  for (int i = 0; i < 72; i++) y[i * 1024 + threadIdx.x] = v[i];
}

#if __CUDA_ARCH__ >= 900
__device__ __forceinline__ void product(float (&d)[4], uint64_t a, uint64_t b) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %5, 1, 1, 1, 0, 0;"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "l"(a), "l"(b));
}
#endif
// Two products under way, then two more, and one group waited for.
__global__ void __launch_bounds__(128) products(float *y, uint64_t a, uint64_t b) {
#if __CUDA_ARCH__ >= 900
  float d[4] = {}, e[4] = {};
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  product(d, a, b);
  product(d, a + 2, b + 2);
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  product(e, a + 4, b + 4);
  product(e, a + 6, b + 6);
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
  for (int i = 0; i < 4; i++) asm volatile("" : "+f"(d[i])::"memory");
  for (int i = 0; i < 4; i++) y[threadIdx.x * 8 + i] = d[i];
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  for (int i = 0; i < 4; i++) asm volatile("" : "+f"(e[i])::"memory");
  for (int i = 0; i < 4; i++) y[threadIdx.x * 8 + 4 + i] = e[i];
#endif
}
// A sum that is read while its products are under way: ptxas lets them run one by one.
__global__ void __launch_bounds__(128) serialized(float *y, uint64_t a, uint64_t b) {
#if __CUDA_ARCH__ >= 900
  float d[4] = {};
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  for (int i = 0; i < 4; i++) {
    product(d, a + i, b);
    d[0] += 1.0f;
  }
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
  for (int i = 0; i < 4; i++) y[threadIdx.x * 4 + i] = d[i];
#endif
}
