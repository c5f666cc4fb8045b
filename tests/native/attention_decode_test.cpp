// How attention of one query a sequence is split over an H100: all multiprocessors have work, and no split is shorter than a round of keys.
#include "decoding/attention_decode.cuh"
#include "check.h"

using namespace sails::kernels;

namespace {

constexpr int kH100 = 132;

AttentionConfig choice(int64_t batch, int64_t capacity, int64_t heads, int64_t kv_heads, int64_t head_dim, int64_t window) {
  AttentionShape s = {};
  s.batch = batch;
  s.n_queries = 1;
  s.n_keys = capacity;
  s.n_heads = heads;
  s.n_kv_heads = kv_heads;
  s.head_dim = head_dim;
  s.window = window;
  return choose_attention_decode(s, true, true, kH100);
}

}  // namespace

TEST("attention of one token of the 2B fills an H100, whatever the cache's length and window") {
  for (int64_t capacity : {4096, 8192, 100000})
    for (int64_t window : {0, 4096}) {
      const AttentionConfig c = choice(1, capacity, 8, 4, 256, window);
      const std::string why =
          std::to_string(capacity) + " keys, window " + std::to_string(window) + ": " + std::to_string(c.splits) + " splits";
      if (4 * c.splits < kH100 || 4 * c.splits > 2 * kH100) return why;
      if (std::string(c.name) != "decode_tensorcore" || c.width != 256 || !c.exact) return why + ", " + c.name;
    }
  return "";
}

TEST("a short window or a large batch takes fewer splits, and there is always one") {
  if (choice(1, 8192, 8, 4, 256, 128).splits != 2) return "a window of 128 keys is two rounds of 64";
  if (choice(200, 8192, 8, 4, 256, 0).splits != 1) return "800 heads fill the device without splits";
  if (choice(1, 0, 8, 4, 256, 0).splits != 1) return "an empty cache";
  return "";
}
