// Checks of the operations of a decoded token.
#include "shell/checks.h"

namespace {

void check_cache(int64_t batch, int64_t capacity, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  elements({batch, n_heads, head_dim}, "batch, n_heads, head_dim");
  elements({batch, capacity, n_kv_heads, head_dim}, "batch, capacity, n_kv_heads, head_dim");
  require_f32_or_bf16(dtype, "q, keys, values");
  require_heads(n_heads, n_kv_heads, head_dim);
  require(capacity < kMostPositions, "capacity is 2^31 or more");
}

}  // namespace

extern "C" {

int32_t sails_rope_append(sails_device *device, void *q, void *keys, void *values, int32_t *k_segment, const void *k, const void *v,
                          const float *table, const int32_t *q_segment, const int32_t *key_position, int64_t batch, int64_t capacity,
                          int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_rope_append", [&] {
    check_cache(batch, capacity, n_heads, n_kv_heads, head_dim, dtype);
    require(head_dim % 2 == 0, "head_dim is ", head_dim, ", expected an even number");
    const int64_t cache = batch * capacity * n_kv_heads * head_dim, row = batch * n_kv_heads * head_dim;
    require_tensor(q, batch * n_heads * head_dim, dtype, "q");
    require_tensor(keys, cache, dtype, "keys");
    require_tensor(values, cache, dtype, "values");
    require_pointer(k_segment, batch * capacity, 4, "k_segment");
    require_tensor(k, row, dtype, "k");
    require_tensor(v, row, dtype, "v");
    require_f32(table, batch * head_dim, "table");
    require_pointer(q_segment, batch, 4, "q_segment");
    require_pointer(key_position, 1, 4, "key_position");
    if (batch == 0) return;
    backend::rope_append(*device, q, keys, values, k_segment, k, v, table, q_segment, key_position, batch, capacity, n_heads, n_kv_heads,
                         head_dim, dtype);
  });
}

int32_t sails_attention_decode_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t capacity, int64_t n_heads,
                                               int64_t n_kv_heads, int64_t head_dim, int64_t window, int32_t dtype) {
  return guarded(device, "sails_attention_decode_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_cache(batch, capacity, n_heads, n_kv_heads, head_dim, dtype);
    require(window >= 0, "window is negative");
    const AttentionSizes sizes{batch, 1, capacity, n_heads, n_kv_heads, head_dim, dtype, 0, 0, window};
    *out_bytes = backend::attention_decode_workspace_bytes(*device, sizes);
  });
}

int32_t sails_attention_decode(sails_device *device, void *out, const void *q, const void *keys, const void *values,
                               const int32_t *q_segment, const int32_t *k_segment, const int32_t *key_position, int64_t batch,
                               int64_t capacity, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t window, float scale,
                               float softcap, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_attention_decode", [&] {
    check_cache(batch, capacity, n_heads, n_kv_heads, head_dim, dtype);
    require(window >= 0, "window is negative");
    require(softcap >= 0, "softcap is negative");
    const int64_t rows = batch * n_heads * head_dim, cache = batch * capacity * n_kv_heads * head_dim;
    require_tensor(out, rows, dtype, "out");
    require_tensor(q, rows, dtype, "q");
    require_tensor(keys, cache, dtype, "keys");
    require_tensor(values, cache, dtype, "values");
    require_pointer(q_segment, batch, 4, "q_segment");
    require_pointer(k_segment, batch * capacity, 4, "k_segment");
    require_pointer(key_position, 1, 4, "key_position");
    if (rows == 0) return;
    const AttentionSizes sizes{.batch = batch,
                               .n_queries = 1,
                               .n_keys = capacity,
                               .n_heads = n_heads,
                               .n_kv_heads = n_kv_heads,
                               .head_dim = head_dim,
                               .dtype = dtype,
                               .kv_batch_stride = capacity * n_kv_heads * head_dim,
                               .window = window,
                               .scale = scale,
                               .softcap = softcap};
    const AttentionInputs inputs{.q = q, .k = keys, .v = values, .q_segment = q_segment, .k_segment = k_segment};
    require_workspace(workspace, workspace_bytes, backend::attention_decode_workspace_bytes(*device, sizes));
    backend::attention_decode(*device, {.sizes = sizes, .inputs = inputs, .out = out, .key_position = key_position},
                              {workspace, workspace_bytes});
  });
}

int32_t sails_decode_advance(sails_device *device, int32_t *history, int32_t *positions, int32_t *key_position, int32_t *step,
                             const int32_t *ids, int64_t batch, int64_t n_steps) {
  return guarded(device, "sails_decode_advance", [&] {
    require_pointer(history, elements({n_steps, batch}, "n_steps, batch"), 4, "history");
    require_pointer(positions, batch, 4, "positions");
    require_pointer(key_position, 1, 4, "key_position");
    require_pointer(step, 1, 4, "step");
    require_pointer(ids, batch, 4, "ids");
    backend::decode_advance(*device, history, positions, key_position, step, ids, batch, n_steps);
  });
}

}  // extern "C"
