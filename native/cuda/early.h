// The handle's queue for kernels that may start before those before them have ended (primitives/dependent_launch.cuh).
#pragma once

#include "cuda/device.h"
#include "primitives/dependent_launch.cuh"

namespace sails {

inline kernels::EarlyStream early_stream(const CudaDevice &device) {
  constexpr int kFirstEarly = 90;
  return {device.stream, device.compute_capability >= kFirstEarly};
}

}  // namespace sails
