/* sails.h: the one interface between the Java engine and a compute backend.
 *
 * libsails_cpu, libsails_cuda and libsails_emulator export exactly these symbols; one process may hold several open at once.
 *
 * Contract, for every function:
 *   - The result is a status; 0 (SAILS_OK) is success. The sentence that explains a failure is kept by the device handle
 *     and copied out by sails_device_error. A call that is refused has touched no tensor and left the device as it was.
 *   - A handle that is NULL, closed, or none of this library's is SAILS_INVALID_ARGUMENT, from any thread: it is looked up, never
 *     looked at, and never given out again. sails_device_close waits for the call that is running; those behind it are refused.
 *   - Checked: sizes that are negative or whose product is 2^44 or more, NULL, alignment, the size of a workspace, codes, and numbers in
 *     tensors that are used as places (ids, rows, targets). The caller's duty: that a pointer is of this device and not yet freed, that as
 *     much memory lies behind it as the sizes say, that outputs overlap nothing that they may not, and that host arrays have `count`
 *     elements.
 *   - Where memory runs out inside of a call it is SAILS_OUT_OF_MEMORY, nothing is left allocated, and the same call may be made again.
 *   - Argument order: handle, outputs, inputs, dimensions, scalars, workspace.
 *   - Tensors are row-major and dense unless a stride is an argument; pointers are device pointers obtained from sails_alloc,
 *     or host pointers where sails_device_host_accessible says so. A pointer may be NULL only where stated, or when its
 *     tensor has no elements. Pointers are aligned to the element size.
 *   - Every size may be 0, except head_dim of attention, and d_model of a head's loss and d_in of
 *     an SAE's encoder where they have tokens. Sizes and strides are counted in elements; *_bytes in bytes.
 *   - Operations are queued in order on the handle's own queue; sails_synchronize and sails_download wait for it. sails_upload returns when
 *     the host memory has been read and may be changed. A handle may be called from any thread, one call at a time takes effect.
 *   - An operation allocates nothing. Where it needs scratch memory it takes `workspace, workspace_bytes`, and
 *     sails_<op>_workspace_bytes tells the size needed. The contents of a workspace mean nothing between calls.
 *   - Outputs are overwritten ("=") unless marked "+=". Outputs do not alias inputs unless "may alias" is said.
 *   - "f32|bf16" is chosen by the dtype argument of that tensor. Sums are accumulated in f32 or better.
 *   - The same inputs on the same device with the same thread count give the same bits.
 */
#ifndef SAILS_H
#define SAILS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SAILS_API __attribute__((visibility("default")))
#else
#define SAILS_API
#endif

#define SAILS_ABI_VERSION 10

/* Status codes. */
#define SAILS_OK 0
#define SAILS_INVALID_ARGUMENT 1
#define SAILS_UNSUPPORTED 2
#define SAILS_OUT_OF_MEMORY 3
#define SAILS_FAILED 4

/* Element types. */
#define SAILS_F32 0
#define SAILS_BF16 1
#define SAILS_F16 2
#define SAILS_F64 3
#define SAILS_I32 4
/* Of weights alone: whole numbers in groups that share a scale (section "quantized"). */
#define SAILS_Q8 5
#define SAILS_Q4 6

/* Sparse autoencoder activations. */
#define SAILS_SAE_RELU 0
#define SAILS_SAE_JUMPRELU 1
#define SAILS_SAE_TOPK 2
#define SAILS_SAE_GATED 3

/* Activations of a gated feed-forward layer. */
#define SAILS_GLU_GELU_TANH 0
#define SAILS_GLU_SILU 1

/* A label that is not counted (the field's -100). */
#define SAILS_IGNORE_INDEX (-100)

/* What sails_adamw_projected projects. */
#define SAILS_PROJECT_GRADIENT 0
#define SAILS_PROJECT_UPDATE 1

/* Losses of sails_preference_loss. */
#define SAILS_PREFERENCE_DPO 0
#define SAILS_PREFERENCE_IPO 1
#define SAILS_PREFERENCE_ORPO 2

/* Numbers of sails_adamw_rates. */
#define SAILS_ADAMW_RATES 9

/* Elements that share a scale in sails_adamw_8bit. */
#define SAILS_ADAMW_BLOCK 256

typedef struct sails_device sails_device;
typedef struct sails_graph sails_graph;

/* ---------------------------------------------------------------- device */

SAILS_API int32_t sails_abi_version(int32_t *out_version);

/* Opens device `ordinal` (0 on the CPU). n_threads: at most 1024, 0 = as many as the process may use. `options`: NULL, "" or
 * "key=value,..."; cpu knows isa=avx512|avx2|generic (default: the best that the machine has) and matmul=onednn|own (default: the faster
 * by shape where oneDNN's library lies beside, else own); cuda and emulator know memory_mib=N, head_mib=N (memory for logits),
 * kernels=hopper|portable, clusters=on|off, early=on|off (kernels of a decoding step start before those before them have ended; default:
 * where the code that the card has loaded can wait), multiprocessors=N (for which variants are chosen), matmul=own|cublaslt and
 * cublaslt=PATH, the emulator seed=N.
 * On failure *out_device is NULL and the sentence is in error_text (NUL-terminated, cut to error_bytes). */
SAILS_API int32_t sails_device_open(sails_device **out_device, int32_t ordinal, int32_t n_threads, const char *options, char *error_text,
                                    int64_t error_bytes);
SAILS_API int32_t sails_device_close(sails_device *device);

/* The sentence of the last call on this handle where it failed, "" where it did not. */
SAILS_API int32_t sails_device_error(sails_device *device, char *text, int64_t text_bytes);

/* One JSON object: backend, name, isa, threads, matmul (library and what it uses). */
SAILS_API int32_t sails_device_describe(sails_device *device, char *text, int64_t text_bytes);

/* 1 where host memory (a mapped file) can be passed as a device pointer. */
SAILS_API int32_t sails_device_host_accessible(sails_device *device, int32_t *out_accessible);
SAILS_API int32_t sails_device_memory(sails_device *device, int64_t *out_allocated_bytes, int64_t *out_peak_bytes);

/* ---------------------------------------------------------------- memory */

