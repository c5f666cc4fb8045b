// Choosing the next token on the device.
#include "cuda/device.h"
#include "sampling/sample.cuh"

namespace sails::backend {

int64_t sample_workspace_bytes(sails_device &, int64_t, int64_t) { return 0; }

void sample(sails_device &device, int32_t *ids, const float *logits, const float *uniform, int64_t n_rows, int64_t vocab, float temperature,
            int64_t top_k, float top_p, void *, int64_t) {
  CudaDevice &d = cuda(device);
  check(kernels::launch_sample(d.stream, {ids, logits, uniform, n_rows, vocab, temperature, top_k, top_p}, d.fault));
}

}  // namespace sails::backend
