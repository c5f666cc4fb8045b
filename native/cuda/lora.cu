// LoRA products, projection onto a subspace, AdamW: what training adds to the model.
#include "lora.cuh"

#include <algorithm>
#include <cstring>
#include <vector>

#include "adamw.cuh"
#include "adamw_8bit.cuh"
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

const kernels::AdamwScalars *scalars(const float *rates) { return reinterpret_cast<const kernels::AdamwScalars *>(rates); }

int64_t float_bytes(int64_t count) { return aligned_bytes(count * static_cast<int64_t>(sizeof(float))); }

// The sizes alone, for workspaces: either side takes the same.
std::vector<kernels::ProjectItem> project_sizes(const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count) {
  std::vector<kernels::ProjectItem> items;
  for (int64_t i = 0; i < count; i++) items.push_back({nullptr, nullptr, nullptr, d[i], r_s[i], n[i], false});
  return items;
}

// adamw_projected goes in groups of one launch each: the projected gradients of one group at a time are in the workspace. Each starts on 16 bytes.
int64_t padded(int64_t elements) { return kernels::ceil_div(elements, 4) * 4; }
struct ProjectedGroups {
  int64_t gradient_elements = 0, scratch_elements = 0;
};
ProjectedGroups projected_groups(const CudaDevice &device, const std::vector<kernels::ProjectItem> &items) {
  ProjectedGroups most;
  const int64_t count = static_cast<int64_t>(items.size());
  for (int64_t first = 0; first < count; first += kernels::kProjectMostItems) {
    const int64_t group = std::min<int64_t>(kernels::kProjectMostItems, count - first);
    int64_t gradients = 0;
    for (int64_t i = first; i < first + group; i++) gradients += padded(items[static_cast<size_t>(i)].d * items[static_cast<size_t>(i)].n);
    most.gradient_elements = std::max(most.gradient_elements, gradients);
    most.scratch_elements = std::max(most.scratch_elements, kernels::project_elements(items.data() + first, group, device.multiprocessors));
  }
  return most;
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
  return project_set_workspace_bytes(device, &d, &r_s, &n, 1);
}

void project(sails_device &device, float *y, const float *g, const float *basis, int64_t d, int64_t r_s, int64_t n, int32_t right,
             void *workspace, int64_t workspace_bytes) {
  project_set(device, &y, &g, &basis, &d, &r_s, &n, &right, 1, workspace, workspace_bytes);
}

int64_t project_set_workspace_bytes(sails_device &device, const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count) {
  return float_bytes(kernels::project_elements(project_sizes(d, r_s, n, count).data(), count, cuda(device).multiprocessors));
}

void project_set(sails_device &device, float *const *ys, const float *const *gs, const float *const *bases, const int64_t *d,
                 const int64_t *r_s, const int64_t *n, const int32_t *right, int64_t count, void *workspace, int64_t workspace_bytes) {
  CudaDevice &handle = cuda(device);
  std::vector<kernels::ProjectItem> items;
  for (int64_t i = 0; i < count; i++) items.push_back({ys[i], gs[i], bases[i], d[i], r_s[i], n[i], right[i] != 0});
  Workspace pieces(workspace, workspace_bytes);
  float *scratch = pieces.take<float>(kernels::project_elements(items.data(), count, handle.multiprocessors));
  check(kernels::launch_project(handle.stream, items.data(), count, handle.multiprocessors, scratch));
}

void adamw_rates(sails_device &device, float *rates, const std::array<float, SAILS_ADAMW_RATES> &values) {
  kernels::AdamwScalars scalars;
  static_assert(sizeof scalars == sizeof values, "the same nine numbers");
  std::memcpy(&scalars, values.data(), sizeof scalars);
  check(kernels::launch_adamw_rates(cuda(device).stream, reinterpret_cast<kernels::AdamwScalars *>(rates), scalars));
}

void adamw(sails_device &device, float *const *params, float *const *m, float *const *v, const float *const *grads, const float *rates,
           const int64_t *sizes, int64_t count) {
  std::vector<kernels::AdamwTensor> tensors;
  for (int64_t i = 0; i < count; i++) tensors.push_back({params[i], m[i], v[i], grads[i], sizes[i]});
  check(kernels::launch_adamw(cuda(device).stream, tensors.data(), count, scalars(rates)));
}

int64_t adamw_projected_workspace_bytes(sails_device &device, const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count) {
  const ProjectedGroups groups = projected_groups(cuda(device), project_sizes(d, r_s, n, count));
  return float_bytes(groups.gradient_elements) + float_bytes(groups.scratch_elements);
}

void adamw_projected(sails_device &device, float *const *params, float *const *m, float *const *v, const float *const *grads,
                     const float *const *bases, const float *rates, const int64_t *d, const int64_t *r_s, const int64_t *n,
                     const int32_t *right, int64_t count, int32_t projection, void *workspace, int64_t workspace_bytes) {
  CudaDevice &handle = cuda(device);
  const bool of_gradient = projection == SAILS_PROJECT_GRADIENT;
  const ProjectedGroups groups = projected_groups(handle, project_sizes(d, r_s, n, count));
  Workspace pieces(workspace, workspace_bytes);
  float *gradients = pieces.take<float>(groups.gradient_elements), *scratch = pieces.take<float>(groups.scratch_elements);
  for (int64_t first = 0; first < count; first += kernels::kProjectMostItems) {
    std::vector<kernels::ProjectItem> items;
    std::vector<kernels::AdamwTensor> tensors;
    float *projected = gradients;
    for (int64_t i = first; i < std::min(count, first + kernels::kProjectMostItems); i++) {
      float *y = of_gradient ? projected : params[i];
      const float *g = of_gradient ? grads[i] : params[i];
      items.push_back({y, g, bases[i], d[i], r_s[i], n[i], right[i] != 0});
      tensors.push_back({params[i], m[i], v[i], of_gradient ? projected : grads[i], d[i] * n[i]});
      projected += padded(d[i] * n[i]);
    }
    const auto project_group = [&] {
      check(kernels::launch_project(handle.stream, items.data(), static_cast<int64_t>(items.size()), handle.multiprocessors, scratch));
    };
    if (of_gradient) project_group();
    check(kernels::launch_adamw(handle.stream, tensors.data(), static_cast<int64_t>(tensors.size()), scalars(rates)));
    if (!of_gradient) project_group();
  }
}

void adamw_8bit(sails_device &device, float *const *params, void *const *m, void *const *v, float *const *m_absmax, float *const *v_absmax,
                const float *const *grads, const float *m_code, const float *v_code, const float *rates, const int64_t *sizes, int64_t count) {
  std::vector<kernels::Adamw8Tensor> tensors;
  for (int64_t i = 0; i < count; i++)
    tensors.push_back({params[i], static_cast<uint8_t *>(m[i]), static_cast<uint8_t *>(v[i]), m_absmax[i], v_absmax[i], grads[i], sizes[i]});
  check(kernels::launch_adamw_8bit(cuda(device).stream, tensors.data(), count, m_code, v_code, scalars(rates)));
}

}  // namespace sails::backend
