#include "cuda/gemv.h"

#include "cuda/dependent_launch.h"
#include "matmul/gemv.cuh"

namespace sails {

void gemv(CudaDevice &device, const kernels::GemvProblem &problem, bool early) {
  check(kernels::launch_gemv(early ? early_stream(device) : kernels::EarlyStream{device.stream, false}, problem, device.multiprocessors));
}

kernels::GemvProblem gemv_down(float *h, const void *x, bool x_bf16, const float *a, int64_t m, int64_t k, int64_t r) {
  kernels::GemvProblem down = {x, m, k, k, x_bf16, false, false, nullptr, kernels::kGemvNoActivation, 1, {}};
  down.maps[0] = {h, a, r, r, k, 1.0f, 0.0f, nullptr, nullptr, {}};
  return down;
}

}  // namespace sails
