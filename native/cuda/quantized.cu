// Linear maps with packed weights: few rows by the codes themselves, more of them by the weight widened into the workspace.
#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "cuda/gemv.h"
#include "quantized/pack.cuh"
#include "quantized/quantized_gemv.cuh"
#include "shell/backend.h"

namespace sails::backend {
namespace {

using kernels::bf16;
using kernels::kGemvRows;

int64_t wide_bytes(const LinearSizes &s) { return aligned_bytes(s.d_out * s.d_in * (s.dtype == SAILS_F32 ? 4 : 2)); }

const void *widened(sails_device &device, const void *weight, const LinearSizes &s, int32_t weight_dtype, Workspace &workspace) {
  void *wide = workspace.take<char>(wide_bytes(s));
  if (s.d_out * s.d_in > 0) dequantize(device, wide, weight, s.d_out, s.d_in, s.dtype, weight_dtype);
  return wide;
}

template <typename X, typename C>
void few_rows(CudaDevice &d, const LinearForward &p, int32_t weight_dtype) {
  const LinearSizes &s = p.sizes;
  check(kernels::launch_quantized_gemv(d.stream, static_cast<C *>(p.y), static_cast<const X *>(p.x), p.weight, s.n, s.d_out, s.d_in,
                                       weight_dtype, {p.h, p.lora_b, s.r, p.scale, false}));
}

}  // namespace

void quantize(sails_device &device, void *y, const void *x, const float *importance, int64_t rows, int64_t cols, int32_t y_dtype,
              int32_t x_dtype) {
  with_type(x_dtype, x,
            [&](auto *typed) { check(kernels::launch_quantize(cuda(device).stream, y, typed, importance, rows, cols, y_dtype)); });
}

void dequantize(sails_device &device, void *y, const void *x, int64_t rows, int64_t cols, int32_t y_dtype, int32_t x_dtype) {
  CudaDevice &d = cuda(device);
  with_type(y_dtype, y,
            [&](auto *typed) { check(kernels::launch_dequantize(d.stream, typed, x, nullptr, rows, rows, cols, 1.0f, x_dtype, d.fault)); });
}

int64_t quantized_linear_forward_workspace_bytes(sails_device &device, const LinearSizes &s, int32_t) {
  return s.n <= kGemvRows ? 0 : wide_bytes(s) + linear_forward_workspace_bytes(device, s);
}

void quantized_linear_forward(sails_device &device, const LinearForward &linear, int32_t weight_dtype, Workspace workspace) {
  CudaDevice &d = cuda(device);
  const LinearSizes &s = linear.sizes;
  if (s.n > kGemvRows) {
    LinearForward dense = linear;
    dense.weight = widened(device, linear.weight, s, weight_dtype, workspace);
    return linear_forward(device, dense, workspace);
  }
  const bool is_bf16 = s.dtype == SAILS_BF16;
  if (s.r > 0) gemv(d, gemv_down(linear.h, linear.x, is_bf16, linear.lora_a, s.n, s.d_in, s.r), false);
  if (!is_bf16)
    few_rows<float, float>(d, linear, weight_dtype);
  else if (s.y_dtype == SAILS_F32)
    few_rows<bf16, float>(d, linear, weight_dtype);
  else
    few_rows<bf16, bf16>(d, linear, weight_dtype);
}

int64_t quantized_linear_backward_workspace_bytes(sails_device &device, const LinearSizes &s, int32_t) {
  return wide_bytes(s) + aligned_bytes(linear_backward_workspace_bytes(device, s));
}

void quantized_linear_backward(sails_device &device, const LinearBackward &linear, int32_t weight_dtype, Workspace workspace) {
  LinearBackward dense = linear;
  dense.weight = widened(device, linear.weight, linear.sizes, weight_dtype, workspace);
  linear_backward(device, dense, workspace);
}

}  // namespace sails::backend
