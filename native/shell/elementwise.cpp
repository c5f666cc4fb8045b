// Checks of the elementwise operations, row operations and reductions.
#include "shell/checks.h"

namespace {

int64_t float_size(int32_t dtype, const char *name) {
  switch (dtype) {
    case SAILS_F32: return 4;
    case SAILS_BF16:
    case SAILS_F16: return 2;
    case SAILS_F64: return 8;
    default: require(false, name, " has dtype ", dtype, ", expected f32, bf16, f16 or f64");
  }
  return 0;
}

}  // namespace

extern "C" {

int32_t sails_convert(sails_device *device, void *destination, const void *source, int64_t n, int32_t destination_dtype,
                      int32_t source_dtype) {
  return guarded(device, "sails_convert", [&] {
    elements({n}, "n");
    const int64_t to = float_size(destination_dtype, "destination"), from = float_size(source_dtype, "source");
    require_pointer(destination, n, to, "destination");
    require_pointer(source, n, from, "source");
    if (n == 0) return;
    backend::convert(*device, destination, source, n, destination_dtype, source_dtype);
  });
}

int32_t sails_axpby(sails_device *device, float *y, const void *x, int64_t n, float alpha, float beta, int32_t x_dtype) {
  return guarded(device, "sails_axpby", [&] {
    elements({n}, "n");
    require_f32(y, n, "y");
    require_tensor(x, n, x_dtype, "x");
    backend::axpby(*device, y, x, n, alpha, beta, x_dtype);
  });
}

int32_t sails_add_row(sails_device *device, float *y, const void *x, const float *row, int64_t n_rows, int64_t n_cols, float alpha,
                      int32_t x_dtype) {
  return guarded(device, "sails_add_row", [&] {
    const int64_t n = elements({n_rows, n_cols}, "n_rows, n_cols");
    require_f32(y, n, "y");
    require_tensor(x, n, x_dtype, "x");
    require_f32(row, n == 0 ? 0 : n_cols, "row");
    if (n == 0) return;
    backend::add_row(*device, y, x, row, n_rows, n_cols, alpha, x_dtype);
  });
}

int32_t sails_gather_rows(sails_device *device, void *y, const void *x, const int32_t *rows, int64_t n, int64_t n_rows, int64_t n_cols,
                          int32_t dtype) {
  return guarded(device, "sails_gather_rows", [&] {
    const int64_t n_elements = elements({n, n_cols}, "n, n_cols");
    require_tensor(y, n_elements, dtype, "y");
    require_tensor(x, elements({n_rows, n_cols}, "n_rows, n_cols"), dtype, "x");
    require_pointer(rows, n, 4, "rows");
    if (n_elements == 0) return;
    backend::gather_rows(*device, y, x, rows, n, n_rows, n_cols, dtype);
  });
}

int32_t sails_dot_rows(sails_device *device, float *out_dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols) {
  return guarded(device, "sails_dot_rows", [&] {
    const int64_t n = elements({n_rows, n_cols}, "n_rows, n_cols");
    require_f32(out_dots, n_rows, "out_dots");
    require_f32(a, n, "a");
    require_f32(b, n, "b");
    if (n_rows == 0) return;
    backend::dot_rows(*device, out_dots, a, b, n_rows, n_cols);
  });
}

int32_t sails_scale_rows(sails_device *device, float *y, const float *x, const float *alpha, const float *beta, int64_t n_rows,
                         int64_t n_cols) {
  return guarded(device, "sails_scale_rows", [&] {
    const int64_t n = elements({n_rows, n_cols}, "n_rows, n_cols");
    require_f32(y, n, "y");
    require((x == nullptr) == (alpha == nullptr) || n == 0, "x and alpha belong together: one of them is NULL");
    if (x != nullptr) require_f32(x, n, "x");
    if (alpha != nullptr) require_f32(alpha, n_rows, "alpha");
    if (beta != nullptr) require_f32(beta, n_rows, "beta");
    if (n == 0) return;
    backend::scale_rows(*device, y, x, alpha, beta, n_rows, n_cols);
  });
}

int32_t sails_sum_of_squares(sails_device *device, double *out_sums, const float *const *tensors, const int64_t *sizes, int64_t count) {
  return guarded(device, "sails_sum_of_squares", [&] {
    require_size(count, "count");
    require_pointer(out_sums, count, 8, "out_sums");
    require_pointer(tensors, count, 8, "tensors");
    require_pointer(sizes, count, 8, "sizes");
    for (int64_t i = 0; i < count; i++) require_f32(tensors[i], elements({sizes[i]}, "sizes"), "tensors[i]");
    backend::sum_of_squares(*device, out_sums, tensors, sizes, count);
  });
}

int32_t sails_count_nonfinite(sails_device *device, int64_t *out_count, const void *x, int64_t n, int32_t dtype) {
  return guarded(device, "sails_count_nonfinite", [&] {
    elements({n}, "n");
    require_pointer(out_count, 1, 8, "out_count");
    require(dtype == SAILS_F32 || dtype == SAILS_BF16 || dtype == SAILS_F16, "x has dtype ", dtype, ", expected f32, bf16 or f16");
    require_pointer(x, n, dtype == SAILS_F32 ? 4 : 2, "x");
    backend::count_nonfinite(*device, out_count, x, n, dtype);
  });
}

}  // extern "C"
