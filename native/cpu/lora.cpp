// Linear maps with LoRA, projection onto a subspace, AdamW: what training adds to the model.
#include <algorithm>
#include <cstring>

#include "cpu/device.h"
#include "cpu/matmul.h"
#include "shell/backend.h"

namespace sails {
namespace {

MatmulShape f32(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  return MatmulShape::dense(m, n, k, SAILS_F32, SAILS_F32, transpose_a, transpose_b);
}

// The products are in f32, so that small adapter values are not rounded away: bf16 activations are widened into the workspace.
struct LoraShapes {
  MatmulShape down, up;                           // h = x A^T, y = h B^T
  MatmulShape dh, dx, dlora_a, dlora_b;           // backward
};

LoraShapes lora_shapes(int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return {f32(n, r, d_in, false, true), f32(n, d_out, r, false, true), f32(n, r, d_out, false, false),
          f32(n, d_in, r, false, false), f32(r, d_in, n, true, false), f32(d_out, r, n, true, false)};
}

int64_t largest(CpuDevice &device, std::initializer_list<MatmulShape> shapes) {
  int64_t bytes = 0;
  for (const auto &shape : shapes) bytes = std::max(bytes, matmul_workspace_bytes(device, shape));
  return bytes;
}

int64_t lora_forward_bytes(CpuDevice &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  return aligned_bytes(4 * n * d_in) + aligned_bytes(4 * n * d_out) + largest(device, {s.down, s.up});
}

int64_t lora_backward_bytes(CpuDevice &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  return aligned_bytes(4 * n * d_in) + aligned_bytes(4 * n * d_out) + aligned_bytes(4 * n * r) +
         largest(device, {s.dh, s.dx, s.dlora_a, s.dlora_b});
}

const float *widened(CpuDevice &device, const void *x, int64_t n, int32_t dtype, float *room) {
  if (dtype == SAILS_F32) return static_cast<const float *>(x);
  device.kernels->elementwise->convert(room, x, n, SAILS_F32, dtype, device.threads);
  return room;
}

MatmulShape linear_product(int64_t n, int64_t d_in, int64_t d_out, int32_t c_dtype, int32_t dtype) {
  return MatmulShape::dense(n, d_out, d_in, c_dtype, dtype, false, true);
}

// The smaller side first: [r_s, n] or [n, r_s].
struct ProjectShapes {
  MatmulShape inner, outer;
};
ProjectShapes project_shapes(int64_t d, int64_t r_s, int64_t n, bool right) {
  if (right) return {f32(n, r_s, d, false, false), f32(n, d, r_s, false, true)};
  return {f32(r_s, n, d, true, false), f32(d, n, r_s, false, false)};
}

int64_t project_bytes(CpuDevice &device, int64_t d, int64_t r_s, int64_t n) {
  const ProjectShapes left = project_shapes(d, r_s, n, false), right = project_shapes(d, r_s, n, true);
  return aligned_bytes(4 * r_s * n) + largest(device, {left.inner, left.outer, right.inner, right.outer});
}

}  // namespace

namespace backend {

int64_t lora_forward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return lora_forward_bytes(cpu(device), n, d_in, d_out, r);
}

void lora_forward(sails_device &device, void *y, float *h, const void *x, const float *lora_a, const float *lora_b, int64_t n,
                  int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t y_dtype, int32_t x_dtype, void *workspace,
                  int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  Workspace pieces(workspace, workspace_bytes);
  const float *x32 = widened(host, x, n * d_in, x_dtype, pieces.take<float>(n * d_in));
  float *product = pieces.take<float>(n * d_out);
  const int64_t scratch_bytes = largest(host, {s.down, s.up});
  void *scratch = pieces.take<char>(scratch_bytes);
  sails::matmul(host, h, x32, lora_a, s.down, 1.0f, 0.0f, scratch, scratch_bytes);
  if (y_dtype == SAILS_F32) {
    sails::matmul(host, y, h, lora_b, s.up, scale, 1.0f, scratch, scratch_bytes);
  } else {
    sails::matmul(host, product, h, lora_b, s.up, 1.0f, 0.0f, scratch, scratch_bytes);
    host.kernels->elementwise->scale_add_rows(y, product, n, d_out, d_out, scale, 1.0f, y_dtype, host.threads);
  }
}

int64_t lora_backward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return lora_backward_bytes(cpu(device), n, d_in, d_out, r);
}

