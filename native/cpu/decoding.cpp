// The operations of a decoded token.
#include <algorithm>
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

// Whether a sequence stands somewhere, and then the pages up to its place are pages.
bool stands(const Pages &pages, const int32_t *positions, int64_t b) {
  const int64_t place = positions[b];
  require(place >= -1 && place < pages.capacity(), "positions[", b, "] is ", place, ", expected -1 to ", pages.capacity() - 1);
  for (int64_t i = 0; place >= 0 && i <= place / pages.tokens; i++) {
    const int64_t at = b * pages.per_sequence + i;
    require(pages.table[at] >= 0 && pages.table[at] < pages.count, "page_table[", at, "] is ", pages.table[at], ", expected 0 to ",
            pages.count - 1);
  }
  return place >= 0;
}

// The row of keys and values that the new token of a sequence takes, -1: none.
int64_t row_of(const RopeAppend &p, int64_t b) {
  if (p.pages.table == nullptr) return b * p.capacity + place_of(p.key_position, p.capacity);
  if (!stands(p.pages, p.positions, b)) return -1;
  const int64_t place = p.positions[b];
  return p.pages.table[b * p.pages.per_sequence + place / p.pages.tokens] * p.pages.tokens + place % p.pages.tokens;
}

}  // namespace

namespace backend {

void rope_append(sails_device &device, const RopeAppend &p) {
  const int64_t element = element_bytes(p.dtype), row = p.n_kv_heads * p.head_dim * element, q_row = p.n_heads * p.head_dim * element;
  for (int64_t b = 0; b < p.batch; b++) {
    const int64_t to = row_of(p, b);
    if (to < 0) continue;
    const float *table = p.table + b * p.head_dim;
    void *q = static_cast<char *>(p.q) + b * q_row;
    rope(device, q, q, table, 1, p.n_heads, p.head_dim, 0, p.dtype);
    rope(device, static_cast<char *>(p.keys) + to * row, static_cast<const char *>(p.k) + b * row, table, 1, p.n_kv_heads, p.head_dim, 0,
         p.dtype);
    std::memcpy(static_cast<char *>(p.values) + to * row, static_cast<const char *>(p.v) + b * row, static_cast<size_t>(row));
    if (p.k_segment != nullptr) p.k_segment[to] = p.q_segment[b];
  }
}

int64_t attention_decode_workspace_bytes(sails_device &device, const AttentionSizes &sizes) {
  return attention_forward_workspace_bytes(device, sizes);
}

void attention_decode(sails_device &device, const AttentionDecode &p, Workspace workspace) {
  AttentionForward forward{.sizes = p.sizes, .inputs = p.inputs, .out = p.out, .lse = nullptr};
  if (p.inputs.pages.table != nullptr) {
    int64_t longest = 0;
    for (int64_t b = 0; b < p.sizes.batch; b++)
      if (stands(p.inputs.pages, p.inputs.positions, b)) longest = std::max<int64_t>(longest, p.inputs.positions[b] + 1);
    forward.sizes.n_keys = longest;
  } else {
    const int64_t place = place_of(p.key_position, p.sizes.n_keys);
    forward.sizes.query_offset = place;
    // The segments of several sequences lie the cache's capacity apart; the keys past the place are passed over.
    if (p.sizes.batch == 1) forward.sizes.n_keys = place + 1;
  }
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
