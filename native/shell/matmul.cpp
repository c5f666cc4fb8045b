// Checks of the dense matmul.
#include "shell/checks.h"

namespace {

void check_shape(int64_t m, int64_t n, int64_t k, int64_t ldc, int64_t lda, int64_t ldb, int32_t c_dtype, int32_t ab_dtype,
                 int32_t transpose_a, int32_t transpose_b) {
  elements({m, n}, "m, n");
  elements({m, k}, "m, k");
  elements({k, n}, "k, n");
  require_f32_or_bf16(c_dtype, "c");
  require_f32_or_bf16(ab_dtype, "a and b");
  require(c_dtype == SAILS_F32 || ab_dtype == SAILS_BF16, "c is bf16 where a and b are f32");
  require(ldc >= n && lda >= (transpose_a ? m : k) && ldb >= (transpose_b ? k : n), "a row stride is smaller than its row");
  elements({m, ldc}, "ldc");
  elements({transpose_a ? k : m, lda}, "lda");
  elements({transpose_b ? n : k, ldb}, "ldb");
}

}  // namespace

extern "C" {

int32_t sails_matmul_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t m, int64_t n, int64_t k, int32_t c_dtype,
                                     int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b) {
  return guarded(device, "sails_matmul_workspace_bytes", [&] {
    require(out_bytes != nullptr, "out_bytes is NULL");
    check_shape(m, n, k, n, transpose_a ? m : k, transpose_b ? k : n, c_dtype, ab_dtype, transpose_a, transpose_b);
    *out_bytes = backend::matmul_workspace_bytes(*device, m, n, k, c_dtype, ab_dtype, transpose_a, transpose_b);
  });
}

int32_t sails_matmul(sails_device *device, void *c, const void *a, const void *b, int64_t m, int64_t n, int64_t k, int64_t ldc, int64_t lda,
                     int64_t ldb, int32_t c_dtype, int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b, float alpha, float beta,
                     void *workspace, int64_t workspace_bytes) {
  return guarded(device, "sails_matmul", [&] {
    check_shape(m, n, k, ldc, lda, ldb, c_dtype, ab_dtype, transpose_a, transpose_b);
    require_tensor(c, m * n, c_dtype, "c");
    if (m * n == 0) return;
    require_tensor(a, m * k, ab_dtype, "a");
    require_tensor(b, k * n, ab_dtype, "b");
    require_workspace(workspace, workspace_bytes,
                      backend::matmul_workspace_bytes(*device, m, n, k, c_dtype, ab_dtype, transpose_a, transpose_b));
    backend::matmul(*device, c, a, b, m, n, k, ldc, lda, ldb, c_dtype, ab_dtype, transpose_a, transpose_b, alpha, beta, workspace,
                    workspace_bytes);
  });
}

}  // extern "C"
