// Checks of linear maps with LoRA, projection onto a subspace, AdamW.
#include <array>
#include <cmath>

#include "shell/checks.h"

namespace {

void check_lora(int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  elements({n, d_in}, "n, d_in");
  elements({n, d_out}, "n, d_out");
  elements({n, r}, "n, r");
  elements({r, d_in}, "r, d_in");
  elements({d_out, r}, "d_out, r");
}

// The adapter of a linear map: present with r > 0, absent with r = 0.
void check_adapter(const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  require(r > 0 || (h == nullptr && lora_a == nullptr && lora_b == nullptr), "r is 0, but h, lora_a or lora_b is not NULL");
  if (h != nullptr) require_f32(h, n * r, "h");
  require_f32(lora_a, r * d_in, "lora_a");
  require_f32(lora_b, d_out * r, "lora_b");
}

void check_set(const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count) {
  require_size(count, "count");
  require_pointer(d, count, 8, "d");
  require_pointer(r_s, count, 8, "r_s");
  require_pointer(n, count, 8, "n");
  for (int64_t i = 0; i < count; i++) {
    elements({d[i], r_s[i]}, "d, r_s");
    elements({d[i], n[i]}, "d, n");
    elements({r_s[i], n[i]}, "r_s, n");
  }
}

// Combined in double, rounded once.
std::array<float, SAILS_ADAMW_RATES> adamw_rates(int64_t step, double grad_scale, double lr, double beta1, double beta2, double eps, double weight_decay) {
  const double t = static_cast<double>(step);
  return {static_cast<float>(grad_scale),
          static_cast<float>(1.0 - lr * weight_decay),
          static_cast<float>(beta1),
          static_cast<float>(1.0 - beta1),
          static_cast<float>(beta2),
          static_cast<float>(1.0 - beta2),
          static_cast<float>(lr / (1.0 - std::pow(beta1, t))),
          static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(beta2, t))),
          static_cast<float>(eps)};
}

void check_rates(const float *rates, int64_t count) {
  if (count > 0) require_f32(rates, SAILS_ADAMW_RATES, "rates");
}

void check_matrices(const float *const *matrices, const int64_t *d, const int64_t *n, int64_t count, const char *name) {
  require_pointer(matrices, count, 8, name);
  for (int64_t i = 0; i < count; i++) require_f32(matrices[i], d[i] * n[i], name);
}

}  // namespace

extern "C" {

int32_t sails_lora_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return guarded(device, "sails_lora_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_lora(n, d_in, d_out, r);
    *out_bytes = backend::lora_forward_workspace_bytes(*device, n, d_in, d_out, r);
  });
}

int32_t sails_lora_forward(sails_device *device, void *y, float *h, const void *x, const float *lora_a, const float *lora_b, int64_t n,
                           int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t y_dtype, int32_t x_dtype, void *workspace,
                           int64_t workspace_bytes) {
  return guarded(device, "sails_lora_forward", [&] {
    check_lora(n, d_in, d_out, r);
    require_tensor(y, n * d_out, y_dtype, "y");
    require_f32(h, n * r, "h");
    require_tensor(x, n * d_in, x_dtype, "x");
    require_f32(lora_a, r * d_in, "lora_a");
    require_f32(lora_b, d_out * r, "lora_b");
    if (n == 0 || r == 0) return;
    require_workspace(workspace, workspace_bytes, backend::lora_forward_workspace_bytes(*device, n, d_in, d_out, r));
    backend::lora_forward(*device, y, h, x, lora_a, lora_b, n, d_in, d_out, r, scale, y_dtype, x_dtype, workspace, workspace_bytes);
  });
}

int32_t sails_lora_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return guarded(device, "sails_lora_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_lora(n, d_in, d_out, r);
    *out_bytes = backend::lora_backward_workspace_bytes(*device, n, d_in, d_out, r);
  });
}

