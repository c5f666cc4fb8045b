// LoRA products, projection onto a subspace, AdamW: what training adds to the model.
#include <cmath>

#include "device.h"
#include "matmul.h"

using sails::aligned_bytes;
using sails::elements;
using sails::guarded;
using sails::MatmulShape;
using sails::require;
using sails::require_f32;
using sails::require_pointer;
using sails::require_size;
using sails::require_tensor;

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

int64_t largest(sails_device &device, std::initializer_list<MatmulShape> shapes) {
  int64_t bytes = 0;
  for (const auto &shape : shapes) bytes = std::max(bytes, sails::matmul_workspace_bytes(device, shape));
  return bytes;
}

void check_lora(int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  elements({n, d_in}, "n, d_in");
  elements({n, d_out}, "n, d_out");
  elements({n, r}, "n, r");
  elements({r, d_in}, "r, d_in");
  elements({d_out, r}, "d_out, r");
}

int64_t lora_forward_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  return aligned_bytes(4 * n * d_in) + aligned_bytes(4 * n * d_out) + largest(device, {s.down, s.up});
}

int64_t lora_backward_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  return aligned_bytes(4 * n * d_in) + aligned_bytes(4 * n * d_out) + aligned_bytes(4 * n * r) +
         largest(device, {s.dh, s.dx, s.dlora_a, s.dlora_b});
}

const float *widened(sails_device &device, const void *x, int64_t n, int32_t dtype, float *room) {
  if (dtype == SAILS_F32) return static_cast<const float *>(x);
  device.kernels->elementwise->convert(room, x, n, SAILS_F32, dtype, device.threads);
  return room;
}

// The smaller side first: [r_s, n] or [n, r_s].
struct ProjectShapes {
  MatmulShape inner, outer;
};
ProjectShapes project_shapes(int64_t d, int64_t r_s, int64_t n, bool right) {
  if (right) return {f32(n, r_s, d, false, false), f32(n, d, r_s, false, true)};
  return {f32(r_s, n, d, true, false), f32(d, n, r_s, false, false)};
}

int64_t project_bytes(sails_device &device, int64_t d, int64_t r_s, int64_t n) {
  const ProjectShapes left = project_shapes(d, r_s, n, false), right = project_shapes(d, r_s, n, true);
  return aligned_bytes(4 * r_s * n) + largest(device, {left.inner, left.outer, right.inner, right.outer});
}

}  // namespace

extern "C" {

int32_t sails_lora_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return guarded(device, "sails_lora_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_lora(n, d_in, d_out, r);
    *out_bytes = lora_forward_bytes(*device, n, d_in, d_out, r);
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
    sails::require_workspace(workspace, workspace_bytes, lora_forward_bytes(*device, n, d_in, d_out, r));
    const LoraShapes s = lora_shapes(n, d_in, d_out, r);
    sails::Workspace pieces(workspace, workspace_bytes);
    const float *x32 = widened(*device, x, n * d_in, x_dtype, pieces.take<float>(n * d_in));
    float *product = pieces.take<float>(n * d_out);
    const int64_t scratch_bytes = largest(*device, {s.down, s.up});
    void *scratch = pieces.take<char>(scratch_bytes);
    sails::matmul(*device, h, x32, lora_a, s.down, 1.0f, 0.0f, scratch, scratch_bytes);
    if (y_dtype == SAILS_F32) {
      sails::matmul(*device, y, h, lora_b, s.up, scale, 1.0f, scratch, scratch_bytes);
    } else {
      sails::matmul(*device, product, h, lora_b, s.up, 1.0f, 0.0f, scratch, scratch_bytes);
      device->kernels->elementwise->scale_add_rows(y, product, n, d_out, d_out, scale, 1.0f, y_dtype, device->threads);
    }
  });
}

int32_t sails_lora_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return guarded(device, "sails_lora_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_lora(n, d_in, d_out, r);
    *out_bytes = lora_backward_bytes(*device, n, d_in, d_out, r);
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
    sails::require_workspace(workspace, workspace_bytes, lora_backward_bytes(*device, n, d_in, d_out, r));
    const LoraShapes s = lora_shapes(n, d_in, d_out, r);
    sails::Workspace pieces(workspace, workspace_bytes);
    const float *x32 = widened(*device, x, n * d_in, x_dtype, pieces.take<float>(n * d_in));
    const float *dy32 = widened(*device, dy, n * d_out, dy_dtype, pieces.take<float>(n * d_out));
    float *dh = pieces.take<float>(n * r);
    const int64_t scratch_bytes = largest(*device, {s.dh, s.dx, s.dlora_a, s.dlora_b});
    void *scratch = pieces.take<char>(scratch_bytes);
    sails::matmul(*device, dh, dy32, lora_b, s.dh, scale, 0.0f, scratch, scratch_bytes);
    if (dx != nullptr) sails::matmul(*device, dx, dh, lora_a, s.dx, 1.0f, 1.0f, scratch, scratch_bytes);
    sails::matmul(*device, dlora_a, dh, x32, s.dlora_a, 1.0f, 1.0f, scratch, scratch_bytes);
    sails::matmul(*device, dlora_b, dy32, h, s.dlora_b, scale, 1.0f, scratch, scratch_bytes);
  });
}

int32_t sails_project_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t d, int64_t r_s, int64_t n) {
  return guarded(device, "sails_project_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    elements({d, r_s}, "d, r_s");
    elements({d, n}, "d, n");
    elements({r_s, n}, "r_s, n");
    *out_bytes = project_bytes(*device, d, r_s, n);
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
    sails::require_workspace(workspace, workspace_bytes, project_bytes(*device, d, r_s, n));
    const ProjectShapes s = project_shapes(d, r_s, n, right != 0);
    sails::Workspace pieces(workspace, workspace_bytes);
    float *inner = pieces.take<float>(r_s * n);
    const int64_t scratch_bytes = largest(*device, {s.inner, s.outer});
    void *scratch = pieces.take<char>(scratch_bytes);
    if (right != 0) {
      sails::matmul(*device, inner, g, basis, s.inner, 1.0f, 0.0f, scratch, scratch_bytes);
      sails::matmul(*device, y, inner, basis, s.outer, 1.0f, 0.0f, scratch, scratch_bytes);
    } else {
      sails::matmul(*device, inner, basis, g, s.inner, 1.0f, 0.0f, scratch, scratch_bytes);
      sails::matmul(*device, y, basis, inner, s.outer, 1.0f, 0.0f, scratch, scratch_bytes);
    }
  });
}

int32_t sails_adamw(sails_device *device, float *const *params, float *const *m, float *const *v, const float *const *grads,
                    const int64_t *sizes, int64_t count, int64_t step, double grad_scale, double lr, double beta1, double beta2,
                    double eps, double weight_decay) {
  return guarded(device, "sails_adamw", [&] {
    require_size(count, "count");
    require(step >= 1, "step is " + std::to_string(step) + ", expected 1 or more");
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
    const double t = static_cast<double>(step);
    const sails::AdamwScalars scalars{grad_scale, lr, beta1, beta2, eps, weight_decay, 1.0 - std::pow(beta1, t), 1.0 - std::pow(beta2, t)};
    for (int64_t i = 0; i < count; i++)
      device->kernels->optimizer->adamw(params[i], m[i], v[i], grads[i], sizes[i], scalars, device->threads);
  });
}

}  // extern "C"
