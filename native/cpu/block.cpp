// What a block does around its linear maps: embedding, norms, RoPE, gates.
#include "cpu/device.h"
#include "shell/backend.h"

namespace sails {
namespace {

void require_ids(const int32_t *ids, int64_t n, int64_t limit) {
  for (int64_t t = 0; t < n; t++) require(ids[t] >= 0 && ids[t] < limit, "ids[", t, "] is ", ids[t], ", the table has ", limit, " rows");
}

}  // namespace

namespace backend {

void embedding_forward(sails_device &device, void *y, const int32_t *ids, const void *table, int64_t n_tokens, int64_t vocab,
                       int64_t d_model, float scale, int32_t y_dtype, int32_t table_dtype) {
  CpuDevice &host = cpu(device);
  require_ids(ids, n_tokens, vocab);
  if (table_dtype == SAILS_Q8 || table_dtype == SAILS_Q4) {
    host.kernels->quantized->dequantize(y, table, ids, n_tokens, d_model, scale, y_dtype, table_dtype, host.threads);
    return;
  }
  host.kernels->embedding->forward(y, ids, table, n_tokens, d_model, scale, y_dtype, table_dtype, host.threads);
}

void embedding_backward(sails_device &device, float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens, int64_t vocab,
                        int64_t d_model, float scale) {
  CpuDevice &host = cpu(device);
  require_ids(ids, n_tokens, vocab);
  host.kernels->embedding->backward(dtable, dy, ids, n_tokens, d_model, scale, host.threads);
}

void rmsnorm_forward(sails_device &device, void *y, float *rstd, const void *x, const float *weight, const void *residual, int64_t n_rows,
                     int64_t d, float eps, float weight_offset, int32_t y_dtype, int32_t x_dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->norm->forward(y, rstd, x, weight, residual, n_rows, d, eps, weight_offset, y_dtype, x_dtype, host.threads);
}

int64_t rmsnorm_backward_workspace_bytes(sails_device &, int64_t n_rows, int64_t d) {
  return aligned_bytes((n_rows + kNormRowBlock - 1) / kNormRowBlock * d * 4);
}

void rmsnorm_backward(sails_device &device, float *dx, float *dweight, const void *dy, const void *x, const float *weight,
                      const float *rstd, int64_t n_rows, int64_t d, float weight_offset, int32_t accumulate_dx, int32_t dy_dtype,
                      int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  float *partial = nullptr;
  if (dweight != nullptr) partial = Workspace(workspace, workspace_bytes).take<float>((n_rows + kNormRowBlock - 1) / kNormRowBlock * d);
  host.kernels->norm->backward(dx, dweight, dy, x, weight, rstd, n_rows, d, weight_offset, accumulate_dx != 0, dy_dtype, x_dtype, partial,
                               host.threads);
}

void rope_table(sails_device &device, float *table, const int32_t *positions, const double *inv_freq, int64_t n_tokens, int64_t head_dim) {
  CpuDevice &host = cpu(device);
  host.kernels->rope->table(table, positions, inv_freq, n_tokens, head_dim / 2, host.threads);
}

void rope(sails_device &device, void *y, const void *x, const float *table, int64_t n_tokens, int64_t n_heads, int64_t head_dim,
          int32_t inverse, int32_t dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->rope->apply(y, x, table, n_tokens, n_heads, head_dim / 2, inverse != 0, dtype, host.threads);
}

void glu_forward(sails_device &device, void *y, const void *gate, const void *up, int64_t n, int32_t activation, int32_t dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->activation->glu_forward(y, gate, up, n, activation, dtype, host.threads);
}

void glu_backward(sails_device &device, void *dgate, void *dup, const void *dy, const void *gate, const void *up, int64_t n,
                  int32_t activation, int32_t dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->activation->glu_backward(dgate, dup, dy, gate, up, n, activation, dtype, host.threads);
}

void residual_norm_forward(sails_device &device, float *out, void *y, const float *x, const float *x_weight, const float *residual,
                           const float *y_weight, int64_t n_rows, int64_t d, float eps, float weight_offset, int32_t y_dtype) {
  if (x_weight != nullptr) {
    rmsnorm_forward(device, out, nullptr, x, x_weight, residual, n_rows, d, eps, weight_offset, SAILS_F32, SAILS_F32);
  } else {
    for (int64_t i = 0; i < n_rows * d; i++) out[i] = residual[i] + x[i];
  }
  rmsnorm_forward(device, y, nullptr, out, y_weight, nullptr, n_rows, d, eps, weight_offset, y_dtype, SAILS_F32);
}

}  // namespace backend
}  // namespace sails