/* 64-byte aligned, contents undefined; *out_pointer is NULL for 0 bytes. */
SAILS_API int32_t sails_alloc(sails_device *device, void **out_pointer, int64_t bytes);
SAILS_API int32_t sails_free(sails_device *device, void *pointer);
SAILS_API int32_t sails_upload(sails_device *device, void *destination, const void *host_source, int64_t bytes);
SAILS_API int32_t sails_download(sails_device *device, void *host_destination, const void *source, int64_t bytes);
SAILS_API int32_t sails_copy(sails_device *device, void *destination, const void *source, int64_t bytes);
SAILS_API int32_t sails_fill_zero(sails_device *device, void *destination, int64_t bytes);
SAILS_API int32_t sails_synchronize(sails_device *device);

/* ---------------------------------------------------------------- graph: recorded operations */

/* Between begin and end the operations called on this handle are recorded and not run; launch then runs all of them in their order as one
 * submission, as often as it is called. Whatever they point at must stay in place until the graph is closed; scalars and sizes are those of
 * the recording. While recording, calls that allocate, free or wait fail. The cpu backend answers SAILS_UNSUPPORTED. */
SAILS_API int32_t sails_graph_begin(sails_device *device);
SAILS_API int32_t sails_graph_end(sails_device *device, sails_graph **out_graph);
SAILS_API int32_t sails_graph_launch(sails_device *device, sails_graph *graph);
SAILS_API int32_t sails_graph_close(sails_device *device, sails_graph *graph);

/* ---------------------------------------------------------------- elementwise: types, sums, rows */

/* destination [n] = source [n], between f32, bf16, f16 and f64; round to nearest even, NaN stays NaN.
 * May alias only if both types are the same. */
SAILS_API int32_t sails_convert(sails_device *device, void *destination, const void *source, int64_t n, int32_t destination_dtype,
                                int32_t source_dtype);

/* y [n] f32 = alpha * x [n] f32|bf16 + beta * y; beta 0 does not read y. */
SAILS_API int32_t sails_axpby(sails_device *device, float *y, const void *x, int64_t n, float alpha, float beta, int32_t x_dtype);

/* y [n_rows, n_cols] f32 = x f32|bf16 + alpha * row [n_cols] f32; y may alias x. */
SAILS_API int32_t sails_add_row(sails_device *device, float *y, const void *x, const float *row, int64_t n_rows, int64_t n_cols,
                                float alpha, int32_t x_dtype);

/* y [n, n_cols] = x [rows[i], :]; rows [n] i32, each in [0, n_rows). */
SAILS_API int32_t sails_gather_rows(sails_device *device, void *y, const void *x, const int32_t *rows, int64_t n, int64_t n_rows,
                                    int64_t n_cols, int32_t dtype);

/* out_dots [n_rows] f32 = <a[i, :], b[i, :]>; a, b [n_rows, n_cols] f32, b may be a. */
SAILS_API int32_t sails_dot_rows(sails_device *device, float *out_dots, const float *a, const float *b, int64_t n_rows, int64_t n_cols);

/* y [n_rows, n_cols] f32 = beta[i] * y[i, :] + alpha[i] * x[i, :]; alpha, beta [n_rows] f32, beta NULL: 1, alpha and x both NULL: 0.
 * x may be y. */
SAILS_API int32_t sails_scale_rows(sails_device *device, float *y, const float *x, const float *alpha, const float *beta, int64_t n_rows,
                                   int64_t n_cols);

/* out_sums [count] f64 on the device: sum of squares of each tensors[i] [sizes[i]] f32. `tensors` and `sizes` are host arrays. */
SAILS_API int32_t sails_sum_of_squares(sails_device *device, double *out_sums, const float *const *tensors, const int64_t *sizes,
                                       int64_t count);

/* *out_count (device, i64) = how many of x [n] f32|bf16|f16 are NaN or infinite. */
SAILS_API int32_t sails_count_nonfinite(sails_device *device, int64_t *out_count, const void *x, int64_t n, int32_t dtype);

/* ---------------------------------------------------------------- matmul: dense products */

/* c [m, n] = alpha * op(a) op(b) + beta * c, op(a) [m, k], op(b) [k, n]; transposed operands are stored [k, m], [n, k].
 * ld*: row strides of the stored matrices. a and b have the same dtype, f32 or bf16; c is f32, or bf16 where a and b are.
 * beta 0 does not read c. k = 0 gives beta * c. */
SAILS_API int32_t sails_matmul_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t m, int64_t n, int64_t k, int32_t c_dtype,
                                               int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b);
SAILS_API int32_t sails_matmul(sails_device *device, void *c, const void *a, const void *b, int64_t m, int64_t n, int64_t k, int64_t ldc,
                               int64_t lda, int64_t ldb, int32_t c_dtype, int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b,
                               float alpha, float beta, void *workspace, int64_t workspace_bytes);

/* ---------------------------------------------------------------- linear: linear maps with their adapters */

/* y [n, d_out] f32|bf16 += scale * h lora_B^T with h [n, r] f32 (=, saved) = x lora_A^T (arXiv:2106.09685 eq. 3).
 * x [n, d_in] f32|bf16; lora_A [r, d_in], lora_B [d_out, r] f32; arithmetic in f32. */
SAILS_API int32_t sails_lora_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                     int64_t r);
SAILS_API int32_t sails_lora_forward(sails_device *device, void *y, float *h, const void *x, const float *lora_a, const float *lora_b,
                                     int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t y_dtype, int32_t x_dtype,
                                     void *workspace, int64_t workspace_bytes);

/* dh = scale * dy lora_B;  dx += dh lora_A (NULL: not wanted);  dlora_a += dh^T x;  dlora_b += scale * dy^T h.
 * dx [n, d_in] f32; dlora_a, dlora_b f32; dy [n, d_out], x [n, d_in] f32|bf16. */
SAILS_API int32_t sails_lora_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                      int64_t r);
SAILS_API int32_t sails_lora_backward(sails_device *device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x,
                                      const float *h, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out,
                                      int64_t r, float scale, int32_t dy_dtype, int32_t x_dtype, void *workspace, int64_t workspace_bytes);

