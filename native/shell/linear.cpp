// Checks of linear maps with their adapters: LoRA, sets of maps, gated pairs, DoRA.
#include "shell/linear_checks.h"

namespace {

void check_maps(const LinearSetSizes &s) {
  require_size(s.count, "count");
  require_pointer(s.d_out, s.count, 8, "d_out");
  require_pointer(s.r, s.count, 8, "r");
  require_f32_or_bf16(s.y_dtype, "ys");
  require_f32_or_bf16(s.dtype, "x and weights");
  require(s.y_dtype == SAILS_F32 || s.dtype == SAILS_BF16, "ys are bf16 where x and weights are f32");
  elements({s.n, s.d_in}, "n, d_in");
  for (int64_t i = 0; i < s.count; i++) {
    elements({s.d_out[i], s.d_in}, "d_out, d_in");
    elements({s.n, s.d_out[i]}, "n, d_out");
    elements({s.r[i], s.d_in}, "r, d_in");
    elements({s.r[i], s.d_out[i]}, "r, d_out");
    elements({s.n, s.r[i]}, "n, r");
  }
}

void check_pair(const LinearGluSizes &s) {
  const int64_t d_outs[] = {s.d_out, s.d_out};
  check_maps({2, s.n, s.d_in, d_outs, s.r, s.dtype, s.dtype});
}

void check_adapter(const LinearSizes &s, const float *lora_a, const float *lora_b, const char *name) {
  if (s.r == 0) {
    require(lora_a == nullptr && lora_b == nullptr, name, " has r 0, but its adapter is not NULL");
    return;
  }
  require_f32(lora_a, s.r * s.d_in, name);
  require_f32(lora_b, s.d_out * s.r, name);
}

// Adapters that rows choose among.
void check_choice(const int64_t *r, int64_t count, int64_t n) {
  require_size(count, "count");
  require(count < kMostPositions, "count is 2^31 or more");
  require_pointer(r, count, 8, "r");
  for (int64_t i = 0; i < count; i++) elements({n, r[i]}, "n, r");
}

}  // namespace

extern "C" {

int32_t sails_lora_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return guarded(device, "sails_lora_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const LinearSizes sizes{n, d_in, d_out, r};
    check_lora(sizes);
    *out_bytes = backend::lora_forward_workspace_bytes(*device, sizes);
  });
}

int32_t sails_lora_forward(sails_device *device, void *y, float *h, const void *x, const float *lora_a, const float *lora_b, int64_t n,
                           int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t y_dtype, int32_t x_dtype, void *workspace,
                           int64_t workspace_bytes) {
  return guarded(device, "sails_lora_forward", [&] {
    const LinearSizes sizes{.n = n, .d_in = d_in, .d_out = d_out, .r = r, .y_dtype = y_dtype, .dtype = x_dtype};
    check_lora(sizes);
    require_tensor(y, n * d_out, y_dtype, "y");
    require_f32(h, n * r, "h");
    require_tensor(x, n * d_in, x_dtype, "x");
    require_f32(lora_a, r * d_in, "lora_a");
    require_f32(lora_b, d_out * r, "lora_b");
    if (n == 0 || r == 0) return;
    require_workspace(workspace, workspace_bytes, backend::lora_forward_workspace_bytes(*device, sizes));
    backend::lora_forward(*device, {.sizes = sizes, .y = y, .h = h, .x = x, .lora_a = lora_a, .lora_b = lora_b, .scale = scale},
                          {workspace, workspace_bytes});
  });
}

int32_t sails_lora_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return guarded(device, "sails_lora_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const LinearSizes sizes{n, d_in, d_out, r};
    check_lora(sizes);
    *out_bytes = backend::lora_backward_workspace_bytes(*device, sizes);
  });
}

int32_t sails_lora_backward(sails_device *device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x, const float *h,
                            const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale,
                            int32_t dy_dtype, int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_lora_backward", [&] {
    const LinearSizes sizes{.n = n, .d_in = d_in, .d_out = d_out, .r = r, .y_dtype = dy_dtype, .dtype = x_dtype};
    check_lora(sizes);
    if (dx != nullptr) require_f32(dx, n * d_in, "dx");
    require_f32(dlora_a, r * d_in, "dlora_a");
    require_f32(dlora_b, d_out * r, "dlora_b");
    require_tensor(dy, n * d_out, dy_dtype, "dy");
    require_tensor(x, n * d_in, x_dtype, "x");
    require_f32(h, n * r, "h");
    require_f32(lora_a, r * d_in, "lora_a");
    require_f32(lora_b, d_out * r, "lora_b");
    if (n == 0 || r == 0) return;
    const LoraBackward lora{.sizes = sizes,
                            .dx = dx,
                            .dlora_a = dlora_a,
                            .dlora_b = dlora_b,
                            .dy = dy,
                            .x = x,
                            .h = h,
                            .lora_a = lora_a,
                            .lora_b = lora_b,
                            .scale = scale};
    require_workspace(workspace, workspace_bytes, backend::lora_backward_workspace_bytes(*device, sizes));
    backend::lora_backward(*device, lora, {workspace, workspace_bytes});
  });
}

