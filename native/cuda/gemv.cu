#include "cuda/gemv.h"

namespace sails {

void gemv(CudaDevice &device, const kernels::GemvProblem &problem, bool early) {
  constexpr int kFirstEarly = 90;
  check(kernels::launch_gemv({device.stream, early && device.compute_capability >= kFirstEarly}, problem, device.multiprocessors));
}

kernels::GemvProblem gemv_down(float *h, const void *x, bool x_bf16, const float *a, int64_t m, int64_t k, int64_t r) {
  kernels::GemvProblem down = {x, m, k, k, x_bf16, false, false, nullptr, kernels::kGemvNoActivation, 1, {}};
  down.maps[0] = {h, a, r, r, k, 1.0f, 0.0f, nullptr, nullptr, {}};
  return down;
}

}  // namespace sails
