// The sets of linear maps of decoding by the operations of single maps: what the CPU does, and a GPU for more rows than its decoding
// kernels take.
#pragma once

#include <algorithm>

#include "shell/backend.h"

namespace sails {

inline int64_t h_bytes(int64_t n, int64_t r) { return aligned_bytes(n * r * static_cast<int64_t>(sizeof(float))); }

inline int64_t one_map_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t r, int32_t y_dtype, int32_t dtype) {
  return h_bytes(n, r) + aligned_bytes(backend::linear_forward_workspace_bytes(device, n, d_in, d_out, r, y_dtype, dtype));
}

inline int64_t map_by_map_bytes(sails_device &device, const int64_t *d_out, const int64_t *r, int64_t count, int64_t n, int64_t d_in,
                                int32_t y_dtype, int32_t dtype) {
  int64_t most = 0;
  for (int64_t i = 0; i < count; i++) most = std::max(most, one_map_bytes(device, n, d_in, d_out[i], r[i], y_dtype, dtype));
  return most;
}

// One after another, in the same workspace. hs: where x lora_as[i]^T stays, NULL: nowhere.
inline void map_by_map(sails_device &device, void *const *ys, const void *x, const void *const *weights, const float *const *lora_as,
                       const float *const *lora_bs, const int64_t *d_out, const int64_t *r, const float *scale, int64_t count, int64_t n,
                       int64_t d_in, int32_t y_dtype, int32_t dtype, void *workspace, int64_t workspace_bytes, float *const *hs = nullptr) {
  for (int64_t i = 0; i < count; i++) {
    Workspace pieces(workspace, workspace_bytes);
    float *h = r[i] == 0 ? nullptr : hs != nullptr && hs[i] != nullptr ? hs[i] : pieces.take<float>(n * r[i]);
    const int64_t bytes = backend::linear_forward_workspace_bytes(device, n, d_in, d_out[i], r[i], y_dtype, dtype);
    backend::linear_forward(device, ys[i], h, x, weights[i], nullptr, nullptr, lora_as[i], lora_bs[i], n, d_in, d_out[i], r[i], scale[i],
                            y_dtype, dtype, pieces.take<char>(bytes), bytes);
  }
}

// Gate and up go through the workspace where they are not kept.
inline int64_t glu_by_maps_bytes(sails_device &device, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r, int64_t up_r,
                                 int32_t dtype) {
  const int64_t d_outs[] = {d_out, d_out}, rs[] = {gate_r, up_r}, element = dtype == SAILS_F32 ? 4 : 2;
  return 2 * aligned_bytes(n * d_out * element) + map_by_map_bytes(device, d_outs, rs, 2, n, d_in, dtype, dtype);
}

inline void glu_by_maps(sails_device &device, void *y, void *const (&kept)[2], float *const (&hs)[2], const void *x,
                        const void *const (&weights)[2], const float *const (&lora_as)[2], const float *const (&lora_bs)[2], int64_t n,
                        int64_t d_in, int64_t d_out, const int64_t (&r)[2], const float (&scale)[2], int32_t activation, int32_t dtype,
                        void *workspace, int64_t workspace_bytes) {
  Workspace pieces(workspace, workspace_bytes);
  const int64_t bytes = n * d_out * (dtype == SAILS_F32 ? 4 : 2), d_outs[] = {d_out, d_out};
  void *const room[] = {pieces.take<char>(bytes), pieces.take<char>(bytes)};
  void *const both[] = {kept[0] != nullptr ? kept[0] : room[0], kept[1] != nullptr ? kept[1] : room[1]};
  const int64_t left = map_by_map_bytes(device, d_outs, r, 2, n, d_in, dtype, dtype);
  map_by_map(device, both, x, weights, lora_as, lora_bs, d_outs, r, scale, 2, n, d_in, dtype, dtype, pieces.take<char>(left), left, hs);
  backend::glu_forward(device, y, both[0], both[1], n * d_out, activation, dtype);
}

}  // namespace sails
