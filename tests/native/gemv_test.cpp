// What is chosen for products of few rows: the shapes of Gemma-2 on an H100 keep enough loads under way, and every shape is covered.
#include "matmul/gemv.cuh"
#include "check.h"

using check::expect;
using namespace sails::kernels;

namespace {

constexpr int kH100 = 132;
// 3.35 TB/s at 700 ns, a multiprocessor's share.
constexpr int64_t kNeededUnderWay = 18 * 1024;

std::string printed(const GemvConfig &c) {
  return std::string(c.name) + " cols " + std::to_string(c.cols) + " ways " + std::to_string(c.ways) + " steps " + std::to_string(c.steps) +
         " piece " + std::to_string(c.piece) + " blocks " + std::to_string(c.blocks) + " under way " + std::to_string(c.bytes_under_way);
}

struct Shape {
  const char *name;
  int64_t n, k;
  bool pair;
};
const Shape kGemma[] = {{"2b qkv", 4096, 2304, false},   {"2b o", 2304, 2048, false},        {"2b gate, up", 9216, 2304, true},
                        {"2b down", 2304, 9216, false},  {"2b head", 256000, 2304, false},   {"9b qkv", 8192, 3584, false},
                        {"9b o", 3584, 4096, false},     {"9b gate, up", 14336, 3584, true}, {"9b down", 3584, 14336, false},
                        {"27b down", 4608, 36864, false}};

}  // namespace

TEST("every weight of Gemma-2 is read with enough bytes under way on an H100") {
  for (int64_t m : {1, 2, 4, 5, 8})
    for (const Shape &s : kGemma) {
      const GemvConfig c = choose_gemv(m, s.n, s.k, true, s.pair, kH100);
      const std::string why = std::string(s.name) + ", " + std::to_string(m) + " rows: " + printed(c);
      if (c.bytes_under_way < kNeededUnderWay) return why + ", needed " + std::to_string(kNeededUnderWay);
      if (c.blocks < kH100) return why + ": multiprocessors stay idle";
      if (c.rows < m || c.shared_bytes > kDefaultSharedBytes) return why;
    }
  return "";
}

TEST("one token of the 2B chooses what docs/kernel-predictions.md counts on") {
  const char *expected[] = {"gemv_1 cols 1 ways 1 steps 1 piece 2304 blocks 512 under way 61440",
                            "gemv_1 cols 1 ways 1 steps 1 piece 2048 blocks 288 under way 69632",
                            "gemv_pair cols 2 ways 1 steps 1 piece 2304 blocks 1152 under way 73728",
                            "gemv_1 cols 1 ways 1 steps 1 piece 9216 blocks 288 under way 69632",
                            "gemv_1 cols 1 ways 1 steps 8 piece 2304 blocks 4000 under way 61440"};
  for (int i = 0; i < 5; i++) {
    const std::string got = printed(choose_gemv(1, kGemma[i].n, kGemma[i].k, true, kGemma[i].pair, kH100));
    if (got != expected[i]) return std::string(kGemma[i].name) + ": " + got + ", expected " + expected[i];
  }
  return "";
}

TEST("the blocks of a choice cover all columns once, whatever the shape") {
  for (int64_t m : {0, 1, 3, 8})
    for (int64_t n : {0, 1, 7, 8, 9, 100, 2049, 70001})
      for (int64_t k : {0, 1, 7, 256, 4097, 100000})
        for (bool bf16 : {false, true})
          for (bool pair : {false, true}) {
            const GemvConfig c = choose_gemv(m, n, k, bf16, pair, kH100);
            const int64_t columns = kGemvWarps / c.ways * (pair ? 1 : c.cols) * c.steps;
            const std::string why = std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) + ": " + printed(c);
            if (c.blocks * columns < n || (c.blocks - 1) * columns >= larger(n, 1)) return why;
            if (c.piece > 0 && (c.piece % (bf16 ? 8 : 4) != 0 || c.shared_bytes > kDefaultSharedBytes)) return why;
            if (k > 0 && c.piece == 0) return why;
          }
  return "";
}
