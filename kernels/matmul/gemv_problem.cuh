// What a product of a few rows with whole weight matrices is asked with (matmul/gemv.cuh), apart from its kernels: a file that includes
// those has all of their machine code.
#pragma once

#include "matmul/matmul.cuh"

namespace sails::kernels {

constexpr int kGemvMaps = 4;  // of one x in a launch
constexpr int kGemvNoActivation = -1;

// One map without types; ldc, ldw: row strides.
struct GemvMap {
  void *c;
  const void *w;
  int64_t n, ldc, ldw;
  float alpha, beta;
  const void *addend;  // of c's type and stride, NULL: none
  const float *bias;   // NULL: none
  LowRank low_rank;
};

struct GemvProblem {
  const void *x;
  int64_t m, k, ldx;
  bool x_bf16, w_bf16, c_bf16;
  const int32_t *m_limit;  // on the device, NULL: m; rows from *m_limit on are not written
  int activation;          // kGemvNoActivation, or SAILS_GLU_*: the two maps are a pair, and the first one's c is y
  int count;
  GemvMap maps[kGemvMaps];
};

}  // namespace sails::kernels
