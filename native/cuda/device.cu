// Opening, describing and closing a CUDA device; waiting for it; errors.
#include "cuda/device.h"

#include <cstdlib>
#include <thread>

#include "elementwise/reductions.cuh"
#include "head/head_loss.cuh"
#include "primitives/loaded_code.cuh"

#ifndef SAILS_EMULATOR
#include <nvtx3/nvToolsExt.h>
#endif

namespace sails {

void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();
  std::string text = std::string(cudaGetErrorName(status)) + ": " + cudaGetErrorString(status);
#ifdef SAILS_EMULATOR
  if (status == cudaErrorLaunchFailure) text += ": " + sails_emulator::failure_text();
#endif
  throw Error(status == cudaErrorMemoryAllocation ? SAILS_OUT_OF_MEMORY : SAILS_FAILED, text);
}

namespace {

constexpr int kOldestArchitecture = 80;  // cp.async, bf16 mma

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

// One sentence for each way in which a machine can have no usable GPU.
int count_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  (void)cudaGetLastError();
  int driver = 0, runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  if (status == cudaErrorInsufficientDriver && driver == 0)
    throw Error(SAILS_UNSUPPORTED, "there is no NVIDIA driver on this machine (libcuda.so.1 is not found); install one for CUDA " +
                                       version(runtime) + " or newer, or use the cpu backend");
  if (status == cudaErrorInsufficientDriver)
    throw Error(SAILS_UNSUPPORTED, "the NVIDIA driver supports CUDA " + version(driver) + ", this library needs " + version(runtime) +
                                       "; install a newer driver");
  if (status == cudaErrorNoDevice || status == cudaSuccess)
    throw Error(SAILS_UNSUPPORTED, "the NVIDIA driver finds no GPU (is CUDA_VISIBLE_DEVICES empty?)");
  throw Error(SAILS_UNSUPPORTED, std::string("CUDA cannot be used: ") + cudaGetErrorName(status) + ": " + cudaGetErrorString(status));
}

int attribute(cudaDeviceAttr which, int ordinal) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, ordinal));
  return value;
}

int64_t positive(const std::string &key, const std::string &text) {
  char *end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  require(!text.empty() && *end == '\0' && value > 0, "option ", key, "=", text, ": expected a positive number");
  return value;
}

// kernels=hopper|portable: with or without the variants that only sm_90a has.
void choose_kernels(CudaDevice &device, const std::string &value) {
  require(value == "hopper" || value == "portable", "option kernels=", value, ": expected hopper or portable");
  require(value == "portable" || device.hopper_kernels, "option kernels=hopper: ", device.name, " has compute capability ",
          device.compute_capability / 10, ".", device.compute_capability % 10,
          ", these kernels need 9.0 and a library with code for sm_90a; leave the option out");
  device.hopper_kernels = value == "hopper";
}

// early=on|off: whether kernels of a decoding step start before those before them have ended.
void choose_early_starts(CudaDevice &device, const std::string &value) {
  require(value == "on" || value == "off", "option early=", value, ": expected on or off");
  require(value == "off" || device.early_starts, "option early=on: ", device.name,
          " has loaded code that cannot wait for the kernels before it; that takes compute capability 9.0 or newer and a library with code"
          " for it; leave the option out");
  device.early_starts = value == "on";
}

#ifdef SAILS_EMULATOR
constexpr const char *kBackend = "emulator", *kKnownOptions =
                                                 "memory_mib=..., head_mib=..., kernels=hopper|portable, clusters=on|off, "
                                                 "early=on|off, multiprocessors=..., matmul=own|cublaslt, cublaslt=PATH or seed=...";
#else
constexpr const char *kBackend = "cuda",
                     *kKnownOptions =
                         "memory_mib=..., head_mib=..., kernels=hopper|portable, clusters=on|off, early=on|off, multiprocessors=..., "
                         "matmul=own|cublaslt or cublaslt=PATH";
#endif

