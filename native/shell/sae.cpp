// Checks of sparse autoencoders.
#include <algorithm>

#include "shell/checks.h"

namespace {

// Of k, which may be any number, what there is to choose from.
SaeEncoderSizes check_encoder(SaeEncoderSizes s) {
  require(s.activation >= SAILS_SAE_RELU && s.activation <= SAILS_SAE_GATED, "activation is ", s.activation, ", expected 0 to 3");
  require(s.k >= 0, "k is ", s.k, ", expected 0 or more");
  require(s.d_sae < (int64_t{1} << 31), "d_sae is past 2^31");
  elements({s.n_tokens, s.d_in}, "n_tokens, d_in");
  elements({s.d_in, s.d_sae}, "d_in, d_sae");
  s.k = std::min(s.k, s.d_sae);
  elements({s.n_tokens, s.k}, "k");
  require(s.n_tokens == 0 || s.d_in > 0 || s.d_sae == 0, "d_in is 0");
  return s;
}

// The ids and counts themselves are the backend's to check.
void check_codes(const SaeCodes &codes) {
  require_pointer(codes.indices, elements({codes.n_tokens, codes.capacity}, "n_tokens, capacity"), 4, "indices");
  require_pointer(codes.counts, codes.n_tokens, 4, "counts");
}

void check_vectors(const SaeEncoder &encoder, const SaeEncoderSizes &s) {
  require((s.activation == SAILS_SAE_JUMPRELU) == (encoder.threshold != nullptr) || s.d_sae == 0,
          "threshold belongs to jumprelu, and only to it");
  require((s.activation == SAILS_SAE_GATED) == (encoder.gate_bias != nullptr) || s.d_sae == 0,
          "gate_bias belongs to gated, and only to it");
  for (const float *vector : {encoder.bias, encoder.threshold, encoder.scale, encoder.gate_bias})
    if (vector != nullptr) require_f32(vector, s.d_sae, "bias, threshold, scale or gate_bias");
}

void check_statistics(const SaeEncoderSizes &s) {
  check_encoder(s);
  elements({s.n_classes, s.d_sae}, "n_classes, d_sae");
  if (s.activation == SAILS_SAE_TOPK)
    throw sails::Error(SAILS_UNSUPPORTED, "topk has no statistics in one pass; use sails_sae_encode and sails_sae_accumulate");
}

}  // namespace

