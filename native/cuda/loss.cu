// Cross entropy over whole logits on the device.
#include "cross_entropy.cuh"
#include "cuda/device.h"

namespace sails::backend {

void cross_entropy(sails_device &device, float *token_loss, float *dlogits, const float *logits, const int32_t *targets, const float *token_weight,
                   int64_t n_tokens, int64_t vocab) {
  CudaDevice &d = cuda(device);
  check(kernels::launch_cross_entropy(d.stream, {token_loss, dlogits, logits, targets, token_weight, n_tokens, vocab}, d.fault));
}

}  // namespace sails::backend
