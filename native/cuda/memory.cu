// Device memory from the runtime's stream-ordered pool, and copies through pinned staging memory.
#include <cstring>

#include "cuda/device.h"

namespace sails {
namespace {

// Large enough for the copy engine to run at its full rate while the host fills the other half.
constexpr int64_t kStagingHalf = int64_t{8} << 20, kStagingAlignment = 256;

}  // namespace

// In two steps: what the second throws finds an object that is destroyed.
Staging::Staging(cudaStream_t stream) : Staging(stream, nullptr) {
  check(cudaMallocHost(reinterpret_cast<void **>(&memory_), static_cast<size_t>(2 * kStagingHalf)));
  for (cudaEvent_t &event : done_) check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
}

Staging::~Staging() {
  for (cudaEvent_t event : done_)
    if (event != nullptr) (void)cudaEventDestroy(event);
  if (memory_ != nullptr) (void)cudaFreeHost(memory_);
}

void Staging::wait(int half) { check(cudaEventSynchronize(done_[half])); }

// The host memory may be a mapped file: reading it into one half goes on while the other half is on its way.
void Staging::upload(void *destination, const void *host_source, int64_t bytes) {
  for (int64_t at = 0; at < bytes;) {
    if (filled_ == kStagingHalf) {
      check(cudaEventRecord(done_[half_], stream_));
      half_ ^= 1;
      filled_ = 0;
      wait(half_);
    }
    const auto n = static_cast<size_t>(std::min(kStagingHalf - filled_, bytes - at));
    char *piece = memory_ + half_ * kStagingHalf + filled_;
    std::memcpy(piece, static_cast<const char *>(host_source) + at, n);
    check(cudaMemcpyAsync(static_cast<char *>(destination) + at, piece, n, cudaMemcpyHostToDevice, stream_));
    filled_ = std::min(kStagingHalf, (filled_ + static_cast<int64_t>(n) + kStagingAlignment - 1) / kStagingAlignment * kStagingAlignment);
    at += static_cast<int64_t>(n);
  }
}

// What was uploaded before is copied before this: the halves are free as soon as their own events say so.
void Staging::download(void *host_destination, const void *source, int64_t bytes) {
  const int64_t pieces = (bytes + kStagingHalf - 1) / kStagingHalf;
  const auto size = [&](int64_t i) { return static_cast<size_t>(std::min(kStagingHalf, bytes - i * kStagingHalf)); };
  for (int64_t i = 0; i <= pieces; i++) {
    if (i < pieces) {
      const int half = static_cast<int>(i % 2);
      check(cudaMemcpyAsync(memory_ + half * kStagingHalf, static_cast<const char *>(source) + i * kStagingHalf, size(i),
                            cudaMemcpyDeviceToHost, stream_));
      check(cudaEventRecord(done_[half], stream_));
    }
    if (i == 0) continue;
    const int half = static_cast<int>((i - 1) % 2);
    wait(half);
    std::memcpy(static_cast<char *>(host_destination) + (i - 1) * kStagingHalf, memory_ + half * kStagingHalf, size(i - 1));
  }
  if (pieces > 0) filled_ = 0;  // the queue has been waited for up to here
}

namespace backend {

void *allocate(sails_device &handle, int64_t bytes) {
  CudaDevice &device = cuda(handle);
  void *pointer = nullptr;
  cudaError_t status = cudaErrorMemoryAllocation;
  if (device.allocated_bytes + bytes <= device.budget_bytes) status = cudaMallocAsync(&pointer, static_cast<size_t>(bytes), device.stream);
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    size_t free_bytes = 0, total_bytes = 0;
    check(cudaMemGetInfo(&free_bytes, &total_bytes));
    throw Error(SAILS_OUT_OF_MEMORY,
                "cannot allocate " + std::to_string(bytes) + " bytes on " + device.name + "; " + std::to_string(device.allocated_bytes) +
                    " bytes are allocated through this handle, its budget is " + std::to_string(device.budget_bytes) + ", the card has " +
                    std::to_string(free_bytes) + " of " + std::to_string(total_bytes) + " bytes free");
  }
  check(status);
  return pointer;
}

// Where there is no memory to queue it with, it is freed at once, which waits: a device that is closed asks only once.
void release(sails_device &device, void *pointer) {
  cudaError_t status = cudaFreeAsync(pointer, cuda(device).stream);
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    status = cudaFree(pointer);
  }
  check(status);
}

void upload(sails_device &handle, void *destination, const void *host_source, int64_t bytes) {
  CudaDevice &device = cuda(handle);
  device.staging->upload(destination, host_source, bytes);
}

void download(sails_device &handle, void *host_destination, const void *source, int64_t bytes) {
  CudaDevice &device = cuda(handle);
  device.staging->download(host_destination, source, bytes);
  wait(device);
}

void copy(sails_device &device, void *destination, const void *source, int64_t bytes) {
  check(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, cuda(device).stream));
}

void fill_zero(sails_device &device, void *destination, int64_t bytes) {
  check(cudaMemsetAsync(destination, 0, static_cast<size_t>(bytes), cuda(device).stream));
}

}  // namespace backend
}  // namespace sails
