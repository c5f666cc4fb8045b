// Linear maps with their adapters: LoRA, sets of maps, gated pairs, DoRA.
#include <algorithm>

#include "common/linear_set.h"
#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "cuda/gemv.h"
#include "cuda/linear.h"
#include "cuda/matmul.h"
#include "linear/dora.cuh"
#include "linear/glu_hopper.cuh"
#include "linear/lora.cuh"

namespace sails {
namespace {

using kernels::bf16;
using kernels::SkinnyParts;
using kernels::SkinnyProduct;
using kernels::SkinnySet;

SkinnyParts down_parts(const CudaDevice &d, int64_t n, int64_t r, int64_t k) {
  return kernels::choose_skinny_parts(n, r, k, 1, d.multiprocessors);
}

// out [n, r] = scale * x [n, k] w, w [k, r], or [r, k] where w_transposed.
void down(CudaDevice &d, float *out, const void *x, const float *w, bool w_transposed, float scale, int64_t n, int64_t r, int64_t k,
          int32_t dtype, float *partial) {
  SkinnyProduct product = kernels::skinny_product(x, w, out, partial, n, r, k, down_parts(d, n, r, k));
  product.w_transposed = w_transposed;
  product.scale = scale;
  SkinnySet set = {};
  set.count = 1;
  set.product[0] = product;
  check(dtype == SAILS_F32 ? kernels::launch_skinny<float, false>(d.stream, set) : kernels::launch_skinny<bf16, false>(d.stream, set));
}

// Few rows: the long sum of h is a product with a whole matrix like the map's own.
int64_t forward_partial_elements(const CudaDevice &d, int64_t n, int64_t d_in, int64_t r) {
  return r == 0 || n <= kernels::kGemvRows ? 0 : down_parts(d, n, r, d_in).partial_elements;
}

using kernels::GemvProblem;
using kernels::kGemvMaps;
using kernels::kGemvRows;

// The adapters' first products of up to kGemvMaps maps in one launch; h of map i, taken from the workspace, goes to hs[i].
void down(CudaDevice &d, float **hs, const void *x, bool x_bf16, const float *const *lora_as, const int64_t *r, int64_t count, int64_t n,
          int64_t d_in, Workspace &pieces) {
  GemvProblem problem = {x, n, d_in, d_in, x_bf16, false, false, nullptr, kernels::kGemvNoActivation, 0, {}};
  for (int64_t i = 0; i < count; i++) {
    hs[i] = nullptr;
    if (r[i] == 0) continue;
    hs[i] = pieces.take<float>(n * r[i]);
    problem.maps[problem.count++] = gemv_down(hs[i], x, x_bf16, lora_as[i], n, d_in, r[i]).maps[0];
  }
  if (problem.count > 0) gemv(d, problem, true);
}

kernels::GemvMap map_of(void *y, const void *weight, int64_t d_in, int64_t d_out, const float *h, const float *lora_b, int64_t r,
                        float scale) {
  return {y, weight, d_out, d_out, d_in, 1.0f, 0.0f, nullptr, nullptr, {h, lora_b, r, scale, false}};
}

int64_t all_h_bytes(int64_t n, const int64_t *r, int64_t count) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < count; i++) bytes += h_bytes(n, r[i]);
  return bytes;
}

}  // namespace

// x lora_a^T of both, then the factors as triples and the partial sums of one at a time.
int64_t glu_products_bytes(const CudaDevice &d, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r, int64_t up_r, int32_t dtype) {
  if (!d.hopper_kernels || dtype != SAILS_BF16) return 0;
  int64_t bytes = 0;
  for (int64_t r : {gate_r, up_r})
    bytes += float_bytes(n * r) + aligned_bytes(2 * kernels::triple_elements(n, r)) + aligned_bytes(2 * kernels::triple_elements(d_out, r));
  return bytes + float_bytes(std::max(forward_partial_elements(d, n, d_in, gate_r), forward_partial_elements(d, n, d_in, up_r)));
}

