// Projection onto a subspace, AdamW: what training adds to the model.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cuda/device.h"
#include "optimizer/adamw.cuh"
#include "optimizer/adamw_8bit.cuh"
#include "optimizer/project.cuh"

namespace sails::backend {
namespace {

const kernels::AdamwScalars *scalars(const float *rates) { return reinterpret_cast<const kernels::AdamwScalars *>(rates); }

// The sizes alone, for workspaces: either side takes the same.
std::vector<kernels::ProjectItem> project_sizes(const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count) {
  std::vector<kernels::ProjectItem> items;
  for (int64_t i = 0; i < count; i++) items.push_back({nullptr, nullptr, nullptr, d[i], r_s[i], n[i], false});
  return items;
}

// adamw_projected goes in groups of one launch each: the projected gradients of one group at a time are in the workspace. Each starts on 16
// bytes.
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
                const float *const *grads, const float *m_code, const float *v_code, const float *rates, const int64_t *sizes,
                int64_t count) {
  std::vector<kernels::Adamw8Tensor> tensors;
  for (int64_t i = 0; i < count; i++)
    tensors.push_back(
        {params[i], static_cast<uint8_t *>(m[i]), static_cast<uint8_t *>(v[i]), m_absmax[i], v_absmax[i], grads[i], sizes[i]});
  check(kernels::launch_adamw_8bit(cuda(device).stream, tensors.data(), count, m_code, v_code, scalars(rates)));
}

}  // namespace sails::backend
