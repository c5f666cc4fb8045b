// LoRA products, projection onto a subspace, AdamW: what training adds to the model.
#include "lora.cuh"

#include <vector>

#include "adamw.cuh"
#include "cuda/device.h"
#include "project.cuh"

namespace sails::backend {
namespace {

template <typename Y, typename X>
void forward(CudaDevice &d, void *y, float *h, const void *x, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out,
             int64_t r, float scale, float *partial) {
  check(kernels::launch_lora_forward(d.stream, static_cast<Y *>(y), h, static_cast<const X *>(x), lora_a, lora_b, n, d_in, d_out, r, scale,
                                     d.multiprocessors, partial));
}

template <typename Y, typename X>
void backward(CudaDevice &d, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x, const float *h, const float *lora_a,
              const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale, const kernels::LoraBackwardPlan &plan,
              float *dh, float *partial) {
  check(kernels::launch_lora_backward(d.stream, dx, dlora_a, dlora_b, static_cast<const Y *>(dy), static_cast<const X *>(x), h, lora_a, lora_b, n,
                                      d_in, d_out, r, scale, plan, dh, partial));
}

int64_t float_bytes(int64_t count) { return aligned_bytes(count * static_cast<int64_t>(sizeof(float))); }

// The workspace of either side: a caller may ask once and use both.
int64_t project_floats(const CudaDevice &d, int64_t rows, int64_t r_s, int64_t n) {
  const kernels::ProjectItem item = {nullptr, nullptr, nullptr, rows, r_s, n, false, 1.0f, false};
  return kernels::project_elements(&item, 1, d.multiprocessors);
}

}  // namespace

int64_t lora_forward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t, int64_t r) {
  return float_bytes(kernels::lora_forward_elements(n, d_in, r, cuda(device).multiprocessors));
}

void lora_forward(sails_device &device, void *y, float *h, const void *x, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in,
                  int64_t d_out, int64_t r, float scale, int32_t y_dtype, int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  using kernels::bf16;
  CudaDevice &d = cuda(device);
  Workspace pieces(workspace, workspace_bytes);
  float *partial = pieces.take<float>(kernels::lora_forward_elements(n, d_in, r, d.multiprocessors));
  const auto run = y_dtype == SAILS_F32 ? (x_dtype == SAILS_F32 ? forward<float, float> : forward<float, bf16>)
                                        : (x_dtype == SAILS_F32 ? forward<bf16, float> : forward<bf16, bf16>);
  run(d, y, h, x, lora_a, lora_b, n, d_in, d_out, r, scale, partial);
}

int64_t lora_backward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r) {
  const kernels::LoraBackwardPlan plan = kernels::plan_lora_backward(n, d_in, d_out, r, cuda(device).multiprocessors);
  return float_bytes(plan.dh_elements) + float_bytes(plan.partial_elements);
}

void lora_backward(sails_device &device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x, const float *h,
                   const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t dy_dtype,
                   int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  using kernels::bf16;
  CudaDevice &d = cuda(device);
  const kernels::LoraBackwardPlan plan = kernels::plan_lora_backward(n, d_in, d_out, r, d.multiprocessors);
  Workspace pieces(workspace, workspace_bytes);
  float *dh = pieces.take<float>(plan.dh_elements), *partial = pieces.take<float>(plan.partial_elements);
  const auto run = dy_dtype == SAILS_F32 ? (x_dtype == SAILS_F32 ? backward<float, float> : backward<float, bf16>)
                                         : (x_dtype == SAILS_F32 ? backward<bf16, float> : backward<bf16, bf16>);
  run(d, dx, dlora_a, dlora_b, dy, x, h, lora_a, lora_b, n, d_in, d_out, r, scale, plan, dh, partial);
}

int64_t project_workspace_bytes(sails_device &device, int64_t d, int64_t r_s, int64_t n) {
  return float_bytes(project_floats(cuda(device), d, r_s, n));
}

void project(sails_device &device, float *y, const float *g, const float *basis, int64_t d, int64_t r_s, int64_t n, int32_t right,
             void *workspace, int64_t workspace_bytes) {
  CudaDevice &handle = cuda(device);
  Workspace pieces(workspace, workspace_bytes);
  float *scratch = pieces.take<float>(project_floats(handle, d, r_s, n));
  const kernels::ProjectItem item = {y, g, basis, d, r_s, n, right != 0, 1.0f, false};
  check(kernels::launch_project(handle.stream, &item, 1, handle.multiprocessors, scratch));
}

void adamw(sails_device &device, float *const *params, float *const *m, float *const *v, const float *const *grads, const int64_t *sizes,
           int64_t count, int64_t step, double grad_scale, double lr, double beta1, double beta2, double eps, double weight_decay) {
  std::vector<kernels::AdamwTensor> tensors(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; i++) tensors[static_cast<size_t>(i)] = {params[i], m[i], v[i], grads[i], nullptr, sizes[i]};
  check(kernels::launch_adamw(cuda(device).stream, tensors.data(), count,
                              kernels::adamw_scalars(step, grad_scale, lr, beta1, beta2, eps, weight_decay)));
}

}  // namespace sails::backend
