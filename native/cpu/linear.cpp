// Linear maps with their adapters: LoRA, sets of maps, gated pairs, DoRA.
#include <algorithm>
#include <cstring>

#include "common/linear_set.h"
#include "cpu/device.h"
#include "cpu/matmul.h"
#include "shell/backend.h"

namespace sails {
namespace {

// The products are in f32, so that small adapter values are not rounded away: bf16 activations are widened into the workspace.
struct LoraShapes {
  MatmulShape down, up;                  // h = x A^T, y = h B^T
  MatmulShape dh, dx, dlora_a, dlora_b;  // backward
};

LoraShapes lora_shapes(int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return {f32_product(n, r, d_in, false, true),  f32_product(n, d_out, r, false, true), f32_product(n, r, d_out, false, false),
          f32_product(n, d_in, r, false, false), f32_product(r, d_in, n, true, false),  f32_product(d_out, r, n, true, false)};
}

int64_t lora_forward_bytes(CpuDevice &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  return aligned_bytes(4 * n * d_in) + aligned_bytes(4 * n * d_out) + largest_workspace_bytes(device, {s.down, s.up});
}

int64_t lora_backward_bytes(CpuDevice &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  return aligned_bytes(4 * n * d_in) + aligned_bytes(4 * n * d_out) + aligned_bytes(4 * n * r) +
         largest_workspace_bytes(device, {s.dh, s.dx, s.dlora_a, s.dlora_b});
}

const float *widened(CpuDevice &device, const void *x, int64_t n, int32_t dtype, float *room) {
  if (dtype == SAILS_F32) return static_cast<const float *>(x);
  device.kernels->elementwise->convert(room, x, n, SAILS_F32, dtype, device.threads);
  return room;
}

MatmulShape linear_product(int64_t n, int64_t d_in, int64_t d_out, int32_t c_dtype, int32_t dtype) {
  return MatmulShape::dense(n, d_out, d_in, c_dtype, dtype, false, true);
}

}  // namespace

namespace backend {

int64_t lora_forward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  return lora_forward_bytes(cpu(device), n, d_in, d_out, r);
}

void lora_forward(sails_device &device, void *y, float *h, const void *x, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in,
                  int64_t d_out, int64_t r, float scale, int32_t y_dtype, int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  CpuDevice &host = cpu(device);
  const LoraShapes s = lora_shapes(n, d_in, d_out, r);
  Workspace pieces(workspace, workspace_bytes);
  const float *x32 = widened(host, x, n * d_in, x_dtype, pieces.take<float>(n * d_in));
  float *product = pieces.take<float>(n * d_out);
  const int64_t scratch_bytes = largest_workspace_bytes(host, {s.down, s.up});
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
  const int64_t scratch_bytes = largest_workspace_bytes(host, {s.dh, s.dx, s.dlora_a, s.dlora_b});
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
         std::max(largest_workspace_bytes(
                      host, {linear_product(n, d_in, d_out, SAILS_F32, dtype), linear_product(n, d_in, d_out, y_dtype, dtype)}),
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
  if (r > 0) lora_forward(device, sum, h, x, lora_a, lora_b, n, d_in, d_out, r, scale, SAILS_F32, dtype, scratch, scratch_bytes);
  if (bias != nullptr) host.kernels->elementwise->add_row(sum, sum, bias, n, d_out, 1.0f, SAILS_F32, host.threads);
  if (y_dtype == SAILS_BF16) host.kernels->elementwise->convert(y, sum, n * d_out, y_dtype, SAILS_F32, host.threads);
}

int64_t linear_backward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r, int32_t dtype) {
  CpuDevice &host = cpu(device);
  return std::max(largest_workspace_bytes(host, {MatmulShape::dense(n, d_in, d_out, SAILS_F32, dtype, false, false)}),
                  r > 0 ? lora_backward_bytes(host, n, d_in, d_out, r) : 0);
}

void linear_backward(sails_device &device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x, const void *weight,
                     const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                     float scale, int32_t accumulate_dx, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  sails::matmul(cpu(device), dx, dy, weight, MatmulShape::dense(n, d_in, d_out, SAILS_F32, dtype, false, false), 1.0f,
                accumulate_dx != 0 ? 1.0f : 0.0f, workspace, workspace_bytes);
  if (r > 0)
    lora_backward(device, dx, dlora_a, dlora_b, dy, x, h, lora_a, lora_b, n, d_in, d_out, r, scale, dtype, dtype, workspace,
                  workspace_bytes);
}

void dora_norm(sails_device &device, float *norm, const void *weight, const float *lora_a, const float *lora_b, int64_t d_out, int64_t d_in,
               int64_t r, float scale, int32_t dtype) {
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

int64_t linear_set_forward_workspace_bytes(sails_device &device, const int64_t *d_out, const int64_t *r, int64_t count, int64_t n,
                                           int64_t d_in, int32_t y_dtype, int32_t dtype) {
  return map_by_map_bytes(device, d_out, r, count, n, d_in, y_dtype, dtype);
}

void linear_set_forward(sails_device &device, void *const *ys, const void *x, const void *const *weights, const float *const *lora_as,
                        const float *const *lora_bs, const int64_t *d_out, const int64_t *r, const float *scale, int64_t count, int64_t n,
                        int64_t d_in, int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  map_by_map(device, ys, x, weights, lora_as, lora_bs, d_out, r, scale, count, n, d_in, y_dtype, dtype, workspace, workspace_bytes);
}

int64_t linear_glu_forward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r, int64_t up_r,
                                           int32_t dtype) {
  return glu_by_maps_bytes(device, n, d_in, d_out, gate_r, up_r, dtype);
}

void linear_glu_forward(sails_device &device, void *y, void *gate, void *up, float *gate_h, float *up_h, const void *x,
                        const void *gate_weight, const void *up_weight, const float *gate_lora_a, const float *gate_lora_b,
                        const float *up_lora_a, const float *up_lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r,
                        int64_t up_r, float gate_scale, float up_scale, int32_t activation, int32_t dtype, void *workspace,
                        int64_t workspace_bytes) {
  glu_by_maps(device, y, {gate, up}, {gate_h, up_h}, x, {gate_weight, up_weight}, {gate_lora_a, up_lora_a}, {gate_lora_b, up_lora_b}, n,
              d_in, d_out, {gate_r, up_r}, {gate_scale, up_scale}, activation, dtype, workspace, workspace_bytes);
}

}  // namespace backend
}  // namespace sails
