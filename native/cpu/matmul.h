// Dense matmul through oneDNN, for the ABI and for the operations that contain one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sails {

struct CpuDevice;  // cpu/device.h

struct MatmulShape {
  int64_t m, n, k;
  int64_t ldc, lda, ldb;
  int32_t c_dtype, ab_dtype;
  bool transpose_a, transpose_b;

  // Dense operands.
  static MatmulShape dense(int64_t m, int64_t n, int64_t k, int32_t c_dtype, int32_t ab_dtype, bool transpose_a, bool transpose_b);
};

// Compiled oneDNN primitives by shape; the least recently used goes first.
class MatmulCache {
 public:
  MatmulCache();
  ~MatmulCache();
  struct Impl;
  std::unique_ptr<Impl> impl;
};

// oneDNN's version and the instruction set that it uses.
std::string matmul_library();

// Scratch memory that matmul of this shape takes.
int64_t matmul_workspace_bytes(CpuDevice &device, const MatmulShape &shape);

// c = alpha op(a) op(b) + beta c. Inside a guarded section.
void matmul(CpuDevice &device, void *c, const void *a, const void *b, const MatmulShape &shape, float alpha, float beta,
            void *workspace, int64_t workspace_bytes);

}  // namespace sails
