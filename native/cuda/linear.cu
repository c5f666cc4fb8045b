// Linear maps with their adapters: LoRA, sets of maps, gated pairs, DoRA.
#include <algorithm>

#include "common/linear_set.h"
#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "cuda/gemv.h"
#include "cuda/matmul.h"
#include "linear/dora.cuh"
#include "linear/glu_hopper.cuh"
#include "linear/lora.cuh"
#include "linear/lora_rows.cuh"

namespace sails::backend {
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

// Up to kGemvMaps maps of few rows, `first` and those behind it: the adapters' first products in one launch, the maps in another.
// activation: that of a pair, whose first y alone is written.
void few_rows(CudaDevice &d, const LinearSetForward &p, int64_t first, int activation, Workspace &pieces) {
  const LinearSetSizes &s = p.sizes;
  const bool is_bf16 = s.dtype == SAILS_BF16, y_bf16 = s.y_dtype == SAILS_BF16;
  GemvProblem down = {p.x, s.n, s.d_in, s.d_in, is_bf16, false, false, nullptr, kernels::kGemvNoActivation, 0, {}};
  GemvProblem maps = {p.x, s.n, s.d_in, s.d_in, is_bf16, is_bf16, y_bf16, nullptr, activation, 0, {}};
  for (int64_t i = first; i < std::min(s.count, first + kGemvMaps); i++) {
    const int64_t r = s.r[i], d_out = s.d_out[i];
    float *h = r == 0 ? nullptr : pieces.take<float>(s.n * r);
    if (r > 0) down.maps[down.count++] = gemv_down(h, p.x, is_bf16, p.lora_as[i], s.n, s.d_in, r).maps[0];
    maps.maps[maps.count++] = {p.ys[i], p.weights[i], d_out,   d_out,   s.d_in,
                               1.0f,    0.0f,         nullptr, nullptr, {h, p.lora_bs[i], r, p.scale[i], false}};
  }
  if (down.count > 0) gemv(d, down, true);
  gemv(d, maps, true);
}

int64_t all_h_bytes(int64_t n, const int64_t *r, int64_t count) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < count; i++) bytes += h_bytes(n, r[i]);
  return bytes;
}

int64_t largest_partial_elements(const CudaDevice &d, const LinearGluSizes &s) {
  return std::max(forward_partial_elements(d, s.n, s.d_in, s.r[0]), forward_partial_elements(d, s.n, s.d_in, s.r[1]));
}

// x lora_a^T of both, then the factors as triples and the partial sums of one at a time.
int64_t glu_products_bytes(const CudaDevice &d, const LinearGluSizes &s) {
  if (!d.hopper_kernels || s.dtype != SAILS_BF16) return 0;
  int64_t bytes = float_bytes(largest_partial_elements(d, s));
  for (int64_t r : s.r)
    bytes += float_bytes(s.n * r) + aligned_bytes(2 * kernels::triple_elements(s.n, r)) +
             aligned_bytes(2 * kernels::triple_elements(s.d_out, r));
  return bytes;
}

// The pair by one product of warpgroups. False where it does not apply, and then nothing is queued.
bool glu_products(CudaDevice &d, const LinearGluForward &glu, Workspace pieces) {
  const LinearGluSizes &s = glu.sizes;
  if (!d.hopper_kernels || s.n <= kGemvRows || s.dtype != SAILS_BF16) return false;
  kernels::WarpgroupMatrices matrices = {glu.x, glu.weights[0], s.d_in, s.d_in};
  matrices.b_second = glu.weights[1];
  kernels::GluProblem p = {static_cast<bf16 *>(glu.y),
                           static_cast<bf16 *>(glu.kept[0]),
                           static_cast<bf16 *>(glu.kept[1]),
                           matrices,
                           s.n,
                           s.d_out,
                           s.d_in,
                           s.r[0],
                           s.r[1],
                           glu.activation};
  if (!kernels::glu_warpgroup_fits(p)) return false;
  float *partial = pieces.take<float>(largest_partial_elements(d, s));
  kernels::TripleSet triples = {};
  bf16 *split[2][2] = {};
  for (int i = 0; i < 2; i++) {
    const int64_t r = s.r[i];
    if (r == 0) continue;
    float *room = pieces.take<float>(s.n * r), *h = glu.hs[i] != nullptr ? glu.hs[i] : room;
    for (int factor = 0; factor < 2; factor++)
      split[i][factor] = pieces.take<bf16>(kernels::triple_elements(factor == 0 ? s.n : s.d_out, r));
    down(d, h, glu.x, glu.lora_as[i], true, 1.0f, s.n, r, s.d_in, s.dtype, partial);
    triples.matrix[triples.count++] = {h, split[i][0], s.n, r, glu.scale[i], false, 0};
    triples.matrix[triples.count++] = {glu.lora_bs[i], split[i][1], s.d_out, r, 1.0f, false, 0};
  }
  check(kernels::launch_triples(d.stream, triples));
  p.matrices.h = split[0][0];
  p.matrices.w = split[0][1];
  p.matrices.h_second = split[1][0];
  p.matrices.w_second = split[1][1];
  check(kernels::launch_glu_warpgroup(d.stream, p, d.persistent()));
  return true;
}

