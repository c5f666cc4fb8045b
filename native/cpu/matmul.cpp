#include "cpu/matmul.h"

#include <cstring>
#include <list>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>

#include "cpu/device.h"
#include "shell/backend.h"

namespace sails {
namespace {

using dnnl::memory;

// Bounded because chunked callers and growing KV caches produce new shapes without end.
constexpr size_t kMaxPrimitives = 512;
// Sizes are a few bytes each: forgotten all at once when there are this many.
constexpr size_t kMaxScratchSizes = 8192;

memory::data_type dnnl_type(int32_t dtype) { return dtype == SAILS_F32 ? memory::data_type::f32 : memory::data_type::bf16; }

// A stored matrix of row stride ld, seen as rows x cols, possibly through its transpose.
memory::desc matrix_desc(int64_t rows, int64_t cols, int64_t ld, bool transposed, int32_t dtype) {
  const memory::dims strides = transposed ? memory::dims{1, ld} : memory::dims{ld, 1};
  return memory::desc({rows, cols}, dnnl_type(dtype), strides);
}

struct Key {
  MatmulShape shape;
  uint32_t alpha_bits, beta_bits;  // bits, because a NaN is not equal to itself
  int threads;
  Key(const MatmulShape &shape, float alpha, float beta, int threads) : shape(shape), threads(threads) {
    std::memcpy(&alpha_bits, &alpha, sizeof alpha);
    std::memcpy(&beta_bits, &beta, sizeof beta);
  }
  float alpha() const { return from_bits(alpha_bits); }
  float beta() const { return from_bits(beta_bits); }
  auto tie() const {
    return std::tie(shape.m, shape.n, shape.k, shape.ldc, shape.lda, shape.ldb, shape.c_dtype, shape.ab_dtype, shape.transpose_a,
                    shape.transpose_b, alpha_bits, beta_bits, threads);
  }
  bool operator==(const Key &other) const { return tie() == other.tie(); }

 private:
  static float from_bits(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
};

struct KeyHash {
  size_t operator()(const Key &key) const {
    size_t h = 1469598103934665603ull;
    const auto mix = [&h](uint64_t v) { h = (h ^ v) * 1099511628211ull; };
    mix(static_cast<uint64_t>(key.shape.m));
    mix(static_cast<uint64_t>(key.shape.n));
    mix(static_cast<uint64_t>(key.shape.k));
    mix(static_cast<uint64_t>(key.shape.lda));
    mix(static_cast<uint64_t>(key.shape.ldb));
    mix(static_cast<uint64_t>(key.shape.ab_dtype * 8 + key.shape.c_dtype * 4 + key.shape.transpose_a * 2 + key.shape.transpose_b));
    return h;
  }
};

struct Primitive {
  Key key;
  memory::desc a, b, c;
  dnnl::matmul matmul;
  int64_t scratch_bytes;
};

}  // namespace

struct MatmulCache::Impl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::list<Primitive> recent;  // most recently used first
  std::unordered_map<Key, std::list<Primitive>::iterator, KeyHash> by_key;

  // Scratch bytes by shape, known without compiling anything.
  std::unordered_map<Key, int64_t, KeyHash> scratch_sizes;