/* One linear map and all that is added to it, in one pass over the output:
 *   h [n, r] f32 (=, saved) = x lora_A^T;   y = residual + bias + x weight^T + scale * h lora_B^T
 * x [n, d_in], weight [d_out, d_in] f32|bf16, one dtype; y, residual [n, d_out] f32, or bf16 where x is; bias [d_out] f32; bias and
 * residual may be NULL, y may alias residual. lora_A [r, d_in], lora_B [d_out, r] f32, with arithmetic in f32; r 0: no adapter, its three
 * pointers NULL. */
SAILS_API int32_t sails_linear_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                       int64_t r, int32_t y_dtype, int32_t dtype);
SAILS_API int32_t sails_linear_forward(sails_device *device, void *y, float *h, const void *x, const void *weight, const float *bias,
                                       const void *residual, const float *lora_a, const float *lora_b, int64_t n, int64_t d_in,
                                       int64_t d_out, int64_t r, float scale, int32_t y_dtype, int32_t dtype, void *workspace,
                                       int64_t workspace_bytes);

/*   dh = scale * dy lora_B;  dx = [dx +] dy weight + dh lora_A;  dlora_a += dh^T x;  dlora_b += scale * dy^T h
 * dx [n, d_in] f32, "=" or "+=" by accumulate_dx; dy [n, d_out], x, weight of one dtype; dlora_a and dlora_b f32, both NULL: the adapter is
 * not trained (then x and h may be NULL). r 0: no adapter, its pointers NULL. The weight's own gradient is a sails_matmul. */
SAILS_API int32_t sails_linear_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                        int64_t r, int32_t dtype);
SAILS_API int32_t sails_linear_backward(sails_device *device, float *dx, float *dlora_a, float *dlora_b, const void *dy, const void *x,
                                        const void *weight, const float *h, const float *lora_a, const float *lora_b, int64_t n,
                                        int64_t d_in, int64_t d_out, int64_t r, float scale, int32_t accumulate_dx, int32_t dtype,
                                        void *workspace, int64_t workspace_bytes);

/* `count` linear maps of one input, with their adapters:
 *   ys[i] [n, d_out[i]] = x weights[i]^T + scale[i] * (x lora_as[i]^T) lora_bs[i]^T
 * Host arrays of device pointers and of sizes; shapes and types as in sails_linear_forward; r[i] 0: no adapter, its pointers NULL.
 * The weights and lora_as of this operation and of the next one may be read before the operation queued directly before has ended: that one
 * must not write them. */
SAILS_API int32_t sails_linear_set_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *d_out, const int64_t *r,
                                                           int64_t count, int64_t n, int64_t d_in, int32_t y_dtype, int32_t dtype);
SAILS_API int32_t sails_linear_set_forward(sails_device *device, void *const *ys, const void *x, const void *const *weights,
                                           const float *const *lora_as, const float *const *lora_bs, const int64_t *d_out, const int64_t *r,
                                           const float *scale, int64_t count, int64_t n, int64_t d_in, int32_t y_dtype, int32_t dtype,
                                           void *workspace, int64_t workspace_bytes);

/* Both inner maps of a gated layer and its activation: y [n, d_out] = act(gate) * up,
 *   gate = x gate_weight^T + gate_scale * (x gate_lora_a^T) gate_lora_b^T,  up likewise; act as in sails_glu_forward.
 * x, weights, y of one dtype; gate_r, up_r 0: no adapter, its pointers NULL. For a backward: gate, up [n, d_out] (=) of that dtype or both
 * NULL; gate_h [n, gate_r], up_h [n, up_r] f32 (=) = x lora_a^T, each may be NULL. Where gate and up are kept, y is what sails_glu_forward
 * makes of them; otherwise they may be rounded to the dtype on the way. */
SAILS_API int32_t sails_linear_glu_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in, int64_t d_out,
                                                           int64_t gate_r, int64_t up_r, int32_t dtype);
SAILS_API int32_t sails_linear_glu_forward(sails_device *device, void *y, void *gate, void *up, float *gate_h, float *up_h, const void *x,
                                           const void *gate_weight, const void *up_weight, const float *gate_lora_a,
                                           const float *gate_lora_b, const float *up_lora_a, const float *up_lora_b, int64_t n,
                                           int64_t d_in, int64_t d_out, int64_t gate_r, int64_t up_r, float gate_scale, float up_scale,
                                           int32_t activation, int32_t dtype, void *workspace, int64_t workspace_bytes);

/* For each row the adapter that it asks for (arXiv:2310.18547 section 3):
 *   y[t] += scale[i] * (x[t] lora_as[i]^T) lora_bs[i]^T with i = row_adapter[t];  a row of -1 stays as it is
 * y [n, d_out], x [n, d_in] f32|bf16, row_adapter [n] i32; host arrays of `count` adapters: lora_as[i] [r[i], d_in], lora_bs[i] [d_out,
 * r[i]] f32, r[i] 0: it adds nothing, its pointers NULL. Arithmetic in f32; y is rounded once. A row's bits depend on the row and its
 * adapter alone. */
SAILS_API int32_t sails_lora_rows_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *r, int64_t count,
                                                          int64_t n);
SAILS_API int32_t sails_lora_rows_forward(sails_device *device, void *y, const void *x, const int32_t *row_adapter,
                                          const float *const *lora_as, const float *const *lora_bs, const int64_t *r, const float *scale,
                                          int64_t count, int64_t n, int64_t d_in, int64_t d_out, int32_t y_dtype, int32_t x_dtype,
                                          void *workspace, int64_t workspace_bytes);

/* DoRA (arXiv:2402.09353 eq. 5; huggingface/peft src/peft/tuners/lora/dora.py): the adapted map is V = weight + scale * lora_b lora_a with
 * row i times magnitude[i] / norm[i], norm[i] = |V[i]|. The gradient takes the norm for a constant (section 4.3).
 * norm, magnitude [d_out] f32; weight [d_out, d_in] f32|bf16; lora_a [r, d_in], lora_b [d_out, r] f32. */
SAILS_API int32_t sails_dora_norm(sails_device *device, float *norm, const void *weight, const float *lora_a, const float *lora_b,
                                  int64_t d_out, int64_t d_in, int64_t r, float scale, int32_t dtype);

/* y [n, d_out] f32|bf16 = u * magnitude / norm by columns; u [n, d_out] f32 = x V^T; y may alias u if both are f32. */
SAILS_API int32_t sails_dora_forward(sails_device *device, void *y, const float *u, const float *magnitude, const float *norm, int64_t n,
                                     int64_t d_out, int32_t y_dtype);

