// Attention: the arguments as the vector code takes them.
#include "cpu/device.h"
#include "shell/backend.h"

namespace sails {
namespace {

AttentionCall shape_of(const CpuDevice &device, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads,
                       int64_t head_dim, int32_t dtype) {
  AttentionCall call{};
  call.batch = batch;
  call.n_queries = n_queries;
  call.n_keys = n_keys;
  call.n_heads = n_heads;
  call.n_kv_heads = n_kv_heads;
  call.head_dim = head_dim;
  call.dtype = dtype;
  call.threads = device.threads;
  return call;
}

void fill_inputs(AttentionCall &call, const void *q, const void *k, const void *v, const int32_t *q_segment, const int32_t *k_segment,
                 int64_t kv_batch_stride, int64_t query_offset, int64_t window, float scale, float softcap) {
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

namespace backend {

int64_t attention_forward_workspace_bytes(sails_device &device, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads,
                                          int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  CpuDevice &host = cpu(device);
  return host.kernels->attention->forward_workspace_bytes(shape_of(host, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype));
}

void attention_forward(sails_device &device, void *out, float *lse, const void *q, const void *k, const void *v, const int32_t *q_segment,
                       const int32_t *k_segment, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads,
                       int64_t head_dim, int64_t kv_batch_stride, int64_t query_offset, int64_t window, float scale, float softcap,
                       int32_t dtype, void *workspace, int64_t) {
  CpuDevice &host = cpu(device);
  AttentionCall call = shape_of(host, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
  fill_inputs(call, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap);
  host.kernels->attention->forward(out, lse, call, workspace);
}

int64_t attention_backward_workspace_bytes(sails_device &device, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads,
                                           int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  CpuDevice &host = cpu(device);
  return host.kernels->attention->backward_workspace_bytes(shape_of(host, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype));
}

void attention_backward(sails_device &device, void *dq, void *dk, void *dv, const void *dout, const void *q, const void *k, const void *v,
                        const void *out, const float *lse, const int32_t *q_segment, const int32_t *k_segment, int64_t batch,
                        int64_t n_queries, int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t kv_batch_stride,
                        int64_t query_offset, int64_t window, float scale, float softcap, int32_t dtype, void *workspace, int64_t) {
  CpuDevice &host = cpu(device);
  AttentionCall call = shape_of(host, batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim, dtype);
  fill_inputs(call, q, k, v, q_segment, k_segment, kv_batch_stride, query_offset, window, scale, softcap);
  host.kernels->attention->backward(dq, dk, dv, dout, out, lse, call, workspace);
}

}  // namespace backend
}  // namespace sails