  dnnl::matmul::primitive_desc describe(const Key &key) const;
  // nullptr where oneDNN has no implementation for this type on this CPU.
  Primitive *find(const Key &key);
  // -1 where oneDNN has no implementation for this type on this CPU.
  int64_t scratch_bytes(const Key &key);
};

dnnl::matmul::primitive_desc MatmulCache::Impl::describe(const Key &key) const {
  const MatmulShape &s = key.shape;
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_fpmath_mode(dnnl::fpmath_mode::strict);
  dnnl::post_ops ops;
  if (key.alpha() != 1.0f) ops.append_eltwise(dnnl::algorithm::eltwise_linear, key.alpha(), 0.0f);
  if (key.beta() != 0.0f) ops.append_sum(key.beta());
  attr.set_post_ops(ops);
  return dnnl::matmul::primitive_desc(engine, matrix_desc(s.m, s.k, s.lda, s.transpose_a, s.ab_dtype),
                                      matrix_desc(s.k, s.n, s.ldb, s.transpose_b, s.ab_dtype),
                                      matrix_desc(s.m, s.n, s.ldc, false, s.c_dtype), attr, /*allow_empty=*/true);
}

Primitive *MatmulCache::Impl::find(const Key &key) {
  const auto found = by_key.find(key);
  if (found != by_key.end()) {
    recent.splice(recent.begin(), recent, found->second);
    return &recent.front();
  }
  const auto description = describe(key);
  if (!description) return nullptr;
  recent.push_front({key, description.src_desc(), description.weights_desc(), description.dst_desc(), dnnl::matmul(description),
                     static_cast<int64_t>(description.scratchpad_desc().get_size())});
  by_key[key] = recent.begin();
  if (recent.size() > kMaxPrimitives) {
    by_key.erase(recent.back().key);
    recent.pop_back();
  }
  return &recent.front();
}

int64_t MatmulCache::Impl::scratch_bytes(const Key &key) {
  const auto found = scratch_sizes.find(key);
  if (found != scratch_sizes.end()) return found->second;
  if (scratch_sizes.size() >= kMaxScratchSizes) scratch_sizes.clear();
  const auto description = describe(key);
  return scratch_sizes[key] = description ? static_cast<int64_t>(description.scratchpad_desc().get_size()) : -1;
}

MatmulCache::MatmulCache() : impl(std::make_unique<Impl>()) {}
MatmulCache::~MatmulCache() = default;

MatmulShape MatmulShape::dense(int64_t m, int64_t n, int64_t k, int32_t c_dtype, int32_t ab_dtype, bool transpose_a,
                               bool transpose_b) {
  return {m, n, k, n, transpose_a ? m : k, transpose_b ? k : n, c_dtype, ab_dtype, transpose_a, transpose_b};
}

std::string matmul_library() {
  const dnnl_version_t *version = dnnl_version();
  std::string isa;
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41: isa = "SSE4.1"; break;
    case dnnl::cpu_isa::avx: isa = "AVX"; break;
    case dnnl::cpu_isa::avx2: isa = "AVX2"; break;
    case dnnl::cpu_isa::avx2_vnni: isa = "AVX2 VNNI"; break;
    case dnnl::cpu_isa::avx2_vnni_2: isa = "AVX2 VNNI2"; break;
    case dnnl::cpu_isa::avx512_core: isa = "AVX-512"; break;
    case dnnl::cpu_isa::avx512_core_vnni: isa = "AVX-512 VNNI"; break;
    case dnnl::cpu_isa::avx512_core_bf16: isa = "AVX-512 BF16"; break;
    case dnnl::cpu_isa::avx512_core_fp16: isa = "AVX-512 FP16"; break;
    case dnnl::cpu_isa::avx512_core_amx: isa = "AMX"; break;
    case dnnl::cpu_isa::avx512_core_amx_fp16: isa = "AMX FP16"; break;
    default: isa = "default ISA"; break;
  }
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch) +
         " " + isa;
}