/* du = dy * magnitude / norm, dmagnitude [d_out] f32 += sum_n dy u / norm (NULL: not trained); du, dy [n, d_out] f32|bf16 of one dtype, du
 * may alias dy. */
SAILS_API int32_t sails_dora_backward(sails_device *device, void *du, float *dmagnitude, const void *dy, const float *u,
                                      const float *magnitude, const float *norm, int64_t n, int64_t d_out, int32_t dtype);

/* ---------------------------------------------------------------- quantized: weights of 8 and 4 bits */

/* A matrix of type q8 or q4, called packed: each row is cut into groups of SAILS_QUANT_GROUP columns with a bf16 scale each, the last one
 * filled with zeros, and element j of group g is scale[g] * code[g, j]. A row is G groups of codes, then G scales, then zeros up to a
 * multiple of 16 bytes. The codes of a group:
 *   q8   int8 in [-127, 127];  32 bytes
 *   q4   in [-8, 7], stored plus 8 in a nibble: byte i has element i in its low half and i + 16 in its high half;  16 bytes
 * Rows follow one another; the matrix is aligned to 16 bytes. */
#define SAILS_QUANT_GROUP 32

/* Packed y [rows, cols] = the nearest codes of x [rows, cols] f32|bf16, NaN and infinity not allowed. importance NULL: a group's scale is
 * its largest magnitude over 127 rounded up to bf16 (q8), or the element of largest magnitude over -8 rounded to bf16 (q4). Otherwise
 * importance [cols] f32, not negative: of scales around that one, the one with the least sum_j importance[j] (x[j] - y[j])^2, which is no
 * larger than with NULL. */
SAILS_API int32_t sails_quantize(sails_device *device, void *y, const void *x, const float *importance, int64_t rows, int64_t cols,
                                 int32_t y_dtype, int32_t x_dtype);

/* y [rows, cols] f32|bf16 = packed x, exact in f32. */
SAILS_API int32_t sails_dequantize(sails_device *device, void *y, const void *x, int64_t rows, int64_t cols, int32_t y_dtype,
                                   int32_t x_dtype);

/* sails_linear_forward without bias and residual, the weight packed, of weight_dtype: few rows are multiplied by scale * code, where each
 * SAILS_QUANT_GROUP columns of x may be rounded to whole numbers of 16 bits (by 2^-16 of the largest of them at most, or 2^-101); more rows
 * by scale * code rounded to x's dtype. */
SAILS_API int32_t sails_quantized_linear_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in,
                                                                 int64_t d_out, int64_t r, int32_t y_dtype, int32_t dtype,
                                                                 int32_t weight_dtype);
SAILS_API int32_t sails_quantized_linear_forward(sails_device *device, void *y, float *h, const void *x, const void *weight,
                                                 const float *lora_a, const float *lora_b, int64_t n, int64_t d_in, int64_t d_out,
                                                 int64_t r, float scale, int32_t y_dtype, int32_t dtype, int32_t weight_dtype,
                                                 void *workspace, int64_t workspace_bytes);

/* sails_linear_backward, the weight packed, of weight_dtype; scale * code is rounded to dy's dtype. */
SAILS_API int32_t sails_quantized_linear_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n, int64_t d_in,
                                                                  int64_t d_out, int64_t r, int32_t dtype, int32_t weight_dtype);
SAILS_API int32_t sails_quantized_linear_backward(sails_device *device, float *dx, float *dlora_a, float *dlora_b, const void *dy,
                                                  const void *x, const void *weight, const float *h, const float *lora_a,
                                                  const float *lora_b, int64_t n, int64_t d_in, int64_t d_out, int64_t r, float scale,
                                                  int32_t accumulate_dx, int32_t dtype, int32_t weight_dtype, void *workspace,
                                                  int64_t workspace_bytes);

/* ---------------------------------------------------------------- block: embedding, norms, RoPE, gates */

/* y [n_tokens, d_model] f32|bf16 = table [ids[t], :] * scale; ids [n_tokens] i32 in [0, vocab); table f32|bf16|q8|q4. */
SAILS_API int32_t sails_embedding_forward(sails_device *device, void *y, const int32_t *ids, const void *table, int64_t n_tokens,
                                          int64_t vocab, int64_t d_model, float scale, int32_t y_dtype, int32_t table_dtype);

/* dtable [vocab, d_model] f32 += scale * dy [n_tokens, d_model] f32, summed over the tokens of an id in their order. */
SAILS_API int32_t sails_embedding_backward(sails_device *device, float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens,
                                           int64_t vocab, int64_t d_model, float scale);

/* RMSNorm (arXiv:1910.07467 eq. 4), plus an optional residual:
 *   rstd[i] = (mean_j x[i,j]^2 + eps)^-1/2,   y = residual + x * rstd * (weight_offset + weight)
 * weight_offset is finite: 1 where the scale is stored as an offset from 1 (Gemma), 0 where it is stored as it is (Llama).
 * x, y [n_rows, d] f32|bf16; residual [n_rows, d] of y's dtype or NULL; weight [d] f32; rstd [n_rows] f32 or NULL.
 * y may alias x (same dtype) or residual. */
SAILS_API int32_t sails_rmsnorm_forward(sails_device *device, void *y, float *rstd, const void *x, const float *weight,
                                        const void *residual, int64_t n_rows, int64_t d, float eps, float weight_offset, int32_t y_dtype,
                                        int32_t x_dtype);

/*   g = dy * (weight_offset + weight);  dx = [dx +] rstd * (g - x * rstd^2 * mean_j(g x));  dweight += sum_i dy * x * rstd
 * dx f32, "=" or "+=" by accumulate_dx; dy f32|bf16; dweight [d] f32 or NULL; dx may alias dy (f32) if not accumulating. */
SAILS_API int32_t sails_rmsnorm_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_rows, int64_t d);
SAILS_API int32_t sails_rmsnorm_backward(sails_device *device, float *dx, float *dweight, const void *dy, const void *x,
                                         const float *weight, const float *rstd, int64_t n_rows, int64_t d, float weight_offset,
                                         int32_t accumulate_dx, int32_t dy_dtype, int32_t x_dtype, void *workspace,
                                         int64_t workspace_bytes);

