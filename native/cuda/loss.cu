// Cross entropy over whole logits on the device.
#include "cross_entropy.cuh"
#include "cuda/device.h"
#include "preference_loss.cuh"

namespace sails::backend {

void cross_entropy(sails_device &device, float *token_loss, float *dlogits, const float *logits, const int32_t *targets, const float *token_weight,
                   int64_t n_tokens, int64_t vocab) {
  CudaDevice &d = cuda(device);
  check(kernels::launch_cross_entropy(d.stream, {token_loss, dlogits, logits, targets, token_weight, n_tokens, vocab}, d.fault));
}

void preference_loss(sails_device &device, double *results, float *token_weight, const float *token_loss, const int32_t *targets,
                     const int32_t *starts, const int32_t *ends, const double *reference, int64_t n_pairs, int64_t n_tokens, int32_t kind,
                     double strength, double loss_scale) {
  CudaDevice &d = cuda(device);
  if (token_weight != nullptr) check(cudaMemsetAsync(token_weight, 0, static_cast<size_t>(n_tokens) * sizeof(float), d.stream));
  check(kernels::launch_preference_loss(d.stream,
                                        {results, token_weight, token_loss, targets, starts, ends, reference, n_pairs, n_tokens,
                                         static_cast<kernels::PreferenceKind>(kind), strength, loss_scale},
                                        d.fault));
}

}  // namespace sails::backend
