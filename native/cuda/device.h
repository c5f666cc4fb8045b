// The CUDA device handle. These files are compiled twice: by nvcc for libsails_cuda, by the host compiler for libsails_emulator.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "primitives/fault.cuh"
#include "shell/backend.h"
#include "shell/device.h"

namespace sails {

struct CudaDevice : sails_device {
  int ordinal = 0;
  int multiprocessors = 1;
  int compute_capability = 0;             // 90 for 9.0
  int64_t shared_bytes_per_block = 0;     // the most dynamic shared memory that a block may ask for
  cudaStream_t stream = nullptr;          // the handle's queue
  kernels::Fault *fault = nullptr;        // on the device; read at every wait
  void *staging = nullptr;                // pinned host memory for uploads, downloads and lists of pointers
  std::string name;

  ~CudaDevice() override;
};

inline CudaDevice &cuda(sails_device &device) { return static_cast<CudaDevice &>(device); }

// Throws SAILS_FAILED (SAILS_OUT_OF_MEMORY for that error) with CUDA's own text unless the status is cudaSuccess.
void check(cudaError_t status);

}  // namespace sails
