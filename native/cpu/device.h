// The CPU device handle and the shell around every ABI function.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>

#include "isa/kernels.h"
#include "sails.h"

namespace sails {

class MatmulCache;  // matmul.cpp

// An error with the ABI status it becomes. The text is the whole sentence that the user reads.
struct Error : std::exception {
  int32_t status;
  std::string text;
  Error(int32_t status, std::string text) : status(status), text(std::move(text)) {}
  const char *what() const noexcept override { return text.c_str(); }
};

}  // namespace sails

struct sails_device {
  std::mutex mutex;  // one call at a time takes effect; this order is the queue
  int threads = 1;
  std::string isa;
  std::string error;
  const sails::Kernels *kernels = nullptr;
  std::unordered_map<void *, int64_t> allocations;
  int64_t allocated_bytes = 0;
  int64_t peak_bytes = 0;
  std::unique_ptr<sails::MatmulCache> matmul;

  sails_device();
  ~sails_device();
};

namespace sails {

// Sets the thread count that OpenMP (ours and oneDNN's) uses for calls from this OS thread.
void use_threads(int threads);
// The number of the calling thread in its OpenMP team.
int64_t thread_number();

// Runs an operation under the handle's lock and turns what it throws into a status and the handle's sentence.
template <typename Body>
int32_t guarded(sails_device *device, const char *operation, Body &&body) {
  if (device == nullptr) return SAILS_INVALID_ARGUMENT;
  std::lock_guard<std::mutex> lock(device->mutex);
  try {
    device->error.clear();
    use_threads(device->threads);
    body();
    return SAILS_OK;
  } catch (const Error &e) {
    device->error = std::string(operation) + ": " + e.text;
    return e.status;
  } catch (const std::bad_alloc &) {
    device->error = std::string(operation) + ": out of memory";
    return SAILS_OUT_OF_MEMORY;
  } catch (const std::exception &e) {
    device->error = std::string(operation) + ": " + e.what();
    return SAILS_FAILED;
  }
}

// Checks of what could corrupt memory. Shapes that merely make no sense are the caller's business.
void require(bool condition, const std::string &sentence);
void require_size(int64_t size, const char *name);
// The product of sizes, an error if one is negative or the product in bytes overflows.
int64_t elements(std::initializer_list<int64_t> sizes, const char *name);
// Not NULL unless empty, aligned to `alignment` bytes.
void require_pointer(const void *pointer, int64_t n_elements, int64_t alignment, const char *name);
// f32 or bf16; returns the element size in bytes.
int64_t require_f32_or_bf16(int32_t dtype, const char *name);
void require_workspace(const void *workspace, int64_t workspace_bytes, int64_t needed_bytes);

// pointer + dtype in one check, for the common case of an f32|bf16 tensor.
inline void require_tensor(const void *pointer, int64_t n_elements, int32_t dtype, const char *name) {
  require_pointer(pointer, n_elements, require_f32_or_bf16(dtype, name), name);
}
inline void require_f32(const void *pointer, int64_t n_elements, const char *name) {
  require_pointer(pointer, n_elements, 4, name);
}

// Rounds up to the 64 bytes in which workspaces are cut.
inline int64_t aligned_bytes(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Cuts a workspace into aligned pieces, in the order in which *_workspace_bytes summed them.
class Workspace {
 public:
  Workspace(void *base, int64_t bytes) : next_(static_cast<char *>(base)), left_(bytes) {}
  template <typename T>
  T *take(int64_t count) {
    const int64_t bytes = aligned_bytes(count * static_cast<int64_t>(sizeof(T)));
    require_workspace(next_, left_, bytes);
    T *piece = reinterpret_cast<T *>(next_);
    next_ += bytes;
    left_ -= bytes;
    return piece;
  }

 private:
  char *next_;
  int64_t left_;
};

}  // namespace sails