bool glu_products(CudaDevice &d, void *y, void *const (&kept)[2], float *const (&hs)[2], const void *x, const void *const (&weights)[2],
                  const float *const (&lora_as)[2], const float *const (&lora_bs)[2], int64_t n, int64_t d_in, int64_t d_out,
                  const int64_t (&r)[2], const float (&scale)[2], int32_t activation, int32_t dtype, void *workspace,
                  int64_t workspace_bytes) {
  if (!d.hopper_kernels || n <= kernels::kGemvRows || dtype != SAILS_BF16) return false;
  kernels::WarpgroupMatrices matrices = {x, weights[0], d_in, d_in};
  matrices.b_second = weights[1];
  kernels::GluProblem p = {
      static_cast<bf16 *>(y), static_cast<bf16 *>(kept[0]), static_cast<bf16 *>(kept[1]), matrices, n, d_out, d_in, r[0], r[1], activation};
  if (!kernels::glu_warpgroup_fits(p)) return false;
  Workspace pieces(workspace, workspace_bytes);
  float *partial = pieces.take<float>(std::max(forward_partial_elements(d, n, d_in, r[0]), forward_partial_elements(d, n, d_in, r[1])));
  kernels::TripleSet triples = {};
  bf16 *split[2][2] = {};
  for (int i = 0; i < 2; i++) {
    if (r[i] == 0) continue;
    float *room = pieces.take<float>(n * r[i]), *h = hs[i] != nullptr ? hs[i] : room;
    for (int factor = 0; factor < 2; factor++)
      split[i][factor] = pieces.take<bf16>(kernels::triple_elements(factor == 0 ? n : d_out, r[i]));
    down(d, h, x, lora_as[i], true, 1.0f, n, r[i], d_in, dtype, partial);
    triples.matrix[triples.count++] = {h, split[i][0], n, r[i], scale[i], false, 0};
    triples.matrix[triples.count++] = {lora_bs[i], split[i][1], d_out, r[i], 1.0f, false, 0};
  }
  check(kernels::launch_triples(d.stream, triples));
  p.matrices.h = split[0][0];
  p.matrices.w = split[0][1];
  p.matrices.h_second = split[1][0];
  p.matrices.w_second = split[1][1];
  check(kernels::launch_glu_warpgroup(d.stream, p, d.persistent()));
  return true;
}

namespace backend {
namespace {

template <typename Y, typename X>
void forward(CudaDevice &d, void *y, float *h, const void *x, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in,
             int64_t d_out, int64_t r, float scale, float *partial) {
  check(kernels::launch_lora_forward(d.stream, static_cast<Y *>(y), h, static_cast<const X *>(x), lora_a, lora_b, n, d_in, d_out, r, scale,
                                     d.multiprocessors, partial));
}

template <typename Y, typename X>
void backward(CudaDevice &d, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x, const float *h, const float *lora_a,
              const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale, const kernels::LoraBackwardPlan &plan,
              float *dh, float *partial) {
  check(kernels::launch_lora_backward(d.stream, dx, dlora_a, dlora_b, static_cast<const Y *>(dy), static_cast<const X *>(x), h, lora_a,
                                      lora_b, n, d_in, d_out, r, scale, plan, dh, partial));
}

}  // namespace

int64_t linear_forward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r, int32_t, int32_t dtype) {
  const CudaDevice &d = cuda(device);
  return float_bytes(forward_partial_elements(d, n, d_in, r)) + matmul_bytes(d, n, d_out, d_in, dtype == SAILS_BF16, false, true, r);
}

void linear_forward(sails_device &device, void *y, float *h, const void *x, const void *weight, const float *bias, const void *residual,
                    const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale,
                    int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  CudaDevice &d = cuda(device);
  Workspace pieces(workspace, workspace_bytes);
  float *partial = pieces.take<float>(forward_partial_elements(d, n, d_in, r));
  if (d_out == 0 && r == 0) return;
  if (r > 0 && n <= kernels::kGemvRows)
    gemv(d, gemv_down(h, x, dtype == SAILS_BF16, lora_a, n, d_in, r), false);
  else if (r > 0)
    down(d, h, x, lora_a, true, 1.0f, n, r, d_in, dtype, partial);
  kernels::MatmulProblem p = {y,
                              x,
                              weight,
                              n,
                              d_out,
                              d_in,
                              d_out,
                              d_in,
                              d_in,
                              y_dtype == SAILS_BF16,
                              dtype == SAILS_BF16,
                              false,
                              true,
                              1.0f,
                              residual == nullptr ? 0.0f : 1.0f,
                              nullptr};
  p.addend = residual;
  p.bias = bias;
  p.low_rank = {h, lora_b, r, scale, false};
  sails::matmul(d, p, pieces.take<char>(matmul_bytes(d, n, d_out, d_in, dtype == SAILS_BF16, false, true, r)));
}

