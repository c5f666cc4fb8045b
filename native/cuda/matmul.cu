#include "cuda/matmul.h"

#include <algorithm>

#include "cuda/gemv.h"
#include "matmul/matmul_hopper.cuh"

namespace sails {
namespace {

void few_rows(CudaDevice &device, const kernels::MatmulProblem &p) {
  kernels::GemvProblem rows = {p.a, p.m, p.k, p.lda, p.ab_bf16, p.ab_bf16, p.c_bf16, p.m_limit, kernels::kGemvNoActivation, 1, {}};
  rows.maps[0] = {p.c, p.b, p.n, p.ldc, p.ldb, p.alpha, p.beta, p.addend, p.bias, p.low_rank};
  gemv(device, rows, false);
}

bool warpgroups_apply(const CudaDevice &device, int64_t m, bool ab_bf16, bool transpose_a, bool transpose_b) {
  return device.hopper_kernels && kernels::warpgroup_matmul_applies(m, ab_bf16, transpose_a, transpose_b);
}

}  // namespace

// Enough for every variant: which one it is depends on the alignment of the operands, too.
int64_t matmul_bytes(const CudaDevice &device, int64_t m, int64_t n, int64_t k, bool ab_bf16, bool transpose_a, bool transpose_b,
                     int64_t r) {
  if (kernels::gemv_takes(m, transpose_a, transpose_b)) return 0;
  int64_t bytes = kernels::choose_matmul(m, n, k, ab_bf16, transpose_a, transpose_b, device.multiprocessors).workspace_bytes;
  if (warpgroups_apply(device, m, ab_bf16, transpose_a, transpose_b))
    bytes = std::max(
        bytes, kernels::choose_warpgroup_matmul(m, n, k, device.persistent()).workspace_bytes + kernels::warpgroup_adapter_bytes(m, n, r));
  if (device.cublaslt != nullptr) bytes = std::max(bytes, CublasLt::kWorkspaceBytes);
  return aligned_bytes(bytes);
}

void matmul(CudaDevice &device, const kernels::MatmulProblem &p, void *workspace) {
  if (kernels::gemv_takes(p.m, p.transpose_a, p.transpose_b)) return few_rows(device, p);
  if (device.cublaslt != nullptr && device.cublaslt->multiply(device.stream, p, workspace)) return;
  if (warpgroups_apply(device, p.m, p.ab_bf16, p.transpose_a, p.transpose_b) && kernels::warpgroup_matmul_fits(p)) {
    const kernels::WarpgroupConfig config = kernels::choose_warpgroup_matmul(p.m, p.n, p.k, device.persistent());
    check(p.c_bf16 ? kernels::launch_warpgroup_matmul<kernels::bf16>(device.stream, p, config, workspace, device.persistent())
                   : kernels::launch_warpgroup_matmul<float>(device.stream, p, config, workspace, device.persistent()));
    return;
  }
  const kernels::MatmulConfig config =
      kernels::choose_matmul(p.m, p.n, p.k, p.ab_bf16, p.transpose_a, p.transpose_b, device.multiprocessors);
  check(p.c_bf16 ? kernels::launch_matmul_to<kernels::bf16>(device.stream, p, config, workspace)
                 : kernels::launch_matmul_to<float>(device.stream, p, config, workspace));
}

namespace backend {

int64_t matmul_workspace_bytes(sails_device &device, int64_t m, int64_t n, int64_t k, int32_t, int32_t ab_dtype, int32_t transpose_a,
                               int32_t transpose_b) {
  return matmul_bytes(cuda(device), m, n, k, ab_dtype == SAILS_BF16, transpose_a != 0, transpose_b != 0);
}

void matmul(sails_device &device, void *c, const void *a, const void *b, int64_t m, int64_t n, int64_t k, int64_t ldc, int64_t lda,
            int64_t ldb, int32_t c_dtype, int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b, float alpha, float beta,
            void *workspace, int64_t) {
  sails::matmul(cuda(device),
                {c, a, b, m, n, k, ldc, lda, ldb, c_dtype == SAILS_BF16, ab_dtype == SAILS_BF16, transpose_a != 0, transpose_b != 0, alpha,
                 beta, nullptr},
                workspace);
}

}  // namespace backend
}  // namespace sails