/* table [n_tokens, head_dim / 2, 2] f32: cos and sin of positions[t] * inv_freq[j], computed in double; inv_freq [head_dim / 2] f64, in the
 * plain form theta^(-2j / head_dim), otherwise with whatever scaling a model applies to it. */
SAILS_API int32_t sails_rope_table(sails_device *device, float *table, const int32_t *positions, const double *inv_freq, int64_t n_tokens,
                                   int64_t head_dim);

/* Half-split rotation: (a, b) = (x[j], x[j + head_dim/2]) -> (a cos - b sin, b cos + a sin); inverse 1 turns back, which is the
 * backward of the forward. x, y [n_tokens, n_heads, head_dim] f32|bf16 (one dtype); y may alias x. */
SAILS_API int32_t sails_rope(sails_device *device, void *y, const void *x, const float *table, int64_t n_tokens, int64_t n_heads,
                             int64_t head_dim, int32_t inverse, int32_t dtype);

/* Gated linear unit (arXiv:2002.05202): y = act(gate) * up, act by `activation` (SAILS_GLU_*):
 *   gelu_tanh(z) = z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3)))  (GeGLU, arXiv:1606.08415);  silu(z) = z / (1 + exp(-z))  (SwiGLU)
 * All [n], one dtype; y may alias gate or up. */
SAILS_API int32_t sails_glu_forward(sails_device *device, void *y, const void *gate, const void *up, int64_t n, int32_t activation,
                                    int32_t dtype);

/* dgate = dy * up * act'(gate), dup = dy * act(gate); dgate may alias gate, dup may alias up or dy. */
SAILS_API int32_t sails_glu_backward(sails_device *device, void *dgate, void *dup, const void *dy, const void *gate, const void *up,
                                     int64_t n, int32_t activation, int32_t dtype);

/* The end of one half of a block and the start of the next, rstd as in sails_rmsnorm_forward:
 *   out = residual + x * rstd(x) * (weight_offset + x_weight), x_weight NULL: residual + x
 *   y = out * rstd(out) * (weight_offset + y_weight)
 * x, residual, out [n_rows, d] f32, out may alias either; y [n_rows, d] f32|bf16; x_weight, y_weight [d] f32. */
SAILS_API int32_t sails_residual_norm_forward(sails_device *device, float *out, void *y, const float *x, const float *x_weight,
                                              const float *residual, const float *y_weight, int64_t n_rows, int64_t d, float eps,
                                              float weight_offset, int32_t y_dtype);

/* ---------------------------------------------------------------- attention */

/* Attention with grouped heads, score soft-cap, sliding window and segments.
 *   q, out [batch, n_queries, n_heads, head_dim]; k, v [batch, n_keys, n_kv_heads, head_dim] with kv_batch_stride elements between
 *   sequences (so that a KV cache with spare room can be passed); all f32|bf16, one dtype.
 *   query i stands at key index p = query_offset + i and sees key j iff j <= p, k_segment[j] == q_segment[i] != 0 and
 *   (window == 0 or p - j < window). Query head h uses key/value head h / (n_heads / n_kv_heads).
 *   s = softcap * tanh(scale * q.k / softcap) (softcap 0: none), then softmax over the visible keys in f32.
 *   q_segment [batch, n_queries], k_segment [batch, n_keys] i32: 0 = padding, otherwise the document's number.
 *   A query that sees nothing gives 0. lse [batch, n_heads, n_queries] f32 or NULL: log sum exp of the scores (-inf if none). */
SAILS_API int32_t sails_attention_forward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t n_queries,
                                                          int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim,
                                                          int32_t dtype);
SAILS_API int32_t sails_attention_forward(sails_device *device, void *out, float *lse, const void *q, const void *k, const void *v,
                                          const int32_t *q_segment, const int32_t *k_segment, int64_t batch, int64_t n_queries,
                                          int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t kv_batch_stride,
                                          int64_t query_offset, int64_t window, float scale, float softcap, int32_t dtype, void *workspace,
                                          int64_t workspace_bytes);

/* dq, dk, dv (=) have the shapes and dtype of q, k, v (dk, dv dense). dout, out, q, k, v of one dtype. */
SAILS_API int32_t sails_attention_backward_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t n_queries,
                                                           int64_t n_keys, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim,
                                                           int32_t dtype);
SAILS_API int32_t sails_attention_backward(sails_device *device, void *dq, void *dk, void *dv, const void *dout, const void *q,
                                           const void *k, const void *v, const void *out, const float *lse, const int32_t *q_segment,
                                           const int32_t *k_segment, int64_t batch, int64_t n_queries, int64_t n_keys, int64_t n_heads,
                                           int64_t n_kv_heads, int64_t head_dim, int64_t kv_batch_stride, int64_t query_offset,
                                           int64_t window, float scale, float softcap, int32_t dtype, void *workspace,
                                           int64_t workspace_bytes);

/* ---------------------------------------------------------------- head: the output matrix and losses on top of it */

/* y = cap * tanh(x / cap), [n] f32; y may alias x. Backward: dx = dy * (1 - (y / cap)^2); dx may alias dy. */
SAILS_API int32_t sails_softcap_forward(sails_device *device, float *y, const float *x, int64_t n, float cap);
SAILS_API int32_t sails_softcap_backward(sails_device *device, float *dx, const float *dy, const float *y, int64_t n, float cap);

/* Cross entropy over whole logits [n_tokens, vocab] f32, for tracing; training uses sails_head_loss.
 *   token_loss[t] = -log softmax(logits[t])[targets[t]], 0 where targets[t] = -100;
 *   dlogits (or NULL) = token_weight[t] * (softmax(logits[t]) - onehot), 0 where not counted; dlogits may alias logits.
 *   token_weight [n_tokens] f32, needed only with dlogits. */
SAILS_API int32_t sails_cross_entropy(sails_device *device, float *token_loss, float *dlogits, const float *logits, const int32_t *targets,
                                      const float *token_weight, int64_t n_tokens, int64_t vocab);

/* The head in chunks: logits = softcap(hidden embed^T), cross entropy, and their gradients, logits never whole in memory.
 *   token_loss [n_tokens] f32 as above. Only rows with targets[t] != -100 are computed.
 *   dhidden [n_tokens, d_model] f32 or NULL = d/dhidden of sum_t token_weight[t] * token_loss[t] (0 in rows not counted);
 *   dembed [vocab, d_model] f32 or NULL += the same by the embedding. token_weight may be NULL if both are NULL.
 *   hidden [n_tokens, d_model], embed [vocab, d_model] f32|bf16, one dtype. softcap 0: none. */