template <typename Y, typename X>
void forward(CudaDevice &d, const LoraForward &p, float *partial) {
  const LinearSizes &s = p.sizes;
  check(kernels::launch_lora_forward(d.stream, static_cast<Y *>(p.y), p.h, static_cast<const X *>(p.x), p.lora_a, p.lora_b, s.n, s.d_in,
                                     s.d_out, s.r, p.scale, d.multiprocessors, partial));
}

kernels::LoraBackwardPlan backward_plan(const CudaDevice &d, const LinearSizes &s) {
  return kernels::plan_lora_backward(s.n, s.d_in, s.d_out, s.r, d.multiprocessors);
}

// dx NULL: the map's own product adds dh lora_a.
template <typename Y, typename X>
void backward(CudaDevice &d, float *dx, const LoraBackward &p, const kernels::LoraBackwardPlan &plan, float *dh, float *partial) {
  const LinearSizes &s = p.sizes;
  check(kernels::launch_lora_backward(d.stream, dx, p.dlora_a, p.dlora_b, static_cast<const Y *>(p.dy), static_cast<const X *>(p.x), p.h,
                                      p.lora_a, p.lora_b, s.n, s.d_in, s.d_out, s.r, p.scale, plan, dh, partial));
}

int64_t forward_product_bytes(const CudaDevice &d, const LinearSizes &s) {
  return matmul_bytes(d, s.n, s.d_out, s.d_in, s.dtype == SAILS_BF16, false, true, s.r);
}

int64_t backward_product_bytes(const CudaDevice &d, const LinearSizes &s) {
  return matmul_bytes(d, s.n, s.d_in, s.d_out, s.dtype == SAILS_BF16, false, false, s.r);
}

}  // namespace

int64_t linear_forward_workspace_bytes(sails_device &device, const LinearSizes &s) {
  const CudaDevice &d = cuda(device);
  return float_bytes(forward_partial_elements(d, s.n, s.d_in, s.r)) + forward_product_bytes(d, s);
}

void linear_forward(sails_device &device, const LinearForward &linear, Workspace workspace) {
  CudaDevice &d = cuda(device);
  const LinearSizes &s = linear.sizes;
  const bool is_bf16 = s.dtype == SAILS_BF16;
  float *partial = workspace.take<float>(forward_partial_elements(d, s.n, s.d_in, s.r));
  if (s.d_out == 0 && s.r == 0) return;
  if (s.r > 0 && s.n <= kGemvRows)
    gemv(d, gemv_down(linear.h, linear.x, is_bf16, linear.lora_a, s.n, s.d_in, s.r), false);
  else if (s.r > 0)
    down(d, linear.h, linear.x, linear.lora_a, true, 1.0f, s.n, s.r, s.d_in, s.dtype, partial);
  kernels::MatmulProblem p = {linear.y, linear.x, linear.weight, s.n,    s.d_out,
                              s.d_in,   s.d_out,  s.d_in,        s.d_in, s.y_dtype == SAILS_BF16,
                              is_bf16,  false,    true,          1.0f,   linear.residual == nullptr ? 0.0f : 1.0f,
                              nullptr};
  p.addend = linear.residual;
  p.bias = linear.bias;
  p.low_rank = {linear.h, linear.lora_b, s.r, linear.scale, false};
  sails::matmul(d, p, workspace.take<char>(forward_product_bytes(d, s)));
}

int64_t linear_backward_workspace_bytes(sails_device &device, const LinearSizes &s) {
  return (s.r > 0 ? lora_backward_workspace_bytes(device, s) : 0) + backward_product_bytes(cuda(device), s);
}

void linear_backward(sails_device &device, const LinearBackward &linear, Workspace workspace) {
  CudaDevice &d = cuda(device);
  const LinearSizes &s = linear.sizes;
  const kernels::LoraBackwardPlan plan = backward_plan(d, s);
  float *dh = workspace.take<float>(s.r > 0 ? plan.dh_elements : 0), *partial = workspace.take<float>(s.r > 0 ? plan.partial_elements : 0);
  if (s.r > 0 && linear.dlora_a == nullptr)
    down(d, dh, linear.dy, linear.lora_b, false, linear.scale, s.n, s.r, s.d_out, s.dtype, partial);
  else if (s.r > 0)
    (s.dtype == SAILS_F32 ? backward<float, float> : backward<bf16, bf16>)(d, nullptr, linear, plan, dh, partial);
  kernels::MatmulProblem p = {linear.dx,
                              linear.dy,
                              linear.weight,
                              s.n,
                              s.d_in,
                              s.d_out,
                              s.d_in,
                              s.d_out,
                              s.d_in,
                              false,
                              s.dtype == SAILS_BF16,
                              false,
                              false,
                              1.0f,
                              linear.accumulate_dx ? 1.0f : 0.0f,
                              nullptr};
  p.low_rank = {dh, linear.lora_a, s.r, 1.0f, true};
  sails::matmul(d, p, workspace.take<char>(backward_product_bytes(d, s)));
}

