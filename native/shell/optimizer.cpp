// Checks of projections and AdamW; the numbers of its step.
#include <array>
#include <cmath>

#include "shell/checks.h"

namespace {

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
std::array<float, SAILS_ADAMW_RATES> adamw_rates(int64_t step, double grad_scale, double lr, double beta1, double beta2, double eps,
                                                 double weight_decay) {
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

int32_t sails_project_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t d, int64_t r_s, int64_t n) {
  return guarded(device, "sails_project_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    elements({d, r_s}, "d, r_s");
    elements({d, n}, "d, n");
    elements({r_s, n}, "r_s, n");
    *out_bytes = backend::project_workspace_bytes(*device, d, r_s, n);
  });
}

int32_t sails_project(sails_device *device, float *y, const float *g, const float *basis, int64_t d, int64_t r_s, int64_t n, int32_t right,
                      void *workspace, int64_t workspace_bytes) {
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
                          const int64_t *r_s, const int64_t *n, const int32_t *right, int64_t count, void *workspace,
                          int64_t workspace_bytes) {
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
    require(step >= 1, "step is ", step, ", expected 1 or more");
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
    require(projection == SAILS_PROJECT_GRADIENT || projection == SAILS_PROJECT_UPDATE, "projection is ", projection,
            ", expected gradient (0) or update (1)");
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

}  // extern "C"