int32_t sails_lora_backward(sails_device *device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x,
                            const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                            float scale, int32_t dy_dtype, int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_lora_backward", [&] {
    check_lora(n, d_in, d_out, r);
    if (dx != nullptr) require_f32(dx, n * d_in, "dx");
    require_f32(dlora_a, r * d_in, "dlora_a");
    require_f32(dlora_b, d_out * r, "dlora_b");
    require_tensor(dy, n * d_out, dy_dtype, "dy");
    require_tensor(x, n * d_in, x_dtype, "x");
    require_f32(h, n * r, "h");
    require_f32(lora_a, r * d_in, "lora_a");
    require_f32(lora_b, d_out * r, "lora_b");
    if (n == 0 || r == 0) return;
    require_workspace(workspace, workspace_bytes, backend::lora_backward_workspace_bytes(*device, n, d_in, d_out, r));
    backend::lora_backward(*device, dx, dlora_a, dlora_b, dy, x, h, lora_a, lora_b, n, d_in, d_out, r, scale, dy_dtype, x_dtype, workspace,
                           workspace_bytes);
  });
}

int32_t sails_linear_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                                             int32_t y_dtype, int32_t dtype) {
  return guarded(device, "sails_linear_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_lora(n, d_in, d_out, r);
    require_f32_or_bf16(y_dtype, "y");
    require_f32_or_bf16(dtype, "x and weight");
    *out_bytes = backend::linear_forward_workspace_bytes(*device, n, d_in, d_out, r, y_dtype, dtype);
  });
}

int32_t sails_linear_forward(sails_device *device, void *y, float *h, const void *x, const void *weight, const float *bias,
                             const void *residual, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                             float scale, int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_linear_forward", [&] {
    check_lora(n, d_in, d_out, r);
    elements({d_out, d_in}, "d_out, d_in");
    require_tensor(y, n * d_out, y_dtype, "y");
    require_tensor(x, n * d_in, dtype, "x");
    require_tensor(weight, d_out * d_in, dtype, "weight");
    require(y_dtype == SAILS_F32 || dtype == SAILS_BF16, "y is bf16 where x and weight are f32");
    if (bias != nullptr) require_f32(bias, d_out, "bias");
    if (residual != nullptr) require_tensor(residual, n * d_out, y_dtype, "residual");
    check_adapter(h, lora_a, lora_b, n, d_in, d_out, r);
    require_f32(h, n * r, "h");
    if (n == 0) return;
    require_workspace(workspace, workspace_bytes, backend::linear_forward_workspace_bytes(*device, n, d_in, d_out, r, y_dtype, dtype));
    backend::linear_forward(*device, y, h, x, weight, bias, residual, lora_a, lora_b, n, d_in, d_out, r, scale, y_dtype, dtype, workspace,
                            workspace_bytes);
  });
}

int32_t sails_linear_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                                              int32_t dtype) {
  return guarded(device, "sails_linear_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_lora(n, d_in, d_out, r);
    require_f32_or_bf16(dtype, "x and weight");
    *out_bytes = backend::linear_backward_workspace_bytes(*device, n, d_in, d_out, r, dtype);
  });
}

int32_t sails_linear_backward(sails_device *device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x,
                              const void *weight, const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in,
                              int64_t d_out, int64_t r, float scale, int32_t accumulate_dx, int32_t dtype, void *workspace,
                              int64_t workspace_bytes) {
  return guarded(device, "sails_linear_backward", [&] {
    check_lora(n, d_in, d_out, r);
    elements({d_out, d_in}, "d_out, d_in");
    require_f32(dx, n * d_in, "dx");
    require_tensor(dy, n * d_out, dtype, "dy");
    require_tensor(weight, d_out * d_in, dtype, "weight");
    check_adapter(h, lora_a, lora_b, n, d_in, d_out, r);
    require((dlora_a == nullptr) == (dlora_b == nullptr) || n * r == 0, "dlora_a and dlora_b are both wanted or both NULL");
    if (dlora_a != nullptr && r > 0) {
      require_f32(dlora_a, r * d_in, "dlora_a");
      require_f32(dlora_b, d_out * r, "dlora_b");
      require_tensor(x, n * d_in, dtype, "x");
      require_f32(h, n * r, "h");
    }
    if (n == 0) return;
    require_workspace(workspace, workspace_bytes, backend::linear_backward_workspace_bytes(*device, n, d_in, d_out, r, dtype));
    backend::linear_backward(*device, dx, dlora_a, dlora_b, dy, x, weight, h, lora_a, lora_b, n, d_in, d_out, r, scale, accumulate_dx, dtype,
                             workspace, workspace_bytes);
  });
}

