// Decoding one token a sequence: few launches, each of which may start before the one before has ended.
#include <algorithm>

#include "cuda/dispatch.h"
#include "cuda/early.h"
#include "cuda/gemv.h"
#include "cuda/linear.h"
#include "decode_advance.cuh"
#include "residual_norm.cuh"
#include "rope_append.cuh"
#include "shell/linear_set.h"

namespace sails {
namespace {

using kernels::bf16;
using kernels::GemvProblem;
using kernels::kGemvMaps;
using kernels::kGemvRows;

// The adapters' first products of up to kGemvMaps maps in one launch; h of map i, taken from the workspace, goes to hs[i].
void down(CudaDevice &d, float **hs, const void *x, bool x_bf16, const float *const *lora_as, const int64_t *r, int64_t count, int64_t n, int64_t d_in,
          Workspace &pieces) {
  GemvProblem problem = {x, n, d_in, d_in, x_bf16, false, false, nullptr, kernels::kGemvNoActivation, 0, {}};
  for (int64_t i = 0; i < count; i++) {
    hs[i] = nullptr;
    if (r[i] == 0) continue;
    hs[i] = pieces.take<float>(n * r[i]);
    problem.maps[problem.count++] = gemv_down(hs[i], x, x_bf16, lora_as[i], n, d_in, r[i]).maps[0];
  }
  if (problem.count > 0) gemv(d, problem, true);
}

kernels::GemvMap map_of(void *y, const void *weight, int64_t d_in, int64_t d_out, const float *h, const float *lora_b, int64_t r, float scale) {
  return {y, weight, d_out, d_out, d_in, 1.0f, 0.0f, nullptr, nullptr, {h, lora_b, r, scale, false}};
}

int64_t all_h_bytes(int64_t n, const int64_t *r, int64_t count) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < count; i++) bytes += h_bytes(n, r[i]);
  return bytes;
}

}  // namespace

namespace backend {

int64_t linear_set_forward_workspace_bytes(sails_device &device, const int64_t *d_out, const int64_t *r, int64_t count, int64_t n, int64_t d_in,
                                           int32_t y_dtype, int32_t dtype) {
  return n > kGemvRows ? map_by_map_bytes(device, d_out, r, count, n, d_in, y_dtype, dtype) : all_h_bytes(n, r, count);
}

void linear_set_forward(sails_device &device, void *const *ys, const void *x, const void *const *weights, const float *const *lora_as,
                        const float *const *lora_bs, const int64_t *d_out, const int64_t *r, const float *scale, int64_t count, int64_t n,
                        int64_t d_in, int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  if (n > kGemvRows)
    return map_by_map(device, ys, x, weights, lora_as, lora_bs, d_out, r, scale, count, n, d_in, y_dtype, dtype, workspace, workspace_bytes);
  CudaDevice &d = cuda(device);
  Workspace pieces(workspace, workspace_bytes);
  const bool is_bf16 = dtype == SAILS_BF16;
  for (int64_t first = 0; first < count; first += kGemvMaps) {
    const int64_t maps = std::min<int64_t>(kGemvMaps, count - first);
    float *hs[kGemvMaps];
    down(d, hs, x, is_bf16, lora_as + first, r + first, maps, n, d_in, pieces);
    GemvProblem problem = {x, n, d_in, d_in, is_bf16, is_bf16, y_dtype == SAILS_BF16, nullptr, kernels::kGemvNoActivation, static_cast<int>(maps), {}};
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

void linear_glu_forward(sails_device &device, void *y, void *gate, void *up, float *gate_h, float *up_h, const void *x, const void *gate_weight,
                        const void *up_weight, const float *gate_lora_a, const float *gate_lora_b, const float *up_lora_a,
                        const float *up_lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r, int64_t up_r, float gate_scale,
                        float up_scale, int32_t activation, int32_t dtype, void *workspace, int64_t workspace_bytes) {
  CudaDevice &d = cuda(device);
  const bool keeps = gate != nullptr || gate_h != nullptr || up_h != nullptr;
  if (glu_products(d, y, {gate, up}, {gate_h, up_h}, x, {gate_weight, up_weight}, {gate_lora_a, up_lora_a}, {gate_lora_b, up_lora_b}, n, d_in, d_out,
                   {gate_r, up_r}, {gate_scale, up_scale}, activation, dtype, workspace, workspace_bytes))
    return;
  if (n > kGemvRows || keeps)
    return glu_by_maps(device, y, {gate, up}, {gate_h, up_h}, x, {gate_weight, up_weight}, {gate_lora_a, up_lora_a}, {gate_lora_b, up_lora_b}, n,
                       d_in, d_out, {gate_r, up_r}, {gate_scale, up_scale}, activation, dtype, workspace, workspace_bytes);
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

void residual_norm_forward(sails_device &device, float *out, void *y, const float *x, const float *x_weight, const float *residual,
                           const float *y_weight, int64_t n_rows, int64_t d, float eps, float weight_offset, int32_t y_dtype) {
  with_type(y_dtype, y, [&](auto *typed_y) {
    using Y = std::remove_pointer_t<decltype(typed_y)>;
    check(kernels::launch_residual_norm(early_stream(cuda(device)), kernels::ResidualNorm<Y>{out, typed_y, x, x_weight, residual, y_weight, n_rows, d,
                                                                                             eps, weight_offset}));
  });
}

void rope_append(sails_device &device, void *q, void *keys, void *values, int32_t *k_segment, const void *k, const void *v, const float *table,
                 const int32_t *q_segment, const int32_t *key_position, int64_t batch, int64_t capacity, int64_t n_heads, int64_t n_kv_heads,
                 int64_t head_dim, int32_t dtype) {
  with_type(dtype, q, [&](auto *typed_q) {
    using T = std::remove_pointer_t<decltype(typed_q)>;
    const kernels::RopeAppend<T> p = {typed_q, static_cast<T *>(keys), static_cast<T *>(values), k_segment, static_cast<const T *>(k),
                                      static_cast<const T *>(v), table, q_segment, key_position, batch, capacity, n_heads, n_kv_heads, head_dim};
    check(kernels::launch_rope_append(early_stream(cuda(device)), p, cuda(device).fault));
  });
}

void decode_advance(sails_device &device, int32_t *history, int32_t *positions, int32_t *key_position, int32_t *step, const int32_t *ids, int64_t batch,
                    int64_t n_steps) {
  check(kernels::launch_decode_advance(cuda(device).stream, history, positions, key_position, step, ids, batch, n_steps));
}

}  // namespace backend
}  // namespace sails