int64_t linear_backward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r, int32_t dtype) {
  const CudaDevice &d = cuda(device);
  const kernels::LoraBackwardPlan plan = kernels::plan_lora_backward(n, d_in, d_out, r, d.multiprocessors);
  return (r > 0 ? float_bytes(plan.dh_elements) + float_bytes(plan.partial_elements) : 0) +
         matmul_bytes(d, n, d_in, d_out, dtype == SAILS_BF16, false, false, r);
}

void linear_backward(sails_device &device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x, const void *weight,
                     const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r,
                     float scale, int32_t accumulate_dx, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  CudaDevice &d = cuda(device);
  const kernels::LoraBackwardPlan plan = kernels::plan_lora_backward(n, d_in, d_out, r, d.multiprocessors);
  Workspace pieces(workspace, workspace_bytes);
  float *dh = pieces.take<float>(r > 0 ? plan.dh_elements : 0), *partial = pieces.take<float>(r > 0 ? plan.partial_elements : 0);
  if (r > 0 && dlora_a == nullptr) {
    down(d, dh, dy, lora_b, false, scale, n, r, d_out, dtype, partial);
  } else if (r > 0 && dtype == SAILS_F32) {
    check(kernels::launch_lora_backward(d.stream, nullptr, dlora_a, dlora_b, static_cast<const float *>(dy), static_cast<const float *>(x),
                                        h, lora_a, lora_b, n, d_in, d_out, r, scale, plan, dh, partial));
  } else if (r > 0) {
    check(kernels::launch_lora_backward(d.stream, nullptr, dlora_a, dlora_b, static_cast<const bf16 *>(dy), static_cast<const bf16 *>(x), h,
                                        lora_a, lora_b, n, d_in, d_out, r, scale, plan, dh, partial));
  }
  kernels::MatmulProblem p = {dx,
                              dy,
                              weight,
                              n,
                              d_in,
                              d_out,
                              d_in,
                              d_out,
                              d_in,
                              false,
                              dtype == SAILS_BF16,
                              false,
                              false,
                              1.0f,
                              accumulate_dx != 0 ? 1.0f : 0.0f,
                              nullptr};
  p.low_rank = {dh, lora_a, r, 1.0f, true};
  sails::matmul(d, p, pieces.take<char>(matmul_bytes(d, n, d_in, d_out, dtype == SAILS_BF16, false, false, r)));
}

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
                   const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale,
                   int32_t dy_dtype, int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  using kernels::bf16;
  CudaDevice &d = cuda(device);
  const kernels::LoraBackwardPlan plan = kernels::plan_lora_backward(n, d_in, d_out, r, d.multiprocessors);
  Workspace pieces(workspace, workspace_bytes);
  float *dh = pieces.take<float>(plan.dh_elements), *partial = pieces.take<float>(plan.partial_elements);
  const auto run = dy_dtype == SAILS_F32 ? (x_dtype == SAILS_F32 ? backward<float, float> : backward<float, bf16>)
                                         : (x_dtype == SAILS_F32 ? backward<bf16, float> : backward<bf16, bf16>);
  run(d, dx, dlora_a, dlora_b, dy, x, h, lora_a, lora_b, n, d_in, d_out, r, scale, plan, dh, partial);
}

void dora_norm(sails_device &device, float *norm, const void *weight, const float *lora_a, const float *lora_b, int64_t d_out, int64_t d_in,
               int64_t r, float scale, int32_t dtype) {
  with_type(dtype, weight, [&](auto *typed) {
    check(kernels::launch_dora_norm(cuda(device).stream, norm, typed, lora_a, lora_b, d_out, d_in, r, scale));
  });
}

void dora_forward(sails_device &device, void *y, const float *u, const float *magnitude, const float *norm, int64_t n, int64_t d_out,
                  int32_t y_dtype) {
  with_type(y_dtype, y,
            [&](auto *typed) { check(kernels::launch_dora_forward(cuda(device).stream, typed, u, magnitude, norm, n, d_out)); });
}

void dora_backward(sails_device &device, void *du, float *dmagnitude, const void *dy, const float *u, const float *magnitude,
                   const float *norm, int64_t n, int64_t d_out, int32_t dtype) {
  with_type(dtype, du, [&](auto *typed) {
    using Pointer = const std::remove_pointer_t<decltype(typed)> *;
    check(kernels::launch_dora_backward(cuda(device).stream, typed, dmagnitude, static_cast<Pointer>(dy), u, magnitude, norm, n, d_out));
  });
}

