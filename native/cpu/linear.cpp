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

LoraShapes lora_shapes(const LinearSizes &s) {
  return {f32_product(s.n, s.r, s.d_in, false, true),   f32_product(s.n, s.d_out, s.r, false, true),
          f32_product(s.n, s.r, s.d_out, false, false), f32_product(s.n, s.d_in, s.r, false, false),
          f32_product(s.r, s.d_in, s.n, true, false),   f32_product(s.d_out, s.r, s.n, true, false)};
}

const float *widened(CpuDevice &device, const void *x, int64_t n, int32_t dtype, float *room) {
  if (dtype == SAILS_F32) return static_cast<const float *>(x);
  device.kernels->elementwise->convert(room, x, n, SAILS_F32, dtype, device.threads);
  return room;
}

MatmulShape linear_product(const LinearSizes &s, int32_t c_dtype) {
  return MatmulShape::dense(s.n, s.d_out, s.d_in, c_dtype, s.dtype, false, true);
}

MatmulShape input_gradient(const LinearSizes &s) { return MatmulShape::dense(s.n, s.d_in, s.d_out, SAILS_F32, s.dtype, false, false); }

// Where the terms of a bf16 output meet.
int64_t sum_elements(const LinearSizes &s) { return s.y_dtype == SAILS_F32 ? 0 : s.n * s.d_out; }

}  // namespace

