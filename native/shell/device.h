// What every backend's shell shares: the handle, errors with their status, checks of arguments, workspaces.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "sails.h"

// A backend's device derives from this.
struct sails_device {
  // A sentence is cut here. No std::string: that memory has run out must be told without memory.
  static constexpr int64_t kMostSentenceBytes = 4096;

  std::mutex mutex;     // one call at a time takes effect; this order is the queue
  bool closed = false;  // a call that waited while the device was closed finds this
  char error[kMostSentenceBytes] = "";
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

inline std::string text_of(const char *text) { return text; }
inline const std::string &text_of(const std::string &text) { return text; }
template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
std::string text_of(Number number) {
  return std::to_string(number);
}
template <typename... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void refuse(const Parts &...parts) {
  throw Error(SAILS_INVALID_ARGUMENT, (text_of(parts) + ...));
}

// Checks of what could corrupt memory. Shapes that merely make no sense are the caller's business. The sentence is made of its parts only
// where the condition fails: these checks stand in front of every operation.
template <typename... Parts>
void require(bool condition, const Parts &...parts) {
  if (!condition) refuse(parts...);
}
void require_size(int64_t size, const char *name);
// The product of sizes, an error if one is negative or the product in bytes overflows.
int64_t elements(std::initializer_list<int64_t> sizes, const char *name);
// Not NULL unless empty, aligned to `alignment` bytes.
void require_pointer(const void *pointer, int64_t n_elements, int64_t alignment, const char *name);
// Queries' heads share those of keys and values evenly.
void require_heads(int64_t n_heads, int64_t n_kv_heads, int64_t head_dim);
// f32 or bf16; returns the element size in bytes.
int64_t require_f32_or_bf16(int32_t dtype, const char *name);
// Positions are kept in int32_t.
inline constexpr int64_t kMostPositions = int64_t{1} << 31;
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

// The devices that are open. A handle is the number of its opening and no address: what is closed is never taken for what was opened
// later, and is refused without being looked at.
sails_device *enter_handle(std::unique_ptr<sails_device> device);
// Empty where no device of this handle is open.
std::shared_ptr<sails_device> find_handle(const sails_device *handle) noexcept;
std::shared_ptr<sails_device> remove_handle(const sails_device *handle) noexcept;

// The sentence of a failure; allocates nothing.
void keep_error(sails_device &device, const char *operation, const char *text) noexcept;

// Runs an operation on a device whose lock is held, and turns what it throws into a status and the handle's sentence.
template <typename Body>
int32_t guarded_with_lock(sails_device *device, const char *operation, Body &&body) {
  struct Range {
    sails_device *device = nullptr;
    ~Range() {
      if (device != nullptr) backend::end(*device);
    }
  } range;
  try {
    device->error[0] = '\0';
    backend::begin(*device, operation);
    range.device = device;
    body();
    return SAILS_OK;
  } catch (const Error &e) {
    keep_error(*device, operation, e.text.c_str());
    return e.status;
  } catch (const std::bad_alloc &) {
    keep_error(*device, operation, "out of memory");
    return SAILS_OUT_OF_MEMORY;
  } catch (const std::exception &e) {
    keep_error(*device, operation, e.what());
    return SAILS_FAILED;
  }
}

// The same under the lock of a handle. `device` is the handle on the way in, and for the body the device that it stands for.
template <typename Body>
int32_t guarded(sails_device *&device, const char *operation, Body &&body) {
  const std::shared_ptr<sails_device> open = find_handle(device);
  if (open == nullptr) return SAILS_INVALID_ARGUMENT;
  std::lock_guard<std::mutex> lock(open->mutex);
  if (open->closed) return SAILS_INVALID_ARGUMENT;
  device = open.get();
  return guarded_with_lock(device, operation, body);
}

}  // namespace sails
