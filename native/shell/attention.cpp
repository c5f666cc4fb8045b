// Checks of attention.
#include "shell/checks.h"

namespace {

void check_shape(int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  elements({batch, n_queries, n_heads, head_dim}, "batch, n_queries, n_heads, head_dim");
  elements({batch, n_keys, n_kv_heads, head_dim}, "batch, n_keys, n_kv_heads, head_dim");
  require_f32_or_bf16(dtype, "q, k, v");
  require(n_kv_heads > 0 && n_heads % n_kv_heads == 0,
          "n_heads is " + std::to_string(n_heads) + ", no multiple of n_kv_heads " + std::to_string(n_kv_heads));
}

void check_inputs(const void *q, const void *k, const void *v, const int32_t *q_segment, const int32_t *k_segment, int64_t batch,
                  int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t kv_batch_stride,
                  int64_t query_offset, int64_t window, float softcap, int32_t dtype) {
  const int64_t kv = batch * n_keys * n_kv_heads * head_dim;
  require(batch <= 1 || kv_batch_stride >= n_keys * n_kv_heads * head_dim, "kv_batch_stride is smaller than one sequence's keys");
  elements({batch, kv_batch_stride}, "kv_batch_stride");
  require(query_offset >= 0, "query_offset is negative");
  require(window >= 0, "window is negative");
  require(softcap >= 0, "softcap is negative");
  require(n_queries + query_offset < (int64_t{1} << 31) && n_keys < (int64_t{1} << 31), "more than 2^31 positions");
  require_tensor(q, batch * n_queries * n_heads * head_dim, dtype, "q");
  require_tensor(k, kv, dtype, "k");
  require_tensor(v, kv, dtype, "v");
  require_pointer(q_segment, batch * n_queries, 4, "q_segment");
  require_pointer(k_segment, batch * n_keys, 4, "k_segment");
}

}  // namespace

extern "C" {

int32_t sails_attention_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t n_queries, int64_t n_keys,
                                                int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_attention_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
    *out_bytes = backend::attention_forward_workspace_bytes(*device, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
  });
}

int32_t sails_attention_forward(sails_device *device, void *out, float *lse, const void *q, const void *k, const void *v,
                                const int32_t *q_segment, const int32_t *k_segment, int64_t batch, int64_t n_queries, int64_t n_keys,
                                int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t kv_batch_stride, int64_t query_offset,
                                int64_t window, float scale, float softcap, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_attention_forward", [&] {
    check_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
    check_inputs(q, k, v, q_segment, k_segment, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, kv_batch_stride, query_offset,
                 window, softcap, dtype);
    const int64_t n_out = batch * n_queries * n_heads * head_dim;
    require_tensor(out, n_out, dtype, "out");
    if (lse != nullptr) require_f32(lse, batch * n_heads * n_queries, "lse");
    if (batch * n_queries * n_heads == 0) return;
    require_workspace(workspace, workspace_bytes,
                      backend::attention_forward_workspace_bytes(*device, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype));
    backend::attention_forward(*device, out, lse, q, k, v, q_segment, k_segment, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim,
                               kv_batch_stride, query_offset, window, scale, softcap, dtype, workspace, workspace_bytes);
  });
}

int32_t sails_attention_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t n_queries, int64_t n_keys,
                                                 int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_attention_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
    *out_bytes = backend::attention_backward_workspace_bytes(*device, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
  });
}

int32_t sails_attention_backward(sails_device *device, void *dq, void *dk, void *dv, const void *dout, const void *q, const void *k,
                                 const void *v, const void *out, const float *lse, const int32_t *q_segment, const int32_t *k_segment,
                                 int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim,
                                 int64_t kv_batch_stride, int64_t query_offset, int64_t window, float scale, float softcap, int32_t dtype,
                                 void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_attention_backward", [&] {
    check_shape(batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
    check_inputs(q, k, v, q_segment, k_segment, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, kv_batch_stride, query_offset,
                 window, softcap, dtype);
    const int64_t n_q = batch * n_queries * n_heads * head_dim, n_k = batch * n_keys * n_kv_heads * head_dim;
    require_tensor(dq, n_q, dtype, "dq");
    require_tensor(dk, n_k, dtype, "dk");
    require_tensor(dv, n_k, dtype, "dv");
    require_tensor(dout, n_q, dtype, "dout");
    require_tensor(out, n_q, dtype, "out");
    require_f32(lse, batch * n_heads * n_queries, "lse");
    if (n_q == 0 && n_k == 0) return;
    require_workspace(workspace, workspace_bytes,
                      backend::attention_backward_workspace_bytes(*device, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype));
    backend::attention_backward(*device, dq, dk, dv, dout, q, k, v, out, lse, q_segment, k_segment, batch, n_queries, n_keys, n_heads,
                                n_kv_heads, head_dim, kv_batch_stride, query_offset, window, scale, softcap, dtype, workspace,
                                workspace_bytes);
  });
}

}  // extern "C"
