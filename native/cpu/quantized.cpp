// Linear maps with packed weights: few rows by the codes themselves, more of them by blocks of the weight that are widened first.
#include <algorithm>
#include <cstring>

#include "common/quantized.h"
#include "cpu/device.h"
#include "cpu/matmul.h"
#include "shell/backend.h"

namespace sails {
namespace {

// Up to so many rows are multiplied by the codes, which are then read once or twice.
constexpr int64_t kFewRows = 8;
// Rows of the weight that are widened at a time: they stay in the second cache until they are multiplied.
constexpr int64_t kBlockRows = 512;

int64_t element_bytes(int32_t dtype) { return dtype == SAILS_F32 ? 4 : 2; }

int64_t padded(int64_t cols) { return (cols + kQuantGroup - 1) / kQuantGroup * kQuantGroup; }

int64_t block_bytes(const LinearSizes &s) { return std::min(s.d_out, kBlockRows) * s.d_in * element_bytes(s.dtype); }

// Rows [o, o + block) of the weight in x's type.
void widen(CpuDevice &host, void *wide, const void *weight, int64_t o, int64_t block, const LinearSizes &s, int32_t weight_dtype) {
  const char *rows = static_cast<const char *>(weight) + o * PackedRow(s.d_in, weight_dtype).bytes;
  host.kernels->quantized->dequantize(wide, rows, nullptr, block, s.d_in, 1.0f, s.dtype, weight_dtype, host.threads);
}

// Of rows [o, o + block) of the weight: c [n, block], in a c of d_out columns.
MatmulShape forward_block(const LinearSizes &s, int64_t block) {
  MatmulShape shape = MatmulShape::dense(s.n, block, s.d_in, SAILS_F32, s.dtype, false, true);
  shape.ldc = s.d_out;
  return shape;
}

// dx [n, d_in] of `block` columns of dy.
MatmulShape backward_block(const LinearSizes &s, int64_t block) {
  MatmulShape shape = MatmulShape::dense(s.n, s.d_in, block, SAILS_F32, s.dtype, false, false);
  shape.lda = s.d_out;
  return shape;
}

// The widened block and its product: the last one may be smaller than the others.
template <typename ShapeOf>
int64_t blocks_bytes(CpuDevice &host, const LinearSizes &s, ShapeOf shape_of) {
  const int64_t block = std::min(s.d_out, kBlockRows), rest = s.d_out % kBlockRows;
  return aligned_bytes(block_bytes(s)) +
         std::max(matmul_workspace_bytes(host, shape_of(s, block)), matmul_workspace_bytes(host, shape_of(s, rest)));
}

// y [n, d_out] f32 = x W^T.
int64_t product_bytes(CpuDevice &host, const LinearSizes &s) {
  const int64_t ld = padded(s.d_in);
  if (s.n <= kFewRows) return aligned_bytes(4 * ld) + aligned_bytes(2 * s.n * ld) + aligned_bytes(4 * s.n * ld / kQuantGroup);
  return blocks_bytes(host, s, forward_block);
}

void product(CpuDevice &host, float *y, const void *x, const void *weight, const LinearSizes &s, int32_t weight_dtype,
             Workspace workspace) {
  if (s.n <= kFewRows) {
    const int64_t ld = padded(s.d_in), groups = ld / kQuantGroup;
    auto *row = workspace.take<float>(ld);
    auto *codes = workspace.take<int16_t>(s.n * ld);
    auto *scales = workspace.take<float>(s.n * groups);
    std::fill(row + s.d_in, row + ld, 0.0f);
    for (int64_t i = 0; i < s.n; i++) {
      host.kernels->elementwise->convert(row, static_cast<const char *>(x) + i * s.d_in * element_bytes(s.dtype), s.d_in, SAILS_F32,
                                         s.dtype, 1);
      host.kernels->quantized->round_rows(codes + i * ld, scales + i * groups, row, groups);
    }
    host.kernels->quantized->dot_rows(y, codes, scales, weight, s.n, s.d_out, s.d_in, weight_dtype, *host.pool);
    return;
  }
  auto *wide = workspace.take<char>(block_bytes(s));
  for (int64_t o = 0; o < s.d_out; o += kBlockRows) {
    const int64_t block = std::min(kBlockRows, s.d_out - o);
    widen(host, wide, weight, o, block, s, weight_dtype);
    sails::matmul(host, y + o, x, wide, forward_block(s, block), 1.0f, 0.0f, workspace);
  }
}

}  // namespace

namespace backend {

void quantize(sails_device &device, void *y, const void *x, const float *importance, int64_t rows, int64_t cols, int32_t y_dtype,
              int32_t x_dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->quantized->quantize(y, x, importance, rows, cols, y_dtype, x_dtype, host.threads);
}

void dequantize(sails_device &device, void *y, const void *x, int64_t rows, int64_t cols, int32_t y_dtype, int32_t x_dtype) {
  CpuDevice &host = cpu(device);
  host.kernels->quantized->dequantize(y, x, nullptr, rows, cols, 1.0f, y_dtype, x_dtype, host.threads);
}

int64_t quantized_linear_forward_workspace_bytes(sails_device &device, const LinearSizes &s, int32_t) {
  const int64_t sum = s.y_dtype == SAILS_F32 ? 0 : aligned_bytes(4 * s.n * s.d_out);
  return sum + std::max(product_bytes(cpu(device), s), s.r > 0 ? lora_forward_workspace_bytes(device, s) : 0);
}

// All terms meet in f32, so that a bf16 output is rounded once.
void quantized_linear_forward(sails_device &device, const LinearForward &p, int32_t weight_dtype, Workspace workspace) {
  CpuDevice &host = cpu(device);
  const LinearSizes &s = p.sizes;
  float *room = s.y_dtype == SAILS_F32 ? nullptr : workspace.take<float>(s.n * s.d_out);
  float *sum = room == nullptr ? static_cast<float *>(p.y) : room;
  product(host, sum, p.x, p.weight, s, weight_dtype, workspace);
  if (s.r > 0) {
    LoraForward lora = p;
    lora.y = sum;
    lora.sizes.y_dtype = SAILS_F32;
    lora_forward(device, lora, workspace);
  }
  if (room != nullptr) host.kernels->elementwise->convert(p.y, sum, s.n * s.d_out, s.y_dtype, SAILS_F32, host.threads);
}

int64_t quantized_linear_backward_workspace_bytes(sails_device &device, const LinearSizes &s, int32_t) {
  return std::max(blocks_bytes(cpu(device), s, backward_block), s.r > 0 ? lora_backward_workspace_bytes(device, s) : 0);
}

void quantized_linear_backward(sails_device &device, const LinearBackward &p, int32_t weight_dtype, Workspace workspace) {
  CpuDevice &host = cpu(device);
  const LinearSizes &s = p.sizes;
  Workspace pieces = workspace;
  auto *wide = pieces.take<char>(block_bytes(s));
  int64_t o = 0;
  do {  // once also where there is no column, so that dx is written
    const int64_t block = std::min(kBlockRows, s.d_out - o);
    widen(host, wide, p.weight, o, block, s, weight_dtype);
    const char *dy = static_cast<const char *>(p.dy) + o * element_bytes(s.dtype);
    sails::matmul(host, p.dx, dy, wide, backward_block(s, block), 1.0f, p.accumulate_dx || o > 0 ? 1.0f : 0.0f, pieces);
    o += kBlockRows;
  } while (o < s.d_out);
  if (s.r > 0) lora_backward(device, p, workspace);
}

}  // namespace backend
}  // namespace sails