int64_t lora_forward_workspace_bytes(sails_device &device, const LinearSizes &s) {
  return float_bytes(kernels::lora_forward_elements(s.n, s.d_in, s.r, cuda(device).multiprocessors));
}

void lora_forward(sails_device &device, const LoraForward &p, Workspace workspace) {
  CudaDevice &d = cuda(device);
  const LinearSizes &s = p.sizes;
  float *partial = workspace.take<float>(kernels::lora_forward_elements(s.n, s.d_in, s.r, d.multiprocessors));
  const auto run = s.y_dtype == SAILS_F32 ? (s.dtype == SAILS_F32 ? forward<float, float> : forward<float, bf16>)
                                          : (s.dtype == SAILS_F32 ? forward<bf16, float> : forward<bf16, bf16>);
  run(d, p, partial);
}

int64_t lora_backward_workspace_bytes(sails_device &device, const LinearSizes &s) {
  const kernels::LoraBackwardPlan plan = backward_plan(cuda(device), s);
  return float_bytes(plan.dh_elements) + float_bytes(plan.partial_elements);
}

void lora_backward(sails_device &device, const LoraBackward &p, Workspace workspace) {
  CudaDevice &d = cuda(device);
  const LinearSizes &s = p.sizes;
  const kernels::LoraBackwardPlan plan = backward_plan(d, s);
  float *dh = workspace.take<float>(plan.dh_elements), *partial = workspace.take<float>(plan.partial_elements);
  const auto run = s.y_dtype == SAILS_F32 ? (s.dtype == SAILS_F32 ? backward<float, float> : backward<float, bf16>)
                                          : (s.dtype == SAILS_F32 ? backward<bf16, float> : backward<bf16, bf16>);
  run(d, p.dx, p, plan, dh, partial);
}

int64_t lora_rows_forward_workspace_bytes(sails_device &, const int64_t *r, int64_t count, int64_t n) {
  return float_bytes(n * largest_rank(r, count));
}

void lora_rows_forward(sails_device &device, const LoraRows &p, Workspace workspace) {
  CudaDevice &d = cuda(device);
  const int64_t columns = largest_rank(p.r, p.count);
  float *h = workspace.take<float>(p.n * columns);
  // Without an adapter too: what the rows ask for is checked.
  for (int64_t first = 0; first == 0 || first < p.count; first += kernels::kLoraRowsAdapters) {
    kernels::LoraRowsSet set = {};
    set.first = first;
    set.total = p.count;
    for (; set.count < std::min<int64_t>(kernels::kLoraRowsAdapters, p.count - first); set.count++) {
      set.a[set.count] = p.lora_as[first + set.count];
      set.b[set.count] = p.lora_bs[first + set.count];
      set.r[set.count] = p.r[first + set.count];
      set.scale[set.count] = p.scale[first + set.count];
    }
    with_type(p.y_dtype, p.y, [&](auto *y) {
      with_type(p.x_dtype, p.x, [&](const auto *x) {
        check(kernels::launch_lora_rows(d.stream, y, x, p.row_adapter, set, h, p.n, p.d_in, p.d_out, columns, d.fault));
      });
    });
  }
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

int64_t linear_set_forward_workspace_bytes(sails_device &device, const LinearSetSizes &s) {
  return s.n > kGemvRows ? map_by_map_bytes(device, s) : all_h_bytes(s.n, s.r, s.count);
}

void linear_set_forward(sails_device &device, const LinearSetForward &set, Workspace workspace) {
  if (set.sizes.n > kGemvRows) return map_by_map(device, set, workspace);
  for (int64_t first = 0; first < set.sizes.count; first += kGemvMaps)
    few_rows(cuda(device), set, first, kernels::kGemvNoActivation, workspace);
}

int64_t linear_glu_forward_workspace_bytes(sails_device &device, const LinearGluSizes &s) {
  // What is kept decides among the ways, and its sizes do not tell.
  return std::max({glu_by_maps_bytes(device, s), glu_products_bytes(cuda(device), s), all_h_bytes(s.n, s.r, 2)});
}

void linear_glu_forward(sails_device &device, const LinearGluForward &glu, Workspace workspace) {
  if (glu_products(cuda(device), glu, workspace)) return;
  const LinearGluSizes &s = glu.sizes;
  const bool keeps = glu.kept[0] != nullptr || glu.hs[0] != nullptr || glu.hs[1] != nullptr;
  if (s.n > kGemvRows || keeps) return glu_by_maps(device, glu, workspace);
  const int64_t d_outs[] = {s.d_out, s.d_out};
  void *const ys[] = {glu.y, nullptr};
  const LinearSetSizes sizes = {2, s.n, s.d_in, d_outs, s.r, s.dtype, s.dtype};
  few_rows(cuda(device), {sizes, ys, glu.x, glu.weights, glu.lora_as, glu.lora_bs, glu.scale}, 0, glu.activation, workspace);
}

}  // namespace sails::backend