// "key=value,...": memory_mib limits what sails_alloc hands out, head_mib is the memory for logits, kernels and clusters limit the choice
// of variants, early whether kernels start before those before them have ended, multiprocessors is how many of them variants are chosen
// for (with few, small shapes take the ways of large ones),
// matmul=cublaslt gives plain dense products to cuBLASLt, at a path where one is given; the emulator also knows seed.
void apply_options(CudaDevice &device, std::string rest) {
  std::string matmul = "own", library;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string option = rest.substr(0, comma);
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    const size_t equals = option.find('=');
    const std::string key = option.substr(0, equals), value = equals == std::string::npos ? "" : option.substr(equals + 1);
    if (key == "memory_mib") {
      const int64_t mib = positive(key, value);
      require(mib < (int64_t{1} << 40), "option memory_mib=", value, " is more than any card has");
      device.budget_bytes = std::min(device.budget_bytes, mib << 20);
    } else if (key == "head_mib") {
      const int64_t mib = positive(key, value);
      require(mib <= 4096, "option head_mib=", value, ": expected 1 to 4096");
      device.head_logits = (mib << 20) / 4;
    } else if (key == "kernels") {
      choose_kernels(device, value);
    } else if (key == "clusters") {
      require(value == "on" || value == "off", "option clusters=", value, ": expected on or off");
      device.clusters = value == "on";
    } else if (key == "early") {
      choose_early_starts(device, value);
    } else if (key == "multiprocessors") {
      const int64_t count = positive(key, value);
      require(count <= device.multiprocessors, "option multiprocessors=", value, ": ", device.name, " has ", device.multiprocessors);
      device.multiprocessors = static_cast<int>(count);
    } else if (key == "matmul") {
      require(value == "own" || value == "cublaslt", "option matmul=", value, ": expected own or cublaslt");
      matmul = value;
    } else if (key == "cublaslt") {
      require(!value.empty(), "option cublaslt=: expected the path of libcublasLt.so");
      library = value;
#ifdef SAILS_EMULATOR
    } else if (key == "seed") {
      sails_emulator::set_seed(static_cast<uint64_t>(positive(key, value)));
#endif
    } else {
      require(false, "option '", option, "' is unknown to the ", kBackend, " backend, expected ", kKnownOptions);
    }
  }
  require(library.empty() || matmul == "cublaslt", "option cublaslt=", library, " needs matmul=cublaslt beside it");
  if (matmul == "cublaslt") device.cublaslt = CublasLt::open(library);
}

// The first launch: a card that no code was built for shows here and not in the middle of a run.
kernels::LoadedCode loaded_code(cudaStream_t stream) {
  kernels::LoadedCode code = {}, *allocated = nullptr;
  check(cudaMalloc(reinterpret_cast<void **>(&allocated), sizeof code));
  const auto give_back = [](kernels::LoadedCode *memory) { (void)cudaFree(memory); };
  const std::unique_ptr<kernels::LoadedCode, decltype(give_back)> on_device(allocated, give_back);
  check(kernels::launch_loaded_code(stream, on_device.get()));
  check(cudaMemcpyAsync(&code, on_device.get(), sizeof code, cudaMemcpyDeviceToHost, stream));
  check(cudaStreamSynchronize(stream));
  return code;
}

// Memory goes back to the driver when the device is closed, not at every wait.
void keep_freed_memory(int ordinal) {
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, ordinal));
  uint64_t threshold = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
}

std::string fault_sentence(const kernels::Fault &fault) {
  const auto element = [&](const char *tensor) {
    return std::string(tensor) + "[" + std::to_string(fault.index) + "] is " + std::to_string(fault.value);
  };
  const std::string below = ", expected 0 to " + std::to_string(fault.limit - 1);
  switch (fault.kind) {
    case kernels::kFaultEmbeddingId: return element("ids") + ", the table has " + std::to_string(fault.limit) + " rows";
    case kernels::kFaultGatherRow: return element("rows") + below;
    case kernels::kFaultTarget:
      return element("targets") + ", the vocabulary has " + std::to_string(fault.limit) + " entries and -100 means not counted";
    case kernels::kFaultFeatureId: return element("indices") + below;
    case kernels::kFaultFeatureCount: return element("counts") + ", expected 0 or more";
    case kernels::kFaultTokenClass: return element("token_class") + ", n_classes is " + std::to_string(fault.limit);
    case kernels::kFaultAnswer:
      return "answer " + std::to_string(fault.index) + " begins or ends at token " + std::to_string(fault.value) + below;
    case kernels::kFaultKeyPosition:
      return "key_position is " + std::to_string(fault.value) + ", the cache has room for " + std::to_string(fault.limit) + " keys";
    case kernels::kFaultPosition: return element("positions") + ", expected -1 to " + std::to_string(fault.limit - 1);
    case kernels::kFaultPage: return element("page_table") + below;
    case kernels::kFaultRowAdapter: return element("row_adapter") + ", expected -1 to " + std::to_string(fault.limit - 1);
    case kernels::kFaultLogits: return "the logits of row " + std::to_string(fault.index) + " contain NaN or infinite values";
    default: return "a kernel reported fault " + std::to_string(fault.kind);
  }
}

}  // namespace

CudaDevice::~CudaDevice() {
  (void)cudaSetDevice(ordinal);
  if (stream != nullptr) (void)cudaStreamSynchronize(stream);
  staging.reset();
  if (fault != nullptr) (void)cudaFree(fault);
  if (partial_sums != nullptr) (void)cudaFree(partial_sums);
  if (host_fault != nullptr) (void)cudaFreeHost(host_fault);
  if (stream != nullptr) (void)cudaStreamDestroy(stream);
}

