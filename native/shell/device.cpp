// Opening, describing and closing a device, and the helpers of the checks.
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

#include "shell/checks.h"

namespace sails {

namespace {
// More is a mistake in the number: no machine of today has as many cores to give.
constexpr int32_t kMaxThreads = 1024;

struct Handles {
  std::mutex mutex;
  std::map<uintptr_t, std::shared_ptr<sails_device>> open;
  uintptr_t last = 0;
};

// The one thing that is global: without it no call could tell a handle that is closed. Never destroyed: other threads of the program may
// call while it ends.
Handles &handles() {
  static Handles *instance = new Handles;
  return *instance;
}

}  // namespace

sails_device *enter_handle(std::unique_ptr<sails_device> device) {
  Handles &all = handles();
  std::lock_guard<std::mutex> lock(all.mutex);
  // Aligned like an address, for callers that look.
  const uintptr_t number = all.last + alignof(std::max_align_t);
  all.open.emplace(number, std::move(device));
  all.last = number;
  return reinterpret_cast<sails_device *>(number);
}

std::shared_ptr<sails_device> find_handle(const sails_device *handle) noexcept {
  Handles &all = handles();
  std::lock_guard<std::mutex> lock(all.mutex);
  const auto found = all.open.find(reinterpret_cast<uintptr_t>(handle));
  return found == all.open.end() ? nullptr : found->second;
}

std::shared_ptr<sails_device> remove_handle(const sails_device *handle) noexcept {
  Handles &all = handles();
  std::lock_guard<std::mutex> lock(all.mutex);
  const auto found = all.open.find(reinterpret_cast<uintptr_t>(handle));
  if (found == all.open.end()) return nullptr;
  std::shared_ptr<sails_device> device = std::move(found->second);
  all.open.erase(found);
  return device;
}

void keep_error(sails_device &device, const char *operation, const char *text) noexcept {
  std::snprintf(device.error, sizeof device.error, "%s: %s", operation, text);
}

void require_size(int64_t size, const char *name) { require(size >= 0, name, " is ", size, ", expected 0 or more"); }

int64_t elements(std::initializer_list<int64_t> sizes, const char *name) {
  // 2^44 elements of 4 bytes are 64 TiB, more than one tensor ever has, and a workspace of many times that stays within int64_t.
  constexpr int64_t kMost = int64_t{1} << 44;
  int64_t product = 1;
  for (int64_t size : sizes) {
    require_size(size, name);
    // Each by itself too: a 0 among them does not make the others right.
    require(size < kMost && !__builtin_mul_overflow(product, size, &product) && product < kMost, name,
            ": the product of its sizes is 2^44 or more");
  }
  return product;
}

void require_pointer(const void *pointer, int64_t n_elements, int64_t alignment, const char *name) {
  if (n_elements == 0) return;
  require(pointer != nullptr, name, " is NULL");
  require(reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(alignment) == 0, name, " is not aligned to ", alignment, " bytes");
}

void require_heads(int64_t n_heads, int64_t n_kv_heads, int64_t head_dim) {
  // The variants divide by it.
  require(head_dim > 0, "head_dim is 0");
  require(n_kv_heads > 0 && n_heads % n_kv_heads == 0, "n_heads is ", n_heads, ", no multiple of n_kv_heads ", n_kv_heads);
}

int64_t require_f32_or_bf16(int32_t dtype, const char *name) {
  require(dtype == SAILS_F32 || dtype == SAILS_BF16, name, " has dtype ", dtype, ", expected f32 (0) or bf16 (1)");
  return dtype == SAILS_F32 ? 4 : 2;
}

void require_workspace(const void *workspace, int64_t workspace_bytes, int64_t needed_bytes) {
  require(workspace_bytes >= needed_bytes, "workspace has ", workspace_bytes, " bytes, ", needed_bytes, " are needed");
  require_pointer(workspace, needed_bytes, 64, "workspace");
}

void require_not_recording(const sails_device &device) {
  require(!device.recording, "the device is recording a graph; allocate, free and wait before sails_graph_begin or after sails_graph_end");
}

std::string json_escaped(const std::string &text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out;
}

namespace {

void copy_text(const char *text, char *destination, int64_t bytes) {
  if (destination == nullptr || bytes <= 0) return;
  const size_t n = std::min(std::strlen(text), static_cast<size_t>(bytes - 1));
  std::memcpy(destination, text, n);
  destination[n] = '\0';
}

// What the caller did not free. A failure has no handle left that could tell it, nothing that the caller could do, and must not keep the
// rest.
void release_all(sails_device &device) {
  const auto each = [&](auto &&body) { (void)guarded_with_lock(&device, "sails_device_close", body); };
  if (device.recording) each([&] { backend::graph_end(device); });
  for (sails_graph *graph : device.graphs) delete graph;
  for (const auto &allocation : device.allocations) each([&] { backend::release(device, allocation.first); });
}

}  // namespace
}  // namespace sails

