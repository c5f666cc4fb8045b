// Elementwise operations, row operations and reductions.
#include <cstring>

#include "cpu/device.h"
#include "shell/backend.h"

namespace sails::backend {

void convert(sails_device &device, void *destination, const void *source, int64_t n, int32_t destination_dtype, int32_t source_dtype) {
  CpuDevice &host = cpu(device);
  if (destination_dtype == source_dtype) {
    const int64_t size = source_dtype == SAILS_F64 ? 8 : source_dtype == SAILS_F32 ? 4 : 2;
    std::memmove(destination, source, static_cast<size_t>(n * size));
  } else {
    host.kernels->elementwise->convert(destination, source, n, destination_dtype, source_dtype, host.threads);
  }
}

void axpby(sails_device &device, float *y, const void *x, int64_t n, float alpha, float beta, int32_t x_dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->elementwise->axpby(y, x, n, alpha, beta, x_dtype, host.threads);
}

void add_row(sails_device &device, float *y, const void *x, const float *row, int64_t n_rows, int64_t n_cols, float alpha,
             int32_t x_dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->elementwise->add_row(y, x, row, n_rows, n_cols, alpha, x_dtype, host.threads);
}

void gather_rows(sails_device &device, void *y, const void *x, const int32_t *rows, int64_t n, int64_t n_rows, int64_t n_cols,
                 int32_t dtype) {
  CpuDevice &host = cpu(device);
  const int64_t size = dtype == SAILS_F32 ? 4 : 2;
  for (int64_t i = 0; i < n; i++) require(rows[i] >= 0 && rows[i] < n_rows, "rows[", i, "] is ", rows[i], ", expected 0 to ", n_rows - 1);
  const int64_t bytes = n_cols * size;
#pragma omp parallel for num_threads(host.threads) schedule(static) if (n * bytes > 65536)
  for (int64_t i = 0; i < n; i++)
    std::memcpy(static_cast<char *>(y) + i * bytes, static_cast<const char *>(x) + rows[i] * bytes, static_cast<size_t>(bytes));
}

void dot_rows(sails_device &device, float *out_dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols) {
  CpuDevice &host = cpu(device);
  host.kernels->elementwise->dot_rows(out_dots, a, b, n_rows, n_cols, host.threads);
}

void scale_rows(sails_device &device, float *y, const float *x, const float *alpha, const float *beta, int64_t n_rows, int64_t n_cols) {
  CpuDevice &host = cpu(device);
  host.kernels->elementwise->scale_rows(y, x, alpha, beta, n_rows, n_cols, host.threads);
}

void sum_of_squares(sails_device &device, double *out_sums, const float *const *tensors, const int64_t *sizes, int64_t count) {
  CpuDevice &host = cpu(device);
  for (int64_t i = 0; i < count; i++) out_sums[i] = host.kernels->elementwise->sum_of_squares(tensors[i], sizes[i], host.threads);
}

void count_nonfinite(sails_device &device, int64_t *out_count, const void *x, int64_t n, int32_t dtype) {
  CpuDevice &host = cpu(device);
  *out_count = host.kernels->elementwise->count_nonfinite(x, n, dtype, host.threads);
}

}  // namespace sails::backend
