// The handle's queue for kernels that may start before those before them have ended (primitives/dependent_launch.cuh).
#pragma once

#include "cuda/device.h"
#include "primitives/dependent_launch.cuh"

namespace sails {

inline kernels::EarlyStream early_stream(const CudaDevice &device) { return {device.stream, device.early_starts}; }

}  // namespace sails