SAILS_API int32_t sails_head_loss_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_tokens, int64_t d_model,
                                                  int64_t vocab, int32_t dtype);
SAILS_API int32_t sails_head_loss(sails_device *device, float *token_loss, float *dhidden, float *dembed, const void *hidden,
                                  const void *embed, const int32_t *targets, const float *token_weight, int64_t n_tokens, int64_t d_model,
                                  int64_t vocab, float softcap, int32_t dtype, void *workspace, int64_t workspace_bytes);

/* Preference losses from the token losses of both answers of a pair, and the weights that take their gradient into sails_head_loss. Pair i
 * has its aligned answer in the tokens [starts[i], ends[i]), its unaligned one in [starts[n_pairs + i], ends[n_pairs + i]); log p = - sum
 * of token_loss there.
 *   dpo    margin = strength * ((log p_a - ref_a) - (log p_u - ref_u)),  loss = -log sigmoid(margin)           (arXiv:2305.18290 eq. 7)
 *   ipo    the same margin,  loss = ((margin - 1/2) / strength)^2                                               (arXiv:2310.12036 eq. 17)
 *   orpo   l = log p / counted tokens, at most -1e-7;  margin = (l_a - l_u) - (log(1 - exp(l_a)) - log(1 - exp(l_u)));
 *          loss = -l_a - strength * log sigmoid(margin)                                                       (arXiv:2403.07691 eq. 4 to 7)
 * results [n_pairs, 4] f64: log p_a, log p_u, margin, loss. token_weight [n_tokens] f32 or NULL = loss_scale * d loss / d token_loss in the
 * answers' counted tokens (targets [n_tokens] i32 other than -100), 0 elsewhere. starts, ends [2 n_pairs] i32; reference [2 n_pairs] f64:
 * ref_a of all pairs, then ref_u, NULL for orpo. */
SAILS_API int32_t sails_preference_loss(sails_device *device, double *results, float *token_weight, const float *token_loss,
                                        const int32_t *targets, const int32_t *starts, const int32_t *ends, const double *reference,
                                        int64_t n_pairs, int64_t n_tokens, int32_t kind, double strength, double loss_scale);

/* ---------------------------------------------------------------- sampling */

/* ids [n_rows] i32. temperature 0: the largest logit, the lower id on a tie. Otherwise softmax(logits / temperature) cut to the top_k
 * largest (0 = all), then to the smallest set of largest probabilities whose sum reaches top_p (1 = all), and inverted at uniform[i] in [0,
 * 1) in the order of falling probability, rising id. logits [n_rows, vocab] f32; uniform [n_rows] f32, may be NULL at temperature 0. */
SAILS_API int32_t sails_sample_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_rows, int64_t vocab);
SAILS_API int32_t sails_sample(sails_device *device, int32_t *ids, const float *logits, const float *uniform, int64_t n_rows, int64_t vocab,
                               float temperature, int64_t top_k, float top_p, void *workspace, int64_t workspace_bytes);

/* ---------------------------------------------------------------- decoding: what a decoded token has of its own */

/* Where a token stands lies on the device, so that a recorded step can be launched for one token after another. */

/* Turns q [batch, n_heads, head_dim] in place and k [batch, n_kv_heads, head_dim] by table [batch, head_dim / 2, 2] (sails_rope_table), and
 * writes k, v and q_segment [batch] to place *key_position (i32, below capacity) of keys, values [batch, capacity, n_kv_heads, head_dim]
 * and k_segment [batch, capacity]. q, k, v, keys, values f32|bf16, one dtype. */
SAILS_API int32_t sails_rope_append(sails_device *device, void *q, void *keys, void *values, int32_t *k_segment, const void *k,
                                    const void *v, const float *table, const int32_t *q_segment, const int32_t *key_position, int64_t batch,
                                    int64_t capacity, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int32_t dtype);

/* sails_attention_forward for one query a sequence at query_offset = *key_position (i32) over a cache of `capacity` keys, of which those up
 * to *key_position are filled. Shapes as in sails_rope_append; out [batch, n_heads, head_dim]. */
SAILS_API int32_t sails_attention_decode_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t capacity,
                                                         int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t window,
                                                         int32_t dtype);
SAILS_API int32_t sails_attention_decode(sails_device *device, void *out, const void *q, const void *keys, const void *values,
                                         const int32_t *q_segment, const int32_t *k_segment, const int32_t *key_position, int64_t batch,
                                         int64_t capacity, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim, int64_t window,
                                         float scale, float softcap, int32_t dtype, void *workspace, int64_t workspace_bytes);

/* The same two where the caches of all sequences lie in pages. Key j of sequence b is row j % page_tokens of page page_table[b, j /
 * page_tokens] of keys, values [n_pages, page_tokens, n_kv_heads, head_dim]; page_table [batch, table_pages] i32. The new token of
 * sequence b stands at key positions[b] (i32), below table_pages * page_tokens, and sees all keys up to it, as the window says; pages
 * behind it are not looked at. -1: no sequence stands there; its q stays, nothing is written for it, and its row of out is 0. Pages may be
 * read by several sequences; a page that one writes to is no other's. A sequence's bits depend neither on where its pages lie nor on the
 * other sequences. */
SAILS_API int32_t sails_rope_append_paged(sails_device *device, void *q, void *keys, void *values, const void *k, const void *v,
                                          const float *table, const int32_t *positions, const int32_t *page_table, int64_t batch,
                                          int64_t n_pages, int64_t page_tokens, int64_t table_pages, int64_t n_heads, int64_t n_kv_heads,
                                          int64_t head_dim, int32_t dtype);
SAILS_API int32_t sails_attention_decode_paged_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t batch, int64_t page_tokens,
                                                               int64_t table_pages, int64_t n_heads, int64_t n_kv_heads, int64_t head_dim,
                                                               int64_t window, int32_t dtype);
