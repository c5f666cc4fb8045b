// Element types of the ABI as types of the kernels.
#pragma once

#include "primitives/types.cuh"
#include "sails.h"

namespace sails {

// Calls body(pointer) with `pointer` as a pointer to the f32 or bf16 elements that dtype names.
template <typename Body>
void with_type(int32_t dtype, const void *pointer, Body &&body) {
  if (dtype == SAILS_F32)
    body(static_cast<const float *>(pointer));
  else
    body(static_cast<const kernels::bf16 *>(pointer));
}
template <typename Body>
void with_type(int32_t dtype, void *pointer, Body &&body) {
  if (dtype == SAILS_F32)
    body(static_cast<float *>(pointer));
  else
    body(static_cast<kernels::bf16 *>(pointer));
}

}  // namespace sails