int32_t sails_project_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t d, int64_t r_s, int64_t n) {
  return guarded(device, "sails_project_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    elements({d, r_s}, "d, r_s");
    elements({d, n}, "d, n");
    elements({r_s, n}, "r_s, n");
    *out_bytes = backend::project_workspace_bytes(*device, d, r_s, n);
  });
}

int32_t sails_project(sails_device *device, float *y, const float *g, const float *basis, int64_t d, int64_t r_s, int64_t n,
                      int32_t right, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_project", [&] {
    const int64_t size = elements({d, n}, "d, n");
    elements({r_s, n}, "r_s, n");
    require_f32(y, size, "y");
    require_f32(g, size, "g");
    require_f32(basis, elements({d, r_s}, "d, r_s"), "basis");
    if (size == 0) return;
    require_workspace(workspace, workspace_bytes, backend::project_workspace_bytes(*device, d, r_s, n));
    backend::project(*device, y, g, basis, d, r_s, n, right, workspace, workspace_bytes);
  });
}

int32_t sails_project_set_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *d, const int64_t *r_s, const int64_t *n,
                                          int64_t count) {
  return guarded(device, "sails_project_set_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_set(d, r_s, n, count);
    *out_bytes = backend::project_set_workspace_bytes(*device, d, r_s, n, count);
  });
}

int32_t sails_project_set(sails_device *device, float *const *ys, const float *const *gs, const float *const *bases, const int64_t *d,
                          const int64_t *r_s, const int64_t *n, const int32_t *right, int64_t count, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_project_set", [&] {
    check_set(d, r_s, n, count);
    require_pointer(right, count, 4, "right");
    check_matrices(ys, d, n, count, "ys[i]");
    check_matrices(gs, d, n, count, "gs[i]");
    check_matrices(bases, d, r_s, count, "bases[i]");
    if (count == 0) return;
    require_workspace(workspace, workspace_bytes, backend::project_set_workspace_bytes(*device, d, r_s, n, count));
    backend::project_set(*device, ys, gs, bases, d, r_s, n, right, count, workspace, workspace_bytes);
  });
}

int32_t sails_adamw_rates(sails_device *device, float *rates, int64_t step, double grad_scale, double lr, double beta1, double beta2,
                          double eps, double weight_decay) {
  return guarded(device, "sails_adamw_rates", [&] {
    require_f32(rates, SAILS_ADAMW_RATES, "rates");
    require(step >= 1, "step is " + std::to_string(step) + ", expected 1 or more");
    backend::adamw_rates(*device, rates, adamw_rates(step, grad_scale, lr, beta1, beta2, eps, weight_decay));
  });
}

int32_t sails_adamw(sails_device *device, float *const *params, float *const *m, float *const *v, const float *const *grads,
                    const float *rates, const int64_t *sizes, int64_t count) {
  return guarded(device, "sails_adamw", [&] {
    require_size(count, "count");
    check_rates(rates, count);
    require_pointer(params, count, 8, "params");
    require_pointer(m, count, 8, "m");
    require_pointer(v, count, 8, "v");
    require_pointer(grads, count, 8, "grads");
    require_pointer(sizes, count, 8, "sizes");
    for (int64_t i = 0; i < count; i++) {
      const int64_t n = elements({sizes[i]}, "sizes");
      require_f32(params[i], n, "params[i]");
      require_f32(m[i], n, "m[i]");
      require_f32(v[i], n, "v[i]");
      require_f32(grads[i], n, "grads[i]");
    }
    backend::adamw(*device, params, m, v, grads, rates, sizes, count);
  });
}

