// Checks of attention.
#include "shell/checks.h"

namespace {

void check_shape(const AttentionSizes &s) {
  elements({s.batch, s.n_queries, s.n_heads, s.head_dim}, "batch, n_queries, n_heads, head_dim");
  elements({s.batch, s.n_keys, s.n_kv_heads, s.head_dim}, "batch, n_keys, n_kv_heads, head_dim");
  // The scores are nobody's tensor, but workspaces grow with them.
  elements({s.batch, s.n_heads, s.n_queries, s.n_keys}, "batch, n_heads, n_queries, n_keys");
  require_f32_or_bf16(s.dtype, "q, k, v");
  require_heads(s.n_heads, s.n_kv_heads, s.head_dim);
}

void check_inputs(const AttentionSizes &s, const AttentionInputs &in) {
  const int64_t kv = s.batch * s.n_keys * s.n_kv_heads * s.head_dim;
  require(s.batch == 0 || s.kv_batch_stride >= s.n_keys * s.n_kv_heads * s.head_dim, "kv_batch_stride is smaller than one sequence's keys");
  elements({s.batch, s.kv_batch_stride}, "kv_batch_stride");
  require(s.query_offset >= 0, "query_offset is negative");
  require(s.window >= 0, "window is negative");
  require(s.softcap >= 0, "softcap is negative");
  require(s.n_queries < kMostPositions && s.query_offset < kMostPositions && s.n_queries + s.query_offset < kMostPositions &&
              s.n_keys < kMostPositions,
          "more than 2^31 positions");
  require_tensor(in.q, s.batch * s.n_queries * s.n_heads * s.head_dim, s.dtype, "q");
  require_tensor(in.k, kv, s.dtype, "k");
  require_tensor(in.v, kv, s.dtype, "v");
  require_pointer(in.q_segment, s.batch * s.n_queries, 4, "q_segment");
  require_pointer(in.k_segment, s.batch * s.n_keys, 4, "k_segment");
}

}  // namespace

extern "C" {

int32_t sails_attention_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t n_queries, int64_t n_keys,
                                                int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_attention_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const AttentionSizes sizes{batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype};
    check_shape(sizes);
    *out_bytes = backend::attention_forward_workspace_bytes(*device, sizes);
  });
}

int32_t sails_attention_forward(sails_device *device, void *out, float *lse, const void *q, const void *k, const void *v,
                                const int32_t *q_segment, const int32_t *k_segment, int64_t batch, int64_t n_queries, int64_t n_keys,
                                int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t kv_batch_stride, int64_t query_offset,
                                int64_t window, float scale, float softcap, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_attention_forward", [&] {
    const AttentionSizes sizes{.batch = batch,
                               .n_queries = n_queries,
                               .n_keys = n_keys,
                               .n_heads = n_heads,
                               .n_kv_heads = n_kv_heads,
                               .head_dim = head_dim,
                               .dtype = dtype,
                               .kv_batch_stride = kv_batch_stride,
                               .query_offset = query_offset,
                               .window = window,
                               .scale = scale,
                               .softcap = softcap};
    const AttentionInputs inputs{.q = q, .k = k, .v = v, .q_segment = q_segment, .k_segment = k_segment};
    check_shape(sizes);
    check_inputs(sizes, inputs);
    const int64_t n_out = batch * n_queries * n_heads * head_dim;
    require_tensor(out, n_out, dtype, "out");
    if (lse != nullptr) require_f32(lse, batch * n_heads * n_queries, "lse");
    if (batch * n_queries * n_heads == 0) return;
    require_workspace(workspace, workspace_bytes, backend::attention_forward_workspace_bytes(*device, sizes));
    backend::attention_forward(*device, {.sizes = sizes, .inputs = inputs, .out = out, .lse = lse}, {workspace, workspace_bytes});
  });
}

int32_t sails_attention_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t n_queries, int64_t n_keys,
                                                 int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_attention_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const AttentionSizes sizes{batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype};
    check_shape(sizes);
    *out_bytes = backend::attention_backward_workspace_bytes(*device, sizes);
  });
}

int32_t sails_attention_backward(sails_device *device, void *dq, void *dk, void *dv, const void *dout, const void *q, const void *k,
                                 const void *v, const void *out, const float *lse, const int32_t *q_segment, const int32_t *k_segment,
                                 int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim,
                                 int64_t kv_batch_stride, int64_t query_offset, int64_t window, float scale, float softcap, int32_t dtype,
                                 void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_attention_backward", [&] {
    const AttentionSizes sizes{.batch = batch,
                               .n_queries = n_queries,
                               .n_keys = n_keys,
                               .n_heads = n_heads,
                               .n_kv_heads = n_kv_heads,
                               .head_dim = head_dim,
                               .dtype = dtype,
                               .kv_batch_stride = kv_batch_stride,
                               .query_offset = query_offset,
                               .window = window,
                               .scale = scale,
                               .softcap = softcap};
    const AttentionInputs inputs{.q = q, .k = k, .v = v, .q_segment = q_segment, .k_segment = k_segment};
    check_shape(sizes);
    check_inputs(sizes, inputs);
    const int64_t n_q = batch * n_queries * n_heads * head_dim, n_k = batch * n_keys * n_kv_heads * head_dim;
    require_tensor(dq, n_q, dtype, "dq");
    require_tensor(dk, n_k, dtype, "dk");
    require_tensor(dv, n_k, dtype, "dv");
    require_tensor(dout, n_q, dtype, "dout");
    require_tensor(out, n_q, dtype, "out");
    require_f32(lse, batch * n_heads * n_queries, "lse");
    if (n_q == 0 && n_k == 0) return;
    require_workspace(workspace, workspace_bytes, backend::attention_backward_workspace_bytes(*device, sizes));
    backend::attention_backward(*device,
                                {.sizes = sizes, .inputs = inputs, .dq = dq, .dk = dk, .dv = dv, .dout = dout, .out = out, .lse = lse},
                                {workspace, workspace_bytes});
  });
}

}  // extern "C"