extern "C" {

int32_t sails_standardize_forward(sails_device *device, float *y, float *mean, float *std, const float *x, int64_t n_rows, int64_t n_cols,
                                  float eps) {
  return guarded(device, "sails_standardize_forward", [&] {
    const int64_t n = elements({n_rows, n_cols}, "n_rows, n_cols");
    require(n == 0 || n_cols >= 2, "n_cols is 1: the standard deviation of one value is undefined");
    require_f32(y, n, "y");
    require_f32(x, n, "x");
    require_f32(mean, n == 0 ? 0 : n_rows, "mean");
    require_f32(std, n == 0 ? 0 : n_rows, "std");
    if (n == 0) return;
    backend::standardize_forward(*device, y, mean, std, x, n_rows, n_cols, eps);
  });
}

int32_t sails_standardize_backward(sails_device *device, float *dx, const float *dy, const float *dmean, const float *dstd, const float *x,
                                   const float *mean, const float *std, int64_t n_rows, int64_t n_cols, float eps) {
  return guarded(device, "sails_standardize_backward", [&] {
    const int64_t n = elements({n_rows, n_cols}, "n_rows, n_cols");
    require(n == 0 || n_cols >= 2, "n_cols is 1: the standard deviation of one value is undefined");
    require_f32(dx, n, "dx");
    require_f32(dy, n, "dy");
    require_f32(x, n, "x");
    require_f32(mean, n == 0 ? 0 : n_rows, "mean");
    require_f32(std, n == 0 ? 0 : n_rows, "std");
    if (dmean != nullptr) require_f32(dmean, n_rows, "dmean");
    if (dstd != nullptr) require_f32(dstd, n_rows, "dstd");
    if (n == 0) return;
    backend::standardize_backward(*device, dx, dy, dmean, dstd, x, mean, std, n_rows, n_cols, eps);
  });
}

int32_t sails_unstandardize_forward(sails_device *device, float *y, const float *x, const float *mean, const float *std, int64_t n_rows,
                                    int64_t n_cols) {
  return guarded(device, "sails_unstandardize_forward", [&] {
    const int64_t n = elements({n_rows, n_cols}, "n_rows, n_cols");
    require_f32(y, n, "y");
    require_f32(x, n, "x");
    require_f32(mean, n == 0 ? 0 : n_rows, "mean");
    require_f32(std, n == 0 ? 0 : n_rows, "std");
    if (n == 0) return;
    backend::unstandardize_forward(*device, y, x, mean, std, n_rows, n_cols);
  });
}

int32_t sails_unstandardize_backward(sails_device *device, float *dx, float *dmean, float *dstd, const float *dy, const float *x,
                                     const float *std, int64_t n_rows, int64_t n_cols) {
  return guarded(device, "sails_unstandardize_backward", [&] {
    const int64_t n = elements({n_rows, n_cols}, "n_rows, n_cols");
    require_f32(dx, n, "dx");
    require_f32(dy, n, "dy");
    require_f32(x, n, "x");
    require_f32(std, n == 0 ? 0 : n_rows, "std");
    require_f32(dmean, n_rows, "dmean");
    require_f32(dstd, n_rows, "dstd");
    backend::unstandardize_backward(*device, dx, dmean, dstd, dy, x, std, n_rows, n_cols);
  });
}

int32_t sails_sae_encode_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_tokens, int64_t d_in, int64_t d_sae,
                                         int32_t activation, int64_t k, int32_t dtype) {
  return guarded(device, "sails_sae_encode_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const SaeEncoderSizes sizes = check_encoder({n_tokens, d_in, d_sae, activation, dtype, k});
    require_f32_or_bf16(dtype, "x");
    *out_bytes = backend::sae_encode_workspace_bytes(*device, sizes);
  });
}

int32_t sails_sae_encode(sails_device *device, int32_t *indices, float *values, int32_t *counts, const void *x, const void *w_enc,
                         const float *bias, const float *threshold, const float *scale, const float *gate_bias, int64_t n_tokens,
                         int64_t d_in, int64_t d_sae, int64_t capacity, int32_t activation, int64_t k, int32_t dtype, void *workspace,
                         int64_t workspace_bytes) {
  return guarded(device, "sails_sae_encode", [&] {
    const SaeEncoderSizes sizes =
        check_encoder({.n_tokens = n_tokens, .d_in = d_in, .d_sae = d_sae, .activation = activation, .dtype = dtype, .k = k});
    const SaeEncoder encoder{.x = x, .w_enc = w_enc, .bias = bias, .threshold = threshold, .scale = scale, .gate_bias = gate_bias};
    const int64_t n_codes = elements({n_tokens, capacity}, "n_tokens, capacity");
    require_tensor(x, n_tokens * d_in, dtype, "x");
    require_tensor(w_enc, d_in * d_sae, dtype, "w_enc");
    require_pointer(indices, n_codes, 4, "indices");
    require_f32(values, n_codes, "values");
    require_pointer(counts, n_tokens, 4, "counts");
    check_vectors(encoder, sizes);
    if (n_tokens == 0) return;
    require_workspace(workspace, workspace_bytes, backend::sae_encode_workspace_bytes(*device, sizes));
    backend::sae_encode(*device,
                        {.sizes = sizes, .encoder = encoder, .indices = indices, .values = values, .counts = counts, .capacity = capacity},
                        {workspace, workspace_bytes});
  });
}

