// Checks of what a block does around its linear maps: embedding, norms, RoPE, gates.
#include <cmath>

#include "shell/linear_checks.h"

namespace {

void require_glu_activation(int32_t activation) {
  require(activation == SAILS_GLU_GELU_TANH || activation == SAILS_GLU_SILU, "activation is ", activation,
          ", expected 0 (gelu_tanh) or 1 (silu)");
}

}  // namespace

extern "C" {

int32_t sails_embedding_forward(sails_device *device, void *y, const int32_t *ids, const void *table, int64_t n_tokens, int64_t vocab,
                                int64_t d_model, float scale, int32_t y_dtype, int32_t table_dtype) {
  return guarded(device, "sails_embedding_forward", [&] {
    const int64_t n = elements({n_tokens, d_model}, "n_tokens, d_model");
    require_tensor(y, n, y_dtype, "y");
    const int64_t n_table = elements({vocab, d_model}, "vocab, d_model");
    if (table_dtype == SAILS_Q8 || table_dtype == SAILS_Q4)
      require_packed(table, vocab, d_model, table_dtype, "table");
    else
      require_tensor(table, n_table, table_dtype, "table");
    require_pointer(ids, n_tokens, 4, "ids");
    if (n == 0) return;
    backend::embedding_forward(*device, y, ids, table, n_tokens, vocab, d_model, scale, y_dtype, table_dtype);
  });
}

int32_t sails_embedding_backward(sails_device *device, float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens, int64_t vocab,
                                 int64_t d_model, float scale) {
  return guarded(device, "sails_embedding_backward", [&] {
    require_f32(dtable, elements({vocab, d_model}, "vocab, d_model"), "dtable");
    const int64_t n = elements({n_tokens, d_model}, "n_tokens, d_model");
    require_f32(dy, n, "dy");
    require_pointer(ids, n_tokens, 4, "ids");
    if (n == 0) return;
    backend::embedding_backward(*device, dtable, dy, ids, n_tokens, vocab, d_model, scale);
  });
}

int32_t sails_rmsnorm_forward(sails_device *device, void *y, float *rstd, const void *x, const float *weight, const void *residual,
                              int64_t n_rows, int64_t d, float eps, float weight_offset, int32_t y_dtype, int32_t x_dtype) {
  return guarded(device, "sails_rmsnorm_forward", [&] {
    require(std::isfinite(weight_offset), "weight_offset is not finite");
    const int64_t n = elements({n_rows, d}, "n_rows, d");
    require_tensor(y, n, y_dtype, "y");
    require_tensor(x, n, x_dtype, "x");
    require_f32(weight, n == 0 ? 0 : d, "weight");
    if (rstd != nullptr) require_f32(rstd, n_rows, "rstd");
    if (residual != nullptr) require_tensor(residual, n, y_dtype, "residual");
    if (n == 0) return;
    backend::rmsnorm_forward(*device, y, rstd, x, weight, residual, n_rows, d, eps, weight_offset, y_dtype, x_dtype);
  });
}

int32_t sails_rmsnorm_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_rows, int64_t d) {
  return guarded(device, "sails_rmsnorm_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    elements({n_rows, d}, "n_rows, d");
    *out_bytes = backend::rmsnorm_backward_workspace_bytes(*device, n_rows, d);
  });
}

int32_t sails_rmsnorm_backward(sails_device *device, float *dx, float *dweight, const void *dy, const void *x, const float *weight,
                               const float *rstd, int64_t n_rows, int64_t d, float weight_offset, int32_t accumulate_dx, int32_t dy_dtype,
                               int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_rmsnorm_backward", [&] {
    require(std::isfinite(weight_offset), "weight_offset is not finite");
    const int64_t n = elements({n_rows, d}, "n_rows, d");
    require_f32(dx, n, "dx");
    require_tensor(dy, n, dy_dtype, "dy");
    require_tensor(x, n, x_dtype, "x");
    require_f32(weight, n == 0 ? 0 : d, "weight");
    require_f32(rstd, n == 0 ? 0 : n_rows, "rstd");
    if (dweight != nullptr) require_f32(dweight, d, "dweight");
    if (n == 0) return;
    require_workspace(workspace, workspace_bytes, backend::rmsnorm_backward_workspace_bytes(*device, n_rows, d));
    backend::rmsnorm_backward(*device, dx, dweight, dy, x, weight, rstd, n_rows, d, weight_offset, accumulate_dx, dy_dtype, x_dtype,
                              workspace, workspace_bytes);
  });
}

