// The arguments of the families of sails.h that have many, as a backend gets them: sizes, which the question for a workspace has too, and
// what one call reads and writes. Formulas and aliasing: sails.h, at the function that a struct is named after.
//
// [shapes] are in the names of the sizes; a void tensor whose type is not said has `dtype`. Sizes that a question for a workspace does not
// have come last and have a default, so that questions may leave them out. nvcc reads this header as C++17, without designated
// initialisers: those are for the shell and the CPU.
#pragma once

#include <cstdint>

#include "sails.h"

namespace sails {

// ---- linear

struct LinearSizes {
  int64_t n, d_in, d_out, r;  // r 0: no adapter, its pointers NULL
  // Of y, dy and residual; of x and weight. No workspace of LoRA alone depends on them.
  int32_t y_dtype = SAILS_F32, dtype = SAILS_F32;
};

struct LoraForward {
  LinearSizes sizes;
  void *y;              // [n, d_out] y_dtype
  float *h;             // [n, r]
  const void *x;        // [n, d_in]
  const float *lora_a;  // [r, d_in]
  const float *lora_b;  // [d_out, r]
  float scale;
};

struct LoraBackward {
  LinearSizes sizes;
  float *dx;                 // [n, d_in]; of LoRA alone, NULL: not wanted
  float *dlora_a, *dlora_b;  // as lora_a, lora_b; of a linear map, both NULL: not wanted, and x and h may be NULL
  const void *dy;            // [n, d_out] y_dtype
  const void *x;             // [n, d_in]
  const float *h;            // [n, r]
  const float *lora_a, *lora_b;
  float scale;
};

// Rows with adapters of their own: host arrays of `count`.
struct LoraRows {
  int64_t n, d_in, d_out, count;
  const int64_t *r;
  int32_t y_dtype, x_dtype;
  void *y;                     // [n, d_out]
  const void *x;               // [n, d_in]
  const int32_t *row_adapter;  // [n], on the device
  const float *const *lora_as, *const *lora_bs;
  const float *scale;
};

// A whole map: its adapter's call and what the map has besides.
struct LinearForward : LoraForward {
  const void *weight;    // [d_out, d_in]
  const float *bias;     // [d_out], or NULL
  const void *residual;  // [n, d_out] y_dtype, or NULL
};

struct LinearBackward : LoraBackward {
  const void *weight;  // [d_out, d_in]
  bool accumulate_dx;
};

// Of maps of one input: host arrays of `count`.
struct LinearSetSizes {
  int64_t count, n, d_in;
  const int64_t *d_out, *r;
  int32_t y_dtype, dtype;

  LinearSizes map(int64_t i) const { return {n, d_in, d_out[i], r[i], y_dtype, dtype}; }
};

struct LinearSetForward {
  LinearSetSizes sizes;
  void *const *ys;             // [n, d_out[i]] y_dtype
  const void *x;               // [n, d_in]
  const void *const *weights;  // [d_out[i], d_in]
  const float *const *lora_as, *const *lora_bs;
  const float *scale;
  float *const *hs = nullptr;  // [n, r[i]], where x lora_as[i]^T stays; NULL, it or one of its pointers: nowhere
};

// Of the pair of a gated layer: arrays of gate and up, in this order.
struct LinearGluSizes {
  int64_t n, d_in, d_out, r[2];
  int32_t dtype;

  LinearSizes map(int i) const { return {n, d_in, d_out, r[i], dtype, dtype}; }
};

struct LinearGluForward {
  LinearGluSizes sizes;
  void *y;        // [n, d_out]
  void *kept[2];  // [n, d_out], or both NULL
  float *hs[2];   // [n, r], each may be NULL
  const void *x;  // [n, d_in]
  const void *weights[2];
  const float *lora_as[2], *lora_bs[2];
  float scale[2];
  int32_t activation;
};

// ---- attention

struct AttentionSizes {
  int64_t batch, n_queries, n_keys, n_heads, n_kv_heads, head_dim;
  int32_t dtype;
  int64_t kv_batch_stride = 0, query_offset = 0, window = 0;
  float scale = 0.0f, softcap = 0.0f;
  int64_t table_pages = 0;  // of a sequence, 0: its keys lie one behind another
};

// Where the keys and values of sequences lie that share their memory: key j of sequence b is row j % tokens of page table[b, j / tokens].
struct Pages {
  const int32_t *table = nullptr;  // [batch, per_sequence] on the device, NULL: each sequence has memory of its own
  int64_t count = 0, tokens = 0, per_sequence = 0;

