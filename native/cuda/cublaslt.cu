#include "cuda/cublaslt.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "shell/device.h"

namespace sails {
namespace {

// The part of cublasLt.h (CUDA 12 and 13) that is used here; handles and descriptors are opaque.
using Status = int;
constexpr Status kSuccess = 0, kNotSupported = 15;
constexpr int kComputeF32 = 68, kRealF32 = 0, kRealBf16 = 14;  // cublasComputeType_t, cudaDataType_t
constexpr int kTransA = 3, kTransB = 4;                        // cublasLtMatmulDescAttributes_t
constexpr int kMaxWorkspace = 1, kReductionSchemes = 3,
              kAlignment[4] = {5, 6, 7, 8};   // cublasLtMatmulPreferenceAttributes_t; of A, B, C, D
constexpr uint32_t kReduceInComputeType = 2;  // cublasLtReductionScheme_t
struct Algorithm {
  uint64_t data[8];
};
struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};

using Opaque = void *;
// What is promised of operands: more than the widest access gains nothing and would make plans depend on where an arena has put them.
constexpr size_t kLargestAlignment = 16;

int64_t alignment_of(const void *pointer) {
  size_t alignment = kLargestAlignment;
  while (reinterpret_cast<uintptr_t>(pointer) % alignment != 0) alignment /= 2;
  return static_cast<int64_t>(alignment);
}

// While it lives, calls are allowed that a recording of the calling thread otherwise forbids.
struct Relaxed {
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  Relaxed() { (void)cudaThreadExchangeStreamCaptureMode(&mode); }
  ~Relaxed() { (void)cudaThreadExchangeStreamCaptureMode(&mode); }
};

}  // namespace

struct CublasLt::Library {
  Opaque handle = nullptr;

  Status (*create)(Opaque *);
  Status (*destroy)(Opaque);
  const char *(*status_string)(Status);
  size_t (*version)();
  Status (*desc_create)(Opaque *, int compute, int scale);
  Status (*desc_set)(Opaque, int attribute, const void *value, size_t bytes);
  Status (*desc_destroy)(Opaque);
  Status (*layout_create)(Opaque *, int type, uint64_t rows, uint64_t cols, int64_t ld);
  Status (*layout_destroy)(Opaque);
  Status (*preference_create)(Opaque *);
  Status (*preference_set)(Opaque, int attribute, const void *value, size_t bytes);
  Status (*preference_destroy)(Opaque);
  Status (*heuristic)(Opaque, Opaque desc, Opaque a, Opaque b, Opaque c, Opaque d, Opaque preference, int wanted, HeuristicResult *results,
                      int *found);
  Status (*matmul)(Opaque, Opaque desc, const void *alpha, const void *a, Opaque a_layout, const void *b, Opaque b_layout, const void *beta,
                   const void *c, Opaque c_layout, void *d, Opaque d_layout, const Algorithm *, void *workspace, size_t workspace_bytes,
                   cudaStream_t);

  ~Library() {
    if (handle != nullptr) (void)destroy(handle);
  }

  void check(Status status, const char *function) const {
    if (status != kSuccess) throw Error(SAILS_FAILED, "cuBLASLt: " + told(status, function) + "; the option matmul=own goes without it");
  }
  std::string told(Status status, const char *function) const {
    return std::string(function) + ": " + status_string(status) + " (status " + std::to_string(status) + ")";
  }

  // The name of the function that is missing, NULL where all are there.
  const char *bind(void *opened) {
    const char *missing = nullptr;
    const auto find = [&](auto &function, const char *name) {
      void *symbol = dlsym(opened, name);
      if (symbol == nullptr && missing == nullptr) missing = name;
      function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol);
    };
    find(create, "cublasLtCreate");
    find(destroy, "cublasLtDestroy");
    find(status_string, "cublasLtGetStatusString");
    find(version, "cublasLtGetVersion");
    find(desc_create, "cublasLtMatmulDescCreate");
    find(desc_set, "cublasLtMatmulDescSetAttribute");
    find(desc_destroy, "cublasLtMatmulDescDestroy");
    find(layout_create, "cublasLtMatrixLayoutCreate");
    find(layout_destroy, "cublasLtMatrixLayoutDestroy");
    find(preference_create, "cublasLtMatmulPreferenceCreate");
    find(preference_set, "cublasLtMatmulPreferenceSetAttribute");
    find(preference_destroy, "cublasLtMatmulPreferenceDestroy");
    find(heuristic, "cublasLtMatmulAlgoGetHeuristic");
    find(matmul, "cublasLtMatmul");
    return missing;
  }
};

