// Checks of the operations of a decoded token.
#include "shell/checks.h"

namespace {

void check_cache(int64_t batch, int64_t capacity, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  elements({batch, n_heads, head_dim}, "batch, n_heads, head_dim");
  elements({batch, capacity, n_kv_heads, head_dim}, "batch, capacity, n_kv_heads, head_dim");
  // The scores are nobody's tensor, but workspaces grow with them.
  elements({batch, n_heads, capacity}, "batch, n_heads, capacity");
  require_f32_or_bf16(dtype, "q, keys, values");
  require_heads(n_heads, n_kv_heads, head_dim);
  require(capacity < kMostPositions, "capacity is 2^31 or more");
}

// Sequences whose caches lie in pages.
struct PagedSizes {
  int64_t batch, page_tokens, table_pages, n_heads, n_kv_heads, head_dim;
  int32_t dtype;
};

// Returns the keys that a sequence has room for.
int64_t check_pages(const PagedSizes &s) {
  require(s.page_tokens > 0, "page_tokens is ", s.page_tokens, ", expected 1 or more");
  require(s.table_pages > 0, "table_pages is ", s.table_pages, ", expected 1 or more");
  elements({s.batch, s.table_pages}, "batch, table_pages");
  const int64_t capacity = elements({s.table_pages, s.page_tokens}, "table_pages, page_tokens");
  check_cache(s.batch, capacity, s.n_heads, s.n_kv_heads, s.head_dim, s.dtype);
  return capacity;
}

// The same with the pages themselves.
Pages check_pages(const PagedSizes &s, const void *keys, const void *values, const int32_t *positions, const int32_t *page_table,
                  int64_t n_pages) {
  check_pages(s);
  const int64_t cache = elements({n_pages, s.page_tokens, s.n_kv_heads, s.head_dim}, "n_pages, page_tokens, n_kv_heads, head_dim");
  require(n_pages < kMostPositions, "n_pages is 2^31 or more");
  // Kernels read a page for what a table's wrong number says, too: there must be one.
  require(n_pages > 0 || s.batch == 0, "n_pages is 0, expected 1 or more where there are sequences");
  require_tensor(keys, cache, s.dtype, "keys");
  require_tensor(values, cache, s.dtype, "values");
  require_pointer(positions, s.batch, 4, "positions");
  require_pointer(page_table, s.batch * s.table_pages, 4, "page_table");
  return {.table = page_table, .count = n_pages, .tokens = s.page_tokens, .per_sequence = s.table_pages};
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
    backend::rope_append(*device, {.batch = batch,
                                   .capacity = capacity,
                                   .n_heads = n_heads,
                                   .n_kv_heads = n_kv_heads,
                                   .head_dim = head_dim,
                                   .dtype = dtype,
                                   .q = q,
                                   .keys = keys,
                                   .values = values,
                                   .k_segment = k_segment,
                                   .k = k,
                                   .v = v,
                                   .table = table,
                                   .q_segment = q_segment,
                                   .key_position = key_position});
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

int32_t sails_rope_append_paged(sails_device *device, void *q, void *keys, void *values, const void *k, const void *v, const float *table,
                                const int32_t *positions, const int32_t *page_table, int64_t batch, int64_t n_pages, int64_t page_tokens,
                                int64_t table_pages, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_rope_append_paged", [&] {
    const PagedSizes s{batch, page_tokens, table_pages, n_heads, n_kv_heads, head_dim, dtype};
    const Pages pages = check_pages(s, keys, values, positions, page_table, n_pages);
    require(head_dim % 2 == 0, "head_dim is ", head_dim, ", expected an even number");
    const int64_t row = elements({batch, n_kv_heads, head_dim}, "batch, n_kv_heads, head_dim");
    require_tensor(q, batch * n_heads * head_dim, dtype, "q");
    require_tensor(k, row, dtype, "k");
    require_tensor(v, row, dtype, "v");
    require_f32(table, batch * head_dim, "table");
    if (batch == 0) return;
    backend::rope_append(*device, {.batch = batch,
                                   .capacity = pages.capacity(),
                                   .n_heads = n_heads,
                                   .n_kv_heads = n_kv_heads,
                                   .head_dim = head_dim,
                                   .dtype = dtype,
                                   .q = q,
                                   .keys = keys,
                                   .values = values,
                                   .k_segment = nullptr,
                                   .k = k,
                                   .v = v,
                                   .table = table,
                                   .q_segment = nullptr,
                                   .key_position = nullptr,
                                   .pages = pages,
                                   .positions = positions});
  });
}

int32_t sails_attention_decode_paged_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t page_tokens,
                                                     int64_t table_pages, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim,
                                                     int64_t window, int32_t dtype) {
  return guarded(device, "sails_attention_decode_paged_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const int64_t capacity = check_pages({batch, page_tokens, table_pages, n_heads, n_kv_heads, head_dim, dtype});
    require(window >= 0, "window is negative");
    const AttentionSizes sizes{.batch = batch,
                               .n_queries = 1,
                               .n_keys = capacity,
                               .n_heads = n_heads,
                               .n_kv_heads = n_kv_heads,
                               .head_dim = head_dim,
                               .dtype = dtype,
                               .window = window,
                               .table_pages = table_pages};
    *out_bytes = backend::attention_decode_workspace_bytes(*device, sizes);
  });
}

int32_t sails_attention_decode_paged(sails_device *device, void *out, const void *q, const void *keys, const void *values,
                                     const int32_t *positions, const int32_t *page_table, int64_t batch, int64_t n_pages,
                                     int64_t page_tokens, int64_t table_pages, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim,
                                     int64_t window, float scale, float softcap, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_attention_decode_paged", [&] {
    const PagedSizes s{batch, page_tokens, table_pages, n_heads, n_kv_heads, head_dim, dtype};
    const Pages pages = check_pages(s, keys, values, positions, page_table, n_pages);
    require(window >= 0, "window is negative");
    require(softcap >= 0, "softcap is negative");
    const int64_t rows = batch * n_heads * head_dim;
    require_tensor(out, rows, dtype, "out");
    require_tensor(q, rows, dtype, "q");
    if (rows == 0) return;
    const AttentionSizes sizes{.batch = batch,
                               .n_queries = 1,
                               .n_keys = pages.capacity(),
                               .n_heads = n_heads,
                               .n_kv_heads = n_kv_heads,
                               .head_dim = head_dim,
                               .dtype = dtype,
                               .window = window,
                               .scale = scale,
                               .softcap = softcap,
                               .table_pages = table_pages};
    const AttentionInputs inputs{
        .q = q, .k = keys, .v = values, .q_segment = nullptr, .k_segment = nullptr, .pages = pages, .positions = positions};
    require_workspace(workspace, workspace_bytes, backend::attention_decode_workspace_bytes(*device, sizes));
    backend::attention_decode(*device, {.sizes = sizes, .inputs = inputs, .out = out, .key_position = nullptr},
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
