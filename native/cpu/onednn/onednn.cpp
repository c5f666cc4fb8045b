// libsails_onednn: dense products by oneDNN, primitives compiled once for each shape.
#include "cpu/onednn/onednn.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <limits>
#include <list>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>

#include "sails.h"

namespace sails {
namespace {

using dnnl::memory;

// Bounded because chunked callers and growing KV caches produce new shapes without end.
constexpr size_t kMaxPrimitives = 512;
// Sizes are a few bytes each: forgotten all at once when there are this many.
constexpr size_t kMaxScratchSizes = 8192;

memory::data_type dnnl_type(int32_t dtype) { return dtype == SAILS_F32 ? memory::data_type::f32 : memory::data_type::bf16; }

// oneDNN 3.13 keeps some sizes in 32 bits: from k = 2^48 on it divides by zero while it describes a product.
bool fits(const MatmulShape &s) {
  const int64_t most = std::max({s.m, s.n, s.k, s.ldc, s.lda, s.ldb});
  return most <= std::numeric_limits<int32_t>::max();
}

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

std::string version_and_isa() {
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
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch) + " " +
         isa;
}

}  // namespace

struct OnednnMatmul {
  std::string name = version_and_isa();
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::list<Primitive> recent;  // most recently used first
  std::unordered_map<Key, std::list<Primitive>::iterator, KeyHash> by_key;

  // Scratch bytes by shape, known without compiling anything; -1 stays known too: asking for a description takes half a millisecond.
  std::unordered_map<Key, int64_t, KeyHash> scratch_sizes;

  // Empty where oneDNN has no implementation for this type and these sizes on this CPU.
  dnnl::matmul::primitive_desc describe(const Key &key) const;
  // nullptr where describe is empty.
  Primitive *find(const Key &key);
  // -1 where describe is empty.
  int64_t scratch_bytes(const Key &key);
  int64_t remember(const Key &key, int64_t bytes);
  void execute(Primitive &primitive, void *c, const void *a, const void *b, void *scratch);
};

dnnl::matmul::primitive_desc OnednnMatmul::describe(const Key &key) const {
  const MatmulShape &s = key.shape;
  if (!fits(s)) return {};
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

Primitive *OnednnMatmul::find(const Key &key) {
  const auto found = by_key.find(key);
  if (found != by_key.end()) {
    recent.splice(recent.begin(), recent, found->second);
    return &recent.front();
  }
  const auto refused = scratch_sizes.find(key);
  if (refused != scratch_sizes.end() && refused->second < 0) return nullptr;
  const auto description = describe(key);
  if (!description) {
    remember(key, -1);
    return nullptr;
  }
  recent.push_front({key, description.src_desc(), description.weights_desc(), description.dst_desc(), dnnl::matmul(description),
                     static_cast<int64_t>(description.scratchpad_desc().get_size())});
  by_key[key] = recent.begin();
  if (recent.size() > kMaxPrimitives) {
    by_key.erase(recent.back().key);
    recent.pop_back();
  }
  return &recent.front();
}

int64_t OnednnMatmul::scratch_bytes(const Key &key) {
  const auto found = scratch_sizes.find(key);
  if (found != scratch_sizes.end()) return found->second;
  const auto description = describe(key);
  return remember(key, description ? static_cast<int64_t>(description.scratchpad_desc().get_size()) : -1);
}

int64_t OnednnMatmul::remember(const Key &key, int64_t bytes) {
  if (scratch_sizes.size() >= kMaxScratchSizes) scratch_sizes.clear();
  return scratch_sizes[key] = bytes;
}

void OnednnMatmul::execute(Primitive &primitive, void *c, const void *a, const void *b, void *scratch) {
  const memory::desc scratch_desc({primitive.scratch_bytes}, memory::data_type::u8, memory::dims{1});
  primitive.matmul.execute(stream, {{DNNL_ARG_SRC, memory(primitive.a, engine, const_cast<void *>(a))},
                                    {DNNL_ARG_WEIGHTS, memory(primitive.b, engine, const_cast<void *>(b))},
                                    {DNNL_ARG_DST, memory(primitive.c, engine, c)},
                                    {DNNL_ARG_SCRATCHPAD, memory(scratch_desc, engine, scratch)}});
}

namespace {

// Runs a body and turns what it throws into a status and a sentence.
template <typename Body>
int32_t caught(OnednnError *error, Body &&body) {
  const auto told = [error](const std::string &text) {
    const size_t n = std::min(text.size(), sizeof error->text - 1);
    std::memcpy(error->text, text.data(), n);
    error->text[n] = '\0';
  };
  try {
    body();
    return SAILS_OK;
  } catch (const std::bad_alloc &) {
    told("out of memory");
    return SAILS_OUT_OF_MEMORY;
  } catch (const std::exception &e) {
    told(std::string("oneDNN: ") + e.what());
    return SAILS_FAILED;
  }
}

int32_t open(OnednnMatmul **out, OnednnError *error) {
  *out = nullptr;
  return caught(error, [&] { *out = new OnednnMatmul; });
}

void close(OnednnMatmul *matmul) { delete matmul; }

const char *name(OnednnMatmul *matmul) { return matmul->name.c_str(); }

int32_t scratch_bytes(OnednnMatmul *matmul, int64_t *out_bytes, const MatmulShape *shape, float alpha, float beta, int32_t threads,
                      OnednnError *error) {
  return caught(error, [&] { *out_bytes = matmul->scratch_bytes({*shape, alpha, beta, threads}); });
}

int32_t run(OnednnMatmul *matmul, int32_t *out_done, void *c, const void *a, const void *b, const MatmulShape *shape, float alpha,
            float beta, int32_t threads, void *workspace, int64_t workspace_bytes, OnednnError *error) {
  *out_done = 0;
  return caught(error, [&] {
    Primitive *primitive = matmul->find({*shape, alpha, beta, threads});
    if (primitive == nullptr) return;
    if (workspace_bytes < primitive->scratch_bytes)
      throw std::length_error("workspace of " + std::to_string(workspace_bytes) + " bytes, needs " +
                              std::to_string(primitive->scratch_bytes));
    matmul->execute(*primitive, c, a, b, workspace);
    *out_done = 1;
  });
}

}  // namespace
}  // namespace sails

extern "C" __attribute__((visibility("default"))) const sails::OnednnTable *sails_onednn_table() {
  static const sails::OnednnTable table = {sails::open, sails::close, sails::name, sails::scratch_bytes, sails::run};
  return &table;
}
