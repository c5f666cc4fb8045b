// Checks of the operations that decode one token a sequence.
#include "shell/checks.h"

namespace {

constexpr int64_t kMostPositions = int64_t{1} << 31;

void check_maps(const int64_t *d_out, const int64_t *r, int64_t count, int64_t n, int64_t d_in, int32_t y_dtype, int32_t dtype) {
  require_size(count, "count");
  require_pointer(d_out, count, 8, "d_out");
  require_pointer(r, count, 8, "r");
  require_f32_or_bf16(y_dtype, "ys");
  require_f32_or_bf16(dtype, "x and weights");
  require(y_dtype == SAILS_F32 || dtype == SAILS_BF16, "ys are bf16 where x and weights are f32");
  elements({n, d_in}, "n, d_in");
  for (int64_t i = 0; i < count; i++) {
    elements({d_out[i], d_in}, "d_out, d_in");
    elements({n, d_out[i]}, "n, d_out");
    elements({r[i], d_in}, "r, d_in");
    elements({r[i], d_out[i]}, "r, d_out");
    elements({n, r[i]}, "n, r");
  }
}

void check_adapter(const float *lora_a, const float *lora_b, int64_t d_in, int64_t d_out, int64_t r, const char *name) {
  if (r == 0) {
    require(lora_a == nullptr && lora_b == nullptr, std::string(name) + " has r 0, but its adapter is not NULL");
    return;
  }
  require_f32(lora_a, r * d_in, name);
  require_f32(lora_b, d_out * r, name);
}

void check_cache(int64_t batch, int64_t capacity, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  elements({batch, n_heads, head_dim}, "batch, n_heads, head_dim");
  elements({batch, capacity, n_kv_heads, head_dim}, "batch, capacity, n_kv_heads, head_dim");
  require_f32_or_bf16(dtype, "q, keys, values");
  require(capacity < kMostPositions, "capacity is 2^31 or more");
  require(n_kv_heads > 0 && n_heads % n_kv_heads == 0, "n_heads is " + std::to_string(n_heads) + ", no multiple of n_kv_heads " +
                                                           std::to_string(n_kv_heads));
}

}  // namespace

extern "C" {

int32_t sails_linear_set_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *d_out, const int64_t *r, int64_t count,
                                                 int64_t n, int64_t d_in, int32_t y_dtype, int32_t dtype) {
  return guarded(device, "sails_linear_set_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_maps(d_out, r, count, n, d_in, y_dtype, dtype);
    *out_bytes = backend::linear_set_forward_workspace_bytes(*device, d_out, r, count, n, d_in, y_dtype, dtype);
  });
}

int32_t sails_linear_set_forward(sails_device *device, void *const *ys, const void *x, const void *const *weights, const float *const *lora_as,
                                 const float *const *lora_bs, const int64_t *d_out, const int64_t *r, const float *scale, int64_t count,
                                 int64_t n, int64_t d_in, int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_linear_set_forward", [&] {
    check_maps(d_out, r, count, n, d_in, y_dtype, dtype);
    require_pointer(ys, count, 8, "ys");
    require_pointer(weights, count, 8, "weights");
    require_pointer(lora_as, count, 8, "lora_as");
    require_pointer(lora_bs, count, 8, "lora_bs");
    require_pointer(scale, count, 4, "scale");
    require_tensor(x, n * d_in, dtype, "x");
    for (int64_t i = 0; i < count; i++) {
      require_tensor(ys[i], n * d_out[i], y_dtype, "ys[i]");
      require_tensor(weights[i], d_out[i] * d_in, dtype, "weights[i]");
      check_adapter(lora_as[i], lora_bs[i], d_in, d_out[i], r[i], "lora_as[i], lora_bs[i]");
    }
    if (n == 0 || count == 0) return;
    require_workspace(workspace, workspace_bytes,
                      backend::linear_set_forward_workspace_bytes(*device, d_out, r, count, n, d_in, y_dtype, dtype));
    backend::linear_set_forward(*device, ys, x, weights, lora_as, lora_bs, d_out, r, scale, count, n, d_in, y_dtype, dtype, workspace,
                                workspace_bytes);
  });
}

