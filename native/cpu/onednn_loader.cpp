// Opens libsails_onednn where it lies beside this library.
#include <dlfcn.h>

#include <filesystem>

#include "cpu/matmul.h"
#include "cpu/onednn/onednn.h"
#include "shell/device.h"

namespace sails {

struct Onednn::Impl {
  const OnednnTable *table = nullptr;
  OnednnMatmul *matmul = nullptr;
  bool multiplies_f32 = false, multiplies_bf16 = false;
  ~Impl() {
    if (matmul != nullptr) table->close(matmul);
  }
};

namespace {

std::filesystem::path beside(const char *file) {
  Dl_info info;
  require(dladdr(reinterpret_cast<const void *>(&beside), &info) != 0 && info.dli_fname != nullptr, "this library's own path is not known");
  return std::filesystem::path(info.dli_fname).parent_path() / file;
}

void check(int32_t status, const OnednnError &error) {
  if (status != SAILS_OK) throw Error(status, error.text);
}

}  // namespace

Onednn::Onednn(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Onednn::~Onednn() = default;

std::unique_ptr<Onednn> Onednn::open_beside() {
  const auto path = beside("libsails_onednn.so");
  if (!std::filesystem::exists(path)) return nullptr;
  const auto failed = [] { return std::string(dlerror()) + "; option matmul=own goes without oneDNN"; };
  // Stays loaded for good, as this library does: the primitives' threads may outlive a device.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Error(SAILS_UNSUPPORTED, failed());
  auto *table = reinterpret_cast<OnednnTableFunction *>(dlsym(library, kOnednnTableSymbol));
  if (table == nullptr) throw Error(SAILS_UNSUPPORTED, failed());
  auto impl = std::make_unique<Impl>();
  impl->table = table();
  OnednnError error{};
  check(impl->table->open(&impl->matmul, &error), error);
  std::unique_ptr<Onednn> onednn(new Onednn(std::move(impl)));
  const auto has = [&](int32_t ab_dtype, int32_t c_dtype) {
    return onednn->scratch_bytes(MatmulShape::dense(64, 64, 64, c_dtype, ab_dtype, false, true), 1.0f, 0.0f, 1) >= 0;
  };
  onednn->impl_->multiplies_f32 = has(SAILS_F32, SAILS_F32);
  onednn->impl_->multiplies_bf16 = has(SAILS_BF16, SAILS_F32) && has(SAILS_BF16, SAILS_BF16);
  return onednn;
}

std::string Onednn::name() const { return impl_->table->name(impl_->matmul); }

bool Onednn::multiplies(int32_t ab_dtype) const { return ab_dtype == SAILS_F32 ? impl_->multiplies_f32 : impl_->multiplies_bf16; }

int64_t Onednn::scratch_bytes(const MatmulShape &shape, float alpha, float beta, int threads) {
  OnednnError error{};
  int64_t bytes = 0;
  check(impl_->table->scratch_bytes(impl_->matmul, &bytes, &shape, alpha, beta, threads, &error), error);
  return bytes;
}

bool Onednn::run(void *c, const void *a, const void *b, const MatmulShape &shape, float alpha, float beta, int threads, void *workspace,
                 int64_t workspace_bytes) {
  OnednnError error{};
  int32_t done = 0;
  check(impl_->table->run(impl_->matmul, &done, c, a, b, &shape, alpha, beta, threads, workspace, workspace_bytes, &error), error);
  return done != 0;
}

}  // namespace sails