int32_t sails_linear_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                                             int32_t y_dtype, int32_t dtype) {
  return guarded(device, "sails_linear_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const LinearSizes sizes{n, d_in, d_out, r, y_dtype, dtype};
    check_lora(sizes);
    require_f32_or_bf16(y_dtype, "y");
    require_f32_or_bf16(dtype, "x and weight");
    *out_bytes = backend::linear_forward_workspace_bytes(*device, sizes);
  });
}

int32_t sails_linear_forward(sails_device *device, void *y, float *h, const void *x, const void *weight, const float *bias,
                             const void *residual, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out,
                             int64_t r, float scale, int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_linear_forward", [&] {
    const LinearSizes sizes{.n = n, .d_in = d_in, .d_out = d_out, .r = r, .y_dtype = y_dtype, .dtype = dtype};
    check_lora(sizes);
    elements({d_out, d_in}, "d_out, d_in");
    require_tensor(y, n * d_out, y_dtype, "y");
    require_tensor(x, n * d_in, dtype, "x");
    require_tensor(weight, d_out * d_in, dtype, "weight");
    require(y_dtype == SAILS_F32 || dtype == SAILS_BF16, "y is bf16 where x and weight are f32");
    if (bias != nullptr) require_f32(bias, d_out, "bias");
    if (residual != nullptr) require_tensor(residual, n * d_out, y_dtype, "residual");
    check_adapter(sizes, h, lora_a, lora_b);
    require_f32(h, n * r, "h");
    if (n == 0 || (d_out == 0 && r == 0)) return;
    const LoraForward lora{.sizes = sizes, .y = y, .h = h, .x = x, .lora_a = lora_a, .lora_b = lora_b, .scale = scale};
    require_workspace(workspace, workspace_bytes, backend::linear_forward_workspace_bytes(*device, sizes));
    backend::linear_forward(*device, {lora, weight, bias, residual}, {workspace, workspace_bytes});
  });
}

int32_t sails_linear_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                                              int32_t dtype) {
  return guarded(device, "sails_linear_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const LinearSizes sizes{n, d_in, d_out, r, dtype, dtype};
    check_lora(sizes);
    require_f32_or_bf16(dtype, "x and weight");
    *out_bytes = backend::linear_backward_workspace_bytes(*device, sizes);
  });
}

int32_t sails_linear_backward(sails_device *device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x,
                              const void *weight, const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in,
                              int64_t d_out, int64_t r, float scale, int32_t accumulate_dx, int32_t dtype, void *workspace,
                              int64_t workspace_bytes) {
  return guarded(device, "sails_linear_backward", [&] {
    const LinearSizes sizes{.n = n, .d_in = d_in, .d_out = d_out, .r = r, .y_dtype = dtype, .dtype = dtype};
    check_lora(sizes);
    elements({d_out, d_in}, "d_out, d_in");
    require_f32(dx, n * d_in, "dx");
    require_tensor(dy, n * d_out, dtype, "dy");
    require_tensor(weight, d_out * d_in, dtype, "weight");
    check_lora_backward(sizes, dlora_a, dlora_b, x, h, lora_a, lora_b);
    if (n == 0 || (d_in == 0 && d_out == 0)) return;
    const LoraBackward lora{.sizes = sizes,
                            .dx = dx,
                            .dlora_a = dlora_a,
                            .dlora_b = dlora_b,
                            .dy = dy,
                            .x = x,
                            .h = h,
                            .lora_a = lora_a,
                            .lora_b = lora_b,
                            .scale = scale};
    require_workspace(workspace, workspace_bytes, backend::linear_backward_workspace_bytes(*device, sizes));
    backend::linear_backward(*device, {lora, weight, accumulate_dx != 0}, {workspace, workspace_bytes});
  });
}

int32_t sails_lora_rows_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *r, int64_t count, int64_t n) {
  return guarded(device, "sails_lora_rows_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    require_size(n, "n");
    check_choice(r, count, n);
    *out_bytes = backend::lora_rows_forward_workspace_bytes(*device, r, count, n);
  });
}

