// Device memory, which on the CPU is aligned host memory, and copies.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "cpu/device.h"
#include "shell/backend.h"

namespace sails {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kParallelCopyBytes = int64_t{4} << 20;

}  // namespace

namespace backend {

void *allocate(sails_device &device, int64_t bytes) {
  const int64_t alignment = bytes >= kHugePage ? kHugePage : 64;
  void *pointer = std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>((bytes + alignment - 1) / alignment * alignment));
  if (pointer == nullptr)
    throw Error(SAILS_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) + " bytes; " + std::to_string(device.allocated_bytes) +
                                         " bytes are allocated on this device");
  // Weights and activations are walked in long runs: huge pages save most of the TLB misses. Advice only.
  if (bytes >= kHugePage) madvise(pointer, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return pointer;
}

void release(sails_device &, void *pointer) { std::free(pointer); }

void upload(sails_device &device, void *destination, const void *host_source, int64_t bytes) {
  copy(device, destination, host_source, bytes);
}

void download(sails_device &device, void *host_destination, const void *source, int64_t bytes) {
  copy(device, host_destination, source, bytes);
}

void copy(sails_device &device, void *destination, const void *source, int64_t bytes) {
  auto *to = static_cast<char *>(destination);
  const auto *from = static_cast<const char *>(source);
  // memmove: a tensor may be shifted inside its own buffer.
  if (bytes < kParallelCopyBytes || (to < from + bytes && from < to + bytes)) {
    std::memmove(to, from, static_cast<size_t>(bytes));
    return;
  }
  const int64_t blocks = (bytes + kParallelCopyBytes - 1) / kParallelCopyBytes;
#pragma omp parallel for num_threads(cpu(device).threads) schedule(static)
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t begin = b * kParallelCopyBytes;
    std::memcpy(to + begin, from + begin, static_cast<size_t>(std::min(bytes - begin, kParallelCopyBytes)));
  }
}

void fill_zero(sails_device &device, void *destination, int64_t bytes) {
  const int64_t blocks = (bytes + kParallelCopyBytes - 1) / kParallelCopyBytes;
  auto *to = static_cast<char *>(destination);
#pragma omp parallel for num_threads(cpu(device).threads) schedule(static)
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t begin = b * kParallelCopyBytes;
    std::memset(to + begin, 0, static_cast<size_t>(std::min(bytes - begin, kParallelCopyBytes)));
  }
}

}  // namespace backend
}  // namespace sails