namespace {

// The way around for CPUs on which oneDNN has no bf16: blocks widened to f32, so that the workspace stays small beside the
// weights. Blocks are large enough for the matmul to hide the widening.
constexpr int64_t kBlockRows = 2048;
constexpr int64_t kBlockDepth = 4096;

MatmulShape f32_block(int64_t m, int64_t n, int64_t k, const MatmulShape &s) {
  return MatmulShape::dense(m, n, k, SAILS_F32, SAILS_F32, s.transpose_a, s.transpose_b);
}

struct BlockSizes {
  int64_t m, n, k, scratch_bytes;
};

BlockSizes block_sizes(CpuDevice &device, const MatmulShape &s) {
  BlockSizes b{std::min(s.m, kBlockRows), std::min(s.n, kBlockRows), std::min(s.k, kBlockDepth), 0};
  // Full blocks and the last ones of each side, the first of a sum and those added to it.
  for (int64_t m : {b.m, s.m % b.m})
    for (int64_t n : {b.n, s.n % b.n})
      for (int64_t k : {b.k, s.k % b.k})
        for (float beta : {0.0f, 1.0f}) {
          if (m == 0 || n == 0 || k == 0) continue;
          const int64_t bytes = device.matmul->impl->scratch_bytes({f32_block(m, n, k, s), 1.0f, beta, device.threads});
          require(bytes >= 0, "oneDNN has no f32 matmul for this CPU");
          b.scratch_bytes = std::max(b.scratch_bytes, bytes);
        }
  return b;
}

// Up to this many rows the weights are better read once, as they are, than widened into blocks.
constexpr int64_t kGemvRows = 4;
bool is_gemv(const MatmulShape &s) { return s.transpose_b && s.m <= kGemvRows; }

int64_t widened_bytes(CpuDevice &device, const MatmulShape &s) {
  if (is_gemv(s)) return aligned_bytes(4 * s.m * s.k) + aligned_bytes(4 * s.m * s.n);
  const BlockSizes b = block_sizes(device, s);
  return aligned_bytes(4 * b.m * b.k) + aligned_bytes(4 * b.k * b.n) + aligned_bytes(4 * b.m * b.n) + aligned_bytes(b.scratch_bytes);
}

// to [rows, cols] f32 = the block of the stored bf16 matrix that starts at (row, col).
void widen_block(CpuDevice &device, float *to, const void *from, int64_t ld, int64_t row, int64_t col, int64_t rows, int64_t cols) {
  const uint16_t *first = static_cast<const uint16_t *>(from) + row * ld + col;
#pragma omp parallel for num_threads(device.threads) schedule(static) if (rows * cols > 16384)
  for (int64_t i = 0; i < rows; i++)
    device.kernels->elementwise->convert(to + i * cols, first + i * ld, cols, SAILS_F32, SAILS_BF16, 1);
}

void execute(CpuDevice &device, Primitive &primitive, void *c, const void *a, const void *b, void *scratch) {
  auto &impl = *device.matmul->impl;
  const dnnl::engine &engine = impl.engine;
  const memory::desc scratch_desc({primitive.scratch_bytes}, memory::data_type::u8, memory::dims{1});
  primitive.matmul.execute(impl.stream, {{DNNL_ARG_SRC, memory(primitive.a, engine, const_cast<void *>(a))},
                                         {DNNL_ARG_WEIGHTS, memory(primitive.b, engine, const_cast<void *>(b))},
                                         {DNNL_ARG_DST, memory(primitive.c, engine, c)},
                                         {DNNL_ARG_SCRATCHPAD, memory(scratch_desc, engine, scratch)}});
}

void gemv(CpuDevice &device, void *c, const void *a, const void *b, const MatmulShape &s, float alpha, float beta, Workspace workspace) {
  auto *a32 = workspace.take<float>(s.m * s.k);
  auto *c32 = workspace.take<float>(s.m * s.n);
  const auto *a16 = static_cast<const uint16_t *>(a);
  if (s.transpose_a) {
    for (int64_t i = 0; i < s.m; i++)
      for (int64_t l = 0; l < s.k; l++)
        device.kernels->elementwise->convert(a32 + i * s.k + l, a16 + l * s.lda + i, 1, SAILS_F32, SAILS_BF16, 1);
  } else {
    widen_block(device, a32, a, s.lda, 0, 0, s.m, s.k);
  }
  device.kernels->gemv->dot_rows(c32, a32, b, s.m, s.n, s.k, s.ldb, device.threads);
  device.kernels->elementwise->scale_add_rows(c, c32, s.m, s.n, s.ldc, alpha, beta, s.c_dtype, device.threads);
}

void blocked_matmul(CpuDevice &device, void *c, const void *a, const void *b, const MatmulShape &s, float alpha, float beta,
                    Workspace workspace) {
  const BlockSizes size = block_sizes(device, s);
  auto *a32 = workspace.take<float>(size.m * size.k);
  auto *b32 = workspace.take<float>(size.k * size.n);
  auto *c32 = workspace.take<float>(size.m * size.n);
  void *scratch = workspace.take<char>(size.scratch_bytes);
  const int64_t c_bytes = s.c_dtype == SAILS_F32 ? 4 : 2;
  for (int64_t j = 0; j < s.n; j += size.n)
    for (int64_t i = 0; i < s.m; i += size.m) {
      const int64_t m = std::min(size.m, s.m - i), n = std::min(size.n, s.n - j);
      for (int64_t l = 0; l < s.k; l += size.k) {
        const int64_t k = std::min(size.k, s.k - l);
        s.transpose_a ? widen_block(device, a32, a, s.lda, l, i, k, m) : widen_block(device, a32, a, s.lda, i, l, m, k);
        s.transpose_b ? widen_block(device, b32, b, s.ldb, j, l, n, k) : widen_block(device, b32, b, s.ldb, l, j, k, n);
        Primitive *primitive = device.matmul->impl->find({f32_block(m, n, k, s), 1.0f, l == 0 ? 0.0f : 1.0f, device.threads});
        require(primitive != nullptr, "oneDNN has no f32 matmul for this CPU");
        execute(device, *primitive, c32, a32, b32, scratch);
      }
      char *c_block = static_cast<char *>(c) + (i * s.ldc + j) * c_bytes;
      device.kernels->elementwise->scale_add_rows(c_block, c32, m, n, s.ldc, alpha, beta, s.c_dtype, device.threads);
    }
}

}  // namespace

