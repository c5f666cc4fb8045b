// What a backend library implements; native/shell checks the arguments of sails.h and calls these.
//
// Each function has the arguments and the contract of the function of the same name in sails.h, the many of some as a struct of
// operands.h, already checked: pointers are there and aligned, products of sizes do not overflow, a workspace has at least what
// *_workspace_bytes said, k of sae_encode is at most d_sae.
// Sizes may still be 0, though calls in which nothing is to be written may not come this far. What can only be known by reading tensors
// (an id in range) is the backend's to check. A failure is thrown as sails::Error.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "shell/device.h"
#include "shell/operands.h"

namespace sails::backend {

// ---- device: called with the handle's lock held
std::unique_ptr<sails_device> open(int32_t ordinal, int32_t n_threads, const std::string &options);
// Around every call: `begin` binds the calling OS thread to the device and opens a profiler range, `end` closes it.
void begin(sails_device &device, const char *operation);
void end(sails_device &device) noexcept;
// One JSON object.
std::string describe(sails_device &device);
bool host_accessible(sails_device &device);
// bytes > 0; throws Error(SAILS_OUT_OF_MEMORY) with the numbers. Counting is the shell's.
void *allocate(sails_device &device, int64_t bytes);
void release(sails_device &device, void *pointer);
// bytes > 0. upload and download wait.
void upload(sails_device &device, void *destination, const void *host_source, int64_t bytes);
void download(sails_device &device, void *host_destination, const void *source, int64_t bytes);
void copy(sails_device &device, void *destination, const void *source, int64_t bytes);
void fill_zero(sails_device &device, void *destination, int64_t bytes);
void synchronize(sails_device &device);
// Throws Error(SAILS_UNSUPPORTED) where operations cannot be recorded.
void graph_begin(sails_device &device);
std::unique_ptr<sails_graph> graph_end(sails_device &device);
void graph_launch(sails_device &device, sails_graph &graph);

// The operations, by the sections of sails.h.

// ---- elementwise
void convert(sails_device &device, void *destination, const void *source, int64_t n, int32_t destination_dtype, int32_t source_dtype);
void axpby(sails_device &device, float *y, const void *x, int64_t n, float alpha, float beta, int32_t x_dtype);
void add_row(sails_device &device, float *y, const void *x, const float *row, int64_t n_rows, int64_t n_cols, float alpha, int32_t x_dtype);
void gather_rows(sails_device &device, void *y, const void *x, const int32_t *rows, int64_t n, int64_t n_rows, int64_t n_cols,
                 int32_t dtype);
void dot_rows(sails_device &device, float *out_dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols);
// x and alpha NULL together; beta NULL: 1.
void scale_rows(sails_device &device, float *y, const float *x, const float *alpha, const float *beta, int64_t n_rows, int64_t n_cols);
void sum_of_squares(sails_device &device, double *out_sums, const float *const *tensors, const int64_t *sizes, int64_t count);
void count_nonfinite(sails_device &device, int64_t *out_count, const void *x, int64_t n, int32_t dtype);

// ---- matmul
int64_t matmul_workspace_bytes(sails_device &device, int64_t m, int64_t n, int64_t k, int32_t c_dtype, int32_t ab_dtype,
                               int32_t transpose_a, int32_t transpose_b);
void matmul(sails_device &device, void *c, const void *a, const void *b, int64_t m, int64_t n, int64_t k, int64_t ldc, int64_t lda,
            int64_t ldb, int32_t c_dtype, int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b, float alpha, float beta,
            void *workspace, int64_t workspace_bytes);

// ---- linear
int64_t lora_forward_workspace_bytes(sails_device &device, const LinearSizes &sizes);
void lora_forward(sails_device &device, const LoraForward &lora, Workspace workspace);
int64_t lora_backward_workspace_bytes(sails_device &device, const LinearSizes &sizes);
void lora_backward(sails_device &device, const LoraBackward &lora, Workspace workspace);
int64_t linear_forward_workspace_bytes(sails_device &device, const LinearSizes &sizes);
void linear_forward(sails_device &device, const LinearForward &linear, Workspace workspace);
int64_t linear_backward_workspace_bytes(sails_device &device, const LinearSizes &sizes);
void linear_backward(sails_device &device, const LinearBackward &linear, Workspace workspace);
int64_t linear_set_forward_workspace_bytes(sails_device &device, const LinearSetSizes &sizes);
void linear_set_forward(sails_device &device, const LinearSetForward &set, Workspace workspace);
int64_t linear_glu_forward_workspace_bytes(sails_device &device, const LinearGluSizes &sizes);
void linear_glu_forward(sails_device &device, const LinearGluForward &glu, Workspace workspace);
int64_t lora_rows_forward_workspace_bytes(sails_device &device, const int64_t *r, int64_t count, int64_t n);
void lora_rows_forward(sails_device &device, const LoraRows &rows, Workspace workspace);
void dora_norm(sails_device &device, float *norm, const void *weight, const float *lora_a, const float *lora_b, int64_t d_out, int64_t d_in,
               int64_t r, float scale, int32_t dtype);
void dora_forward(sails_device &device, void *y, const float *u, const float *magnitude, const float *norm, int64_t n, int64_t d_out,
                  int32_t y_dtype);
void dora_backward(sails_device &device, void *du, float *dmagnitude, const void *dy, const float *u, const float *magnitude,
                   const float *norm, int64_t n, int64_t d_out, int32_t dtype);

// ---- quantized: weights of weight_dtype, q8 or q4; a map without bias and residual
void quantize(sails_device &device, void *y, const void *x, const float *importance, int64_t rows, int64_t cols, int32_t y_dtype,
              int32_t x_dtype);
void dequantize(sails_device &device, void *y, const void *x, int64_t rows, int64_t cols, int32_t y_dtype, int32_t x_dtype);
int64_t quantized_linear_forward_workspace_bytes(sails_device &device, const LinearSizes &sizes, int32_t weight_dtype);
void quantized_linear_forward(sails_device &device, const LinearForward &linear, int32_t weight_dtype, Workspace workspace);
int64_t quantized_linear_backward_workspace_bytes(sails_device &device, const LinearSizes &sizes, int32_t weight_dtype);
void quantized_linear_backward(sails_device &device, const LinearBackward &linear, int32_t weight_dtype, Workspace workspace);

// ---- block
void embedding_forward(sails_device &device, void *y, const int32_t *ids, const void *table, int64_t n_tokens, int64_t vocab,
                       int64_t d_model, float scale, int32_t y_dtype, int32_t table_dtype);
void embedding_backward(sails_device &device, float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens, int64_t vocab,
                        int64_t d_model, float scale);
void rmsnorm_forward(sails_device &device, void *y, float *rstd, const void *x, const float *weight, const void *residual, int64_t n_rows,
                     int64_t d, float eps, float weight_offset, int32_t y_dtype, int32_t x_dtype);
int64_t rmsnorm_backward_workspace_bytes(sails_device &device, int64_t n_rows, int64_t d);
void rmsnorm_backward(sails_device &device, float *dx, float *dweight, const void *dy, const void *x, const float *weight,
                      const float *rstd, int64_t n_rows, int64_t d, float weight_offset, int32_t accumulate_dx, int32_t dy_dtype,
                      int32_t x_dtype, void *workspace, int64_t workspace_bytes);
void rope_table(sails_device &device, float *table, const int32_t *positions, const double *inv_freq, int64_t n_tokens, int64_t head_dim);
void rope(sails_device &device, void *y, const void *x, const float *table, int64_t n_tokens, int64_t n_heads, int64_t head_dim,
          int32_t inverse, int32_t dtype);
void glu_forward(sails_device &device, void *y, const void *gate, const void *up, int64_t n, int32_t activation, int32_t dtype);
void glu_backward(sails_device &device, void *dgate, void *dup, const void *dy, const void *gate, const void *up, int64_t n,
                  int32_t activation, int32_t dtype);
void residual_norm_forward(sails_device &device, float *out, void *y, const float *x, const float *x_weight, const float *residual,
                           const float *y_weight, int64_t n_rows, int64_t d, float eps, float weight_offset, int32_t y_dtype);

// ---- attention
int64_t attention_forward_workspace_bytes(sails_device &device, const AttentionSizes &sizes);
void attention_forward(sails_device &device, const AttentionForward &attention, Workspace workspace);
int64_t attention_backward_workspace_bytes(sails_device &device, const AttentionSizes &sizes);
void attention_backward(sails_device &device, const AttentionBackward &attention, Workspace workspace);

// ---- head
void softcap_forward(sails_device &device, float *y, const float *x, int64_t n, float cap);
void softcap_backward(sails_device &device, float *dx, const float *dy, const float *y, int64_t n, float cap);
void cross_entropy(sails_device &device, float *token_loss, float *dlogits, const float *logits, const int32_t *targets,
                   const float *token_weight, int64_t n_tokens, int64_t vocab);
int64_t head_loss_workspace_bytes(sails_device &device, const HeadLossSizes &sizes);
void head_loss(sails_device &device, const HeadLoss &loss, Workspace workspace);
void preference_loss(sails_device &device, double *results, float *token_weight, const float *token_loss, const int32_t *targets,
                     const int32_t *starts, const int32_t *ends, const double *reference, int64_t n_pairs, int64_t n_tokens, int32_t kind,
                     double strength, double loss_scale);

// ---- sampling
int64_t sample_workspace_bytes(sails_device &device, int64_t n_rows, int64_t vocab);
void sample(sails_device &device, int32_t *ids, const float *logits, const float *uniform, int64_t n_rows, int64_t vocab, float temperature,
            int64_t top_k, float top_p, void *workspace, int64_t workspace_bytes);

// ---- decoding
void rope_append(sails_device &device, const RopeAppend &append);
int64_t attention_decode_workspace_bytes(sails_device &device, const AttentionSizes &sizes);
void attention_decode(sails_device &device, const AttentionDecode &attention, Workspace workspace);
void decode_advance(sails_device &device, int32_t *history, int32_t *positions, int32_t *key_position, int32_t *step, const int32_t *ids,
                    int64_t batch, int64_t n_steps);

// ---- optimizer
int64_t project_workspace_bytes(sails_device &device, int64_t d, int64_t r_s, int64_t n);
void project(sails_device &device, float *y, const float *g, const float *basis, int64_t d, int64_t r_s, int64_t n, int32_t right,
             void *workspace, int64_t workspace_bytes);
int64_t project_set_workspace_bytes(sails_device &device, const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count);
void project_set(sails_device &device, float *const *ys, const float *const *gs, const float *const *bases, const int64_t *d,
                 const int64_t *r_s, const int64_t *n, const int32_t *right, int64_t count, void *workspace, int64_t workspace_bytes);
void adamw_rates(sails_device &device, float *rates, const std::array<float, SAILS_ADAMW_RATES> &values);
void adamw(sails_device &device, float *const *params, float *const *m, float *const *v, const float *const *grads, const float *rates,
           const int64_t *sizes, int64_t count);
int64_t adamw_projected_workspace_bytes(sails_device &device, const int64_t *d, const int64_t *r_s, const int64_t *n, int64_t count);
void adamw_projected(sails_device &device, float *const *params, float *const *m, float *const *v, const float *const *grads,
                     const float *const *bases, const float *rates, const int64_t *d, const int64_t *r_s, const int64_t *n,
                     const int32_t *right, int64_t count, int32_t projection, void *workspace, int64_t workspace_bytes);
void adamw_8bit(sails_device &device, float *const *params, void *const *m, void *const *v, float *const *m_absmax, float *const *v_absmax,
                const float *const *grads, const float *m_code, const float *v_code, const float *rates, const int64_t *sizes,
                int64_t count);

// ---- sae
int64_t sae_encode_workspace_bytes(sails_device &device, const SaeEncoderSizes &sizes);
void sae_encode(sails_device &device, const SaeEncode &encode, Workspace workspace);
void sae_encode_backward(sails_device &device, float *dx, const SaeCodes &codes, const void *w_enc, const float *scale, int64_t d_in,
                         int32_t dtype);
void sae_decode(sails_device &device, float *recon, const SaeCodes &codes, const void *w_dec, const float *bias, const float *scale,
                int64_t d_in, int32_t dtype);
void sae_decode_backward(sails_device &device, float *dvalues, const float *drecon, const SaeCodes &codes, const void *w_dec,
                         const float *scale, int64_t d_in, int32_t dtype);
void sae_weight_gradient(sails_device &device, float *dw, const float *rows, const SaeCodes &codes, int64_t d_in, bool transposed);
void sae_densify(sails_device &device, float *acts, const SaeCodes &codes);
void sae_accumulate(sails_device &device, double *sum, double *active, const SaeCodes &codes, const int32_t *token_class,
                    const float *token_weight, int64_t n_classes);
int64_t sae_statistics_workspace_bytes(sails_device &device, const SaeEncoderSizes &sizes);
void sae_statistics(sails_device &device, const SaeStatistics &statistics, Workspace workspace);
void standardize_forward(sails_device &device, float *y, float *mean, float *std, const float *x, int64_t n_rows, int64_t n_cols,
                         float eps);
void standardize_backward(sails_device &device, float *dx, const float *dy, const float *dmean, const float *dstd, const float *x,
                          const float *mean, const float *std, int64_t n_rows, int64_t n_cols, float eps);
void unstandardize_forward(sails_device &device, float *y, const float *x, const float *mean, const float *std, int64_t n_rows,
                           int64_t n_cols);
void unstandardize_backward(sails_device &device, float *dx, float *dmean, float *dstd, const float *dy, const float *x, const float *std,
                            int64_t n_rows, int64_t n_cols);

}  // namespace sails::backend
