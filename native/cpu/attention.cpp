// Shell of attention.
#include "device.h"

using sails::AttentionCall;
using sails::elements;
using sails::guarded;
using sails::require;
using sails::require_pointer;
using sails::require_tensor;

namespace {

AttentionCall shape_of(sails_device *device, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads,
                       int64_t head_dim, int32_t dtype) {
  elements({batch, n_queries, n_heads, head_dim}, "batch, n_queries, n_heads, head_dim");
  elements({batch, n_keys, n_kv_heads, head_dim}, "batch, n_keys, n_kv_heads, head_dim");
  sails::require_f32_or_bf16(dtype, "q, k, v");
  require(n_kv_heads > 0 && n_heads % n_kv_heads == 0, "n_heads is " + std::to_string(n_heads) + ", no multiple of n_kv_heads " +
                                                           std::to_string(n_kv_heads));
  AttentionCall call{};
  call.batch = batch;
  call.n_queries = n_queries;
  call.n_keys = n_keys;
  call.n_heads = n_heads;
  call.n_kv_heads = n_kv_heads;
  call.head_dim = head_dim;
  call.dtype = dtype;
  call.threads = device->threads;
  return call;
}

void fill_inputs(AttentionCall &call, const void *q, const void *k, const void *v, const int32_t *q_segment, const int32_t *k_segment,
                 int64_t kv_batch_stride, int64_t query_offset, int64_t window, float scale, float softcap) {
  const int64_t kv = call.batch * call.n_keys * call.n_kv_heads * call.head_dim;
  require(call.batch <= 1 || kv_batch_stride >= call.n_keys * call.n_kv_heads * call.head_dim,
          "kv_batch_stride is smaller than one sequence's keys");
  elements({call.batch, kv_batch_stride}, "kv_batch_stride");
  require(query_offset >= 0, "query_offset is negative");
  require(window >= 0, "window is negative");
  require(softcap >= 0, "softcap is negative");
  require(call.n_queries + query_offset < (int64_t{1} << 31) && call.n_keys < (int64_t{1} << 31), "more than 2^31 positions");
  require_tensor(q, call.batch * call.n_queries * call.n_heads * call.head_dim, call.dtype, "q");
  require_tensor(k, kv, call.dtype, "k");
  require_tensor(v, kv, call.dtype, "v");
  require_pointer(q_segment, call.batch * call.n_queries, 4, "q_segment");
  require_pointer(k_segment, call.batch * call.n_keys, 4, "k_segment");
  call.q = q;
  call.k = k;
  call.v = v;
  call.q_segment = q_segment;
  call.k_segment = k_segment;
  call.kv_batch_stride = kv_batch_stride;
  call.query_offset = query_offset;
  call.window = window;
  call.scale = scale;
  call.softcap = softcap;
}

}  // namespace

extern "C" {

int32_t sails_attention_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t n_queries,
                                                int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_attention_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    *out_bytes = device->kernels->attention->forward_workspace_bytes(
        shape_of(device, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype));
  });
}

int32_t sails_attention_forward(sails_device *device, void *out, float *lse, const void *q, const void *k, const void *v,
                                const int32_t *q_segment, const int32_t *k_segment, int64_t batch, int64_t n_queries, int64_t n_keys,
                                int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t kv_batch_stride, int64_t query_offset,
                                int64_t window, float scale, float softcap, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_attention_forward", [&] {
    AttentionCall call = shape_of(device, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
    fill_inputs(call, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap);
    const int64_t n_out = batch * n_queries * n_heads * head_dim;
    require_tensor(out, n_out, dtype, "out");
    if (lse != nullptr) sails::require_f32(lse, batch * n_heads * n_queries, "lse");
    if (batch * n_queries * n_heads == 0) return;
    sails::require_workspace(workspace, workspace_bytes, device->kernels->attention->forward_workspace_bytes(call));
    device->kernels->attention->forward(out, lse, call, workspace);
  });
}

int32_t sails_attention_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t n_queries,
                                                 int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_attention_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    *out_bytes = device->kernels->attention->backward_workspace_bytes(
        shape_of(device, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype));
  });
}

int32_t sails_attention_backward(sails_device *device, void *dq, void *dk, void *dv, const void *dout, const void *q, const void *k,
                                 const void *v, const void *out, const float *lse, const int32_t *q_segment, const int32_t *k_segment,
                                 int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim,
                                 int64_t kv_batch_stride, int64_t query_offset, int64_t window, float scale, float softcap, int32_t dtype,
                                 void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_attention_backward", [&] {
    AttentionCall call = shape_of(device, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
    fill_inputs(call, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap);
    const int64_t n_q = batch * n_queries * n_heads * head_dim, n_k = batch * n_keys * n_kv_heads * head_dim;
    require_tensor(dq, n_q, dtype, "dq");
    require_tensor(dk, n_k, dtype, "dk");
    require_tensor(dv, n_k, dtype, "dv");
    require_tensor(dout, n_q, dtype, "dout");
    require_tensor(out, n_q, dtype, "out");
    sails::require_f32(lse, batch * n_heads * n_queries, "lse");
    if (n_q == 0 && n_k == 0) return;
    sails::require_workspace(workspace, workspace_bytes, device->kernels->attention->backward_workspace_bytes(call));
    device->kernels->attention->backward(dq, dk, dv, dout, out, lse, call, workspace);
  });
}

}  // extern "C"
