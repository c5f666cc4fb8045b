// Which variant the choose_* functions take, without running it.
#include "attention/forward.cuh"
#include "check.h"
#include "matmul/matmul_hopper.cuh"

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
    if (c.rows != 128 || c.threads != 384 || c.splits != 1 || c.keys != (head_dim == 256 ? 80 : 128))
      return "head_dim " + std::to_string(head_dim);
  }
  AttentionShape s = gemma();
  if (warpgroup_attention_blocks(s) != 8 * 64) return "blocks of pairs of heads: " + std::to_string(warpgroup_attention_blocks(s));
  s.n_heads = 24;  // 42 queries of 3 heads
  return expect(warpgroup_attention_blocks(s) == 8 * 98, "blocks of a group of 3: " + std::to_string(warpgroup_attention_blocks(s)));
}

// ---------------------------------------------------------------- dense products on Hopper

namespace {

struct LinearShape {
  const char *name;
  int64_t d_out, d_in;
};
const LinearShape kLinears[] = {{"2B q", 2048, 2304},     {"2B k, v", 1024, 2304},   {"2B o", 2304, 2048},     {"2B gate", 9216, 2304},
                                {"2B down", 2304, 9216},  {"9B q", 4096, 3584},      {"9B k, v", 2048, 3584},  {"9B o", 3584, 4096},
                                {"9B gate", 14336, 3584}, {"9B down", 3584, 14336},  {"27B q", 4096, 4608},    {"27B k, v", 2048, 4608},
                                {"27B o", 4608, 4096},    {"27B gate", 36864, 4608}, {"27B down", 4608, 36864}};
const char *const kLayouts[] = {"x W^T", "dy W", "dy^T x"};
constexpr int kH100 = 132;

struct Product {
  std::string name;
  int64_t m, n, k;
};
// Every linear map of Gemma-2 forward, its input's and its weight's gradient, by the number of tokens.
std::vector<Product> gemma_products() {
  std::vector<Product> all;
  for (int64_t tokens : {512, 2048, 4096, 8192})
    for (const LinearShape &s : kLinears) {
      const Product layouts[] = {
          {kLayouts[0], tokens, s.d_out, s.d_in}, {kLayouts[1], tokens, s.d_in, s.d_out}, {kLayouts[2], s.d_out, s.d_in, tokens}};
      for (const Product &p : layouts)
        all.push_back({std::string(s.name) + ", " + std::to_string(tokens) + " tokens, " + p.name, p.m, p.n, p.k});
    }
  return all;
}

const Multiprocessors kPairs = {kH100, true}, kSingles = {kH100, false};

// The share of the tensor cores' rate that the model of clocks expects.
double share(const Product &p, const WarpgroupConfig &c) {
  return static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k) /
         (2048.0 * kH100 * warpgroup_clocks(p.m, p.n, c, kH100));
}

std::string printed(const Product &p, const WarpgroupConfig &c) {
  const int64_t tiles = ceil_div(p.m, c.tile_rows() * c.cluster) * c.cluster * ceil_div(p.n, c.tile_cols);
  char text[256];
  std::snprintf(text, sizeof text, "%-34s %-20s %2d parts %5d items %5.2f rounds %4.0f MB  %.2f", p.name.c_str(), c.name,
                static_cast<int>(c.parts), static_cast<int>(tiles * c.parts), static_cast<double>(tiles * c.parts) / kH100,
                static_cast<double>(c.workspace_bytes) / 1e6, share(p, c));
  return text;
}

}  // namespace

TEST("choose_warpgroup_matmul: Gemma-2's maps in all three layouts (SAILS_PRINT_CHOICES=1 shows the table)") {
  for (const Product &p : gemma_products()) {
    const WarpgroupConfig c = choose_warpgroup_matmul(p.m, p.n, p.k, kPairs), single = choose_warpgroup_matmul(p.m, p.n, p.k, kSingles);
    if (single.cluster != 1) return printed(p, single) + ": clusters were not to be had";
    if (share(p, c) < share(p, single)) return printed(p, c) + ": single blocks are expected to be faster";
    const std::string text = printed(p, c);
    if (std::getenv("SAILS_PRINT_CHOICES") != nullptr) std::printf("%s\n", text.c_str());
    if (c.parts < 1 || (c.parts > 1 && (c.k_per_part % kWarpgroupDepth != 0 || c.k_per_part * (c.parts - 1) >= p.k)))
      return text + ": an empty part";
    if (c.k_per_part * c.parts < p.k) return text + ": parts do not cover k";
    if ((c.parts > 1) != (c.workspace_bytes > 0) || c.workspace_bytes > int64_t{1} << 28) return text + ": workspace";
    // A single tile is a lower bound for a round, and no other tile may have been expected to do better.
    const WarpgroupConfig plain = {"", 2, 256, 1, 1, larger(1, p.k), 0};
    if (share(p, c) < share(p, plain)) return text + ": 128x256 is expected to be faster";
    // From 34 GFLOP on there is work for several rounds.
    const double least = p.m * p.n * p.k < int64_t{1} << 34 ? 0.15 : 0.45;
    if (share(p, c) < least) return text + ": the device is idle, expected " + std::to_string(least);
  }
  return "";
}

TEST("choose_warpgroup_matmul: rounds decide between 256 and 192 columns, rows whether blocks pair") {
  const auto chosen_tile = [](int64_t m, int64_t n, int64_t k, const Multiprocessors &on) {
    return std::string(choose_warpgroup_matmul(m, n, k, on).name);
  };
  const struct {
    const char *name;
    int64_t m, n, k;
    const char *pairs, *singles;
  } all[] = {{"o_proj of the 2B", 4096, 2304, 2048, "warpgroup_2x128x192", "warpgroup_128x192"},
             {"gate_proj of the 2B", 4096, 9216, 2304, "warpgroup_2x128x256", "warpgroup_128x256"},
             {"gate_proj of the 9B", 4096, 14336, 3584, "warpgroup_2x128x256", "warpgroup_128x256"},
             {"rows for one block", 128, 65536, 2304, "warpgroup_128x256", "warpgroup_128x256"},
             {"a single small tile", 64, 128, 256, "warpgroup_64x128", "warpgroup_64x128"}};
  for (const auto &p : all) {
    if (chosen_tile(p.m, p.n, p.k, kPairs) != p.pairs) return std::string(p.name) + ": " + chosen_tile(p.m, p.n, p.k, kPairs);
    if (chosen_tile(p.m, p.n, p.k, kSingles) != p.singles)
      return std::string(p.name) + ", single blocks: " + chosen_tile(p.m, p.n, p.k, kSingles);
  }
  return expect(choose_warpgroup_matmul(4096, 9216, 2304, {1, true}).cluster == 1, "a pair on one multiprocessor");
}

TEST("choose_warpgroup_two: gate and up are not split over k") {
  for (int64_t tokens : {9, 512, 2048, 4096, 8192})
    for (const LinearShape &s : kLinears) {
      const WarpgroupConfig c = choose_warpgroup_two(tokens, s.d_out, s.d_in, kPairs);
      if (c.parts != 1 || c.workspace_bytes != 0 || c.tile_cols % 128 != 0) return std::string(s.name) + ": " + c.name;
    }
  return "";
}