extern "C" {

int32_t sails_abi_version(int32_t *out_version) {
  if (out_version == nullptr) return SAILS_INVALID_ARGUMENT;
  *out_version = SAILS_ABI_VERSION;
  return SAILS_OK;
}

int32_t sails_device_open(sails_device **out_device, int32_t ordinal, int32_t n_threads, const char *options, char *error_text,
                          int64_t error_bytes) {
  if (out_device == nullptr) return SAILS_INVALID_ARGUMENT;
  *out_device = nullptr;
  try {
    require(n_threads >= 0 && n_threads <= sails::kMaxThreads, "n_threads is ", n_threads, ", expected 0 to ", sails::kMaxThreads);
    *out_device = sails::enter_handle(backend::open(ordinal, n_threads, options == nullptr ? "" : options));
    return SAILS_OK;
  } catch (const sails::Error &e) {
    sails::copy_text(e.text.c_str(), error_text, error_bytes);
    return e.status;
  } catch (const std::bad_alloc &) {
    sails::copy_text("sails_device_open: out of memory", error_text, error_bytes);
    return SAILS_OUT_OF_MEMORY;
  } catch (const std::exception &e) {
    sails::copy_text(e.what(), error_text, error_bytes);
    return SAILS_FAILED;
  }
}

int32_t sails_device_close(sails_device *device) {
  // The device goes when the calls that wait for it have gone.
  const std::shared_ptr<sails_device> closing = sails::remove_handle(device);
  if (closing == nullptr) return SAILS_INVALID_ARGUMENT;
  std::lock_guard<std::mutex> lock(closing->mutex);
  closing->closed = true;
  sails::release_all(*closing);
  return SAILS_OK;
}

int32_t sails_device_error(sails_device *device, char *text, int64_t text_bytes) {
  const std::shared_ptr<sails_device> open = sails::find_handle(device);
  if (open == nullptr || text == nullptr || text_bytes <= 0) return SAILS_INVALID_ARGUMENT;
  std::lock_guard<std::mutex> lock(open->mutex);
  if (open->closed) return SAILS_INVALID_ARGUMENT;
  sails::copy_text(open->error, text, text_bytes);
  return SAILS_OK;
}

int32_t sails_device_describe(sails_device *device, char *text, int64_t text_bytes) {
  return guarded(device, "sails_device_describe", [&] {
    require(text != nullptr && text_bytes > 0, "text is NULL or empty");
    sails::copy_text(backend::describe(*device).c_str(), text, text_bytes);
  });
}

int32_t sails_device_host_accessible(sails_device *device, int32_t *out_accessible) {
  return guarded(device, "sails_device_host_accessible", [&] {
    require(out_accessible != nullptr, "out_accessible is NULL");
    *out_accessible = backend::host_accessible(*device) ? 1 : 0;
  });
}

int32_t sails_device_memory(sails_device *device, int64_t *out_allocated_bytes, int64_t *out_peak_bytes) {
  return guarded(device, "sails_device_memory", [&] {
    require(out_allocated_bytes != nullptr && out_peak_bytes != nullptr, "an out pointer is NULL");
    *out_allocated_bytes = device->allocated_bytes;
    *out_peak_bytes = device->peak_bytes;
  });
}

}  // extern "C"
