// The CPU device handle.
#pragma once

#include <memory>
#include <string>

#include "cpu/isa/kernels.h"
#include "cpu/pool.h"
#include "shell/device.h"

namespace sails {

class Onednn;  // cpu/matmul.h

struct CpuDevice : sails_device {
  int threads = 1;
  std::string isa;
  const Kernels *kernels = nullptr;
  std::unique_ptr<Pool> pool;      // of so many threads, for products of few rows; all else has OpenMP's
  std::unique_ptr<Onednn> onednn;  // empty: the products of isa/matmul.cpp
  bool takes_faster = false;       // of these two by shape; else oneDNN takes all that it can

  CpuDevice();
  ~CpuDevice() override;
};

inline CpuDevice &cpu(sails_device &device) { return static_cast<CpuDevice &>(device); }

// The number of the calling thread in its OpenMP team.
int64_t thread_number();

}  // namespace sails
