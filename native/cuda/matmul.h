// Dense matmul for the ABI and for the operations that contain one.
#pragma once

#include "cuda/device.h"
#include "matmul/matmul.cuh"

namespace sails {

// Scratch memory that matmul of this shape takes, with an adapter of rank r.
int64_t matmul_bytes(const CudaDevice &device, int64_t m, int64_t n, int64_t k, bool ab_bf16, bool transpose_a, bool transpose_b,
                     int64_t r = 0);
// Queues the product on the device's stream; workspace as matmul_bytes says.
void matmul(CudaDevice &device, const kernels::MatmulProblem &problem, void *workspace);

}  // namespace sails