namespace backend {

int64_t lora_forward_workspace_bytes(sails_device &device, const LinearSizes &s) {
  const LoraShapes shapes = lora_shapes(s);
  return aligned_bytes(4 * s.n * s.d_in) + aligned_bytes(4 * s.n * s.d_out) +
         largest_workspace_bytes(cpu(device), {shapes.down, shapes.up});
}

void lora_forward(sails_device &device, const LoraForward &p, Workspace workspace) {
  CpuDevice &host = cpu(device);
  const LinearSizes &s = p.sizes;
  const LoraShapes shapes = lora_shapes(s);
  const float *x32 = widened(host, p.x, s.n * s.d_in, s.dtype, workspace.take<float>(s.n * s.d_in));
  float *product = workspace.take<float>(s.n * s.d_out);
  sails::matmul(host, p.h, x32, p.lora_a, shapes.down, 1.0f, 0.0f, workspace);
  if (s.y_dtype == SAILS_F32) {
    sails::matmul(host, p.y, p.h, p.lora_b, shapes.up, p.scale, 1.0f, workspace);
  } else {
    sails::matmul(host, product, p.h, p.lora_b, shapes.up, 1.0f, 0.0f, workspace);
    host.kernels->elementwise->scale_add_rows(p.y, product, s.n, s.d_out, s.d_out, p.scale, 1.0f, s.y_dtype, host.threads);
  }
}

int64_t lora_backward_workspace_bytes(sails_device &device, const LinearSizes &s) {
  const LoraShapes shapes = lora_shapes(s);
  return aligned_bytes(4 * s.n * s.d_in) + aligned_bytes(4 * s.n * s.d_out) + aligned_bytes(4 * s.n * s.r) +
         largest_workspace_bytes(cpu(device), {shapes.dh, shapes.dx, shapes.dlora_a, shapes.dlora_b});
}

// dlora_a and dlora_b NULL: neither is wanted, nor x and h needed.
void lora_backward(sails_device &device, const LoraBackward &p, Workspace workspace) {
  CpuDevice &host = cpu(device);
  const LinearSizes &s = p.sizes;
  const LoraShapes shapes = lora_shapes(s);
  float *x_room = workspace.take<float>(s.n * s.d_in);
  const float *dy32 = widened(host, p.dy, s.n * s.d_out, s.y_dtype, workspace.take<float>(s.n * s.d_out));
  float *dh = workspace.take<float>(s.n * s.r);
  sails::matmul(host, dh, dy32, p.lora_b, shapes.dh, p.scale, 0.0f, workspace);
  if (p.dx != nullptr) sails::matmul(host, p.dx, dh, p.lora_a, shapes.dx, 1.0f, 1.0f, workspace);
  if (p.dlora_a == nullptr) return;
  const float *x32 = widened(host, p.x, s.n * s.d_in, s.dtype, x_room);
  sails::matmul(host, p.dlora_a, dh, x32, shapes.dlora_a, 1.0f, 1.0f, workspace);
  sails::matmul(host, p.dlora_b, dy32, p.h, shapes.dlora_b, p.scale, 1.0f, workspace);
}

int64_t linear_forward_workspace_bytes(sails_device &device, const LinearSizes &s) {
  const int64_t products = largest_workspace_bytes(cpu(device), {linear_product(s, SAILS_F32), linear_product(s, s.y_dtype)});
  return aligned_bytes(4 * sum_elements(s)) + std::max(products, lora_forward_workspace_bytes(device, s));
}

// All terms meet in f32, so that a bf16 output is rounded once.
void linear_forward(sails_device &device, const LinearForward &p, Workspace workspace) {
  CpuDevice &host = cpu(device);
  const LinearSizes &s = p.sizes;
  float *room = workspace.take<float>(sum_elements(s));
  if (s.y_dtype == SAILS_BF16 && s.r == 0 && p.bias == nullptr && p.residual == nullptr) {
    sails::matmul(host, p.y, p.x, p.weight, linear_product(s, s.y_dtype), 1.0f, 0.0f, workspace);
    return;
  }
  float *sum = s.y_dtype == SAILS_F32 ? static_cast<float *>(p.y) : room;
  if (p.residual != nullptr && p.residual != sum) {
    if (s.y_dtype == SAILS_F32)
      std::memcpy(sum, p.residual, static_cast<size_t>(s.n * s.d_out) * 4);
    else
      host.kernels->elementwise->convert(sum, p.residual, s.n * s.d_out, SAILS_F32, s.y_dtype, host.threads);
  }
  sails::matmul(host, sum, p.x, p.weight, linear_product(s, SAILS_F32), 1.0f, p.residual == nullptr ? 0.0f : 1.0f, workspace);
  if (s.r > 0) {
    LoraForward lora = p;
    lora.y = sum;
    lora.sizes.y_dtype = SAILS_F32;
    lora_forward(device, lora, workspace);
  }
  if (p.bias != nullptr) host.kernels->elementwise->add_row(sum, sum, p.bias, s.n, s.d_out, 1.0f, SAILS_F32, host.threads);
  if (s.y_dtype == SAILS_BF16) host.kernels->elementwise->convert(p.y, sum, s.n * s.d_out, s.y_dtype, SAILS_F32, host.threads);
}

int64_t linear_backward_workspace_bytes(sails_device &device, const LinearSizes &s) {
  return std::max(largest_workspace_bytes(cpu(device), {input_gradient(s)}), s.r > 0 ? lora_backward_workspace_bytes(device, s) : 0);
}

void linear_backward(sails_device &device, const LinearBackward &p, Workspace workspace) {
  sails::matmul(cpu(device), p.dx, p.dy, p.weight, input_gradient(p.sizes), 1.0f, p.accumulate_dx ? 1.0f : 0.0f, workspace);
  if (p.sizes.r > 0) lora_backward(device, p, workspace);
}

int64_t lora_rows_forward_workspace_bytes(sails_device &, const int64_t *r, int64_t count, int64_t n) {
  return aligned_bytes(4 * n * largest_rank(r, count));
}

void lora_rows_forward(sails_device &device, const LoraRows &p, Workspace workspace) {
  for (int64_t t = 0; t < p.n; t++)
    require(p.row_adapter[t] >= -1 && p.row_adapter[t] < p.count, "row_adapter[", t, "] is ", p.row_adapter[t], ", expected -1 to ",
            p.count - 1);
  CpuDevice &host = cpu(device);
  const int64_t columns = largest_rank(p.r, p.count);
  host.kernels->lora_rows->forward(p, workspace.take<float>(p.n * columns), columns, *host.pool);
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

int64_t linear_set_forward_workspace_bytes(sails_device &device, const LinearSetSizes &sizes) { return map_by_map_bytes(device, sizes); }

void linear_set_forward(sails_device &device, const LinearSetForward &set, Workspace workspace) { map_by_map(device, set, workspace); }

int64_t linear_glu_forward_workspace_bytes(sails_device &device, const LinearGluSizes &sizes) { return glu_by_maps_bytes(device, sizes); }

void linear_glu_forward(sails_device &device, const LinearGluForward &glu, Workspace workspace) { glu_by_maps(device, glu, workspace); }

}  // namespace backend
}  // namespace sails
