// Checks of sampling.
#include <cmath>

#include "shell/checks.h"

extern "C" {

int32_t sails_sample_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_rows, int64_t vocab) {
  return guarded(device, "sails_sample_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    elements({n_rows, vocab}, "n_rows, vocab");
    *out_bytes = backend::sample_workspace_bytes(*device, n_rows, vocab);
  });
}

int32_t sails_sample(sails_device *device, int32_t *ids, const float *logits, const float *uniform, int64_t n_rows, int64_t vocab,
                     float temperature, int64_t top_k, float top_p, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_sample", [&] {
    const int64_t n = elements({n_rows, vocab}, "n_rows, vocab");
    require_pointer(ids, n_rows, 4, "ids");
    require_f32(logits, n, "logits");
    require(n_rows == 0 || vocab > 0, "vocab is 0");
    require(temperature >= 0 && std::isfinite(temperature), "temperature is negative or not finite");
    require(top_k >= 0, "top_k is negative");
    require(top_p > 0 && top_p <= 1, "top_p is not in (0, 1]");
    if (temperature > 0) require_f32(uniform, n_rows, "uniform");
    if (n_rows == 0) return;
    require_workspace(workspace, workspace_bytes, backend::sample_workspace_bytes(*device, n_rows, vocab));
    backend::sample(*device, ids, logits, uniform, n_rows, vocab, temperature, top_k, top_p, workspace, workspace_bytes);
  });
}

}  // extern "C"