int32_t sails_adamw_projected_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *d, const int64_t *r_s,
                                              const int64_t *n, int64_t count) {
  return guarded(device, "sails_adamw_projected_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_set(d, r_s, n, count);
    *out_bytes = backend::adamw_projected_workspace_bytes(*device, d, r_s, n, count);
  });
}

int32_t sails_adamw_projected(sails_device *device, float *const *params, float *const *m, float *const *v, const float *const *grads,
                              const float *const *bases, const float *rates, const int64_t *d, const int64_t *r_s, const int64_t *n,
                              const int32_t *right, int64_t count, int32_t projection, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_adamw_projected", [&] {
    check_set(d, r_s, n, count);
    require(projection == SAILS_PROJECT_GRADIENT || projection == SAILS_PROJECT_UPDATE,
            "projection is " + std::to_string(projection) + ", expected gradient (0) or update (1)");
    check_rates(rates, count);
    require_pointer(right, count, 4, "right");
    check_matrices(params, d, n, count, "params[i]");
    check_matrices(m, d, n, count, "m[i]");
    check_matrices(v, d, n, count, "v[i]");
    check_matrices(grads, d, n, count, "grads[i]");
    check_matrices(bases, d, r_s, count, "bases[i]");
    if (count == 0) return;
    require_workspace(workspace, workspace_bytes, backend::adamw_projected_workspace_bytes(*device, d, r_s, n, count));
    backend::adamw_projected(*device, params, m, v, grads, bases, rates, d, r_s, n, right, count, projection, workspace, workspace_bytes);
  });
}

int32_t sails_adamw_8bit(sails_device *device, float *const *params, void *const *m, void *const *v, float *const *m_absmax,
                         float *const *v_absmax, const float *const *grads, const float *m_code, const float *v_code, const float *rates,
                         const int64_t *sizes, int64_t count) {
  return guarded(device, "sails_adamw_8bit", [&] {
    require_size(count, "count");
    check_rates(rates, count);
    require_pointer(params, count, 8, "params");
    require_pointer(m, count, 8, "m");
    require_pointer(v, count, 8, "v");
    require_pointer(m_absmax, count, 8, "m_absmax");
    require_pointer(v_absmax, count, 8, "v_absmax");
    require_pointer(grads, count, 8, "grads");
    require_pointer(sizes, count, 8, "sizes");
    require_f32(m_code, 256, "m_code");
    require_f32(v_code, 256, "v_code");
    for (int64_t i = 0; i < count; i++) {
      const int64_t n = elements({sizes[i]}, "sizes");
      require_f32(params[i], n, "params[i]");
      require_f32(grads[i], n, "grads[i]");
      require_pointer(m[i], n, 1, "m[i]");
      require_pointer(v[i], n, 1, "v[i]");
      require_f32(m_absmax[i], n, "m_absmax[i]");
      require_f32(v_absmax[i], n, "v_absmax[i]");
    }
    backend::adamw_8bit(*device, params, m, v, m_absmax, v_absmax, grads, m_code, v_code, rates, sizes, count);
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

int32_t sails_dora_forward(sails_device *device, void *y, const float *u, const float *magnitude, const float *norm, int64_t n, int64_t d_out,
                           int32_t y_dtype) {
  return guarded(device, "sails_dora_forward", [&] {
    const int64_t count = elements({n, d_out}, "n, d_out");
    require_tensor(y, count, y_dtype, "y");
    require_f32(u, count, "u");
    require_f32(magnitude, d_out, "magnitude");
    require_f32(norm, d_out, "norm");
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
    backend::dora_backward(*device, du, dmagnitude, dy, u, magnitude, norm, n, d_out, dtype);
  });
}

}  // extern "C"
