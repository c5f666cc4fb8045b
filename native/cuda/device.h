// The CUDA device handle. The files of native/cuda are compiled twice: by nvcc for libsails_cuda, by the host compiler for
// libsails_emulator.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <string>

#include "cuda/cublaslt.h"
#include "primitives/cluster.cuh"
#include "primitives/fault.cuh"
#include "shell/backend.h"
#include "shell/device.h"

namespace sails {

// Pinned host memory in two halves: while one is copied by the device, the other is filled or emptied by the host. Small uploads lie one
// behind the other in a half, so that none waits for the device as long as both halves are not full of what it has yet to read.
class Staging {
 public:
  explicit Staging(cudaStream_t stream);
  ~Staging();
  Staging(const Staging &) = delete;
  Staging &operator=(const Staging &) = delete;
  void upload(void *destination, const void *host_source, int64_t bytes);
  void download(void *host_destination, const void *source, int64_t bytes);

 private:
  Staging(cudaStream_t stream, char *memory) : stream_(stream), memory_(memory) {}
  void wait(int half);
  cudaStream_t stream_;
  int half_ = 0;        // the half that uploads are put into
  int64_t filled_ = 0;  // bytes of it that the device may not have read yet
  char *memory_ = nullptr;
  cudaEvent_t done_[2] = {};
};

struct CudaDevice : sails_device {
  int ordinal = 0;
  int multiprocessors = 1;
  int compute_capability = 0;          // 90 for 9.0
  bool early_starts = false;           // kernels may start before those before them have ended: the code loaded knows how to wait
  bool hopper_kernels = false;         // variants of sm_90a (TMA, wgmma) may be chosen: on 9.0, unless the option kernels=portable says no
  bool clusters = true;                // of them those whose blocks share what they read, unless the option clusters=off says no
  int64_t shared_bytes_per_block = 0;  // the most dynamic shared memory that a block may ask for
  int64_t total_bytes = 0;             // of the card
  int64_t budget_bytes = 0;            // what sails_alloc may hand out
  int64_t head_logits = 0;             // of the language-model head that are kept at once
  cudaStream_t stream = nullptr;       // the handle's queue
  kernels::Fault *fault = nullptr;     // on the device; read at every wait
  kernels::Fault *host_fault = nullptr;  // pinned, where it is read to
  double *partial_sums = nullptr;        // kernels::kSquarePartials on the device, for the reductions whose functions take no workspace
  std::unique_ptr<Staging> staging;
  std::unique_ptr<CublasLt> cublaslt;  // computes plain dense products where the option matmul=cublaslt says so
  std::string name;

  kernels::Multiprocessors persistent() const { return {multiprocessors, clusters}; }

  ~CudaDevice() override;
};

inline CudaDevice &cuda(sails_device &device) { return static_cast<CudaDevice &>(device); }

// Of a piece of a workspace.
inline int64_t float_bytes(int64_t count) { return aligned_bytes(count * static_cast<int64_t>(sizeof(float))); }

// Throws SAILS_FAILED (SAILS_OUT_OF_MEMORY for that error) with CUDA's own text unless the status is cudaSuccess.
void check(cudaError_t status);

// Waits for the queue and throws what it has left: an error of CUDA, or the first wrong value that a kernel has reported.
void wait(CudaDevice &device);

}  // namespace sails
