// What the tests of the emulator share: arrays on the device, a stream, launches that wait.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "primitives/platform.cuh"

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

// Runs the kernel under a seed; "" or the emulator's sentence.
template <typename... Parameters, typename... Arguments>
std::string run(uint64_t seed, const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, int64_t shared_bytes,
                Arguments... arguments) {
  sails_emulator::set_seed(seed);
  cudaStream_t stream = nullptr;
  (void)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaError_t status = sails::kernels::launch(name, stream, kernel, grid, block, shared_bytes, arguments...);
  if (status == cudaSuccess) status = cudaStreamSynchronize(stream);
  const std::string text = status == cudaSuccess ? "" : sails_emulator::failure_text();
  (void)cudaStreamDestroy(stream);
  return text;
}

constexpr uint64_t kSeeds[] = {1, 2, 3, 4, 5, 6, 7, 8};

}  // namespace device
