// What the tests of the emulator share: arrays on the device, a stream, launches that wait.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "primitives/cluster.cuh"

namespace device {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

template <typename T>
class Array {
 public:
  explicit Array(size_t n) : n_(n) { (void)cudaMalloc(reinterpret_cast<void **>(&data_), n * sizeof(T)); }
  explicit Array(const std::vector<T> &values) : Array(values.size()) { std::memcpy(data_, values.data(), n_ * sizeof(T)); }
  ~Array() { (void)cudaFree(data_); }
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  operator T *() { return data_; }
  // After the work that writes it has been waited for: device memory of the emulator is host memory.
  std::vector<T> values() const { return std::vector<T>(data_, data_ + n_); }

 private:
  size_t n_;
  T *data_ = nullptr;
};

// Runs what queue(stream) queues, under a seed; "" or the emulator's sentence, where it has none the error's name.
template <typename Queue>
std::string run_queued(uint64_t seed, Queue &&queue) {
  sails_emulator::set_seed(seed);
  cudaStream_t stream = nullptr;
  (void)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaError_t status = queue(stream);
  if (status == cudaSuccess) status = cudaStreamSynchronize(stream);
  (void)cudaStreamDestroy(stream);
  if (status == cudaSuccess) return "";
  const std::string text = sails_emulator::failure_text();
  return text.empty() ? cudaGetErrorName(status) : text;
}
// One kernel, in clusters of so many blocks.
template <typename... Parameters, typename... Arguments>
std::string run_clusters(uint64_t seed, const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, int cluster,
                         int64_t shared_bytes, Arguments... arguments) {
  return run_queued(seed, [&](cudaStream_t stream) {
    return sails::kernels::launch_clusters(name, stream, kernel, grid, block, cluster, shared_bytes, arguments...);
  });
}
// The same block by block.
template <typename... Parameters, typename... Arguments>
std::string run(uint64_t seed, const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, int64_t shared_bytes,
                Arguments... arguments) {
  return run_clusters(seed, name, kernel, grid, block, 1, shared_bytes, arguments...);
}

constexpr uint64_t kSeeds[] = {1, 2, 3, 4, 5, 6, 7, 8};

// Of run(seed): "" where it is that under every seed, else the first sentence and its seed.
template <typename Run>
std::string expect_right(Run &&run) {
  for (uint64_t seed : kSeeds) {
    const std::string why = run(seed);
    if (!why.empty()) return why + " under seed " + std::to_string(seed);
  }
  return "";
}
// Whether some seed shows the fault: by a sentence, or by a wrong result. Some faults need an order that few seeds have.
template <typename Run>
std::string expect_caught(Run &&run) {
  constexpr uint64_t kMostSeeds = 64;
  for (uint64_t seed = 1; seed <= kMostSeeds; seed++)
    if (!run(seed).empty()) return "";
  return "no seed shows it";
}

}  // namespace device