SAILS_API int32_t sails_attention_decode_paged(sails_device *device, void *out, const void *q, const void *keys, const void *values,
                                               const int32_t *positions, const int32_t *page_table, int64_t batch, int64_t n_pages,
                                               int64_t page_tokens, int64_t table_pages, int64_t n_heads, int64_t n_kv_heads,
                                               int64_t head_dim, int64_t window, float scale, float softcap, int32_t dtype, void *workspace,
                                               int64_t workspace_bytes);

/* The end of a step: history [n_steps, batch] i32 gets ids [batch] in row *step, where there is one; then positions [batch], *key_position
 * and *step (i32) count up by one. */
SAILS_API int32_t sails_decode_advance(sails_device *device, int32_t *history, int32_t *positions, int32_t *key_position, int32_t *step,
                                       const int32_t *ids, int64_t batch, int64_t n_steps);

/* ---------------------------------------------------------------- optimizer: projection onto a subspace, AdamW */

/* Projection onto span(basis), basis [d, r_s] f32 with orthonormal columns, without forming the projector:
 *   right 0: y = U (U^T g), g, y [d, n];   right 1: y = (g U) U^T, g, y [n, d].   f32; y may alias g. */
SAILS_API int32_t sails_project_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t d, int64_t r_s, int64_t n);
SAILS_API int32_t sails_project(sails_device *device, float *y, const float *g, const float *basis, int64_t d, int64_t r_s, int64_t n,
                                int32_t right, void *workspace, int64_t workspace_bytes);

/* The same for `count` matrices at once: ys, gs, bases are host arrays of device pointers, d, r_s, n, right host arrays of sizes. */
SAILS_API int32_t sails_project_set_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *d, const int64_t *r_s,
                                                    const int64_t *n, int64_t count);
SAILS_API int32_t sails_project_set(sails_device *device, float *const *ys, const float *const *gs, const float *const *bases,
                                    const int64_t *d, const int64_t *r_s, const int64_t *n, const int32_t *right, int64_t count,
                                    void *workspace, int64_t workspace_bytes);

/* What a step of AdamW does, as numbers on the device, so that a recorded step can be launched with other ones. rates [SAILS_ADAMW_RATES]
 * f32 (=), step >= 1, each combined in double and rounded once:
 *   0 grad_scale   1 1 - lr * weight_decay   2 beta1   3 1 - beta1   4 beta2   5 1 - beta2
 *   6 lr / (1 - beta1^step)   7 1 / sqrt(1 - beta2^step)   8 eps
 * The scalars are double because 1 - beta2 loses five digits in float. Queued like any operation: a recording of this call keeps the
 * numbers of the call. */
SAILS_API int32_t sails_adamw_rates(sails_device *device, float *rates, int64_t step, double grad_scale, double lr, double beta1,
                                    double beta2, double eps, double weight_decay);

/* AdamW (arXiv:1711.05101, in the order of torch.optim.AdamW) on `count` tensors at once:
 *   g = grad_scale * grad;  param *= 1 - lr * weight_decay;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
 *   param -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
 * params, m, v, grads: host arrays of `count` device pointers to f32 tensors of sizes[i] elements; rates of sails_adamw_rates. */
SAILS_API int32_t sails_adamw(sails_device *device, float *const *params, float *const *m, float *const *v, const float *const *grads,
                              const float *rates, const int64_t *sizes, int64_t count);

/* AdamW as above on `count` matrices that are held to a subspace, without forming a projector; params[i] is [d, n], or [n, d] where
 * right[i]:
 *   SAILS_PROJECT_GRADIENT: the gradient is projected before the moments see it (grads themselves are not changed);
 *   SAILS_PROJECT_UPDATE:   params[i] = P (params[i] after the step): a matrix that starts inside the subspace gets a projected step. */
SAILS_API int32_t sails_adamw_projected_workspace_bytes(sails_device *device, int64_t *out_bytes, const int64_t *d, const int64_t *r_s,
                                                        const int64_t *n, int64_t count);
SAILS_API int32_t sails_adamw_projected(sails_device *device, float *const *params, float *const *m, float *const *v,
                                        const float *const *grads, const float *const *bases, const float *rates, const int64_t *d,
                                        const int64_t *r_s, const int64_t *n, const int32_t *right, int64_t count, int32_t projection,
                                        void *workspace, int64_t workspace_bytes);

/* AdamW as above with the moments in 8 bits (arXiv:2110.02861, section 2). In blocks of SAILS_ADAMW_BLOCK elements a moment is code[q] *
 * absmax, with a code book of 256 rising values of [-1, 1]; after the step absmax is the block's largest |moment| and q the nearest code,
 * the lower one on a tie. The parameters move by the moments before they are rounded.
 * m, v: host arrays of device pointers to q, one byte each, ceil(sizes[i] / 256) whole blocks, padded with the code of 0; m_absmax,
 * v_absmax: to f32 [ceil(sizes[i] / 256)]; m_code, v_code [256] f32 on the device. */
SAILS_API int32_t sails_adamw_8bit(sails_device *device, float *const *params, void *const *m, void *const *v, float *const *m_absmax,
                                   float *const *v_absmax, const float *const *grads, const float *m_code, const float *v_code,
                                   const float *rates, const int64_t *sizes, int64_t count);

/* ---------------------------------------------------------------- sae: sparse autoencoders */

/* Sparse codes of x [n_tokens, d_in], feature ids rising in each row:
 *   z0 = x w_enc;  z = z0 * scale + bias (scale NULL: 1)
 *   relu:      active where z > 0,            value z
 *   jumprelu:  active where z > threshold and z > 0, value z (arXiv:2407.14435 eq. 3)
 *   topk:      the k largest z of the row (lower id on a tie), of those the positive ones, value z
 *   gated:     active where z0 + gate_bias > 0 and z > 0, value z (arXiv:2404.16014 eq. 6: scale = exp(r_mag), bias = b_mag)
 * indices i32, values f32 [n_tokens, capacity]; counts [n_tokens] i32: the true number of active features, which may exceed
 * capacity; then the first `capacity` by id are stored and the caller tries again with more room. Slots past the count are not written.
 * x, w_enc [d_in, d_sae] f32|bf16, one dtype; bias, threshold, scale, gate_bias [d_sae] f32, NULL where not used. */
SAILS_API int32_t sails_sae_encode_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_tokens, int64_t d_in, int64_t d_sae,
                                                   int32_t activation, int64_t k, int32_t dtype);