void wait(CudaDevice &device) {
  check(cudaMemcpyAsync(device.host_fault, device.fault, sizeof(kernels::Fault), cudaMemcpyDeviceToHost, device.stream));
  check(cudaStreamSynchronize(device.stream));
  if (device.host_fault->kind == kernels::kFaultNone) return;
  check(cudaMemsetAsync(device.fault, 0, sizeof(kernels::Fault), device.stream));
  throw Error(SAILS_INVALID_ARGUMENT, "an operation that was queued before found that " + fault_sentence(*device.host_fault));
}

namespace backend {

std::unique_ptr<sails_device> open(int32_t ordinal, int32_t n_threads, const std::string &options) {
  const int count = count_devices();
  require(ordinal >= 0 && ordinal < count, "there is no CUDA device ", ordinal, ", this machine has ", count);
  require(n_threads >= 0, "n_threads is ", n_threads, ", expected 0 or more");
  auto device = std::make_unique<CudaDevice>();
  device->ordinal = ordinal;
  check(cudaSetDevice(ordinal));
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, ordinal));
  device->name = properties.name;
  device->compute_capability = properties.major * 10 + properties.minor;
  if (device->compute_capability < kOldestArchitecture)
    throw Error(SAILS_UNSUPPORTED, device->name + " has compute capability " + std::to_string(properties.major) + "." +
                                       std::to_string(properties.minor) + ", the kernels need 8.0 or newer");
  check(cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking));
  const kernels::LoadedCode code = loaded_code(device->stream);
  device->early_starts = code.waits_for_grids != 0;
  device->hopper_kernels = code.warpgroup_products != 0;
  device->multiprocessors = attribute(cudaDevAttrMultiProcessorCount, ordinal);
  device->shared_bytes_per_block = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, ordinal);
  device->total_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  device->budget_bytes = device->total_bytes;
  apply_options(*device, options);
  if (device->head_logits == 0) device->head_logits = kernels::default_head_logits(device->budget_bytes);
#ifdef SAILS_EMULATOR
  sails_emulator::set_threads(n_threads > 0 ? n_threads : static_cast<int>(std::thread::hardware_concurrency()));
#endif
  keep_freed_memory(ordinal);
  check(cudaMalloc(reinterpret_cast<void **>(&device->fault), sizeof(kernels::Fault)));
  check(cudaMallocHost(reinterpret_cast<void **>(&device->host_fault), sizeof(kernels::Fault)));
  check(cudaMalloc(reinterpret_cast<void **>(&device->partial_sums), kernels::kSquarePartials * sizeof(double)));
  check(cudaMemsetAsync(device->fault, 0, sizeof(kernels::Fault), device->stream));
  device->staging = std::make_unique<Staging>(device->stream);
  check(cudaStreamSynchronize(device->stream));
  return device;
}

void begin(sails_device &device, const char *operation) {
  check(cudaSetDevice(cuda(device).ordinal));
#ifdef SAILS_EMULATOR
  (void)operation;
#else
  nvtxRangePushA(operation);
#endif
}

void end(sails_device &) noexcept {
#ifndef SAILS_EMULATOR
  nvtxRangePop();
#endif
}

std::string describe(sails_device &handle) {
  const CudaDevice &device = cuda(handle);
  int driver = 0;
  check(cudaDriverGetVersion(&driver));
  std::string text;
#ifdef SAILS_EMULATOR
  text = "{\"backend\":\"emulator\",\"isa\":\"seed " + std::to_string(sails_emulator::seed()) + "\"";
#else
  text = "{\"backend\":\"cuda\",\"isa\":\"sm_" + std::to_string(device.compute_capability) + ", driver for CUDA " + version(driver) + "\"";
#endif
  return text + ",\"name\":\"" + json_escaped(device.name) + "\",\"multiprocessors\":" + std::to_string(device.multiprocessors) +
         ",\"threads\":" + std::to_string(device.multiprocessors) + ",\"total_bytes\":" + std::to_string(device.total_bytes) +
         ",\"budget_bytes\":" + std::to_string(device.budget_bytes) + ",\"early_starts\":" + (device.early_starts ? "true" : "false") +
         ",\"matmul\":\"" + (device.cublaslt == nullptr ? "" : json_escaped(device.cublaslt->name()) + ", else ") + "own kernels (" +
         (!device.hopper_kernels ? "mma.sync"
          : device.clusters      ? "wgmma, clusters"
                                 : "wgmma") +
         ")\"}";
}

bool host_accessible(sails_device &) { return false; }

void synchronize(sails_device &device) { wait(cuda(device)); }

}  // namespace backend
}  // namespace sails
