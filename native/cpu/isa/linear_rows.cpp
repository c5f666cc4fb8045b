// Rows with adapters of their own: each row's two small products alone, so that no other row changes its bits.
#include "cpu/isa/kernels.h"
#include "cpu/isa/parallel.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

constexpr int64_t kColumns = 64;  // of y in one piece of work: their rows of lora_b serve all rows of y while they are in cache

template <typename Y, typename X>
void run(Y *y, const X *x, const LoraRows &p, float *h, int64_t h_columns, Pool &pool) {
  const int64_t blocks = (p.d_out + kColumns - 1) / kColumns;
  for_items(pool, p.n * h_columns, [&](int64_t item, int) {
    const int64_t t = item / h_columns, k = item % h_columns, i = p.row_adapter[t];
    if (i >= 0 && k < p.r[i]) h[item] = dot(x + t * p.d_in, p.lora_as[i] + k * p.d_in, p.d_in);
  });
  for_items(pool, blocks, [&](int64_t block, int) {
    const int64_t first = block * kColumns, last = first + kColumns < p.d_out ? first + kColumns : p.d_out;
    for (int64_t t = 0; t < p.n; t++) {
      const int64_t i = p.row_adapter[t], r = i < 0 ? 0 : p.r[i];
      for (int64_t j = first; r > 0 && j < last; j++) {
        Y *to = y + t * p.d_out + j;
        store_one(to, load_one(to) + p.scale[i] * dot(h + t * h_columns, p.lora_bs[i] + j * r, r));
      }
    }
  });
}

template <typename Y>
void run_typed(Y *y, const LoraRows &p, float *h, int64_t h_columns, Pool &pool) {
  if (p.x_dtype == SAILS_F32)
    run(y, static_cast<const float *>(p.x), p, h, h_columns, pool);
  else
    run(y, static_cast<const bf16 *>(p.x), p, h, h_columns, pool);
}

void forward(const LoraRows &p, float *h, int64_t h_columns, Pool &pool) {
  if (p.y_dtype == SAILS_F32)
    run_typed(static_cast<float *>(p.y), p, h, h_columns, pool);
  else
    run_typed(static_cast<bf16 *>(p.y), p, h, h_columns, pool);
}

}  // namespace

extern const LoraRowsKernels lora_rows_kernels;
const LoraRowsKernels lora_rows_kernels = {forward};

}  // namespace sails::SAILS_ISA
