// Elementwise operations, row operations and reductions on the device.
#include <type_traits>

#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "elementwise/axpby.cuh"
#include "elementwise/convert.cuh"
#include "elementwise/gather_rows.cuh"
#include "elementwise/reductions.cuh"
#include "elementwise/rows.cuh"

namespace sails::backend {
namespace {

using kernels::bf16;
using kernels::f16;

template <typename To, typename From>
void convert_to(CudaDevice &device, void *destination, const From *source, int64_t n) {
  if constexpr (std::is_same_v<To, From>) {
    if (destination != source)
      check(cudaMemcpyAsync(destination, source, static_cast<size_t>(n) * sizeof(From), cudaMemcpyDeviceToDevice, device.stream));
  } else {
    check(kernels::launch_convert(device.stream, static_cast<To *>(destination), source, n));
  }
}

template <typename From>
void convert_from(CudaDevice &device, void *destination, const void *source, int64_t n, int32_t destination_dtype) {
  const auto *from = static_cast<const From *>(source);
  switch (destination_dtype) {
    case SAILS_F32: return convert_to<float>(device, destination, from, n);
    case SAILS_BF16: return convert_to<bf16>(device, destination, from, n);
    case SAILS_F16: return convert_to<f16>(device, destination, from, n);
    default: return convert_to<double>(device, destination, from, n);
  }
}

}  // namespace

void convert(sails_device &device, void *destination, const void *source, int64_t n, int32_t destination_dtype, int32_t source_dtype) {
  CudaDevice &d = cuda(device);
  switch (source_dtype) {
    case SAILS_F32: return convert_from<float>(d, destination, source, n, destination_dtype);
    case SAILS_BF16: return convert_from<bf16>(d, destination, source, n, destination_dtype);
    case SAILS_F16: return convert_from<f16>(d, destination, source, n, destination_dtype);
    default: return convert_from<double>(d, destination, source, n, destination_dtype);
  }
}

void axpby(sails_device &device, float *y, const void *x, int64_t n, float alpha, float beta, int32_t x_dtype) {
  with_type(x_dtype, x, [&](auto *typed) { check(kernels::launch_axpby(cuda(device).stream, y, typed, n, alpha, beta)); });
}

void add_row(sails_device &device, float *y, const void *x, const float *row, int64_t n_rows, int64_t n_cols, float alpha,
             int32_t x_dtype) {
  with_type(x_dtype, x, [&](auto *typed) { check(kernels::launch_add_row(cuda(device).stream, y, typed, row, n_rows, n_cols, alpha)); });
}

void gather_rows(sails_device &device, void *y, const void *x, const int32_t *rows, int64_t n, int64_t n_rows, int64_t n_cols,
                 int32_t dtype) {
  CudaDevice &d = cuda(device);
  with_type(dtype, y, [&](auto *typed) {
    using Pointer = const std::remove_pointer_t<decltype(typed)> *;
    check(kernels::launch_gather_rows(d.stream, typed, static_cast<Pointer>(x), rows, n, n_rows, n_cols, d.fault));
  });
}

void dot_rows(sails_device &device, float *out_dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols) {
  check(kernels::launch_dot_rows(cuda(device).stream, out_dots, a, b, n_rows, n_cols));
}

void scale_rows(sails_device &device, float *y, const float *x, const float *alpha, const float *beta, int64_t n_rows, int64_t n_cols) {
  check(kernels::launch_scale_rows(cuda(device).stream, y, x, alpha, beta, n_rows, n_cols));
}

void sum_of_squares(sails_device &device, double *out_sums, const float *const *tensors, const int64_t *sizes, int64_t count) {
  CudaDevice &d = cuda(device);
  check(kernels::launch_sum_of_squares(d.stream, out_sums, tensors, sizes, count, d.partial_sums));
}

void count_nonfinite(sails_device &device, int64_t *out_count, const void *x, int64_t n, int32_t dtype) {
  CudaDevice &d = cuda(device);
  check(cudaMemsetAsync(out_count, 0, sizeof(int64_t), d.stream));
  if (dtype == SAILS_F32)
    check(
        kernels::launch_count_nonfinite(d.stream, out_count, static_cast<const uint32_t *>(x), n, uint32_t{0x7f800000}, d.multiprocessors));
  else
    check(kernels::launch_count_nonfinite(d.stream, out_count, static_cast<const uint16_t *>(x), n,
                                          static_cast<uint16_t>(dtype == SAILS_BF16 ? 0x7f80 : 0x7c00), d.multiprocessors));
}

}  // namespace sails::backend