// dlora_a and dlora_b NULL: neither is wanted, nor x and h needed.
void lora_backward(sails_device &device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x, const float *h,
                   const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale,
                   int32_t dy_dtype, int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  Workspace pieces(workspace, workspace_bytes);
  float *x_room = pieces.take<float>(n * d_in);
  const float *dy32 = widened(host, dy, n * d_out, dy_dtype, pieces.take<float>(n * d_out));
  float *dh = pieces.take<float>(n * r);
  const int64_t scratch_bytes = largest(host, {s.dh, s.dx, s.dlora_a, s.dlora_b});
  void *scratch = pieces.take<char>(scratch_bytes);
  sails::matmul(host, dh, dy32, lora_b, s.dh, scale, 0.0f, scratch, scratch_bytes);
  if (dx != nullptr) sails::matmul(host, dx, dh, lora_a, s.dx, 1.0f, 1.0f, scratch, scratch_bytes);
  if (dlora_a == nullptr) return;
  const float *x32 = widened(host, x, n * d_in, x_dtype, x_room);
  sails::matmul(host, dlora_a, dh, x32, s.dlora_a, 1.0f, 1.0f, scratch, scratch_bytes);
  sails::matmul(host, dlora_b, dy32, h, s.dlora_b, scale, 1.0f, scratch, scratch_bytes);
}

int64_t linear_forward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r, int32_t y_dtype,
                                       int32_t dtype) {
  CpuDevice &host = cpu(device);
  return aligned_bytes(y_dtype == SAILS_F32 ? 0 : 4 * n * d_out) +
         std::max(largest(host, {linear_product(n, d_in, d_out, SAILS_F32, dtype), linear_product(n, d_in, d_out, y_dtype, dtype)}),
                  lora_forward_bytes(host, n, d_in, d_out, r));
}

// All terms meet in f32, so that a bf16 output is rounded once.
void linear_forward(sails_device &device, void *y, float *h, const void *x, const void *weight, const float *bias, const void *residual,
                    const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale,
                    int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  Workspace pieces(workspace, workspace_bytes);
  float *room = pieces.take<float>(y_dtype == SAILS_F32 ? 0 : n * d_out);
  const int64_t scratch_bytes = (workspace_bytes - aligned_bytes(y_dtype == SAILS_F32 ? 0 : 4 * n * d_out)) / 64 * 64;
  void *scratch = pieces.take<char>(scratch_bytes);
  if (y_dtype == SAILS_BF16 && r == 0 && bias == nullptr && residual == nullptr) {
    sails::matmul(host, y, x, weight, linear_product(n, d_in, d_out, y_dtype, dtype), 1.0f, 0.0f, scratch, scratch_bytes);
    return;
  }
  float *sum = y_dtype == SAILS_F32 ? static_cast<float *>(y) : room;
  if (residual != nullptr && residual != sum) {
    if (y_dtype == SAILS_F32)
      std::memcpy(sum, residual, static_cast<size_t>(n * d_out) * 4);
    else
      host.kernels->elementwise->convert(sum, residual, n * d_out, SAILS_F32, y_dtype, host.threads);
  }
  sails::matmul(host, sum, x, weight, linear_product(n, d_in, d_out, SAILS_F32, dtype), 1.0f, residual == nullptr ? 0.0f : 1.0f, scratch,
                scratch_bytes);
  if (r > 0)
    lora_forward(device, sum, h, x, lora_a, lora_b, n, d_in, d_out, r, scale, SAILS_F32, dtype, scratch, scratch_bytes);
  if (bias != nullptr) host.kernels->elementwise->add_row(sum, sum, bias, n, d_out, 1.0f, SAILS_F32, host.threads);
  if (y_dtype == SAILS_BF16) host.kernels->elementwise->convert(y, sum, n * d_out, y_dtype, SAILS_F32, host.threads);
}

int64_t linear_backward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r, int32_t dtype) {
  CpuDevice &host = cpu(device);
  return std::max(largest(host, {MatmulShape::dense(n, d_in, d_out, SAILS_F32, dtype, false, false)}),
                  r > 0 ? lora_backward_bytes(host, n, d_in, d_out, r) : 0);
}

void linear_backward(sails_device &device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x, const void *weight,
                     const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                     float scale, int32_t accumulate_dx, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  sails::matmul(cpu(device), dx, dy, weight, MatmulShape::dense(n, d_in, d_out, SAILS_F32, dtype, false, false), 1.0f,
                accumulate_dx != 0 ? 1.0f : 0.0f, workspace, workspace_bytes);
  if (r > 0)
    lora_backward(device, dx, dlora_a, dlora_b, dy, x, h, lora_a, lora_b, n, d_in, d_out, r, scale, dtype, dtype, workspace, workspace_bytes);
}

int64_t project_workspace_bytes(sails_device &device, int64_t d, int64_t r_s, int64_t n) {
  return project_bytes(cpu(device), d, r_s, n);
}