SAILS_API int32_t sails_sae_encode(sails_device *device, int32_t *indices, float *values, int32_t *counts, const void *x, const void *w_enc,
                                   const float *bias, const float *threshold, const float *scale, const float *gate_bias, int64_t n_tokens,
                                   int64_t d_in, int64_t d_sae, int64_t capacity, int32_t activation, int64_t k, int32_t dtype,
                                   void *workspace, int64_t workspace_bytes);

/* dx [n_tokens, d_in] f32 = sum over the active features of dvalues * scale[i] * w_enc[:, i] (scale NULL: 1). */
SAILS_API int32_t sails_sae_encode_backward(sails_device *device, float *dx, const float *dvalues, const int32_t *indices,
                                            const int32_t *counts, const void *w_enc, const float *scale, int64_t n_tokens, int64_t d_in,
                                            int64_t d_sae, int64_t capacity, int32_t dtype);

/* recon [n_tokens, d_in] f32 = bias [d_in] (NULL: 0) + sum over the active features of value * scale[i] * w_dec[i, :]. */
SAILS_API int32_t sails_sae_decode(sails_device *device, float *recon, const int32_t *indices, const float *values, const int32_t *counts,
                                   const void *w_dec, const float *bias, const float *scale, int64_t n_tokens, int64_t d_in, int64_t d_sae,
                                   int64_t capacity, int32_t dtype);

/* dvalues [n_tokens, capacity] f32 (slots past the count not written) = scale[i] * <drecon[t], w_dec[i]>. */
SAILS_API int32_t sails_sae_decode_backward(sails_device *device, float *dvalues, const float *drecon, const int32_t *indices,
                                            const int32_t *counts, const void *w_dec, const float *scale, int64_t n_tokens, int64_t d_in,
                                            int64_t d_sae, int64_t capacity, int32_t dtype);

/* Gradient of an encoder's or a decoder's matrix, without a dense array of codes: for each code (t, i) with a gradient or activation v
 *   dw[i, :] += v * rows[t, :]   with dw [d_sae, d_in], or where transposed is 1   dw[:, i] += v * rows[t, :]   with dw [d_in, d_sae]
 * rows [n_tokens, d_in], dw f32; ids rising in each row, as sails_sae_encode writes them. A column of dw is summed in the order of the
 * tokens. */
SAILS_API int32_t sails_sae_weight_gradient(sails_device *device, float *dw, const float *rows, const int32_t *indices, const float *values,
                                            const int32_t *counts, int64_t n_tokens, int64_t d_in, int64_t d_sae, int64_t capacity,
                                            int32_t transposed);

/* acts [n_tokens, d_sae] f32: the codes written out densely, for those who ask. */
SAILS_API int32_t sails_sae_densify(sails_device *device, float *acts, const int32_t *indices, const float *values, const int32_t *counts,
                                    int64_t n_tokens, int64_t d_sae, int64_t capacity);

/* Per-class feature statistics: for each token with class c = token_class[t] in [0, n_classes) (negative: left out):
 *   sum[c, i] += token_weight[t] * value (token_weight NULL: 1);  active[c, i] += 1.
 * sum [n_classes, d_sae] f64, active [n_classes, d_sae] f64 or NULL; summed in the order of the tokens. */
SAILS_API int32_t sails_sae_accumulate(sails_device *device, double *sum, double *active, const int32_t *indices, const float *values,
                                       const int32_t *counts, const int32_t *token_class, const float *token_weight, int64_t n_tokens,
                                       int64_t d_sae, int64_t capacity, int64_t n_classes);

/* The statistics of sails_sae_accumulate straight from the activations, in one pass and without codes. Over the active features i of each
 * token t of class c = token_class[t] in [0, n_classes) (negative: left out), values as sails_sae_encode gives them:
 *   sum[c, i] += token_weight[t] * value;  sum_squares[c, i] += token_weight[t] * value^2;  active[c, i] += 1
 * sum, sum_squares, active [n_classes, d_sae] f64, the last two may be NULL; token_weight NULL: 1. Summed in the order of the tokens.
 * relu, jumprelu and gated; topk is SAILS_UNSUPPORTED: which features are active is known only when the whole row is. */
SAILS_API int32_t sails_sae_statistics_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t n_tokens, int64_t d_in,
                                                       int64_t d_sae, int64_t n_classes, int32_t activation, int32_t dtype);
SAILS_API int32_t sails_sae_statistics(sails_device *device, double *sum, double *sum_squares, double *active, const void *x,
                                       const void *w_enc, const float *bias, const float *threshold, const float *scale,
                                       const float *gate_bias, const int32_t *token_class, const float *token_weight, int64_t n_tokens,
                                       int64_t d_in, int64_t d_sae, int64_t n_classes, int32_t activation, int32_t dtype, void *workspace,
                                       int64_t workspace_bytes);

/* Row standardisation, SAELens' layer_norm: mean, std (n_cols - 1 in the denominator); y = (x - mean) / (std + eps).
 * x, y [n_rows, n_cols] f32, mean, std [n_rows] f32; y may alias x. */
SAILS_API int32_t sails_standardize_forward(sails_device *device, float *y, float *mean, float *std, const float *x, int64_t n_rows,
                                            int64_t n_cols, float eps);

/* dx [n_rows, n_cols] f32 (=): through y, and through mean and std where dmean, dstd [n_rows] are not NULL. */
SAILS_API int32_t sails_standardize_backward(sails_device *device, float *dx, const float *dy, const float *dmean, const float *dstd,
                                             const float *x, const float *mean, const float *std, int64_t n_rows, int64_t n_cols,
                                             float eps);

/* y [n_rows, n_cols] f32 = x * std[i] + mean[i]; y may alias x. */
SAILS_API int32_t sails_unstandardize_forward(sails_device *device, float *y, const float *x, const float *mean, const float *std,
                                              int64_t n_rows, int64_t n_cols);

/* dx = dy * std[i], dmean[i] = sum_j dy, dstd[i] = sum_j dy * x; dx may alias dy. */
SAILS_API int32_t sails_unstandardize_backward(sails_device *device, float *dx, float *dmean, float *dstd, const float *dy, const float *x,
                                               const float *std, int64_t n_rows, int64_t n_cols);

#ifdef __cplusplus
}
#endif
#endif