// How a product of one shape is computed. The library counts columns first: its a is our b, its b our a, and its result our c, each
// transposed.
struct CublasLt::Plan {
  const Library &library;
  Opaque desc = nullptr, a = nullptr, b = nullptr, c = nullptr;
  HeuristicResult result = {};
  bool found = false;

  explicit Plan(const Library &library) : library(library) {}
  ~Plan() {
    for (Opaque layout : {a, b, c})
      if (layout != nullptr) (void)library.layout_destroy(layout);
    if (desc != nullptr) (void)library.desc_destroy(desc);
  }
};

std::unique_ptr<CublasLt> CublasLt::open(const std::string &path) {
  std::vector<std::string> places = {path};
  if (path.empty()) {
    const char *named = std::getenv("SAILS_CUBLASLT");
    places = {"libcublasLt.so.13", "libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.13",
              "/usr/local/cuda/lib64/libcublasLt.so.12"};
    if (named != nullptr && *named != '\0') places = {named};
  }
  std::string why;
  for (const std::string &place : places) {
    // Stays loaded for good: it keeps threads and device code of its own.
    void *opened = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (opened == nullptr) {
      why += std::string("; ") + dlerror();
      continue;
    }
    auto library = std::make_unique<Library>();
    if (const char *missing = library->bind(opened)) {
      why += "; " + place + " has no " + missing;
      continue;
    }
    // A driver may be too old for one version and do for the next.
    if (const Status status = library->create(&library->handle); status != kSuccess) {
      library->handle = nullptr;
      why += "; " + place + ": " + library->told(status, "cublasLtCreate");
      continue;
    }
    const size_t version = library->version();
    const std::string name = "cuBLASLt " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
                             std::to_string(version % 100) + " (" + place + ")";
    return std::unique_ptr<CublasLt>(new CublasLt(std::move(library), name));
  }
  throw Error(SAILS_UNSUPPORTED,
              "option matmul=cublaslt: cuBLASLt cannot be opened" + why +
                  "; install it, name its file by the option cublaslt=PATH or the environment's SAILS_CUBLASLT, or leave the option out");
}

CublasLt::CublasLt(std::unique_ptr<Library> library, std::string name) : library_(std::move(library)), name_(std::move(name)) {}

CublasLt::~CublasLt() = default;