int32_t sails_lora_rows_forward(sails_device *device, void *y, const void *x, const int32_t *row_adapter, const float *const *lora_as,
                                const float *const *lora_bs, const int64_t *r, const float *scale, int64_t count, int64_t n, int64_t d_in,
                                int64_t d_out, int32_t y_dtype, int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_lora_rows_forward", [&] {
    require_tensor(y, elements({n, d_out}, "n, d_out"), y_dtype, "y");
    require_tensor(x, elements({n, d_in}, "n, d_in"), x_dtype, "x");
    require_pointer(row_adapter, n, 4, "row_adapter");
    check_choice(r, count, n);
    require_pointer(lora_as, count, 8, "lora_as");
    require_pointer(lora_bs, count, 8, "lora_bs");
    require_pointer(scale, count, 4, "scale");
    for (int64_t i = 0; i < count; i++) {
      elements({r[i], d_in}, "r, d_in");
      elements({d_out, r[i]}, "d_out, r");
      check_adapter({n, d_in, d_out, r[i]}, lora_as[i], lora_bs[i], "lora_as[i], lora_bs[i]");
    }
    if (n == 0) return;
    require_workspace(workspace, workspace_bytes, backend::lora_rows_forward_workspace_bytes(*device, r, count, n));
    const LoraRows rows{.n = n,
                        .d_in = d_in,
                        .d_out = d_out,
                        .count = count,
                        .r = r,
                        .y_dtype = y_dtype,
                        .x_dtype = x_dtype,
                        .y = y,
                        .x = x,
                        .row_adapter = row_adapter,
                        .lora_as = lora_as,
                        .lora_bs = lora_bs,
                        .scale = scale};
    backend::lora_rows_forward(*device, rows, {workspace, workspace_bytes});
  });
}

int32_t sails_dora_norm(sails_device *device, float *norm, const void *weight, const float *lora_a, const float *lora_b, int64_t d_out,
                        int64_t d_in, int64_t r, float scale, int32_t dtype) {
  return guarded(device, "sails_dora_norm", [&] {
    const int64_t n = elements({d_out, d_in}, "d_out, d_in");
    const int64_t n_a = elements({r, d_in}, "r, d_in"), n_b = elements({d_out, r}, "d_out, r");
    require_f32(norm, d_out, "norm");
    require_tensor(weight, n, dtype, "weight");
    require_f32(lora_a, n_a, "lora_a");
    require_f32(lora_b, n_b, "lora_b");
    backend::dora_norm(*device, norm, weight, lora_a, lora_b, d_out, d_in, r, scale, dtype);
  });
}

int32_t sails_dora_forward(sails_device *device, void *y, const float *u, const float *magnitude, const float *norm, int64_t n,
                           int64_t d_out, int32_t y_dtype) {
  return guarded(device, "sails_dora_forward", [&] {
    const int64_t count = elements({n, d_out}, "n, d_out");
    require_tensor(y, count, y_dtype, "y");
    require_f32(u, count, "u");
    require_f32(magnitude, d_out, "magnitude");
    require_f32(norm, d_out, "norm");
    if (count == 0) return;
    backend::dora_forward(*device, y, u, magnitude, norm, n, d_out, y_dtype);
  });
}

int32_t sails_dora_backward(sails_device *device, void *du, float *dmagnitude, const void *dy, const float *u, const float *magnitude,
                            const float *norm, int64_t n, int64_t d_out, int32_t dtype) {
  return guarded(device, "sails_dora_backward", [&] {
    const int64_t count = elements({n, d_out}, "n, d_out");
    require_tensor(du, count, dtype, "du");
    require_tensor(dy, count, dtype, "dy");
    require_f32(u, count, "u");
    require_f32(magnitude, d_out, "magnitude");
    require_f32(norm, d_out, "norm");
    if (dmagnitude != nullptr) require_f32(dmagnitude, d_out, "dmagnitude");
    if (count == 0) return;
    backend::dora_backward(*device, du, dmagnitude, dy, u, magnitude, norm, n, d_out, dtype);
  });
}

int32_t sails_linear_set_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *d_out, const int64_t *r,
                                                 int64_t count, int64_t n, int64_t d_in, int32_t y_dtype, int32_t dtype) {
  return guarded(device, "sails_linear_set_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const LinearSetSizes sizes{count, n, d_in, d_out, r, y_dtype, dtype};
    check_maps(sizes);
    *out_bytes = backend::linear_set_forward_workspace_bytes(*device, sizes);
  });
}

