// DoRA on the device.
#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "dora.cuh"

namespace sails::backend {

void dora_norm(sails_device &device, float *norm, const void *weight, const float *lora_a, const float *lora_b, int64_t d_out,
               int64_t d_in, int64_t r, float scale, int32_t dtype) {
  with_type(dtype, weight, [&](auto *typed) {
    check(kernels::launch_dora_norm(cuda(device).stream, norm, typed, lora_a, lora_b, d_out, d_in, r, scale));
  });
}

void dora_forward(sails_device &device, void *y, const float *u, const float *magnitude, const float *norm, int64_t n, int64_t d_out,
                  int32_t y_dtype) {
  with_type(y_dtype, y, [&](auto *typed) { check(kernels::launch_dora_forward(cuda(device).stream, typed, u, magnitude, norm, n, d_out)); });
}

void dora_backward(sails_device &device, void *du, float *dmagnitude, const void *dy, const float *u, const float *magnitude,
                   const float *norm, int64_t n, int64_t d_out, int32_t dtype) {
  with_type(dtype, du, [&](auto *typed) {
    using Pointer = const std::remove_pointer_t<decltype(typed)> *;
    check(kernels::launch_dora_backward(cuda(device).stream, typed, dmagnitude, static_cast<Pointer>(dy), u, magnitude, norm, n, d_out));
  });
}

}  // namespace sails::backend
