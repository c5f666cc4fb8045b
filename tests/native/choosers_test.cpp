// Which variant the choose_* functions take, without running it.
#include "attention_forward.cuh"
#include "check.h"

using check::expect;
using namespace sails::kernels;

// ---------------------------------------------------------------- attention forward

namespace {

// Gemma-2 9B: 16 heads of 256 in pairs, 4096 tokens.
AttentionShape gemma() {
  AttentionShape s = {};
  s.batch = 1;
  s.n_queries = s.n_keys = 4096;
  s.n_heads = 16;
  s.n_kv_heads = 8;
  s.head_dim = 256;
  s.scale = 0.0625f;
  s.softcap = 50.0f;
  return s;
}

std::string chosen(const AttentionShape &s, bool is_bf16 = true, bool vectors = true, bool hopper = true) {
  return choose_attention_forward(s, is_bf16, vectors, 132, hopper).name;
}

// What is wrong with the choice for Gemma's shape after `change`.
template <typename Change>
std::string expect_chosen(const std::string &name, const std::string &what, Change change) {
  AttentionShape s = gemma();
  change(s);
  return expect(chosen(s) == name, what + ": " + chosen(s) + ", expected " + name);
}

}  // namespace

TEST("choose_attention_forward: warpgroups on Hopper, for aligned bf16 of the models' head dimensions") {
  for (int64_t head_dim : {64, 128, 256}) {
    const std::string why =
        expect_chosen("forward_warpgroup", "head_dim " + std::to_string(head_dim), [&](AttentionShape &s) { s.head_dim = head_dim; });
    if (!why.empty()) return why;
  }
  if (chosen(gemma(), true, true, false) != "forward_tensorcore") return "another card: " + chosen(gemma(), true, true, false);
  if (chosen(gemma(), true, false) != "forward_tensorcore") return "rows that are not aligned: " + chosen(gemma(), true, false);
  return expect(chosen(gemma(), false) == "forward_simt", "f32: " + chosen(gemma(), false));
}

TEST("choose_attention_forward: what the kernel on warpgroups cannot do goes to the others") {
  const auto other = [](const char *what, auto change) { return expect_chosen("forward_tensorcore", what, change); };
  const auto same = [](const char *what, auto change) { return expect_chosen("forward_warpgroup", what, change); };
  for (const std::string &why : {
           other("head_dim 96", [](AttentionShape &s) { s.head_dim = 96; }),
           other("a cap whose exponential could overflow", [](AttentionShape &s) { s.softcap = 65.0f; }),
           other("a negative scale without a cap", [](AttentionShape &s) { s.softcap = 0.0f, s.scale = -1.0f; }),
           other("sequences a fraction of a key apart", [](AttentionShape &s) { s.batch = 2, s.kv_batch_stride = 4096 * 8 * 256 + 8; }),
           other("a group of 64", [](AttentionShape &s) { s.n_heads = 64, s.n_kv_heads = 1; }),
           other("few rows", [](AttentionShape &s) { s.n_queries = 31; }),
           other("no keys", [](AttentionShape &s) { s.n_keys = 0; }),
           same("a cache with spare room", [](AttentionShape &s) { s.batch = 2, s.kv_batch_stride = 5000 * 8 * 256; }),
           same("one sequence, whatever the stride", [](AttentionShape &s) { s.kv_batch_stride = 3; }),
           same("no cap", [](AttentionShape &s) { s.softcap = 0.0f; }),
           same("a group of 3", [](AttentionShape &s) { s.n_heads = 24; }),
       })
    if (!why.empty()) return why;
  return expect_chosen("decode_tensorcore", "one query", [](AttentionShape &s) { s.n_queries = 1; });
}

TEST("choose_attention_forward: the configuration fits an H100") {
  for (int64_t head_dim : {64, 128, 256}) {
    AttentionShape s = gemma();
    s.head_dim = head_dim;
    const AttentionConfig c = choose_attention_forward(s, true, true, 132, true);
    // Of 227 KiB; at head_dim 256 the arrays that the kernel declares itself take 1.4.
    if (c.shared_bytes > 225 * 1024) return "head_dim " + std::to_string(head_dim) + " takes " + std::to_string(c.shared_bytes) + " bytes";
    if (c.rows != 128 || c.threads != 384 || c.splits != 1 || c.keys != (head_dim == 256 ? 80 : 128)) return "head_dim " + std::to_string(head_dim);
  }
  AttentionShape s = gemma();
  if (warpgroup_attention_blocks(s) != 8 * 64) return "blocks of pairs of heads: " + std::to_string(warpgroup_attention_blocks(s));
  s.n_heads = 24;  // 42 queries of 3 heads
  return expect(warpgroup_attention_blocks(s) == 8 * 98, "blocks of a group of 3: " + std::to_string(warpgroup_attention_blocks(s)));
}