int32_t sails_linear_set_forward(sails_device *device, void *const *ys, const void *x, const void *const *weights,
                                 const float *const *lora_as, const float *const *lora_bs, const int64_t *d_out, const int64_t *r,
                                 const float *scale, int64_t count, int64_t n, int64_t d_in, int32_t y_dtype, int32_t dtype,
                                 void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_linear_set_forward", [&] {
    const LinearSetSizes sizes{.count = count, .n = n, .d_in = d_in, .d_out = d_out, .r = r, .y_dtype = y_dtype, .dtype = dtype};
    check_maps(sizes);
    require_pointer(ys, count, 8, "ys");
    require_pointer(weights, count, 8, "weights");
    require_pointer(lora_as, count, 8, "lora_as");
    require_pointer(lora_bs, count, 8, "lora_bs");
    require_pointer(scale, count, 4, "scale");
    require_tensor(x, n * d_in, dtype, "x");
    for (int64_t i = 0; i < count; i++) {
      require_tensor(ys[i], n * d_out[i], y_dtype, "ys[i]");
      require_tensor(weights[i], d_out[i] * d_in, dtype, "weights[i]");
      check_adapter(sizes.map(i), lora_as[i], lora_bs[i], "lora_as[i], lora_bs[i]");
    }
    if (n == 0 || count == 0) return;
    const LinearSetForward set{
        .sizes = sizes, .ys = ys, .x = x, .weights = weights, .lora_as = lora_as, .lora_bs = lora_bs, .scale = scale};
    require_workspace(workspace, workspace_bytes, backend::linear_set_forward_workspace_bytes(*device, sizes));
    backend::linear_set_forward(*device, set, {workspace, workspace_bytes});
  });
}

int32_t sails_linear_glu_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                 int64_t gate_r, int64_t up_r, int32_t dtype) {
  return guarded(device, "sails_linear_glu_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const LinearGluSizes sizes{n, d_in, d_out, {gate_r, up_r}, dtype};
    check_pair(sizes);
    *out_bytes = backend::linear_glu_forward_workspace_bytes(*device, sizes);
  });
}

int32_t sails_linear_glu_forward(sails_device *device, void *y, void *gate, void *up, float *gate_h, float *up_h, const void *x,
                                 const void *gate_weight, const void *up_weight, const float *gate_lora_a, const float *gate_lora_b,
                                 const float *up_lora_a, const float *up_lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r,
                                 int64_t up_r, float gate_scale, float up_scale, int32_t activation, int32_t dtype, void *workspace,
                                 int64_t workspace_bytes) {
  return guarded(device, "sails_linear_glu_forward", [&] {
    const LinearGluSizes sizes{.n = n, .d_in = d_in, .d_out = d_out, .r = {gate_r, up_r}, .dtype = dtype};
    check_pair(sizes);
    require(activation == SAILS_GLU_GELU_TANH || activation == SAILS_GLU_SILU, "unknown activation ", activation);
    require_tensor(y, n * d_out, dtype, "y");
    require_tensor(x, n * d_in, dtype, "x");
    require((gate == nullptr) == (up == nullptr) || n * d_out == 0, "gate and up are both kept or both NULL");
    if (gate != nullptr) require_tensor(gate, n * d_out, dtype, "gate");
    if (up != nullptr) require_tensor(up, n * d_out, dtype, "up");
    if (gate_h != nullptr) require_f32(gate_h, n * gate_r, "gate_h");
    if (up_h != nullptr) require_f32(up_h, n * up_r, "up_h");
    require_tensor(gate_weight, d_out * d_in, dtype, "gate_weight");
    require_tensor(up_weight, d_out * d_in, dtype, "up_weight");
    check_adapter(sizes.map(0), gate_lora_a, gate_lora_b, "gate_lora");
    check_adapter(sizes.map(1), up_lora_a, up_lora_b, "up_lora");
    if (n * d_out == 0) return;
    const LinearGluForward glu{.sizes = sizes,
                               .y = y,
                               .kept = {gate, up},
                               .hs = {gate_h, up_h},
                               .x = x,
                               .weights = {gate_weight, up_weight},
                               .lora_as = {gate_lora_a, up_lora_a},
                               .lora_bs = {gate_lora_b, up_lora_b},
                               .scale = {gate_scale, up_scale},
                               .activation = activation};
    require_workspace(workspace, workspace_bytes, backend::linear_glu_forward_workspace_bytes(*device, sizes));
    backend::linear_glu_forward(*device, glu, {workspace, workspace_bytes});
  });
}

}  // extern "C"
