#include "cpu/matmul.h"

#include <algorithm>

#include "cpu/device.h"
#include "shell/backend.h"

namespace sails {

MatmulShape MatmulShape::dense(int64_t m, int64_t n, int64_t k, int32_t c_dtype, int32_t ab_dtype, bool transpose_a, bool transpose_b) {
  return {m, n, k, n, transpose_a ? m : k, transpose_b ? k : n, c_dtype, ab_dtype, transpose_a, transpose_b};
}

namespace {

// Up to this many rows the weights are better read once, as they are, than packed.
constexpr int64_t kGemvRows = 8;
bool is_gemv(const MatmulShape &s) { return s.transpose_b && s.m <= kGemvRows; }

// Where our own products are the faster ones beside oneDNN's of the same instruction set (docs/measurements/cpu-zen5.md, cpu-zen4.md): up
// to so many rows times a transposed b, which is a model's map forward; f32 from so many rows times b as it is, which is its gradient,
// unless that is narrow.
constexpr int64_t kFewRowsF32 = 8, kFewRowsBf16 = 5, kManyRowsF32 = 128, kNarrow = 128;

bool own_is_faster(const MatmulShape &s) {
  if (s.transpose_b) return s.m <= (s.ab_dtype == SAILS_F32 ? kFewRowsF32 : kFewRowsBf16);
  return s.ab_dtype == SAILS_F32 && s.m >= kManyRowsF32 && s.n >= kNarrow && s.k >= kNarrow;
}

bool asks_onednn(const CpuDevice &device, const MatmulShape &s) {
  if (device.onednn == nullptr || !device.onednn->multiplies(s.ab_dtype)) return false;
  return !device.takes_faster || !own_is_faster(s);
}

MatmulCall call_of(const CpuDevice &device, void *c, const void *a, const void *b, const MatmulShape &s, float alpha, float beta) {
  return {c, a, b, s.m, s.n, s.k, s.ldc, s.lda, s.ldb, s.transpose_a, s.transpose_b, alpha, beta, s.c_dtype, s.ab_dtype, device.threads};
}

int64_t own_workspace_bytes(const CpuDevice &device, const MatmulShape &s) {
  if (is_gemv(s)) return aligned_bytes(4 * s.m * s.k) + aligned_bytes(4 * s.m * s.n);
  return device.kernels->matmul->workspace_bytes(call_of(device, nullptr, nullptr, nullptr, s, 1.0f, 0.0f));
}

// to [m, k] f32 = op(a).
void widen_rows(CpuDevice &device, float *to, const void *a, const MatmulShape &s) {
  const int64_t size = s.ab_dtype == SAILS_F32 ? 4 : 2, row_stride = s.transpose_a ? 1 : s.lda;
  const auto *first = static_cast<const char *>(a);
  const auto convert = device.kernels->elementwise->convert;
  for (int64_t i = 0; i < s.m; i++) {
    if (!s.transpose_a) {
      convert(to + i * s.k, first + i * row_stride * size, s.k, SAILS_F32, s.ab_dtype, 1);
      continue;
    }
    for (int64_t l = 0; l < s.k; l++) convert(to + i * s.k + l, first + (l * s.lda + i) * size, 1, SAILS_F32, s.ab_dtype, 1);
  }
}

void gemv(CpuDevice &device, void *c, const void *a, const void *b, const MatmulShape &s, float alpha, float beta, Workspace workspace) {
  auto *a32 = workspace.take<float>(s.m * s.k);
  auto *c32 = workspace.take<float>(s.m * s.n);
  widen_rows(device, a32, a, s);
  device.kernels->gemv->dot_rows(c32, a32, b, s.m, s.n, s.k, s.ldb, s.ab_dtype, *device.pool);
  device.kernels->elementwise->scale_add_rows(c, c32, s.m, s.n, s.ldc, alpha, beta, s.c_dtype, device.threads);
}

void own_matmul(CpuDevice &device, void *c, const void *a, const void *b, const MatmulShape &s, float alpha, float beta,
                Workspace workspace) {
  if (is_gemv(s)) return gemv(device, c, a, b, s, alpha, beta, workspace);
  const MatmulCall call = call_of(device, c, a, b, s, alpha, beta);
  require_workspace(workspace.data(), workspace.bytes(), device.kernels->matmul->workspace_bytes(call));
  device.kernels->matmul->run(call, workspace.data());
}

}  // namespace

std::string matmul_name(CpuDevice &device) {
  const std::string own = "own " + device.isa;
  if (device.onednn == nullptr) return own;
  std::string f32, bf16;
  if (!device.onednn->multiplies(SAILS_F32))
    f32 = "all f32";
  else if (device.takes_faster)
    f32 = "f32 up to " + std::to_string(kFewRowsF32) + " rows, from " + std::to_string(kManyRowsF32) + " rows where b is not transposed";
  if (!device.onednn->multiplies(SAILS_BF16))
    bf16 = "all bf16";
  else if (device.takes_faster)
    bf16 = "bf16 up to " + std::to_string(kFewRowsBf16) + " rows";
  if (f32.empty() && bf16.empty()) return device.onednn->name();
  return device.onednn->name() + "; " + own + " for " + f32 + (f32.empty() || bf16.empty() ? "" : ", and ") + bf16;
}

int64_t matmul_workspace_bytes(CpuDevice &device, const MatmulShape &shape) {
  if (shape.m == 0 || shape.n == 0 || shape.k == 0) return 0;
  int64_t bytes = 0;
  // A primitive with post-operations may want more scratch than the bare one.
  for (float beta : {0.0f, 1.0f}) {
    const int64_t needed = !asks_onednn(device, shape) ? -1 : device.onednn->scratch_bytes(shape, 1.0f, beta, device.threads);
    bytes = std::max(bytes, needed < 0 ? own_workspace_bytes(device, shape) : needed);
  }
  return aligned_bytes(bytes);
}

namespace {

int64_t next_multiple(int64_t value, int64_t unit) { return (value / unit + 1) * unit; }

// Enough for row strides that the question does not name. oneDNN copies operands according to whether their rows are dense,
// aligned, or a large power of two apart, so one stride of each kind stands for all.
int64_t any_stride_workspace_bytes(CpuDevice &device, const MatmulShape &dense) {
  MatmulShape odd = dense, aligned = dense, wide = dense;
  odd.lda++, odd.ldb++, odd.ldc++;
  aligned.lda = next_multiple(dense.lda, 16), aligned.ldb = next_multiple(dense.ldb, 16), aligned.ldc = next_multiple(dense.ldc, 16);
  wide.lda = next_multiple(dense.lda, 4096), wide.ldb = next_multiple(dense.ldb, 4096), wide.ldc = next_multiple(dense.ldc, 4096);
  int64_t bytes = 0;
  for (const MatmulShape &shape : {dense, odd, aligned, wide}) {
    bytes = std::max(bytes, matmul_workspace_bytes(device, shape));
    if (dense.n != 1) continue;
    // A product with a vector takes other paths again where one operand alone is dense.
    MatmulShape dense_a = shape, dense_b = shape, dense_c = shape;
    dense_a.lda = dense.lda, dense_b.ldb = dense.ldb, dense_c.ldc = dense.ldc;
    MatmulShape only_a = dense_b, only_c = dense_a;
    only_a.ldc = dense.ldc, only_c.ldb = dense.ldb;
    for (const MatmulShape &mixed : {dense_a, dense_b, dense_c, only_a, only_c})
      bytes = std::max(bytes, matmul_workspace_bytes(device, mixed));
  }
  return bytes;
}

}  // namespace

void matmul(CpuDevice &device, void *c, const void *a, const void *b, const MatmulShape &shape, float alpha, float beta,
            Workspace workspace) {
  if (shape.m == 0 || shape.n == 0) return;
  if (shape.k == 0) {
    device.kernels->elementwise->scale_add_rows(c, nullptr, shape.m, shape.n, shape.ldc, 0.0f, beta, shape.c_dtype, device.threads);
    return;
  }
  if (asks_onednn(device, shape) && device.onednn->run(c, a, b, shape, alpha, beta, device.threads, workspace.data(), workspace.bytes()))
    return;
  own_matmul(device, c, a, b, shape, alpha, beta, workspace);
}

int64_t largest_workspace_bytes(CpuDevice &device, std::initializer_list<MatmulShape> shapes) {
  int64_t bytes = 0;
  for (const auto &shape : shapes) bytes = std::max(bytes, matmul_workspace_bytes(device, shape));
  return bytes;
}

namespace backend {

int64_t matmul_workspace_bytes(sails_device &device, int64_t m, int64_t n, int64_t k, int32_t c_dtype, int32_t ab_dtype,
                               int32_t transpose_a, int32_t transpose_b) {
  return any_stride_workspace_bytes(cpu(device), MatmulShape::dense(m, n, k, c_dtype, ab_dtype, transpose_a != 0, transpose_b != 0));
}

void matmul(sails_device &device, void *c, const void *a, const void *b, int64_t m, int64_t n, int64_t k, int64_t ldc, int64_t lda,
            int64_t ldb, int32_t c_dtype, int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b, float alpha, float beta,
            void *workspace, int64_t workspace_bytes) {
  const MatmulShape shape{m, n, k, ldc, lda, ldb, c_dtype, ab_dtype, transpose_a != 0, transpose_b != 0};
  sails::matmul(cpu(device), c, a, b, shape, alpha, beta, {workspace, workspace_bytes});
}

}  // namespace backend
}  // namespace sails
