// Rows of the embedding table and their gradient.
#include "cpu/isa/kernels.h"
#include "cpu/isa/simd.h"
#include "sails.h"

namespace sails::SAILS_ISA {
namespace {

constexpr int64_t kColumnBlock = 256;

template <typename Y, typename T>
void forward_rows(Y *y, const int32_t *ids, const T *table, int64_t n_tokens, int64_t d, float scale, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (n_tokens * d > 8192)
  for (int64_t t = 0; t < n_tokens; t++) {
    const T *row = table + ids[t] * d;
    Y *to = y + t * d;
    int64_t j = 0;
    for (; j + kWidth <= d; j += kWidth) store(to + j, load(row + j) * scale);
    if (j < d) store_tail(to + j, load_tail(row + j, d - j) * scale, d - j);
  }
}

void forward(void *y, const int32_t *ids, const void *table, int64_t n_tokens, int64_t d, float scale, int32_t y_dtype, int32_t table_dtype,
             int threads) {
  const auto run = [&](auto *typed_y, auto *typed_table) { forward_rows(typed_y, ids, typed_table, n_tokens, d, scale, threads); };
  auto *y32 = static_cast<float *>(y);
  auto *y16 = static_cast<bf16 *>(y);
  auto *t32 = static_cast<const float *>(table);
  auto *t16 = static_cast<const bf16 *>(table);
  if (y_dtype == SAILS_F32)
    table_dtype == SAILS_F32 ? run(y32, t32) : run(y32, t16);
  else
    table_dtype == SAILS_F32 ? run(y16, t32) : run(y16, t16);
}

// Threads own columns, so that the tokens of one id are added in their order without atomics.
void backward(float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens, int64_t d, float scale, int threads) {
  const int64_t blocks = (d + kColumnBlock - 1) / kColumnBlock;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t end = (b + 1) * kColumnBlock < d ? (b + 1) * kColumnBlock : d;
    for (int64_t t = 0; t < n_tokens; t++) {
      float *row = dtable + ids[t] * d;
      const float *from = dy + t * d;
      int64_t j = b * kColumnBlock;
      for (; j + kWidth <= end; j += kWidth) store(row + j, load(row + j) + load(from + j) * scale);
      for (; j < end; j++) row[j] += from[j] * scale;
    }
  }
}

}  // namespace

extern const EmbeddingKernels embedding_kernels;
const EmbeddingKernels embedding_kernels = {forward, backward};

}  // namespace sails::SAILS_ISA
