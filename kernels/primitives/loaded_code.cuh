// What the code was compiled for that a card has loaded: cards newer than all machine code in the library get theirs from its PTX, which is
// of an older architecture and lacks what came after.
#pragma once

#include "dependent_launch.cuh"
#include "wgmma.cuh"

namespace sails::kernels {

struct LoadedCode {
  int32_t waits_for_grids;     // kernels may be launched early: wait_for_grids_before is more than nothing
  int32_t warpgroup_products;  // kernels of sm_90a have a body
};

__global__ void loaded_code(LoadedCode *out) { *out = {kWaitsForGrids, kHasWgmma}; }

[[nodiscard]] inline cudaError_t launch_loaded_code(cudaStream_t stream, LoadedCode *out) {
  return launch("loaded_code", stream, loaded_code, dim3(1), dim3(1), 0, out);
}

}  // namespace sails::kernels
