#include "matmul.h"

#include <list>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>

#include "device.h"

namespace sails {
namespace {

using dnnl::memory;

// Bounded because chunked callers and growing KV caches produce new shapes without end.
constexpr size_t kMaxPrimitives = 512;

memory::data_type dnnl_type(int32_t dtype) { return dtype == SAILS_F32 ? memory::data_type::f32 : memory::data_type::bf16; }

// A stored matrix of row stride ld, seen as rows x cols, possibly through its transpose.
memory::desc matrix_desc(int64_t rows, int64_t cols, int64_t ld, bool transposed, int32_t dtype) {
  const memory::dims strides = transposed ? memory::dims{1, ld} : memory::dims{ld, 1};
  return memory::desc({rows, cols}, dnnl_type(dtype), strides);
}

struct Key {
  MatmulShape shape;
  float alpha, beta;
  int threads;
  auto tie() const {
    return std::tie(shape.m, shape.n, shape.k, shape.ldc, shape.lda, shape.ldb, shape.c_dtype, shape.ab_dtype, shape.transpose_a,
                    shape.transpose_b, alpha, beta, threads);
  }
  bool operator==(const Key &other) const { return tie() == other.tie(); }
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

  // nullptr where oneDNN has no implementation for this type on this CPU.
  Primitive *find(const Key &key);
};

Primitive *MatmulCache::Impl::find(const Key &key) {
  const auto found = by_key.find(key);
  if (found != by_key.end()) {
    recent.splice(recent.begin(), recent, found->second);
    return &recent.front();
  }
  const MatmulShape &s = key.shape;
  const auto a = matrix_desc(s.m, s.k, s.lda, s.transpose_a, s.ab_dtype);
  const auto b = matrix_desc(s.k, s.n, s.ldb, s.transpose_b, s.ab_dtype);
  const auto c = matrix_desc(s.m, s.n, s.ldc, false, s.c_dtype);
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_fpmath_mode(dnnl::fpmath_mode::strict);
  dnnl::post_ops ops;
  if (key.alpha != 1.0f) ops.append_eltwise(dnnl::algorithm::eltwise_linear, key.alpha, 0.0f);
  if (key.beta != 0.0f) ops.append_sum(key.beta);
  attr.set_post_ops(ops);
  const dnnl::matmul::primitive_desc description(engine, a, b, c, attr, /*allow_empty=*/true);
  if (!description) return nullptr;
  recent.push_front({key, a, b, c, dnnl::matmul(description), static_cast<int64_t>(description.scratchpad_desc().get_size())});
  by_key[key] = recent.begin();
  if (recent.size() > kMaxPrimitives) {
    by_key.erase(recent.back().key);
    recent.pop_back();
  }
  return &recent.front();
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

// Shape and workspace of the way around for CPUs on which oneDNN has no bf16: everything in f32.
MatmulShape in_f32(const MatmulShape &s) {
  return MatmulShape::dense(s.m, s.n, s.k, SAILS_F32, SAILS_F32, s.transpose_a, s.transpose_b);
}

int64_t fallback_bytes(sails_device &device, const MatmulShape &s) {
  const Primitive *primitive = device.matmul->impl->find({in_f32(s), 1.0f, 0.0f, device.threads});
  require(primitive != nullptr, "oneDNN has no f32 matmul for this CPU");
  return aligned_bytes(4 * s.m * s.k) + aligned_bytes(4 * s.k * s.n) + aligned_bytes(4 * s.m * s.n) +
         aligned_bytes(primitive->scratch_bytes);
}

void convert_rows(sails_device &device, float *to, const void *from, int64_t rows, int64_t cols, int64_t ld) {
  for (int64_t i = 0; i < rows; i++)
    device.kernels->elementwise->convert(to + i * cols, static_cast<const uint16_t *>(from) + i * ld, cols, SAILS_F32, SAILS_BF16, 1);
}

void execute(sails_device &device, Primitive &primitive, void *c, const void *a, const void *b, void *scratch) {
  auto &impl = *device.matmul->impl;
  const dnnl::engine &engine = impl.engine;
  const memory::desc scratch_desc({primitive.scratch_bytes}, memory::data_type::u8, memory::dims{1});
  primitive.matmul.execute(impl.stream, {{DNNL_ARG_SRC, memory(primitive.a, engine, const_cast<void *>(a))},
                                         {DNNL_ARG_WEIGHTS, memory(primitive.b, engine, const_cast<void *>(b))},
                                         {DNNL_ARG_DST, memory(primitive.c, engine, c)},
                                         {DNNL_ARG_SCRATCHPAD, memory(scratch_desc, engine, scratch)}});
}

void matmul_through_f32(sails_device &device, void *c, const void *a, const void *b, const MatmulShape &s, float alpha, float beta,
                        Workspace workspace) {
  const int64_t a_rows = s.transpose_a ? s.k : s.m, a_cols = s.transpose_a ? s.m : s.k;
  const int64_t b_rows = s.transpose_b ? s.n : s.k, b_cols = s.transpose_b ? s.k : s.n;
  auto *a32 = workspace.take<float>(s.m * s.k);
  auto *b32 = workspace.take<float>(s.k * s.n);
  auto *c32 = workspace.take<float>(s.m * s.n);
  convert_rows(device, a32, a, a_rows, a_cols, s.lda);
  convert_rows(device, b32, b, b_rows, b_cols, s.ldb);
  Primitive *primitive = device.matmul->impl->find({in_f32(s), 1.0f, 0.0f, device.threads});
  require(primitive != nullptr, "oneDNN has no f32 matmul for this CPU");
  execute(device, *primitive, c32, a32, b32, workspace.take<char>(primitive->scratch_bytes));
  device.kernels->elementwise->scale_add_rows(c, c32, s.m, s.n, s.ldc, alpha, beta, s.c_dtype, device.threads);
}

}  // namespace

int64_t matmul_workspace_bytes(sails_device &device, const MatmulShape &shape) {
  if (shape.m == 0 || shape.n == 0 || shape.k == 0) return 0;
  int64_t bytes = 0;
  // A primitive with post-operations may want more scratch than the bare one.
  for (const Key &key : {Key{shape, 1.0f, 0.0f, device.threads}, Key{shape, 1.0f, 1.0f, device.threads}}) {
    const Primitive *primitive = device.matmul->impl->find(key);
    const int64_t needed = primitive == nullptr ? fallback_bytes(device, shape) : primitive->scratch_bytes;
    if (needed > bytes) bytes = needed;
  }
  return aligned_bytes(bytes);
}

void matmul(sails_device &device, void *c, const void *a, const void *b, const MatmulShape &shape, float alpha, float beta,
            void *workspace, int64_t workspace_bytes) {
  if (shape.m == 0 || shape.n == 0) return;
  const auto *elementwise = device.kernels->elementwise;
  if (shape.k == 0) {
    elementwise->scale_add_rows(c, nullptr, shape.m, shape.n, shape.ldc, 0.0f, beta, shape.c_dtype, device.threads);
    return;
  }
  Primitive *primitive = device.matmul->impl->find({shape, alpha, beta, device.threads});
  if (primitive == nullptr) {
    matmul_through_f32(device, c, a, b, shape, alpha, beta, Workspace(workspace, workspace_bytes));
    return;
  }
  require_workspace(workspace, workspace_bytes, primitive->scratch_bytes);
  execute(device, *primitive, c, a, b, workspace);
}

namespace {

MatmulShape checked_shape(int64_t m, int64_t n, int64_t k, int64_t ldc, int64_t lda, int64_t ldb, int32_t c_dtype, int32_t ab_dtype,
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
  return {m, n, k, ldc, lda, ldb, c_dtype, ab_dtype, transpose_a != 0, transpose_b != 0};
}

}  // namespace
}  // namespace sails

extern "C" {

int32_t sails_matmul_workspace_bytes(sails_device *device, int64_t *out_bytes, int64_t m, int64_t n, int64_t k, int32_t c_dtype,
                                     int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b) {
  return sails::guarded(device, "sails_matmul_workspace_bytes", [&] {
    sails::require(out_bytes != nullptr, "out_bytes is NULL");
    const auto shape = sails::checked_shape(m, n, k, n, transpose_a ? m : k, transpose_b ? k : n, c_dtype, ab_dtype, transpose_a, transpose_b);
    *out_bytes = sails::matmul_workspace_bytes(*device, shape);
  });
}

int32_t sails_matmul(sails_device *device, void *c, const void *a, const void *b, int64_t m, int64_t n, int64_t k, int64_t ldc,
                     int64_t lda, int64_t ldb, int32_t c_dtype, int32_t ab_dtype, int32_t transpose_a, int32_t transpose_b,
                     float alpha, float beta, void *workspace, int64_t workspace_bytes) {
  return sails::guarded(device, "sails_matmul", [&] {
    const auto shape = sails::checked_shape(m, n, k, ldc, lda, ldb, c_dtype, ab_dtype, transpose_a, transpose_b);
    sails::require_tensor(c, m * n, c_dtype, "c");
    if (m * n > 0) {
      sails::require_tensor(a, m * k, ab_dtype, "a");
      sails::require_tensor(b, k * n, ab_dtype, "b");
    }
    sails::matmul(*device, c, a, b, shape, alpha, beta, workspace, workspace_bytes);
  });
}

}  // extern "C"