void project(sails_device &device, float *y, const float *g, const float *basis, int64_t d, int64_t r_s, int64_t n, int32_t right,
             void *workspace, int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  const ProjectShapes s = project_shapes(d, r_s, n, right != 0);
  Workspace pieces(workspace, workspace_bytes);
  float *inner = pieces.take<float>(r_s * n);
  const int64_t scratch_bytes = largest(host, {s.inner, s.outer});
  void *scratch = pieces.take<char>(scratch_bytes);
  if (right != 0) {
    sails::matmul(host, inner, g, basis, s.inner, 1.0f, 0.0f, scratch, scratch_bytes);
    sails::matmul(host, y, inner, basis, s.outer, 1.0f, 0.0f, scratch, scratch_bytes);
  } else {
    sails::matmul(host, inner, basis, g, s.inner, 1.0f, 0.0f, scratch, scratch_bytes);
    sails::matmul(host, y, basis, inner, s.outer, 1.0f, 0.0f, scratch, scratch_bytes);
  }
}

int64_t project_set_workspace_bytes(sails_device &device, const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < count; i++) bytes = std::max(bytes, project_bytes(cpu(device), d[i], r_s[i], n[i]));
  return bytes;
}

void project_set(sails_device &device, float *const *ys, const float *const *gs, const float *const *bases, const int64_t *d,
                 const int64_t *r_s, const int64_t *n, const int32_t *right, int64_t count, void *workspace, int64_t workspace_bytes) {
  for (int64_t i = 0; i < count; i++)
    project(device, ys[i], gs[i], bases[i], d[i], r_s[i], n[i], right[i], workspace, workspace_bytes);
}

void adamw_rates(sails_device &, float *rates, const std::array<float, SAILS_ADAMW_RATES> &values) { std::copy(values.begin(), values.end(), rates); }

void adamw(sails_device &device, float *const *params, float *const *m, float *const *v, const float *const *grads, const float *rates,
           const int64_t *sizes, int64_t count) {
  CpuDevice &host = cpu(device);
  for (int64_t i = 0; i < count; i++)
    host.kernels->optimizer->adamw(params[i], m[i], v[i], grads[i], sizes[i], rates, host.threads);
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
  const int64_t scratch_bytes = project_set_workspace_bytes(device, d, r_s, n, count);
  void *scratch = pieces.take<char>(scratch_bytes);
  for (int64_t i = 0; i < count; i++) {
    const int64_t size = d[i] * n[i];
    if (size == 0) continue;
    const float *gradient = grads[i];
    if (projection == SAILS_PROJECT_GRADIENT) {
      project(device, projected, gradient, bases[i], d[i], r_s[i], n[i], right[i], scratch, scratch_bytes);
      gradient = projected;
    }
    adamw(device, &params[i], &m[i], &v[i], &gradient, rates, &size, 1);
    if (projection == SAILS_PROJECT_UPDATE)
      project(device, params[i], params[i], bases[i], d[i], r_s[i], n[i], right[i], scratch, scratch_bytes);
  }
}

void adamw_8bit(sails_device &device, float *const *params, void *const *m, void *const *v, float *const *m_absmax, float *const *v_absmax,
                const float *const *grads, const float *m_code, const float *v_code, const float *rates, const int64_t *sizes, int64_t count) {
  CpuDevice &host = cpu(device);
  for (int64_t i = 0; i < count; i++)
    host.kernels->optimizer->adamw_8bit(params[i], static_cast<uint8_t *>(m[i]), static_cast<uint8_t *>(v[i]), m_absmax[i], v_absmax[i], grads[i],
                                        sizes[i], m_code, v_code, rates, host.threads);
}

void dora_norm(sails_device &device, float *norm, const void *weight, const float *lora_a, const float *lora_b, int64_t d_out,
               int64_t d_in, int64_t r, float scale, int32_t dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->dora->norm(norm, weight, lora_a, lora_b, d_out, d_in, r, scale, dtype, host.threads);
}

void dora_forward(sails_device &device, void *y, const float *u, const float *magnitude, const float *norm, int64_t n, int64_t d_out,
                  int32_t y_dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->dora->forward(y, u, magnitude, norm, n, d_out, y_dtype, host.threads);
}

void dora_backward(sails_device &device, void *du, float *dmagnitude, const void *dy, const float *u, const float *magnitude,
                   const float *norm, int64_t n, int64_t d_out, int32_t dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->dora->backward(du, dmagnitude, dy, u, magnitude, norm, n, d_out, dtype, host.threads);
}

}  // namespace backend
}  // namespace sails
