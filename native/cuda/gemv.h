// Products of a few rows with whole weights, for the operations that contain one.
#pragma once

#include "cuda/device.h"
#include "matmul/gemv_problem.cuh"

namespace sails {

// Queues the product. `early`: its kernel may start before those before it have ended; the weights must then not have been written by the
// operation queued directly before (primitives/dependent_launch.cuh).
void gemv(CudaDevice &device, const kernels::GemvProblem &problem, bool early);

// h [m, r] f32 = x a^T, the first product of an adapter, as a problem of one map; a [r, k] f32.
kernels::GemvProblem gemv_down(float *h, const void *x, bool x_bf16, const float *a, int64_t m, int64_t k, int64_t r);

}  // namespace sails
