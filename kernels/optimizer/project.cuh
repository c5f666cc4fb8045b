// Projection onto the span of a basis with orthonormal columns, f32, for a set of tensors in one go (the residual-facing factors of all
// adapters)
//   left   y [d, n] = U (U^T g)        right  y [n, d] = (g U) U^T
//   U [d, r_s];  y may alias its own g, not another item's tensors
// The projector is never formed. The workspace holds c = U^T g, or (g U)^T, [r_s, n], for both sides: so U is always the wide operand and
// the adapter's rank n the narrow one of matmul/skinny_product.cuh, which does both products; kProjectMostItems items a launch. FLOPs 4 d
// r_s n; bytes 8 d r_s + 8 d n.
#pragma once

#include "matmul/skinny_product.cuh"

namespace sails::kernels {

constexpr int kProjectMostItems = kSkinnyMostProducts;

struct ProjectItem {
  float *y;
  const float *g, *basis;
  int64_t d, r_s, n;
  bool right;
};

// Pieces of an item's workspace, f32 elements, multiples of 4 so that every piece starts on 16 bytes. `group`: items of its launch.
struct ProjectPlan {
  SkinnyParts parts;  // of d, in the first product
  int64_t coordinates, partial;
};
inline ProjectPlan plan_project(const ProjectItem &item, int64_t group, int multiprocessors) {
  const SkinnyParts parts = choose_skinny_parts(item.r_s, item.n, item.d, group, multiprocessors);
  return {parts, ceil_div(item.r_s * item.n, 4) * 4, ceil_div(parts.partial_elements, 4) * 4};
}

// f32 elements of workspace for `count` items; groups that are launched one after the other use the same memory.
inline int64_t project_elements(const ProjectItem *items, int64_t count, int multiprocessors) {
  int64_t most = 0;
  for (int64_t first = 0; first < count; first += kProjectMostItems) {
    const int64_t group = smaller(kProjectMostItems, count - first);
    int64_t sum = 0;
    for (int64_t i = 0; i < group; i++) {
      const ProjectPlan plan = plan_project(items[first + i], group, multiprocessors);
      sum += plan.coordinates + plan.partial;
    }
    most = larger(most, sum);
  }
  return most;
}

// ---- launchers

inline cudaError_t launch_project_group(cudaStream_t stream, const ProjectItem *items, int32_t group, int multiprocessors,
                                        float *workspace) {
  SkinnySet inner = {}, outer = {};
  inner.count = outer.count = group;
  for (int32_t i = 0; i < group; i++) {
    const ProjectItem &item = items[i];
    const ProjectPlan plan = plan_project(item, group, multiprocessors);
    float *coordinates = workspace, *partial = workspace + plan.coordinates;
    inner.product[i] = skinny_product(item.basis, item.g, coordinates, partial, item.r_s, item.n, item.d, plan.parts);
    inner.product[i].w_transposed = item.right;
    outer.product[i] = skinny_product(item.basis, coordinates, item.y, nullptr, item.d, item.n, item.r_s, {1, larger(1, item.r_s), 0});
    outer.product[i].out_transposed = item.right;
    workspace += plan.coordinates + plan.partial;
  }
  SAILS_TRY((launch_skinny<float, true>(stream, inner)));
  return launch_skinny<float, false>(stream, outer);
}

// workspace: project_elements, 16-byte aligned.
inline cudaError_t launch_project(cudaStream_t stream, const ProjectItem *items, int64_t count, int multiprocessors, float *workspace) {
  for (int64_t first = 0; first < count; first += kProjectMostItems)
    SAILS_TRY(launch_project_group(stream, items + first, static_cast<int32_t>(smaller(kProjectMostItems, count - first)), multiprocessors,
                                   workspace));
  return cudaSuccess;
}

}  // namespace sails::kernels