int32_t sails_sae_encode_backward(sails_device *device, float *dx, const float *dvalues, const int32_t *indices, const int32_t *counts,
                                  const void *w_enc, const float *scale, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity,
                                  int32_t dtype) {
  return guarded(device, "sails_sae_encode_backward", [&] {
    const SaeCodes codes{n_tokens, d_sae, capacity, indices, dvalues, counts};
    check_codes(codes);
    require_f32(dvalues, n_tokens * capacity, "dvalues");
    require_f32(dx, elements({n_tokens, d_in}, "n_tokens, d_in"), "dx");
    require_tensor(w_enc, elements({d_in, d_sae}, "d_in, d_sae"), dtype, "w_enc");
    if (scale != nullptr) require_f32(scale, d_sae, "scale");
    backend::sae_encode_backward(*device, dx, codes, w_enc, scale, d_in, dtype);
  });
}

int32_t sails_sae_decode(sails_device *device, float *recon, const int32_t *indices, const float *values, const int32_t *counts,
                         const void *w_dec, const float *bias, const float *scale, int64_t n_tokens, int64_t d_in, int64_t d_sae,
                         int64_t capacity, int32_t dtype) {
  return guarded(device, "sails_sae_decode", [&] {
    const SaeCodes codes{n_tokens, d_sae, capacity, indices, values, counts};
    check_codes(codes);
    require_f32(values, n_tokens * capacity, "values");
    require_f32(recon, elements({n_tokens, d_in}, "n_tokens, d_in"), "recon");
    require_tensor(w_dec, elements({d_sae, d_in}, "d_sae, d_in"), dtype, "w_dec");
    if (bias != nullptr) require_f32(bias, d_in, "bias");
    if (scale != nullptr) require_f32(scale, d_sae, "scale");
    backend::sae_decode(*device, recon, codes, w_dec, bias, scale, d_in, dtype);
  });
}

int32_t sails_sae_decode_backward(sails_device *device, float *dvalues, const float *drecon, const int32_t *indices, const int32_t *counts,
                                  const void *w_dec, const float *scale, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity,
                                  int32_t dtype) {
  return guarded(device, "sails_sae_decode_backward", [&] {
    const SaeCodes codes{n_tokens, d_sae, capacity, indices, nullptr, counts};
    check_codes(codes);
    require_f32(dvalues, n_tokens * capacity, "dvalues");
    require_f32(drecon, elements({n_tokens, d_in}, "n_tokens, d_in"), "drecon");
    require_tensor(w_dec, elements({d_sae, d_in}, "d_sae, d_in"), dtype, "w_dec");
    if (scale != nullptr) require_f32(scale, d_sae, "scale");
    backend::sae_decode_backward(*device, dvalues, drecon, codes, w_dec, scale, d_in, dtype);
  });
}

int32_t sails_sae_weight_gradient(sails_device *device, float *dw, const float *rows, const int32_t *indices, const float *values,
                                  const int32_t *counts, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity,
                                  int32_t transposed) {
  return guarded(device, "sails_sae_weight_gradient", [&] {
    const SaeCodes codes{n_tokens, d_sae, capacity, indices, values, counts};
    check_codes(codes);
    require(d_sae < (int64_t{1} << 31), "d_sae is past 2^31");
    require(transposed == 0 || transposed == 1, "transposed is ", transposed, ", expected 0 or 1");
    require_f32(values, n_tokens * capacity, "values");
    require_f32(rows, elements({n_tokens, d_in}, "n_tokens, d_in"), "rows");
    const int64_t n = elements({d_in, d_sae}, "d_in, d_sae");
    require_f32(dw, n, "dw");
    if (n == 0 || n_tokens == 0) return;
    backend::sae_weight_gradient(*device, dw, rows, codes, d_in, transposed != 0);
  });
}

