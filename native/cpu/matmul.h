// Dense matmul for the ABI and for the operations that contain one: by isa/matmul*.cpp, or by oneDNN where its library lies beside this
// one, whichever is faster for the shape.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "sails.h"
#include "shell/device.h"

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

// oneDNN on one device. Every member throws sails::Error.
class Onednn {
 public:
  // Empty where libsails_onednn.so does not lie beside this library; an error where it does and cannot be loaded.
  static std::unique_ptr<Onednn> open_beside();
  ~Onednn();
  std::string name() const;
  // Whether oneDNN has products of operands of this type on this CPU; asked once, when it was opened.
  bool multiplies(int32_t ab_dtype) const;
  // -1 where oneDNN has no implementation for this shape on this CPU.
  int64_t scratch_bytes(const MatmulShape &shape, float alpha, float beta, int threads);
  // Whether it was done; not where scratch_bytes says -1.
  bool run(void *c, const void *a, const void *b, const MatmulShape &shape, float alpha, float beta, int threads, void *workspace,
           int64_t workspace_bytes);

 private:
  struct Impl;
  explicit Onednn(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What multiplies on this device, for people.
std::string matmul_name(CpuDevice &device);

// Scratch memory that matmul of this shape takes.
int64_t matmul_workspace_bytes(CpuDevice &device, const MatmulShape &shape);

// Dense products of F32, and the scratch memory of the most demanding of some.
inline MatmulShape f32_product(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  return MatmulShape::dense(m, n, k, SAILS_F32, SAILS_F32, transpose_a, transpose_b);
}
int64_t largest_workspace_bytes(CpuDevice &device, std::initializer_list<MatmulShape> shapes);

// c = alpha op(a) op(b) + beta c. Inside a guarded section.
void matmul(CpuDevice &device, void *c, const void *a, const void *b, const MatmulShape &shape, float alpha, float beta,
            Workspace workspace);

}  // namespace sails
