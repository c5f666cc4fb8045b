// Dense products by cuBLASLt, where its library is on the machine: opened at run time, so that nobody needs it to build or to run.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "matmul/matmul.cuh"

namespace sails {

class CublasLt {
 public:
  // The workspace of a product: what the library may use of it, which begins on 256 bytes, its rule, and what is lost to that.
  static constexpr int64_t kScratchBytes = int64_t{32} << 20, kScratchAlignment = 256;
  static constexpr int64_t kWorkspaceBytes = kScratchBytes + kScratchAlignment;

  // The library at `path`; "": that of the environment's SAILS_CUBLASLT, else by name (libcublasLt.so.13, .12), else under /usr/local/cuda.
  // Throws SAILS_UNSUPPORTED with all places that were tried.
  static std::unique_ptr<CublasLt> open(const std::string &path);
  ~CublasLt();
  CublasLt(const CublasLt &) = delete;
  CublasLt &operator=(const CublasLt &) = delete;

  // Version and place.
  const std::string &name() const { return name_; }

  // Queues c = alpha op(a) op(b) + beta c (or addend); sums are f32, partial sums of long products too. False, with nothing queued, where
  // it is no such product (an adapter, a bias, a limit of rows on the device), or the library has no algorithm for its types and strides.
  bool multiply(cudaStream_t stream, const kernels::MatmulProblem &p, void *workspace);

 private:
  struct Library;
  struct Plan;
  using Key = std::array<int64_t, 11>;

  CublasLt(std::unique_ptr<Library> library, std::string name);
  std::shared_ptr<const Plan> plan(const kernels::MatmulProblem &p, const void *addend);

  std::unique_ptr<Library> library_;
  std::string name_;
  std::map<Key, std::shared_ptr<const Plan>> plans_;
#ifdef SAILS_EMULATOR
  std::deque<std::function<void()>> queued_;  // they stay: a recording may come to them again
#endif
};

}  // namespace sails
