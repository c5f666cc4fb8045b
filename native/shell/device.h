// What every backend's shell shares: the handle, errors with their status, checks of arguments, workspaces.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "sails.h"

// A backend's device derives from this.
struct sails_device {
  std::mutex mutex;  // one call at a time takes effect; this order is the queue
  std::string error;
  std::unordered_map<void *, int64_t> allocations;
  int64_t allocated_bytes = 0;
  int64_t peak_bytes = 0;
  bool recording = false;                    // between sails_graph_begin and sails_graph_end
  std::unordered_set<sails_graph *> graphs;  // not closed yet

  sails_device() = default;
  sails_device(const sails_device &) = delete;
  sails_device &operator=(const sails_device &) = delete;
  virtual ~sails_device() = default;
};

// Recorded operations of a backend.
struct sails_graph {
  virtual ~sails_graph() = default;
};

namespace sails {

// An error with the ABI status it becomes. The text is the whole sentence that the user reads.
struct Error : std::exception {
  int32_t status;
  std::string text;
  Error(int32_t status, std::string text) : status(status), text(std::move(text)) {}
  const char *what() const noexcept override { return text.c_str(); }
};

// Checks of what could corrupt memory. Shapes that merely make no sense are the caller's business.
void require(bool condition, const std::string &sentence);
void require_size(int64_t size, const char *name);
// The product of sizes, an error if one is negative or the product in bytes overflows.
int64_t elements(std::initializer_list<int64_t> sizes, const char *name);
// Not NULL unless empty, aligned to `alignment` bytes.
void require_pointer(const void *pointer, int64_t n_elements, int64_t alignment, const char *name);
// f32 or bf16; returns the element size in bytes.
int64_t require_f32_or_bf16(int32_t dtype, const char *name);
// Waiting and allocating cannot be recorded.
void require_not_recording(const sails_device &device);
void require_workspace(const void *workspace, int64_t workspace_bytes, int64_t needed_bytes);

// pointer + dtype in one check, for the common case of an f32|bf16 tensor.
inline void require_tensor(const void *pointer, int64_t n_elements, int32_t dtype, const char *name) {
  require_pointer(pointer, n_elements, require_f32_or_bf16(dtype, name), name);
}
inline void require_f32(const void *pointer, int64_t n_elements, const char *name) { require_pointer(pointer, n_elements, 4, name); }

// Text inside a JSON string.
std::string json_escaped(const std::string &text);

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
  // What is left.
  void *data() const { return next_; }
  int64_t bytes() const { return left_; }

 private:
  char *next_;
  int64_t left_;
};

namespace backend {
void begin(sails_device &device, const char *operation);
void end(sails_device &device) noexcept;
}  // namespace backend

// Runs an operation under the handle's lock and turns what it throws into a status and the handle's sentence.
template <typename Body>
int32_t guarded(sails_device *device, const char *operation, Body &&body) {
  if (device == nullptr) return SAILS_INVALID_ARGUMENT;
  std::lock_guard<std::mutex> lock(device->mutex);
  struct Range {
    sails_device *device = nullptr;
    ~Range() {
      if (device != nullptr) backend::end(*device);
    }
  } range;
  try {
    device->error.clear();
    backend::begin(*device, operation);
    range.device = device;
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

}  // namespace sails