int64_t matmul_workspace_bytes(CpuDevice &device, const MatmulShape &shape) {
  if (shape.m == 0 || shape.n == 0 || shape.k == 0) return 0;
  auto &impl = *device.matmul->impl;
  int64_t bytes = 0;
  // A primitive with post-operations may want more scratch than the bare one.
  for (float beta : {0.0f, 1.0f}) {
    const int64_t needed = impl.scratch_bytes({shape, 1.0f, beta, device.threads});
    bytes = std::max(bytes, needed < 0 ? widened_bytes(device, shape) : needed);
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
            void *workspace, int64_t workspace_bytes) {
  if (shape.m == 0 || shape.n == 0) return;
  const auto *elementwise = device.kernels->elementwise;
  if (shape.k == 0) {
    elementwise->scale_add_rows(c, nullptr, shape.m, shape.n, shape.ldc, 0.0f, beta, shape.c_dtype, device.threads);
    return;
  }
  Primitive *primitive = device.matmul->impl->find({shape, alpha, beta, device.threads});
  if (primitive == nullptr) {
    const auto around = is_gemv(shape) ? gemv : blocked_matmul;
    around(device, c, a, b, shape, alpha, beta, Workspace(workspace, workspace_bytes));
    return;
  }
  require_workspace(workspace, workspace_bytes, primitive->scratch_bytes);
  execute(device, *primitive, c, a, b, workspace);
}

namespace backend {

int64_t matmul_workspace_bytes(sails_device &device, int64_t m, int64_t n, int64_t k, int32_t c_dtype, int32_t ab_dtype,
                               int32_t transpose_a, int32_t transpose_b) {
  return any_stride_workspace_bytes(cpu(device),
                                    MatmulShape::dense(m, n, k, c_dtype, ab_dtype, transpose_a != 0, transpose_b != 0));
}

void matmul(sails_device &device, void *c, const void *a, const void *b, int64_t m, int64_t n, int64_t k, int64_t ldc, int64_t lda,
            int64_t ldb, int32_t c_dtype, int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b, float alpha, float beta,
            void *workspace, int64_t workspace_bytes) {
  const MatmulShape shape{m, n, k, ldc, lda, ldb, c_dtype, ab_dtype, transpose_a != 0, transpose_b != 0};
  sails::matmul(cpu(device), c, a, b, shape, alpha, beta, workspace, workspace_bytes);
}

}  // namespace backend
}  // namespace sails
