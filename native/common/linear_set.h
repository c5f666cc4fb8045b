// The sets of linear maps of decoding by the operations of single maps: what the CPU does, and a GPU for more rows than its decoding
// kernels take.
#pragma once

#include <algorithm>

#include "shell/backend.h"

namespace sails {

inline int64_t h_bytes(int64_t n, int64_t r) { return aligned_bytes(n * r * static_cast<int64_t>(sizeof(float))); }

inline int64_t map_by_map_bytes(sails_device &device, const LinearSetSizes &s) {
  int64_t most = 0;
  for (int64_t i = 0; i < s.count; i++)
    most = std::max(most, h_bytes(s.n, s.r[i]) + aligned_bytes(backend::linear_forward_workspace_bytes(device, s.map(i))));
  return most;
}

// Of adapters that rows choose among.
inline int64_t largest_rank(const int64_t *r, int64_t count) { return count == 0 ? 0 : *std::max_element(r, r + count); }

// One after another, in the same workspace.
inline void map_by_map(sails_device &device, const LinearSetForward &p, Workspace workspace) {
  for (int64_t i = 0; i < p.sizes.count; i++) {
    Workspace pieces = workspace;
    const LinearSizes s = p.sizes.map(i);
    float *h = s.r == 0 ? nullptr : p.hs != nullptr && p.hs[i] != nullptr ? p.hs[i] : pieces.take<float>(s.n * s.r);
    const LoraForward lora = {s, p.ys[i], h, p.x, p.lora_as[i], p.lora_bs[i], p.scale[i]};
    backend::linear_forward(device, {lora, p.weights[i], nullptr, nullptr}, pieces);
  }
}

// Gate and up go through the workspace where they are not kept.
inline int64_t glu_by_maps_bytes(sails_device &device, const LinearGluSizes &s) {
  const int64_t d_outs[] = {s.d_out, s.d_out}, element = s.dtype == SAILS_F32 ? 4 : 2;
  return 2 * aligned_bytes(s.n * s.d_out * element) + map_by_map_bytes(device, {2, s.n, s.d_in, d_outs, s.r, s.dtype, s.dtype});
}

inline void glu_by_maps(sails_device &device, const LinearGluForward &p, Workspace workspace) {
  const LinearGluSizes &s = p.sizes;
  const int64_t bytes = s.n * s.d_out * (s.dtype == SAILS_F32 ? 4 : 2), d_outs[] = {s.d_out, s.d_out};
  void *const room[] = {workspace.take<char>(bytes), workspace.take<char>(bytes)};
  void *const both[] = {p.kept[0] != nullptr ? p.kept[0] : room[0], p.kept[1] != nullptr ? p.kept[1] : room[1]};
  const LinearSetSizes sizes = {2, s.n, s.d_in, d_outs, s.r, s.dtype, s.dtype};
  map_by_map(device, {sizes, both, p.x, p.weights, p.lora_as, p.lora_bs, p.scale, p.hs}, workspace);
  backend::glu_forward(device, p.y, both[0], both[1], s.n * s.d_out, p.activation, s.dtype);
}

}  // namespace sails
