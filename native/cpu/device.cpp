// Opening, describing and closing the CPU device, and the check helpers of the shell.
#include "device.h"

#include <omp.h>
#include <sched.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include "matmul.h"

namespace sails {

void use_threads(int threads) { omp_set_num_threads(threads); }
int64_t thread_number() { return omp_get_thread_num(); }

void require(bool condition, const std::string &sentence) {
  if (!condition) throw Error(SAILS_INVALID_ARGUMENT, sentence);
}

void require_size(int64_t size, const char *name) {
  require(size >= 0, std::string(name) + " is " + std::to_string(size) + ", expected 0 or more");
}

int64_t elements(std::initializer_list<int64_t> sizes, const char *name) {
  int64_t product = 1;
  for (int64_t size : sizes) {
    require_size(size, name);
    // 2^59 elements of 8 bytes still fit into int64_t bytes with room for alignment.
    require(!__builtin_mul_overflow(product, size, &product) && product < (int64_t{1} << 59),
            std::string(name) + ": the product of its sizes overflows");
  }
  return product;
}

void require_pointer(const void *pointer, int64_t n_elements, int64_t alignment, const char *name) {
  if (n_elements == 0) return;
  require(pointer != nullptr, std::string(name) + " is NULL");
  require(reinterpret_cast<uintptr_t>(pointer) % static_cast<uintptr_t>(alignment) == 0,
          std::string(name) + " is not aligned to " + std::to_string(alignment) + " bytes");
}

int64_t require_f32_or_bf16(int32_t dtype, const char *name) {
  require(dtype == SAILS_F32 || dtype == SAILS_BF16,
          std::string(name) + " has dtype " + std::to_string(dtype) + ", expected f32 (0) or bf16 (1)");
  return dtype == SAILS_F32 ? 4 : 2;
}

void require_workspace(const void *workspace, int64_t workspace_bytes, int64_t needed_bytes) {
  require(workspace_bytes >= needed_bytes, "workspace has " + std::to_string(workspace_bytes) + " bytes, " +
                                               std::to_string(needed_bytes) + " are needed");
  require_pointer(workspace, needed_bytes, 64, "workspace");
}

namespace {

bool supports(const std::string &isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (isa == "avx512")
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  if (isa == "avx2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#endif
  return isa == "generic";
}

const Kernels *find_kernels(const std::string &isa) {
#if defined(__x86_64__)
  if (isa == "avx512") return &avx512::kernels();
  if (isa == "avx2") return &avx2::kernels();
#endif
  return &generic::kernels();
}

std::string choose_isa(const std::string &asked) {
  if (asked.empty()) return supports("avx512") ? "avx512" : supports("avx2") ? "avx2" : "generic";
  require(asked == "avx512" || asked == "avx2" || asked == "generic",
          "option isa=" + asked + " is unknown, expected avx512, avx2 or generic");
  require(supports(asked), "option isa=" + asked + ": this CPU does not have it");
  return asked;
}

// "key=value,..." with the one key that this backend knows.
std::string parse_isa(const char *options) {
  std::string rest = options == nullptr ? "" : options;
  std::string isa;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string option = rest.substr(0, comma);
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    require(option.compare(0, 4, "isa=") == 0, "option '" + option + "' is unknown to the cpu backend, expected isa=...");
    isa = option.substr(4);
  }
  return choose_isa(isa);
}

int available_threads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  return omp_get_num_procs();
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.compare(0, 10, "model name") == 0) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

std::string json_escaped(const std::string &text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out;
}

void copy_text(const std::string &text, char *destination, int64_t bytes) {
  if (destination == nullptr || bytes <= 0) return;
  const size_t n = std::min(text.size(), static_cast<size_t>(bytes - 1));
  std::memcpy(destination, text.data(), n);
  destination[n] = '\0';
}

}  // namespace
}  // namespace sails

sails_device::sails_device() = default;

sails_device::~sails_device() {
  for (auto &entry : allocations) std::free(entry.first);
}

using sails::Error;
using sails::require;

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
    require(ordinal == 0, "there is no cpu device " + std::to_string(ordinal) + ", only 0");
    require(n_threads >= 0, "n_threads is " + std::to_string(n_threads) + ", expected 0 or more");
    auto device = std::make_unique<sails_device>();
    device->isa = sails::parse_isa(options);
    device->kernels = sails::find_kernels(device->isa);
    device->threads = n_threads > 0 ? n_threads : sails::available_threads();
    device->matmul = std::make_unique<sails::MatmulCache>();
    *out_device = device.release();
    return SAILS_OK;
  } catch (const Error &e) {
    sails::copy_text(e.text, error_text, error_bytes);
    return e.status;
  } catch (const std::exception &e) {
    sails::copy_text(e.what(), error_text, error_bytes);
    return SAILS_FAILED;
  }
}

int32_t sails_device_close(sails_device *device) {
  if (device == nullptr) return SAILS_INVALID_ARGUMENT;
  delete device;
  return SAILS_OK;
}

int32_t sails_device_error(sails_device *device, char *text, int64_t text_bytes) {
  if (device == nullptr || text == nullptr || text_bytes <= 0) return SAILS_INVALID_ARGUMENT;
  std::lock_guard<std::mutex> lock(device->mutex);
  sails::copy_text(device->error, text, text_bytes);
  return SAILS_OK;
}

int32_t sails_device_describe(sails_device *device, char *text, int64_t text_bytes) {
  return sails::guarded(device, "sails_device_describe", [&] {
    require(text != nullptr && text_bytes > 0, "text is NULL or empty");
    sails::copy_text("{\"backend\":\"cpu\",\"name\":\"" + sails::json_escaped(sails::cpu_name()) + "\",\"isa\":\"" + device->isa +
                         "\",\"threads\":" + std::to_string(device->threads) + ",\"matmul\":\"" +
                         sails::json_escaped(sails::matmul_library()) + "\"}",
                     text, text_bytes);
  });
}

int32_t sails_device_host_accessible(sails_device *device, int32_t *out_accessible) {
  return sails::guarded(device, "sails_device_host_accessible", [&] {
    require(out_accessible != nullptr, "out_accessible is NULL");
    *out_accessible = 1;
  });
}

int32_t sails_device_memory(sails_device *device, int64_t *out_allocated_bytes, int64_t *out_peak_bytes) {
  return sails::guarded(device, "sails_device_memory", [&] {
    require(out_allocated_bytes != nullptr && out_peak_bytes != nullptr, "an out pointer is NULL");
    *out_allocated_bytes = device->allocated_bytes;
    *out_peak_bytes = device->peak_bytes;
  });
}

int32_t sails_synchronize(sails_device *device) {
  // Every call has done its work when it returns: taking the lock is waiting for the queue.
  return sails::guarded(device, "sails_synchronize", [] {});
}

}  // extern "C"