  int64_t capacity() const { return tokens * per_sequence; }
};

struct AttentionInputs {
  const void *q;             // [batch, n_queries, n_heads, head_dim]
  const void *k, *v;         // [batch, n_keys, n_kv_heads, head_dim], kv_batch_stride elements between sequences; or by pages
  const int32_t *q_segment;  // [batch, n_queries]
  const int32_t *k_segment;  // [batch, n_keys]
  // With pages, which have no segments: one query a sequence, which stands at key positions[b], or nowhere where that is -1.
  Pages pages = {};
  const int32_t *positions = nullptr;
};

struct AttentionForward {
  AttentionSizes sizes;
  AttentionInputs inputs;
  void *out;   // as q
  float *lse;  // [batch, n_heads, n_queries], or NULL
};

struct AttentionBackward {
  AttentionSizes sizes;
  AttentionInputs inputs;
  void *dq, *dk, *dv;      // dense
  const void *dout, *out;  // as q
  const float *lse;        // [batch, n_heads, n_queries]
};

// One query a sequence, over a cache of n_keys keys.
struct AttentionDecode {
  AttentionSizes sizes;  // the query's offset is *key_position, or that of each sequence where the cache lies in pages
  AttentionInputs inputs;
  void *out;                    // as q
  const int32_t *key_position;  // [1], on the device; NULL with pages
};

// A new token of each sequence on its way into the cache.
struct RopeAppend {
  int64_t batch, capacity, n_heads, n_kv_heads, head_dim;
  int32_t dtype;
  void *q;                      // [batch, n_heads, head_dim]
  void *keys, *values;          // [batch, capacity, n_kv_heads, head_dim], or pages of [tokens, n_kv_heads, head_dim]
  int32_t *k_segment;           // [batch, capacity]
  const void *k, *v;            // [batch, n_kv_heads, head_dim]
  const float *table;           // [batch, head_dim / 2, 2]
  const int32_t *q_segment;     // [batch]
  const int32_t *key_position;  // [1]
  // With pages, which have no segments: the place of each sequence, -1: none.
  Pages pages = {};
  const int32_t *positions = nullptr;  // [batch]
};

// ---- head

struct HeadLossSizes {
  int64_t n_tokens, d_model, vocab;
  int32_t dtype;
};

struct HeadLoss {
  HeadLossSizes sizes;
  float *token_loss;          // [n_tokens]
  float *dhidden;             // [n_tokens, d_model], NULL: not wanted
  float *dembed;              // [vocab, d_model], NULL: not wanted
  const void *hidden;         // [n_tokens, d_model]
  const void *embed;          // [vocab, d_model]
  const int32_t *targets;     // [n_tokens]
  const float *token_weight;  // [n_tokens], NULL where no gradient is wanted
  float softcap;

  bool gradients() const { return dhidden != nullptr || dembed != nullptr; }
};

// ---- sae

struct SaeEncoderSizes {
  int64_t n_tokens, d_in, d_sae;
  int32_t activation, dtype;
  int64_t k = 0;          // of topk, at most d_sae
  int64_t n_classes = 0;  // of statistics
};

struct SaeEncoder {
  const void *x;                                      // [n_tokens, d_in]
  const void *w_enc;                                  // [d_in, d_sae]
  const float *bias, *threshold, *scale, *gate_bias;  // [d_sae], NULL where there is none
};

struct SaeEncode {
  SaeEncoderSizes sizes;
  SaeEncoder encoder;
  int32_t *indices;  // [n_tokens, capacity]
  float *values;     // [n_tokens, capacity]
  int32_t *counts;   // [n_tokens]
  int64_t capacity;
};

struct SaeStatistics {
  SaeEncoderSizes sizes;
  SaeEncoder encoder;
  double *sum;                   // [n_classes, d_sae]
  double *sum_squares, *active;  // [n_classes, d_sae], or NULL
  const int32_t *token_class;    // [n_tokens]
  const float *token_weight;     // [n_tokens], or NULL
};

// What sae_encode wrote, for the functions that read it.
struct SaeCodes {
  int64_t n_tokens, d_sae, capacity;
  const int32_t *indices;  // [n_tokens, capacity]
  const float *values;     // [n_tokens, capacity]: the codes' values or their gradients; NULL where neither is read
  const int32_t *counts;   // [n_tokens]
};

}  // namespace sails