std::shared_ptr<const CublasLt::Plan> CublasLt::plan(const kernels::MatmulProblem &p, const void *addend) {
  constexpr size_t kMostPlans = 4096;
  const int64_t alignment[4] = {alignment_of(p.b), alignment_of(p.a), alignment_of(addend), alignment_of(p.c)};
  const int64_t flags = (p.c_bf16 ? 1 : 0) | (p.ab_bf16 ? 2 : 0) | (p.transpose_a ? 4 : 0) | (p.transpose_b ? 8 : 0);
  const Key key = {p.m, p.n, p.k, p.ldc, p.lda, p.ldb, flags, alignment[0], alignment[1], alignment[2], alignment[3]};
  if (const auto known = plans_.find(key); known != plans_.end()) return known->second;
  if (plans_.size() >= kMostPlans) plans_.clear();
  const Library &lt = *library_;
  auto plan = std::make_shared<Plan>(lt);
  const auto unsigned_of = [](int64_t x) { return static_cast<uint64_t>(x); };
  const int ab = p.ab_bf16 ? kRealBf16 : kRealF32, c = p.c_bf16 ? kRealBf16 : kRealF32;
  lt.check(lt.desc_create(&plan->desc, kComputeF32, kRealF32), "cublasLtMatmulDescCreate");
  const int32_t trans_a = p.transpose_b ? 1 : 0, trans_b = p.transpose_a ? 1 : 0;  // CUBLAS_OP_N, CUBLAS_OP_T
  lt.check(lt.desc_set(plan->desc, kTransA, &trans_a, sizeof trans_a), "cublasLtMatmulDescSetAttribute");
  lt.check(lt.desc_set(plan->desc, kTransB, &trans_b, sizeof trans_b), "cublasLtMatmulDescSetAttribute");
  lt.check(lt.layout_create(&plan->a, ab, unsigned_of(p.transpose_b ? p.k : p.n), unsigned_of(p.transpose_b ? p.n : p.k), p.ldb),
           "cublasLtMatrixLayoutCreate");
  lt.check(lt.layout_create(&plan->b, ab, unsigned_of(p.transpose_a ? p.m : p.k), unsigned_of(p.transpose_a ? p.k : p.m), p.lda),
           "cublasLtMatrixLayoutCreate");
  lt.check(lt.layout_create(&plan->c, c, unsigned_of(p.n), unsigned_of(p.m), p.ldc), "cublasLtMatrixLayoutCreate");
  Opaque preference = nullptr;
  lt.check(lt.preference_create(&preference), "cublasLtMatmulPreferenceCreate");
  const std::unique_ptr<void, Status (*)(Opaque)> owned(preference, lt.preference_destroy);
  const uint64_t bytes = kScratchBytes;
  lt.check(lt.preference_set(preference, kMaxWorkspace, &bytes, sizeof bytes), "cublasLtMatmulPreferenceSetAttribute");
  lt.check(lt.preference_set(preference, kReductionSchemes, &kReduceInComputeType, sizeof kReduceInComputeType),
           "cublasLtMatmulPreferenceSetAttribute");
  for (int i = 0; i < 4; i++) {
    const auto value = static_cast<uint32_t>(alignment[i]);
    lt.check(lt.preference_set(preference, kAlignment[i], &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute");
  }
  int found = 0;
  Status status;
  {
    // The library may ask the driver for what a recording of this thread's would forbid.
    const Relaxed while_asking;
    status = lt.heuristic(lt.handle, plan->desc, plan->a, plan->b, plan->c, plan->c, preference, 1, &plan->result, &found);
  }
  if (status != kNotSupported) lt.check(status, "cublasLtMatmulAlgoGetHeuristic");
  plan->found = status == kSuccess && found > 0 && plan->result.state == kSuccess;
  return plans_[key] = std::move(plan);
}

bool CublasLt::multiply(cudaStream_t stream, const kernels::MatmulProblem &p, void *workspace) {
  if (p.m == 0 || p.n == 0 || p.k == 0 || p.m_limit != nullptr || p.bias != nullptr || p.low_rank.r > 0) return false;
  const void *addend = p.beta != 0.0f && p.addend != nullptr ? p.addend : p.c;
  const std::shared_ptr<const Plan> how = plan(p, addend);
  if (!how->found) return false;
  const auto first = (reinterpret_cast<uintptr_t>(workspace) + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment;
  const auto run = [&library = *library_, how, p, addend, scratch = reinterpret_cast<void *>(first)](cudaStream_t on) {
    library.check(library.matmul(library.handle, how->desc, &p.alpha, p.b, how->a, p.a, how->b, &p.beta, addend, how->c, p.c, how->c,
                                 &how->result.algorithm, scratch, kScratchBytes, on),
                  "cublasLtMatmul");
  };
#ifdef SAILS_EMULATOR
  // There is no card that the library could queue for: a stand-in computes when the product's turn comes, in a recording each time anew.
  queued_.push_back([run] { run(nullptr); });
  const cudaHostFn_t at_its_turn = [](void *queued) { (*static_cast<std::function<void()> *>(queued))(); };
  if (cudaLaunchHostFunc(stream, at_its_turn, &queued_.back()) != cudaSuccess) throw Error(SAILS_FAILED, "cudaLaunchHostFunc has failed");
#else
  run(stream);
#endif
  return true;
}

}  // namespace sails
