// Checks that all linear maps with an adapter share.
#pragma once

#include "common/quantized.h"
#include "shell/checks.h"

namespace {

inline void check_lora(const LinearSizes &s) {
  elements({s.n, s.d_in}, "n, d_in");
  elements({s.n, s.d_out}, "n, d_out");
  elements({s.n, s.r}, "n, r");
  elements({s.r, s.d_in}, "r, d_in");
  elements({s.d_out, s.r}, "d_out, r");
}

// The adapter of a linear map: present with r > 0, absent with r = 0.
inline void check_adapter(const LinearSizes &s, const float *h, const float *lora_a, const float *lora_b) {
  require(s.r > 0 || (h == nullptr && lora_a == nullptr && lora_b == nullptr), "r is 0, but h, lora_a or lora_b is not NULL");
  if (h != nullptr) require_f32(h, s.n * s.r, "h");
  require_f32(lora_a, s.r * s.d_in, "lora_a");
  require_f32(lora_b, s.d_out * s.r, "lora_b");
}

// The adapter of a map's backward, whose gradients may be left out.
inline void check_lora_backward(const LinearSizes &s, const float *dlora_a, const float *dlora_b, const void *x, const float *h,
                                const float *lora_a, const float *lora_b) {
  check_adapter(s, h, lora_a, lora_b);
  require((dlora_a == nullptr) == (dlora_b == nullptr) || s.n * s.r == 0, "dlora_a and dlora_b are both wanted or both NULL");
  if (dlora_a == nullptr || s.r == 0) return;
  require_f32(dlora_a, s.r * s.d_in, "dlora_a");
  require_f32(dlora_b, s.d_out * s.r, "dlora_b");
  require_tensor(x, s.n * s.d_in, s.dtype, "x");
  require_f32(h, s.n * s.r, "h");
}

// A packed matrix's type.
inline void require_packed(int32_t dtype, const char *name) {
  require(dtype == SAILS_Q8 || dtype == SAILS_Q4, name, " has dtype ", dtype, ", expected 5 (q8) or 6 (q4)");
}

// A packed matrix [rows, cols].
inline void require_packed(const void *pointer, int64_t rows, int64_t cols, int32_t dtype, const char *name) {
  require_packed(dtype, name);
  elements({rows, cols}, name);
  const int64_t bytes = elements({rows, sails::PackedRow(cols, dtype).bytes}, name);
  require_pointer(pointer, cols == 0 ? 0 : bytes, 16, name);
}

}  // namespace
