// Projection onto a subspace, AdamW.
#include <algorithm>

#include "cpu/device.h"
#include "cpu/matmul.h"
#include "shell/backend.h"

namespace sails {
namespace {

// The smaller side first: [r_s, n] or [n, r_s].
struct ProjectShapes {
  MatmulShape inner, outer;
};

ProjectShapes project_shapes(int64_t d, int64_t r_s, int64_t n, bool right) {
  if (right) return {f32_product(n, r_s, d, false, false), f32_product(n, d, r_s, false, true)};
  return {f32_product(r_s, n, d, true, false), f32_product(d, n, r_s, false, false)};
}

int64_t project_bytes(CpuDevice &device, int64_t d, int64_t r_s, int64_t n) {
  const ProjectShapes left = project_shapes(d, r_s, n, false), right = project_shapes(d, r_s, n, true);
  return aligned_bytes(4 * r_s * n) + largest_workspace_bytes(device, {left.inner, left.outer, right.inner, right.outer});
}

}  // namespace

namespace backend {

int64_t project_workspace_bytes(sails_device &device, int64_t d, int64_t r_s, int64_t n) { return project_bytes(cpu(device), d, r_s, n); }

void project(sails_device &device, float *y, const float *g, const float *basis, int64_t d, int64_t r_s, int64_t n, int32_t right,
             void *workspace, int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  const ProjectShapes s = project_shapes(d, r_s, n, right != 0);
  Workspace pieces(workspace, workspace_bytes);
  float *inner = pieces.take<float>(r_s * n);
  if (right != 0) {
    sails::matmul(host, inner, g, basis, s.inner, 1.0f, 0.0f, pieces);
    sails::matmul(host, y, inner, basis, s.outer, 1.0f, 0.0f, pieces);
  } else {
    sails::matmul(host, inner, basis, g, s.inner, 1.0f, 0.0f, pieces);
    sails::matmul(host, y, basis, inner, s.outer, 1.0f, 0.0f, pieces);
  }
}

int64_t project_set_workspace_bytes(sails_device &device, const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < count; i++) bytes = std::max(bytes, project_bytes(cpu(device), d[i], r_s[i], n[i]));
  return bytes;
}

void project_set(sails_device &device, float *const *ys, const float *const *gs, const float *const *bases, const int64_t *d,
                 const int64_t *r_s, const int64_t *n, const int32_t *right, int64_t count, void *workspace, int64_t workspace_bytes) {
  for (int64_t i = 0; i < count; i++) project(device, ys[i], gs[i], bases[i], d[i], r_s[i], n[i], right[i], workspace, workspace_bytes);
}

void adamw_rates(sails_device &, float *rates, const std::array<float, SAILS_ADAMW_RATES> &values) {
  std::copy(values.begin(), values.end(), rates);
}

void adamw(sails_device &device, float *const *params, float *const *m, float *const *v, const float *const *grads, const float *rates,
           const int64_t *sizes, int64_t count) {
  CpuDevice &host = cpu(device);
  for (int64_t i = 0; i < count; i++) host.kernels->optimizer->adamw(params[i], m[i], v[i], grads[i], sizes[i], rates, host.threads);
}

int64_t adamw_projected_workspace_bytes(sails_device &device, const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count) {
  int64_t largest_matrix = 0;
  for (int64_t i = 0; i < count; i++) largest_matrix = std::max(largest_matrix, d[i] * n[i]);
  return aligned_bytes(4 * largest_matrix) + project_set_workspace_bytes(device, d, r_s, n, count);
}

void adamw_projected(sails_device &device, float *const *params, float *const *m, float *const *v, const float *const *grads,
                     const float *const *bases, const float *rates, const int64_t *d, const int64_t *r_s, const int64_t *n,
                     const int32_t *right, int64_t count, int32_t projection, void *workspace, int64_t workspace_bytes) {
  int64_t largest_matrix = 0;
  for (int64_t i = 0; i < count; i++) largest_matrix = std::max(largest_matrix, d[i] * n[i]);
  Workspace pieces(workspace, workspace_bytes);
  float *projected = pieces.take<float>(largest_matrix);
  for (int64_t i = 0; i < count; i++) {
    const int64_t size = d[i] * n[i];
    if (size == 0) continue;
    const float *gradient = grads[i];
    if (projection == SAILS_PROJECT_GRADIENT) {
      project(device, projected, gradient, bases[i], d[i], r_s[i], n[i], right[i], pieces.data(), pieces.bytes());
      gradient = projected;
    }
    adamw(device, &params[i], &m[i], &v[i], &gradient, rates, &size, 1);
    if (projection == SAILS_PROJECT_UPDATE)
      project(device, params[i], params[i], bases[i], d[i], r_s[i], n[i], right[i], pieces.data(), pieces.bytes());
  }
}

void adamw_8bit(sails_device &device, float *const *params, void *const *m, void *const *v, float *const *m_absmax, float *const *v_absmax,
                const float *const *grads, const float *m_code, const float *v_code, const float *rates, const int64_t *sizes,
                int64_t count) {
  CpuDevice &host = cpu(device);
  for (int64_t i = 0; i < count; i++)
    host.kernels->optimizer->adamw_8bit(params[i], static_cast<uint8_t *>(m[i]), static_cast<uint8_t *>(v[i]), m_absmax[i], v_absmax[i],
                                        grads[i], sizes[i], m_code, v_code, rates, host.threads);
}

}  // namespace backend
}  // namespace sails
