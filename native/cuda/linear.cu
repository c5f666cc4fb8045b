// Linear maps with their adapters: the adapter's second product is added to the sums of the first before they are written.
#include "cuda/linear.h"

#include <algorithm>

#include "cuda/gemv.h"
#include "cuda/matmul.h"
#include "glu_warpgroup.cuh"
#include "lora.cuh"

namespace sails {
namespace {

using kernels::bf16;
using kernels::SkinnyParts;
using kernels::SkinnyProduct;
using kernels::SkinnySet;

int64_t float_bytes(int64_t count) { return aligned_bytes(count * static_cast<int64_t>(sizeof(float))); }

SkinnyParts down_parts(const CudaDevice &d, int64_t n, int64_t r, int64_t k) {
  return kernels::choose_skinny_parts(n, r, k, 1, d.multiprocessors);
}

// out [n, r] = scale * x [n, k] w, w [k, r], or [r, k] where w_transposed.
void down(CudaDevice &d, float *out, const void *x, const float *w, bool w_transposed, float scale, int64_t n, int64_t r, int64_t k, int32_t dtype,
          float *partial) {
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
                  const int64_t (&r)[2], const float (&scale)[2], int32_t activation, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  if (!d.hopper_kernels || n <= kernels::kGemvRows || dtype != SAILS_BF16) return false;
  kernels::WarpgroupMatrices matrices = {x, weights[0], d_in, d_in};
  matrices.b_second = weights[1];
  kernels::GluProblem p = {static_cast<bf16 *>(y), static_cast<bf16 *>(kept[0]), static_cast<bf16 *>(kept[1]), matrices, n, d_out, d_in, r[0], r[1],
                           activation};
  if (!kernels::glu_warpgroup_fits(p)) return false;
  Workspace pieces(workspace, workspace_bytes);
  float *partial = pieces.take<float>(std::max(forward_partial_elements(d, n, d_in, r[0]), forward_partial_elements(d, n, d_in, r[1])));
  kernels::TripleSet triples = {};
  bf16 *split[2][2] = {};
  for (int i = 0; i < 2; i++) {
    if (r[i] == 0) continue;
    float *room = pieces.take<float>(n * r[i]), *h = hs[i] != nullptr ? hs[i] : room;
    for (int factor = 0; factor < 2; factor++) split[i][factor] = pieces.take<bf16>(kernels::triple_elements(factor == 0 ? n : d_out, r[i]));
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

int64_t linear_forward_workspace_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r, int32_t, int32_t dtype) {
  const CudaDevice &d = cuda(device);
  return float_bytes(forward_partial_elements(d, n, d_in, r)) + matmul_bytes(d, n, d_out, d_in, dtype == SAILS_BF16, false, true, r);
}

void linear_forward(sails_device &device, void *y, float *h, const void *x, const void *weight, const float *bias, const void *residual,
                    const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t y_dtype,
                    int32_t dtype, void *workspace, int64_t workspace_bytes) {
  CudaDevice &d = cuda(device);
  Workspace pieces(workspace, workspace_bytes);
  float *partial = pieces.take<float>(forward_partial_elements(d, n, d_in, r));
  if (d_out == 0 && r == 0) return;
  if (r > 0 && n <= kernels::kGemvRows)
    gemv(d, gemv_down(h, x, dtype == SAILS_BF16, lora_a, n, d_in, r), false);
  else if (r > 0)
    down(d, h, x, lora_a, true, 1.0f, n, r, d_in, dtype, partial);
  kernels::MatmulProblem p = {y, x, weight, n, d_out, d_in, d_out, d_in, d_in, y_dtype == SAILS_BF16, dtype == SAILS_BF16, false, true, 1.0f,
                              residual == nullptr ? 0.0f : 1.0f, nullptr};
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
                     const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale,
                     int32_t accumulate_dx, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  CudaDevice &d = cuda(device);
  const kernels::LoraBackwardPlan plan = kernels::plan_lora_backward(n, d_in, d_out, r, d.multiprocessors);
  Workspace pieces(workspace, workspace_bytes);
  float *dh = pieces.take<float>(r > 0 ? plan.dh_elements : 0), *partial = pieces.take<float>(r > 0 ? plan.partial_elements : 0);
  if (r > 0 && dlora_a == nullptr) {
    down(d, dh, dy, lora_b, false, scale, n, r, d_out, dtype, partial);
  } else if (r > 0 && dtype == SAILS_F32) {
    check(kernels::launch_lora_backward(d.stream, nullptr, dlora_a, dlora_b, static_cast<const float *>(dy), static_cast<const float *>(x), h,
                                        lora_a, lora_b, n, d_in, d_out, r, scale, plan, dh, partial));
  } else if (r > 0) {
    check(kernels::launch_lora_backward(d.stream, nullptr, dlora_a, dlora_b, static_cast<const bf16 *>(dy), static_cast<const bf16 *>(x), h, lora_a,
                                        lora_b, n, d_in, d_out, r, scale, plan, dh, partial));
  }
  kernels::MatmulProblem p = {dx, dy, weight, n, d_in, d_out, d_in, d_out, d_in, false, dtype == SAILS_BF16, false, false, 1.0f,
                              accumulate_dx != 0 ? 1.0f : 0.0f, nullptr};
  p.low_rank = {dh, lora_a, r, 1.0f, true};
  sails::matmul(d, p, pieces.take<char>(matmul_bytes(d, n, d_in, d_out, dtype == SAILS_BF16, false, false, r)));
}

}  // namespace backend
}  // namespace sails
