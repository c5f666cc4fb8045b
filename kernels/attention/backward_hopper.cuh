// The backward pass on warpgroups: which shapes take it, its workspace, and its launchers. attention/backward_hopper_tiles.cuh says how it
// works.
#pragma once

#include "attention/backward_hopper_keys.cuh"
#include "attention/backward_hopper_queries.cuh"

namespace sails::kernels {

struct AttentionBackwardConfig {
  AttentionConfig queries, keys;
  bool warpgroup;  // with kept tiles:
  KeptTiles tiles;
  int64_t heads_a_turn;  // sequences and key/value heads whose tiles are kept at once
};

// ---- workspace

// Bytes for the tiles of a shape, from what its workspace function knows: as if the queries were the last positions and no window were set.
// 0 where even one head has too many.
inline int64_t kept_tile_bytes(const AttentionShape &s) {
  AttentionShape whole = s;
  whole.query_offset = larger(0, s.n_keys - s.n_queries);
  whole.window = 0;
  const int64_t head_bytes = kept_tiles(whole).slots() * kKeptSlotBytes;
  if (head_bytes > kMaxHeadTileBytes) return 0;
  return larger(head_bytes, smaller(s.heads() * head_bytes, kKeptBudgetBytes));
}

// Whether the kernels are made for such a shape, its alignment and the segments aside.
inline bool warpgroup_fits(const AttentionShape &s, bool is_bf16) {
  return is_bf16 && (s.head_dim == 128 || s.head_dim == 256) && s.heads() > 0 && s.n_queries > 0 && s.n_keys > 0 && s.n_heads > 0 &&
         kKeptRows % s.group() == 0;
}

// ---- variant choice

// warpgroup: whether the device has the kernels of sm_90a and all rows are aligned to 16 bytes.
inline AttentionBackwardConfig choose_attention_backward_warpgroup(const AttentionShape &s, bool is_bf16, bool warpgroup) {
  AttentionBackwardConfig c = {};
  if (!warpgroup || !warpgroup_fits(s, is_bf16)) return c;
  c.tiles = kept_tiles(s);
  const int64_t head_bytes = c.tiles.slots() * kKeptSlotBytes;
  c.heads_a_turn = head_bytes == 0 ? s.heads() : smaller(s.heads(), kept_tile_bytes(s) / head_bytes);
  c.warpgroup = c.heads_a_turn > 0;
  if (!c.warpgroup) return c;
  const bool wide = s.head_dim == 256;
  c.queries.width = static_cast<int>(s.head_dim);
  c.queries.tensorcore = c.queries.exact = c.queries.vectors = true;
  c.queries.splits = 1;
  c.queries.threads = kGradientThreads;
  c.keys = c.queries;
  c.queries.name = "backward_queries_warpgroup";
  c.queries.rows = kGradientBlockRows;
  c.queries.keys = kKeptKeys;
  c.queries.shared_bytes = wide ? QueryStages<256>::kSharedBytes : QueryStages<128>::kSharedBytes;
  c.keys.name = "backward_keys_warpgroup";
  c.keys.rows = kKeptRows;
  c.keys.keys = kGradientBlockKeys;
  c.keys.shared_bytes = wide ? KeyStages<256>::kSharedBytes : KeyStages<128>::kSharedBytes;
  return c;
}

// ---- launchers

// q, out and their gradients as boxes of 64 rows: a few queries of all heads of the group. Edges in queries are clipped.
inline cudaError_t make_row_map(TensorMap *map, const AttentionShape &s, const bf16 *base) {
  const auto at = [](int64_t n) { return static_cast<uint64_t>(n); };
  const int64_t query_bytes = s.n_heads * s.head_dim * 2, group = s.group();
  return make_tensor_map(map, {base,
                               4,
                               TensorType::bf16,
                               {at(s.head_dim), at(s.n_heads), at(s.n_queries), at(s.batch)},
                               {at(s.head_dim * 2), at(query_bytes), at(s.n_queries * query_bytes)},
                               {kBoxColumns, static_cast<uint32_t>(group), static_cast<uint32_t>(kKeptRows / group), 1},
                               Swizzle::bytes_128});
}
// k, v and their gradients as boxes of 64 keys of one head.
inline cudaError_t make_key_map(TensorMap *map, const AttentionShape &s, const bf16 *base, int64_t batch_stride) {
  const auto at = [](int64_t n) { return static_cast<uint64_t>(n); };
  const int64_t key_bytes = s.n_kv_heads * s.head_dim * 2;
  return make_tensor_map(map, {base,
                               4,
                               TensorType::bf16,
                               {at(s.head_dim), at(s.n_kv_heads), at(s.n_keys), at(s.batch)},
                               {at(s.head_dim * 2), at(key_bytes), at(s.batch > 1 ? batch_stride * 2 : s.n_keys * key_bytes)},
                               {kBoxColumns, 1, kKeptKeys, 1},
                               Swizzle::bytes_128});
}

template <int kWidth, bool kSoftcap>
[[nodiscard]] cudaError_t launch_attention_backward_turn(cudaStream_t stream, const AttentionShape &p, const AttentionBackwardConfig &c,
                                                         const KeptBackward &kept, const QueryMaps &query_maps, const KeyMaps &key_maps) {
  const dim3 queries(static_cast<unsigned>(kept.n_heads * kept.layout.blocks));
  const dim3 keys(static_cast<unsigned>(2 * kept.n_heads * ceil_div(p.n_keys, kGradientBlockKeys)));
  SAILS_TRY(launch("attention_backward_queries_warpgroup", stream, attention_backward_queries_warpgroup<kWidth, kSoftcap>, queries,
                   dim3(kGradientThreads), c.queries.shared_bytes, p, kept, power_score(p), query_maps));
  return launch("attention_backward_keys_warpgroup", stream, attention_backward_keys_warpgroup<kWidth>, keys, dim3(kGradientThreads),
                c.keys.shared_bytes, p, kept, key_maps);
}

// kept: its arrays; the rest is filled in here. gradients.delta is not used.
[[nodiscard]] inline cudaError_t launch_attention_backward_warpgroup(cudaStream_t stream, const AttentionProblem<bf16> &p,
                                                                     const AttentionBackwardConfig &c,
                                                                     const AttentionGradients<bf16> &gradients, const bf16 *out,
                                                                     KeptBackward kept) {
  QueryMaps query_maps;
  KeyMaps key_maps;
  SAILS_TRY(make_row_map(&query_maps.q, p, p.q));
  SAILS_TRY(make_row_map(&query_maps.dout, p, gradients.dout));
  SAILS_TRY(make_row_map(&query_maps.dq, p, gradients.dq));
  SAILS_TRY(make_key_map(&query_maps.k, p, p.k, p.kv_batch_stride));
  SAILS_TRY(make_key_map(&query_maps.v, p, p.v, p.kv_batch_stride));
  const int64_t dense = p.n_keys * p.n_kv_heads * p.head_dim;
  SAILS_TRY(make_key_map(&key_maps.dk, p, gradients.dk, dense));
  SAILS_TRY(make_key_map(&key_maps.dv, p, gradients.dv, dense));
  key_maps.q = query_maps.q;
  key_maps.dout = query_maps.dout;
  kept.layout = c.tiles;
  const int64_t warps = p.heads() * c.tiles.blocks * kGradientBlockRows + p.batch * (c.tiles.blocks + ceil_div(p.n_keys, kKeptKeys));
  SAILS_TRY(launch("attention_backward_prepare", stream, attention_backward_prepare,
                   dim3(static_cast<unsigned>(ceil_div(warps, kPrepareWarps))), dim3(kPrepareWarps * kWarp), 0, p, kept, gradients.dout,
                   out, gradients.lse));
  for (kept.first_head = 0; kept.first_head < p.heads(); kept.first_head += c.heads_a_turn) {
    kept.n_heads = smaller(c.heads_a_turn, p.heads() - kept.first_head);
    const bool capped = p.softcap != 0.0f;
    const auto turn = c.queries.width == 256
                          ? (capped ? launch_attention_backward_turn<256, true> : launch_attention_backward_turn<256, false>)
                          : (capped ? launch_attention_backward_turn<128, true> : launch_attention_backward_turn<128, false>);
    SAILS_TRY(turn(stream, p, c, kept, query_maps, key_maps));
  }
  return cudaSuccess;
}

}  // namespace sails::kernels
