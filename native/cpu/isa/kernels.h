// The table of vector kernels, filled once for each instruction set and chosen once when the device opens.
//
// Rules for isa/*.cpp, which are compiled once per instruction set (SAILS_ISA = generic, avx2, avx512):
//   - everything lives in namespace sails::SAILS_ISA, helpers in anonymous namespaces or `static`;
//   - no std templates (<vector>, <algorithm>, std::min ...): the linker keeps one copy of an inline function, and if that copy
//     was compiled for AVX-512 it would crash elsewhere. <cmath>, <cstring> and <cstdint> functions are fine;
//   - no allocation: buffers and workspaces come from the shell; threads by `#pragma omp parallel for num_threads(threads)
//     schedule(static)`, or by parallel.h in what a decoded token does: it waits for no thread that the system lets in late. Results do
//     not depend on who computes what;
//   - arguments were checked by the shell.
#pragma once

#include <cstdint>

#include "cpu/parts.h"
#include "shell/operands.h"  // its structs alone: its inline functions are not for isa/*.cpp

namespace sails {

struct Kernels;

// One accessor per instruction set, defined in isa/table.cpp.
namespace generic {
const Kernels &kernels();
}
namespace avx2 {
const Kernels &kernels();
}
namespace avx512 {
const Kernels &kernels();
}

struct ElementwiseKernels {
  void (*convert)(void *destination, const void *source, int64_t n, int32_t destination_dtype, int32_t source_dtype, int threads);
  // y [n] = alpha * x + beta * y
  void (*axpby)(float *y, const void *x, int64_t n, float alpha, float beta, int32_t x_dtype, int threads);
  // y [rows, cols], row stride ld = alpha * x [rows, cols] f32 (NULL: 0) + beta * y
  void (*scale_add_rows)(void *y, const float *x, int64_t rows, int64_t cols, int64_t ld, float alpha, float beta, int32_t y_dtype,
                         int threads);
  void (*add_row)(float *y, const void *x, const float *row, int64_t n_rows, int64_t n_cols, float alpha, int32_t x_dtype, int threads);
  void (*dot_rows)(float *out_dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols, int threads);
  // y [n_rows, n_cols] = beta[i] (NULL: 1) * y + alpha[i] * x (both NULL: 0)
  void (*scale_rows)(float *y, const float *x, const float *alpha, const float *beta, int64_t n_rows, int64_t n_cols, int threads);
  double (*sum_of_squares)(const float *x, int64_t n, int threads);
  int64_t (*count_nonfinite)(const void *x, int64_t n, int32_t dtype, int threads);
};

struct GemvKernels {
  // y [m, n] f32 = x [m, k] f32 times the transpose of w [n, k] f32|bf16, row stride ldw
  void (*dot_rows)(float *y, const float *x, const void *w, int64_t m, int64_t n, int64_t k, int64_t ldw, int32_t w_dtype, Pool &pool);
  // y [m, n] = x [m, k] times w [k, n], all f32, row stride ldw: w is read once, as it lies
  void (*sum_rows)(float *y, const float *x, const float *w, int64_t m, int64_t n, int64_t k, int64_t ldw, int threads);
};

// As sails_matmul; k > 0.
struct MatmulCall {
  void *c;
  const void *a, *b;
  int64_t m, n, k, ldc, lda, ldb;
  bool transpose_a, transpose_b;
  float alpha, beta;
  int32_t c_dtype, ab_dtype;
  int threads;
};

struct MatmulKernels {
  // From m, n and k alone.
  int64_t (*workspace_bytes)(const MatmulCall &call);
  void (*run)(const MatmulCall &call, void *workspace);
};

struct OptimizerKernels {
  // rates as sails_adamw_rates leaves them
  void (*adamw)(float *param, float *m, float *v, const float *grad, int64_t n, const float *rates, int threads);
  // moments as code[q] * absmax in blocks of SAILS_ADAMW_BLOCK
  void (*adamw_8bit)(float *param, uint8_t *m, uint8_t *v, float *m_absmax, float *v_absmax, const float *grad, int64_t n,
                     const float *m_code, const float *v_code, const float *rates, int threads);
};

struct DoraKernels {
  void (*norm)(float *norm, const void *weight, const float *lora_a, const float *lora_b, int64_t d_out, int64_t d_in, int64_t r,
               float scale, int32_t dtype, int threads);
  void (*forward)(void *y, const float *u, const float *magnitude, const float *norm, int64_t n, int64_t d_out, int32_t y_dtype,
                  int threads);
  void (*backward)(void *du, float *dmagnitude, const void *dy, const float *u, const float *magnitude, const float *norm, int64_t n,
                   int64_t d_out, int32_t dtype, int threads);
};

struct LoraRowsKernels {
  // h [n, h_columns]: room for x lora_a^T, no rank is larger than h_columns; every row's adapter is one, or -1
  void (*forward)(const LoraRows &rows, float *h, int64_t h_columns, Pool &pool);
};

// Types q8 and q4 of sails.h.
struct QuantizedKernels {
  void (*quantize)(void *y, const void *x, const float *importance, int64_t rows, int64_t cols, int32_t y_dtype, int32_t x_dtype,
                   int threads);
  // y [rows, cols] = factor * the rows `ids` of x, NULL: all of them
  void (*dequantize)(void *y, const void *x, const int32_t *ids, int64_t rows, int64_t cols, float factor, int32_t y_dtype, int32_t x_dtype,
                     int threads);
  // x [groups * SAILS_QUANT_GROUP] as whole numbers of 16 bits times a scale a group, the largest magnitude over 32767
  void (*round_rows)(int16_t *codes, float *scales, const float *x, int64_t groups);
  // y [m, n] = rows so rounded times the transpose of w [n, k]
  void (*dot_rows)(float *y, const int16_t *codes, const float *scales, const void *w, int64_t m, int64_t n, int64_t k, int32_t w_dtype,
                   Pool &pool);
};

struct NormKernels {
  void (*forward)(void *y, float *rstd, const void *x, const float *weight, const void *residual, int64_t n_rows, int64_t d, float eps,
                  float weight_offset, int32_t y_dtype, int32_t x_dtype, int threads);
  // partial [threads-independent blocks, d] f32 for dweight
  void (*backward)(float *dx, float *dweight, const void *dy, const void *x, const float *weight, const float *rstd, int64_t n_rows,
                   int64_t d, float weight_offset, bool accumulate_dx, int32_t dy_dtype, int32_t x_dtype, float *partial, int threads);
  void (*standardize_forward)(float *y, float *mean, float *std, const float *x, int64_t n_rows, int64_t n_cols, float eps, int threads);
  void (*standardize_backward)(float *dx, const float *dy, const float *dmean, const float *dstd, const float *x, const float *mean,
                               const float *std, int64_t n_rows, int64_t n_cols, float eps, int threads);
  void (*unstandardize_forward)(float *y, const float *x, const float *mean, const float *std, int64_t n_rows, int64_t n_cols, int threads);
  void (*unstandardize_backward)(float *dx, float *dmean, float *dstd, const float *dy, const float *x, const float *std, int64_t n_rows,
                                 int64_t n_cols, int threads);
};
// Rows whose dweight contributions are summed together in rmsnorm backward, whatever the thread count.
constexpr int64_t kNormRowBlock = 64;

struct EmbeddingKernels {
  void (*forward)(void *y, const int32_t *ids, const void *table, int64_t n_tokens, int64_t d_model, float scale, int32_t y_dtype,
                  int32_t table_dtype, int threads);
  void (*backward)(float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens, int64_t d_model, float scale, int threads);
};

struct RopeKernels {
  void (*table)(float *table, const int32_t *positions, const double *inv_freq, int64_t n_tokens, int64_t half, int threads);
  void (*apply)(void *y, const void *x, const float *table, int64_t n_tokens, int64_t n_heads, int64_t half, bool inverse, int32_t dtype,
                int threads);
};

struct ActivationKernels {
  void (*glu_forward)(void *y, const void *gate, const void *up, int64_t n, int32_t activation, int32_t dtype, int threads);
  void (*glu_backward)(void *dgate, void *dup, const void *dy, const void *gate, const void *up, int64_t n, int32_t activation,
                       int32_t dtype, int threads);
  void (*softcap_forward)(float *y, const float *x, int64_t n, float cap, int threads);
  void (*softcap_backward)(float *dx, const float *dy, const float *y, int64_t n, float cap, int threads);
};

struct LossKernels {
  // One row of logits; dlogits NULL or f32|bf16, = weight * (softmax - onehot) * (1 - (logit / cap)^2) (cap 0: no last factor).
  // Returns -log softmax[target].
  float (*row)(void *dlogits, const float *logits, int64_t vocab, int64_t target, float weight, float cap, int32_t dlogits_dtype);
};

struct AttentionCall : AttentionSizes, AttentionInputs {
  Pool *pool;  // shares out few queries; all else takes as many threads of OpenMP
};

struct AttentionKernels {
  int64_t (*forward_workspace_bytes)(const AttentionCall &call);
  void (*forward)(void *out, float *lse, const AttentionCall &call, void *workspace);
  int64_t (*backward_workspace_bytes)(const AttentionCall &call);
  void (*backward)(void *dq, void *dk, void *dv, const void *dout, const void *out, const float *lse, const AttentionCall &call,
                   void *workspace);
};

struct SaeScan {
  const float *bias, *threshold, *scale, *gate_bias;  // of the first feature of the block, NULL where not used
};

struct SaeKernels {
  // Scans z0 [n_features] of one token; appends active features (ids from first_id on) to indices and values while there is room.
  // Returns the new count.
  int64_t (*scan)(int32_t *indices, float *values, int64_t count, int64_t capacity, const float *z0, int64_t n_features, int64_t first_id,
                  const SaeScan &scan);
  // Writes z = z0 * scale + bias over z0 (topk).
  void (*affine)(float *z, int64_t n_features, const float *scale, const float *bias);
  // Largest values of groups of features of one token, NaN left out: lane by lane of `fold` vectors each. Returns how many groups.
  int64_t (*group_maxima)(float *maxima, const float *z, int64_t n_features, int64_t fold);
  // The features of one token whose z is at least `floor`: ids and values, in rising id; returns how many (all are stored).
  int64_t (*at_least)(int32_t *ids, float *z_kept, const float *z, int64_t n_features, int64_t first_id, float floor);
  void (*encode_backward)(float *dx, const float *dvalues, const int32_t *indices, const int32_t *counts, const void *w_enc,
                          const float *scale, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity, int32_t dtype, int threads);
  void (*decode)(float *recon, const int32_t *indices, const float *values, const int32_t *counts, const void *w_dec, const float *bias,
                 const float *scale, int64_t n_tokens, int64_t d_in, int64_t capacity, int32_t dtype, int threads);
  void (*decode_backward)(float *dvalues, const float *drecon, const int32_t *indices, const int32_t *counts, const void *w_dec,
                          const float *scale, int64_t n_tokens, int64_t d_in, int64_t capacity, int32_t dtype, int threads);
  // dw [d_sae, d_in] (transposed: [d_in, d_sae]) += value * rows[t] for each code, ids rising in each row
  void (*weight_gradient)(float *dw, const float *rows, const int32_t *indices, const float *values, const int32_t *counts,
                          int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity, bool transposed, int threads);
};

// One member per file of isa/, each a struct of function pointers declared above and defined in that file as
// `extern const XKernels x_kernels;` inside namespace SAILS_ISA.
struct Kernels {
  const char *name;
  const ElementwiseKernels *elementwise;
  const GemvKernels *gemv;
  const MatmulKernels *matmul;
  const OptimizerKernels *optimizer;
  const DoraKernels *dora;
  const LoraRowsKernels *lora_rows;
  const QuantizedKernels *quantized;
  const NormKernels *norm;
  const EmbeddingKernels *embedding;
  const RopeKernels *rope;
  const ActivationKernels *activation;
  const LossKernels *loss;
  const AttentionKernels *attention;
  const SaeKernels *sae;
};

}  // namespace sails