int32_t sails_rope_table(sails_device *device, float *table, const int32_t *positions, const double *inv_freq, int64_t n_tokens,
                         int64_t head_dim) {
  return guarded(device, "sails_rope_table", [&] {
    require(head_dim % 2 == 0, "head_dim is ", head_dim, ", expected an even number");
    const int64_t n = elements({n_tokens, head_dim}, "n_tokens, head_dim");
    require_f32(table, n, "table");
    require_pointer(positions, n_tokens, 4, "positions");
    require_pointer(inv_freq, head_dim / 2, 8, "inv_freq");
    if (n == 0) return;
    backend::rope_table(*device, table, positions, inv_freq, n_tokens, head_dim);
  });
}

int32_t sails_rope(sails_device *device, void *y, const void *x, const float *table, int64_t n_tokens, int64_t n_heads, int64_t head_dim,
                   int32_t inverse, int32_t dtype) {
  return guarded(device, "sails_rope", [&] {
    require(head_dim % 2 == 0, "head_dim is ", head_dim, ", expected an even number");
    const int64_t n = elements({n_tokens, n_heads, head_dim}, "n_tokens, n_heads, head_dim");
    require_tensor(y, n, dtype, "y");
    require_tensor(x, n, dtype, "x");
    require_f32(table, n == 0 ? 0 : n_tokens * head_dim, "table");
    if (n == 0) return;
    backend::rope(*device, y, x, table, n_tokens, n_heads, head_dim, inverse, dtype);
  });
}

int32_t sails_glu_forward(sails_device *device, void *y, const void *gate, const void *up, int64_t n, int32_t activation, int32_t dtype) {
  return guarded(device, "sails_glu_forward", [&] {
    require_glu_activation(activation);
    elements({n}, "n");
    require_tensor(y, n, dtype, "y");
    require_tensor(gate, n, dtype, "gate");
    require_tensor(up, n, dtype, "up");
    backend::glu_forward(*device, y, gate, up, n, activation, dtype);
  });
}

int32_t sails_glu_backward(sails_device *device, void *dgate, void *dup, const void *dy, const void *gate, const void *up, int64_t n,
                           int32_t activation, int32_t dtype) {
  return guarded(device, "sails_glu_backward", [&] {
    require_glu_activation(activation);
    elements({n}, "n");
    require_tensor(dgate, n, dtype, "dgate");
    require_tensor(dup, n, dtype, "dup");
    require_tensor(dy, n, dtype, "dy");
    require_tensor(gate, n, dtype, "gate");
    require_tensor(up, n, dtype, "up");
    backend::glu_backward(*device, dgate, dup, dy, gate, up, n, activation, dtype);
  });
}

int32_t sails_residual_norm_forward(sails_device *device, float *out, void *y, const float *x, const float *x_weight, const float *residual,
                                    const float *y_weight, int64_t n_rows, int64_t d, float eps, float weight_offset, int32_t y_dtype) {
  return guarded(device, "sails_residual_norm_forward", [&] {
    const int64_t n = elements({n_rows, d}, "n_rows, d");
    require_f32(out, n, "out");
    require_tensor(y, n, y_dtype, "y");
    require_f32(x, n, "x");
    if (x_weight != nullptr) require_f32(x_weight, d, "x_weight");
    require_f32(residual, n, "residual");
    require_f32(y_weight, d, "y_weight");
    if (n == 0) return;
    backend::residual_norm_forward(*device, out, y, x, x_weight, residual, y_weight, n_rows, d, eps, weight_offset, y_dtype);
  });
}

}  // extern "C"
