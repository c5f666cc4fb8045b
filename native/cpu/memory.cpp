// Device memory, which on the CPU is aligned host memory, and copies.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "device.h"

using sails::Error;
using sails::guarded;
using sails::require;
using sails::require_pointer;
using sails::require_size;

namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kParallelCopyBytes = int64_t{4} << 20;

void copy_bytes(sails_device *device, void *destination, const void *source, int64_t bytes) {
  if (bytes == 0) return;
  require_pointer(destination, bytes, 1, "destination");
  require_pointer(source, bytes, 1, "source");
  auto *to = static_cast<char *>(destination);
  const auto *from = static_cast<const char *>(source);
  // memmove: a tensor may be shifted inside its own buffer.
  if (bytes < kParallelCopyBytes || (to < from + bytes && from < to + bytes)) {
    std::memmove(to, from, static_cast<size_t>(bytes));
    return;
  }
  const int64_t blocks = (bytes + kParallelCopyBytes - 1) / kParallelCopyBytes;
#pragma omp parallel for num_threads(device->threads) schedule(static)
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t begin = b * kParallelCopyBytes;
    const int64_t n = bytes - begin < kParallelCopyBytes ? bytes - begin : kParallelCopyBytes;
    std::memcpy(to + begin, from + begin, static_cast<size_t>(n));
  }
}

}  // namespace

extern "C" {

int32_t sails_alloc(sails_device *device, void **out_pointer, int64_t bytes) {
  return guarded(device, "sails_alloc", [&] {
    require(out_pointer != nullptr, "out_pointer is NULL");
    *out_pointer = nullptr;
    require_size(bytes, "bytes");
    require(bytes < (int64_t{1} << 62), "bytes is " + std::to_string(bytes) + ", more than any machine has");
    if (bytes == 0) return;
    const int64_t alignment = bytes >= kHugePage ? kHugePage : 64;
    void *pointer = std::aligned_alloc(static_cast<size_t>(alignment),
                                       static_cast<size_t>((bytes + alignment - 1) / alignment * alignment));
    if (pointer == nullptr)
      throw Error(SAILS_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) + " bytes; " +
                                           std::to_string(device->allocated_bytes) + " bytes are allocated on this device");
    // Weights and activations are walked in long runs: huge pages save most of the TLB misses. Advice only.
    if (bytes >= kHugePage) madvise(pointer, static_cast<size_t>(bytes), MADV_HUGEPAGE);
    device->allocations.emplace(pointer, bytes);
    device->allocated_bytes += bytes;
    if (device->allocated_bytes > device->peak_bytes) device->peak_bytes = device->allocated_bytes;
    *out_pointer = pointer;
  });
}

int32_t sails_free(sails_device *device, void *pointer) {
  return guarded(device, "sails_free", [&] {
    if (pointer == nullptr) return;
    const auto found = device->allocations.find(pointer);
    require(found != device->allocations.end(), "the pointer was not allocated by this device, or is already freed");
    device->allocated_bytes -= found->second;
    device->allocations.erase(found);
    std::free(pointer);
  });
}

int32_t sails_upload(sails_device *device, void *destination, const void *host_source, int64_t bytes) {
  return guarded(device, "sails_upload", [&] {
    require_size(bytes, "bytes");
    copy_bytes(device, destination, host_source, bytes);
  });
}

int32_t sails_download(sails_device *device, void *host_destination, const void *source, int64_t bytes) {
  return guarded(device, "sails_download", [&] {
    require_size(bytes, "bytes");
    copy_bytes(device, host_destination, source, bytes);
  });
}

int32_t sails_copy(sails_device *device, void *destination, const void *source, int64_t bytes) {
  return guarded(device, "sails_copy", [&] {
    require_size(bytes, "bytes");
    copy_bytes(device, destination, source, bytes);
  });
}

int32_t sails_fill_zero(sails_device *device, void *destination, int64_t bytes) {
  return guarded(device, "sails_fill_zero", [&] {
    require_size(bytes, "bytes");
    require_pointer(destination, bytes, 1, "destination");
    const int64_t blocks = (bytes + kParallelCopyBytes - 1) / kParallelCopyBytes;
    auto *to = static_cast<char *>(destination);
#pragma omp parallel for num_threads(device->threads) schedule(static)
    for (int64_t b = 0; b < blocks; b++) {
      const int64_t begin = b * kParallelCopyBytes;
      const int64_t n = bytes - begin < kParallelCopyBytes ? bytes - begin : kParallelCopyBytes;
      std::memset(to + begin, 0, static_cast<size_t>(n));
    }
  });
}

}  // extern "C"