int32_t sails_sae_densify(sails_device *device, float *acts, const int32_t *indices, const float *values, const int32_t *counts,
                          int64_t n_tokens, int64_t d_sae, int64_t capacity) {
  return guarded(device, "sails_sae_densify", [&] {
    const SaeCodes codes{n_tokens, d_sae, capacity, indices, values, counts};
    check_codes(codes);
    require_f32(values, n_tokens * capacity, "values");
    const int64_t n = elements({n_tokens, d_sae}, "n_tokens, d_sae");
    require_f32(acts, n, "acts");
    if (n == 0) return;
    backend::sae_densify(*device, acts, codes);
  });
}

int32_t sails_sae_accumulate(sails_device *device, double *sum, double *active, const int32_t *indices, const float *values,
                             const int32_t *counts, const int32_t *token_class, const float *token_weight, int64_t n_tokens, int64_t d_sae,
                             int64_t capacity, int64_t n_classes) {
  return guarded(device, "sails_sae_accumulate", [&] {
    const SaeCodes codes{n_tokens, d_sae, capacity, indices, values, counts};
    check_codes(codes);
    require_f32(values, n_tokens * capacity, "values");
    const int64_t n = elements({n_classes, d_sae}, "n_classes, d_sae");
    require_pointer(sum, n, 8, "sum");
    if (active != nullptr) require_pointer(active, n, 8, "active");
    require_pointer(token_class, n_tokens, 4, "token_class");
    if (token_weight != nullptr) require_f32(token_weight, n_tokens, "token_weight");
    if (n == 0) return;
    backend::sae_accumulate(*device, sum, active, codes, token_class, token_weight, n_classes);
  });
}

int32_t sails_sae_statistics_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_tokens, int64_t d_in, int64_t d_sae,
                                             int64_t n_classes, int32_t activation, int32_t dtype) {
  return guarded(device, "sails_sae_statistics_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const SaeEncoderSizes sizes{n_tokens, d_in, d_sae, activation, dtype, 0, n_classes};
    check_statistics(sizes);
    require_f32_or_bf16(dtype, "x");
    *out_bytes = backend::sae_statistics_workspace_bytes(*device, sizes);
  });
}

int32_t sails_sae_statistics(sails_device *device, double *sum, double *sum_squares, double *active, const void *x, const void *w_enc,
                             const float *bias, const float *threshold, const float *scale, const float *gate_bias,
                             const int32_t *token_class, const float *token_weight, int64_t n_tokens, int64_t d_in, int64_t d_sae,
                             int64_t n_classes, int32_t activation, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_sae_statistics", [&] {
    const SaeEncoderSizes sizes{
        .n_tokens = n_tokens, .d_in = d_in, .d_sae = d_sae, .activation = activation, .dtype = dtype, .n_classes = n_classes};
    const SaeEncoder encoder{.x = x, .w_enc = w_enc, .bias = bias, .threshold = threshold, .scale = scale, .gate_bias = gate_bias};
    check_statistics(sizes);
    const int64_t n = n_classes * d_sae;
    require_pointer(sum, n, 8, "sum");
    if (sum_squares != nullptr) require_pointer(sum_squares, n, 8, "sum_squares");
    if (active != nullptr) require_pointer(active, n, 8, "active");
    require_tensor(x, n_tokens * d_in, dtype, "x");
    require_tensor(w_enc, d_in * d_sae, dtype, "w_enc");
    check_vectors(encoder, sizes);
    require_pointer(token_class, n_tokens, 4, "token_class");
    if (token_weight != nullptr) require_f32(token_weight, n_tokens, "token_weight");
    if (n_tokens == 0 || n == 0) return;
    require_workspace(workspace, workspace_bytes, backend::sae_statistics_workspace_bytes(*device, sizes));
    backend::sae_statistics(*device,
                            {.sizes = sizes,
                             .encoder = encoder,
                             .sum = sum,
                             .sum_squares = sum_squares,
                             .active = active,
                             .token_class = token_class,
                             .token_weight = token_weight},
                            {workspace, workspace_bytes});
  });
}

}  // extern "C"