int64_t linear_set_forward_workspace_bytes(sails_device &device, const int64_t *d_out, const int64_t *r, int64_t count, int64_t n,
                                           int64_t d_in, int32_t y_dtype, int32_t dtype) {
  return n > kGemvRows ? map_by_map_bytes(device, d_out, r, count, n, d_in, y_dtype, dtype) : all_h_bytes(n, r, count);
}

void linear_set_forward(sails_device &device, void *const *ys, const void *x, const void *const *weights, const float *const *lora_as,
                        const float *const *lora_bs, const int64_t *d_out, const int64_t *r, const float *scale, int64_t count, int64_t n,
                        int64_t d_in, int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  if (n > kGemvRows)
    return map_by_map(device, ys, x, weights, lora_as, lora_bs, d_out, r, scale, count, n, d_in, y_dtype, dtype, workspace,
                      workspace_bytes);
  CudaDevice &d = cuda(device);
  Workspace pieces(workspace, workspace_bytes);
  const bool is_bf16 = dtype == SAILS_BF16;
  for (int64_t first = 0; first < count; first += kGemvMaps) {
    const int64_t maps = std::min<int64_t>(kGemvMaps, count - first);
    float *hs[kGemvMaps];
    down(d, hs, x, is_bf16, lora_as + first, r + first, maps, n, d_in, pieces);
    GemvProblem problem = {
        x, n, d_in, d_in, is_bf16, is_bf16, y_dtype == SAILS_BF16, nullptr, kernels::kGemvNoActivation, static_cast<int>(maps), {}};
    for (int64_t i = 0; i < maps; i++)
      problem.maps[i] =
          map_of(ys[first + i], weights[first + i], d_in, d_out[first + i], hs[i], lora_bs[first + i], r[first + i], scale[first + i]);
    gemv(d, problem, true);
  }
}

int64_t linear_glu_forward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r, int64_t up_r,
                                           int32_t dtype) {
  const int64_t r[] = {gate_r, up_r};
  // What is kept decides among the ways, and its sizes do not tell.
  return std::max({glu_by_maps_bytes(device, n, d_in, d_out, gate_r, up_r, dtype),
                   glu_products_bytes(cuda(device), n, d_in, d_out, gate_r, up_r, dtype), all_h_bytes(n, r, 2)});
}

void linear_glu_forward(sails_device &device, void *y, void *gate, void *up, float *gate_h, float *up_h, const void *x,
                        const void *gate_weight, const void *up_weight, const float *gate_lora_a, const float *gate_lora_b,
                        const float *up_lora_a, const float *up_lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r,
                        int64_t up_r, float gate_scale, float up_scale, int32_t activation, int32_t dtype, void *workspace,
                        int64_t workspace_bytes) {
  CudaDevice &d = cuda(device);
  const bool keeps = gate != nullptr || gate_h != nullptr || up_h != nullptr;
  if (glu_products(d, y, {gate, up}, {gate_h, up_h}, x, {gate_weight, up_weight}, {gate_lora_a, up_lora_a}, {gate_lora_b, up_lora_b}, n,
                   d_in, d_out, {gate_r, up_r}, {gate_scale, up_scale}, activation, dtype, workspace, workspace_bytes))
    return;
  if (n > kGemvRows || keeps)
    return glu_by_maps(device, y, {gate, up}, {gate_h, up_h}, x, {gate_weight, up_weight}, {gate_lora_a, up_lora_a},
                       {gate_lora_b, up_lora_b}, n, d_in, d_out, {gate_r, up_r}, {gate_scale, up_scale}, activation, dtype, workspace,
                       workspace_bytes);
  Workspace pieces(workspace, workspace_bytes);
  const bool is_bf16 = dtype == SAILS_BF16;
  const float *const lora_as[] = {gate_lora_a, up_lora_a};
  const int64_t r[] = {gate_r, up_r};
  float *hs[kGemvMaps];
  down(d, hs, x, is_bf16, lora_as, r, 2, n, d_in, pieces);
  GemvProblem problem = {x, n, d_in, d_in, is_bf16, is_bf16, is_bf16, nullptr, activation, 2, {}};
  problem.maps[0] = map_of(y, gate_weight, d_in, d_out, hs[0], gate_lora_b, gate_r, gate_scale);
  problem.maps[1] = map_of(nullptr, up_weight, d_in, d_out, hs[1], up_lora_b, up_r, up_scale);
  gemv(d, problem, true);
}

}  // namespace backend
}  // namespace sails
