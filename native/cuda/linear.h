// Linear maps of many rows, for the operations that contain some.
#pragma once

#include "cuda/device.h"

namespace sails {

// The pair of a gated layer by one product of warpgroups, sails_linear_glu_forward's contract: kept and hs may hold NULL, those of gate
// come first.
// False where it does not apply, and then nothing is queued.
int64_t glu_products_bytes(const CudaDevice &device, int64_t n, int64_t d_in, int64_t d_out, int64_t gate_r, int64_t up_r, int32_t dtype);
bool glu_products(CudaDevice &device, void *y, void *const (&kept)[2], float *const (&hs)[2], const void *x,
                  const void *const (&weights)[2], const float *const (&lora_as)[2], const float *const (&lora_bs)[2], int64_t n,
                  int64_t d_in, int64_t d_out, const int64_t (&r)[2], const float (&scale)[2], int32_t activation, int32_t dtype,
                  void *workspace, int64_t workspace_bytes);

}  // namespace sails
