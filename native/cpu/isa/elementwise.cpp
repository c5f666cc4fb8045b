// Conversions between storage types.
#include "isa/kernels.h"
#include "isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

template <typename To, typename From>
void convert_run(To *destination, const From *source, int64_t n, int threads) {
  const int64_t blocks = n / kWidth;
#pragma omp parallel for num_threads(threads) schedule(static) if (n > 65536)
  for (int64_t b = 0; b < blocks; b++) store(destination + b * kWidth, load(source + b * kWidth));
  const int64_t done = blocks * kWidth;
  if (done < n) store_tail(destination + done, load_tail(source + done, n - done), n - done);
}

void convert(void *destination, const void *source, int64_t n, int32_t destination_dtype, int32_t source_dtype, int threads) {
  if (destination_dtype == SAILS_BF16 && source_dtype == SAILS_F32)
    convert_run(static_cast<bf16 *>(destination), static_cast<const float *>(source), n, threads);
  else if (destination_dtype == SAILS_F32 && source_dtype == SAILS_BF16)
    convert_run(static_cast<float *>(destination), static_cast<const bf16 *>(source), n, threads);
}

}  // namespace

extern const ElementwiseKernels elementwise_kernels;
const ElementwiseKernels elementwise_kernels = {convert};

}  // namespace sails::SAILS_ISA
