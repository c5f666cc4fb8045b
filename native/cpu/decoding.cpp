// The operations of a decoded token.
#include <cstring>

#include "cpu/device.h"
#include "shell/backend.h"

namespace sails {
namespace {

int64_t element_bytes(int32_t dtype) { return dtype == SAILS_F32 ? 4 : 2; }

int64_t place_of(const int32_t *key_position, int64_t capacity) {
  require(*key_position >= 0 && *key_position < capacity, "key_position is ", *key_position, ", the cache has room for ", capacity,
          " keys");
  return *key_position;
}

}  // namespace

namespace backend {

void rope_append(sails_device &device, void *q, void *keys, void *values, int32_t *k_segment, const void *k, const void *v,
                 const float *table, const int32_t *q_segment, const int32_t *key_position, int64_t batch, int64_t capacity,
                 int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype) {
  const int64_t place = place_of(key_position, capacity), row = n_kv_heads * head_dim * element_bytes(dtype), pairs = head_dim / 2 * 2;
  rope(device, q, q, table, batch, n_heads, head_dim, 0, dtype);
  for (int64_t b = 0; b < batch; b++) {
    const int64_t to = (b * capacity + place) * row;
    rope(device, static_cast<char *>(keys) + to, static_cast<const char *>(k) + b * row, table + b * pairs, 1, n_kv_heads, head_dim, 0,
         dtype);
    std::memcpy(static_cast<char *>(values) + to, static_cast<const char *>(v) + b * row, static_cast<size_t>(row));
    k_segment[b * capacity + place] = q_segment[b];
  }
}

int64_t attention_decode_workspace_bytes(sails_device &device, const AttentionSizes &sizes) {
  return attention_forward_workspace_bytes(device, sizes);
}

void attention_decode(sails_device &device, const AttentionDecode &p, Workspace workspace) {
  AttentionForward forward{.sizes = p.sizes, .inputs = p.inputs, .out = p.out, .lse = nullptr};
  const int64_t place = place_of(p.key_position, p.sizes.n_keys);
  forward.sizes.query_offset = place;
  // The segments of several sequences lie the cache's capacity apart; the keys past the place are passed over.
  if (p.sizes.batch == 1) forward.sizes.n_keys = place + 1;
  attention_forward(device, forward, workspace);
}

void decode_advance(sails_device &, int32_t *history, int32_t *positions, int32_t *key_position, int32_t *step, const int32_t *ids,
                    int64_t batch, int64_t n_steps) {
  // Past the largest number comes the smallest, as on a GPU.
  const auto count_up = [](int32_t &number) { number = static_cast<int32_t>(static_cast<uint32_t>(number) + 1); };
  if (batch > 0 && *step >= 0 && *step < n_steps) std::memcpy(history + *step * batch, ids, static_cast<size_t>(batch) * sizeof(int32_t));
  for (int64_t b = 0; b < batch; b++) count_up(positions[b]);
  count_up(*key_position);
  count_up(*step);
}

}  // namespace backend
}  // namespace sails
