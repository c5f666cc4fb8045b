// What a block does around its linear maps: embedding, norms, RoPE, gates.
#include "block/embedding.cuh"
#include "block/glu.cuh"
#include "block/residual_norm.cuh"
#include "block/rmsnorm.cuh"
#include "block/rope.cuh"
#include "cuda/dependent_launch.h"
#include "cuda/device.h"
#include "cuda/dispatch.h"
#include "quantized/pack.cuh"

namespace sails::backend {

void residual_norm_forward(sails_device &device, float *out, void *y, const float *x, const float *x_weight, const float *residual,
                           const float *y_weight, int64_t n_rows, int64_t d, float eps, float weight_offset, int32_t y_dtype) {
  with_type(y_dtype, y, [&](auto *typed_y) {
    using Y = std::remove_pointer_t<decltype(typed_y)>;
    check(kernels::launch_residual_norm(early_stream(cuda(device)), kernels::ResidualNorm<Y>{out, typed_y, x, x_weight, residual, y_weight,
                                                                                             n_rows, d, eps, weight_offset}));
  });
}

void embedding_forward(sails_device &device, void *y, const int32_t *ids, const void *table, int64_t n_tokens, int64_t vocab,
                       int64_t d_model, float scale, int32_t y_dtype, int32_t table_dtype) {
  CudaDevice &d = cuda(device);
  with_type(y_dtype, y, [&](auto *typed_y) {
    if (table_dtype == SAILS_Q8 || table_dtype == SAILS_Q4) {
      check(kernels::launch_dequantize(d.stream, typed_y, table, ids, n_tokens, vocab, d_model, scale, table_dtype, d.fault));
      return;
    }
    with_type(table_dtype, table, [&](auto *typed_table) {
      check(kernels::launch_embedding_forward(d.stream, typed_y, ids, typed_table, n_tokens, vocab, d_model, scale, d.fault));
    });
  });
}

void embedding_backward(sails_device &device, float *dtable, const float *dy, const int32_t *ids, int64_t n_tokens, int64_t vocab,
                        int64_t d_model, float scale) {
  CudaDevice &d = cuda(device);
  check(kernels::launch_embedding_backward(d.stream, dtable, dy, ids, n_tokens, vocab, d_model, scale, d.fault));
}

void rmsnorm_forward(sails_device &device, void *y, float *rstd, const void *x, const float *weight, const void *residual, int64_t n_rows,
                     int64_t d, float eps, float weight_offset, int32_t y_dtype, int32_t x_dtype) {
  with_type(y_dtype, y, [&](auto *typed_y) {
    with_type(x_dtype, x, [&](auto *typed_x) {
      const auto *typed_residual = static_cast<const std::remove_pointer_t<decltype(typed_y)> *>(residual);
      check(kernels::launch_rmsnorm_forward(cuda(device).stream, typed_y, rstd, typed_x, weight, typed_residual, n_rows, d,
                                            {eps, weight_offset}));
    });
  });
}

int64_t rmsnorm_backward_workspace_bytes(sails_device &, int64_t n_rows, int64_t d) {
  return aligned_bytes(kernels::rmsnorm_slabs(n_rows) * d * static_cast<int64_t>(sizeof(float)));
}

void rmsnorm_backward(sails_device &device, float *dx, float *dweight, const void *dy, const void *x, const float *weight,
                      const float *rstd, int64_t n_rows, int64_t d, float weight_offset, int32_t accumulate_dx, int32_t dy_dtype,
                      int32_t x_dtype, void *workspace, int64_t workspace_bytes) {
  float *partial = nullptr;
  if (dweight != nullptr) partial = Workspace(workspace, workspace_bytes).take<float>(kernels::rmsnorm_slabs(n_rows) * d);
  with_type(dy_dtype, dy, [&](auto *typed_dy) {
    with_type(x_dtype, x, [&](auto *typed_x) {
      check(kernels::launch_rmsnorm_backward(cuda(device).stream, dx, dweight, typed_dy, typed_x, weight, rstd, n_rows, d, weight_offset,
                                             accumulate_dx != 0, partial));
    });
  });
}

void rope_table(sails_device &device, float *table, const int32_t *positions, const double *inv_freq, int64_t n_tokens, int64_t head_dim) {
  check(kernels::launch_rope_table(cuda(device).stream, table, positions, inv_freq, n_tokens, head_dim));
}

void rope(sails_device &device, void *y, const void *x, const float *table, int64_t n_tokens, int64_t n_heads, int64_t head_dim,
          int32_t inverse, int32_t dtype) {
  with_type(dtype, y, [&](auto *typed) {
    using Pointer = const std::remove_pointer_t<decltype(typed)> *;
    check(kernels::launch_rope(cuda(device).stream, typed, static_cast<Pointer>(x), table, n_tokens, n_heads, head_dim, inverse != 0));
  });
}

void glu_forward(sails_device &device, void *y, const void *gate, const void *up, int64_t n, int32_t activation, int32_t dtype) {
  with_type(dtype, y, [&](auto *typed) {
    using Pointer = const std::remove_pointer_t<decltype(typed)> *;
    check(kernels::launch_glu_forward(cuda(device).stream, typed, static_cast<Pointer>(gate), static_cast<Pointer>(up), n, activation));
  });
}

void glu_backward(sails_device &device, void *dgate, void *dup, const void *dy, const void *gate, const void *up, int64_t n,
                  int32_t activation, int32_t dtype) {
  with_type(dtype, dgate, [&](auto *typed) {
    using Output = decltype(typed);
    using Pointer = const std::remove_pointer_t<Output> *;
    check(kernels::launch_glu_backward(cuda(device).stream, typed, static_cast<Output>(dup), static_cast<Pointer>(dy),
                                       static_cast<Pointer>(gate), static_cast<Pointer>(up), n, activation));
  });
}

}  // namespace sails::backend
