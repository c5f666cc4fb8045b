// Checks of packed weights and of linear maps that have them.
#include "shell/linear_checks.h"

namespace {

void check_types(const LinearSizes &s, int32_t weight_dtype) {
  require_f32_or_bf16(s.y_dtype, "y");
  require_f32_or_bf16(s.dtype, "x");
  require(s.y_dtype == SAILS_F32 || s.dtype == SAILS_BF16, "y is bf16 where x is f32");
  require_packed(weight_dtype, "weight");
}

}  // namespace

extern "C" {

int32_t sails_quantize(sails_device *device, void *y, const void *x, const float *importance, int64_t rows, int64_t cols, int32_t y_dtype,
                       int32_t x_dtype) {
  return guarded(device, "sails_quantize", [&] {
    const int64_t n = elements({rows, cols}, "rows, cols");
    require_packed(y, rows, cols, y_dtype, "y");
    require_tensor(x, n, x_dtype, "x");
    if (importance != nullptr) require_f32(importance, cols, "importance");
    if (n == 0) return;
    backend::quantize(*device, y, x, importance, rows, cols, y_dtype, x_dtype);
  });
}

int32_t sails_dequantize(sails_device *device, void *y, const void *x, int64_t rows, int64_t cols, int32_t y_dtype, int32_t x_dtype) {
  return guarded(device, "sails_dequantize", [&] {
    const int64_t n = elements({rows, cols}, "rows, cols");
    require_tensor(y, n, y_dtype, "y");
    require_packed(x, rows, cols, x_dtype, "x");
    if (n == 0) return;
    backend::dequantize(*device, y, x, rows, cols, y_dtype, x_dtype);
  });
}

int32_t sails_quantized_linear_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                       int64_t r, int32_t y_dtype, int32_t dtype, int32_t weight_dtype) {
  return guarded(device, "sails_quantized_linear_forward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const LinearSizes sizes{n, d_in, d_out, r, y_dtype, dtype};
    check_lora(sizes);
    check_types(sizes, weight_dtype);
    elements({d_out, d_in}, "d_out, d_in");
    *out_bytes = backend::quantized_linear_forward_workspace_bytes(*device, sizes, weight_dtype);
  });
}

int32_t sails_quantized_linear_forward(sails_device *device, void *y, float *h, const void *x, const void *weight, const float *lora_a,
                                       const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t y_dtype,
                                       int32_t dtype, int32_t weight_dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_quantized_linear_forward", [&] {
    const LinearSizes sizes{.n = n, .d_in = d_in, .d_out = d_out, .r = r, .y_dtype = y_dtype, .dtype = dtype};
    check_lora(sizes);
    check_types(sizes, weight_dtype);
    require_tensor(y, n * d_out, y_dtype, "y");
    require_tensor(x, n * d_in, dtype, "x");
    require_packed(weight, d_out, d_in, weight_dtype, "weight");
    check_adapter(sizes, h, lora_a, lora_b);
    require_f32(h, n * r, "h");
    if (n == 0 || (d_out == 0 && r == 0)) return;
    const LoraForward lora{.sizes = sizes, .y = y, .h = h, .x = x, .lora_a = lora_a, .lora_b = lora_b, .scale = scale};
    require_workspace(workspace, workspace_bytes, backend::quantized_linear_forward_workspace_bytes(*device, sizes, weight_dtype));
    backend::quantized_linear_forward(*device, {lora, weight, nullptr, nullptr}, weight_dtype, {workspace, workspace_bytes});
  });
}

int32_t sails_quantized_linear_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                        int64_t r, int32_t dtype, int32_t weight_dtype) {
  return guarded(device, "sails_quantized_linear_backward_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    const LinearSizes sizes{n, d_in, d_out, r, dtype, dtype};
    check_lora(sizes);
    check_types(sizes, weight_dtype);
    elements({d_out, d_in}, "d_out, d_in");
    *out_bytes = backend::quantized_linear_backward_workspace_bytes(*device, sizes, weight_dtype);
  });
}

int32_t sails_quantized_linear_backward(sails_device *device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x,
                                        const void *weight, const float *h, const float *lora_a, const float *lora_b, int64_t n,
                                        int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t accumulate_dx, int32_t dtype,
                                        int32_t weight_dtype, void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_quantized_linear_backward", [&] {
    const LinearSizes sizes{.n = n, .d_in = d_in, .d_out = d_out, .r = r, .y_dtype = dtype, .dtype = dtype};
    check_lora(sizes);
    check_types(sizes, weight_dtype);
    require_f32(dx, n * d_in, "dx");
    require_tensor(dy, n * d_out, dtype, "dy");
    require_packed(weight, d_out, d_in, weight_dtype, "weight");
    check_lora_backward(sizes, dlora_a, dlora_b, x, h, lora_a, lora_b);
    if (n == 0 || (d_in == 0 && d_out == 0)) return;
    const LoraBackward lora{.sizes = sizes,
                            .dx = dx,
                            .dlora_a = dlora_a,
                            .dlora_b = dlora_b,
                            .dy = dy,
                            .x = x,
                            .h = h,
                            .lora_a = lora_a,
                            .lora_b = lora_b,
                            .scale = scale};
    require_workspace(workspace, workspace_bytes, backend::quantized_linear_backward_workspace_bytes(*device, sizes, weight_dtype));
    backend::quantized_linear_backward(*device, {lora, weight, accumulate_dx != 0}, weight_dtype, {workspace, workspace_bytes});
  });
}

}  // extern "C"