int32_t sails_linear_glu_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                 int64_t gate_r, int64_t up_r, int32_t dtype) {
  return guarded(device, "sails_linear_glu_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const int64_t d_outs[] = {d_out, d_out}, rs[] = {gate_r, up_r};
    check_maps(d_outs, rs, 2, n, d_in, dtype, dtype);
    *out_bytes = backend::linear_glu_forward_workspace_bytes(*device, n, d_in, d_out, gate_r, up_r, dtype);
  });
}

int32_t sails_linear_glu_forward(sails_device *device, void *y, void *gate, void *up, float *gate_h, float *up_h, const void *x,
                                 const void *gate_weight, const void *up_weight, const float *gate_lora_a, const float *gate_lora_b,
                                 const float *up_lora_a, const float *up_lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r,
                                 int64_t up_r, float gate_scale, float up_scale, int32_t activation, int32_t dtype, void *workspace,
                                 int64_t workspace_bytes) {
  return guarded(device, "sails_linear_glu_forward", [&] {
    const int64_t d_outs[] = {d_out, d_out}, rs[] = {gate_r, up_r};
    check_maps(d_outs, rs, 2, n, d_in, dtype, dtype);
    require(activation == SAILS_GLU_GELU_TANH || activation == SAILS_GLU_SILU, "unknown activation " + std::to_string(activation));
    require_tensor(y, n * d_out, dtype, "y");
    require_tensor(x, n * d_in, dtype, "x");
    require((gate == nullptr) == (up == nullptr) || n * d_out == 0, "gate and up are both kept or both NULL");
    if (gate != nullptr) require_tensor(gate, n * d_out, dtype, "gate");
    if (up != nullptr) require_tensor(up, n * d_out, dtype, "up");
    if (gate_h != nullptr) require_f32(gate_h, n * gate_r, "gate_h");
    if (up_h != nullptr) require_f32(up_h, n * up_r, "up_h");
    require_tensor(gate_weight, d_out * d_in, dtype, "gate_weight");
    require_tensor(up_weight, d_out * d_in, dtype, "up_weight");
    check_adapter(gate_lora_a, gate_lora_b, d_in, d_out, gate_r, "gate_lora");
    check_adapter(up_lora_a, up_lora_b, d_in, d_out, up_r, "up_lora");
    if (n * d_out == 0) return;
    require_workspace(workspace, workspace_bytes,
                      backend::linear_glu_forward_workspace_bytes(*device, n, d_in, d_out, gate_r, up_r, dtype));
    backend::linear_glu_forward(*device, y, gate, up, gate_h, up_h, x, gate_weight, up_weight, gate_lora_a, gate_lora_b, up_lora_a, up_lora_b, n,
                                d_in, d_out, gate_r, up_r, gate_scale, up_scale, activation, dtype, workspace, workspace_bytes);
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

int32_t sails_rope_append(sails_device *device, void *q, void *keys, void *values, int32_t *k_segment, const void *k, const void *v,
                          const float *table, const int32_t *q_segment, const int32_t *key_position, int64_t batch, int64_t capacity,
                          int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  return guarded(device, "sails_rope_append", [&] {
    check_cache(batch, capacity, n_heads, n_kv_heads, head_dim, dtype);
    require(head_dim % 2 == 0, "head_dim is " + std::to_string(head_dim) + ", expected an even number");
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
    *out_bytes = backend::attention_decode_workspace_bytes(*device, batch, capacity, n_heads, n_kv_heads, head_dim, window, dtype);
  });
}

int32_t sails_attention_decode(sails_device *device, void *out, const void *q, const void *keys, const void *values, const int32_t *q_segment,
                               const int32_t *k_segment, const int32_t *key_position, int64_t batch, int64_t capacity, int64_t n_heads,
                               int64_t n_kv_heads, int64_t head_dim, int64_t window, float scale, float softcap, int32_t dtype, void *workspace,
                               int64_t workspace_bytes) {
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
    require_workspace(workspace, workspace_bytes,
                      backend::attention_decode_workspace_bytes(*device, batch, capacity, n_heads, n_kv_heads, head_dim, window, dtype));
    backend::attention_decode(*device, out, q, keys, values, q_segment, k_segment, key_position, batch, capacity, n_heads, n_kv_heads, head_dim,
                              window, scale, softcap, dtype, workspace, workspace_bytes);
  });
}

int32_t sails_decode_advance(sails_device *device, int32_t *history, int32_t *positions, int32_t *key_position, int32_t *step, const int32_t *ids,
                             int64_t batch, int64_t n_steps) {
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
