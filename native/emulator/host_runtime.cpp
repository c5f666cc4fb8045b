#include "emulator/host_runtime.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <unordered_map>
#include <vector>

#include "emulator/launch.h"
#include "emulator/scheduler.h"

// What a stream holds. An event is passed when its record has run; a wait holds the stream back until then.
struct CUevent_st {
  uint64_t recorded = 0;  // number of the latest record that was queued
  uint64_t passed = 0;    // number of the latest record that has run
};
// `before`: the kernel queued before this one, which then runs inside this one's run; empty: it has run.
using Before = std::function<void()>;
struct Work {
  std::function<void(const Before &)> run;
  bool kernel = false, early = false;  // early: may start before a kernel queued before it has ended
};
struct StreamWork {
  Work work;
  CUevent_st *wait_for = nullptr;
  uint64_t wait_number = 0;
};
struct CUgraph_st {
  std::vector<Work> nodes;
};
struct CUgraphExec_st {
  std::vector<Work> nodes;
};
struct CUmemPool_st {};
struct CUstream_st {
  std::deque<StreamWork> queue;
  std::unique_ptr<CUgraph_st> capture;
  bool failed = false;
};

namespace sails_emulator {
namespace {

#if !defined(__SANITIZE_ADDRESS__)
constexpr size_t kMemoryRedZone = 256;
constexpr unsigned char kZoneByte = 0xFD;
#endif
constexpr unsigned char kFreshByte = 0xFF;
// Work beyond this is run at once: a queue is there to show forgotten waits, not to hold a whole training run.
constexpr size_t kMaxQueued = 4096;
constexpr uint64_t kDefaultSeed = 20251223;

struct Memory {
  size_t bytes;
};

// The process's one emulated GPU, as the CUDA runtime is one for a process. Everything is done under its lock.
struct Runtime {
  std::recursive_mutex mutex;
  std::vector<CUstream_st *> streams;
  std::unordered_map<char *, Memory> allocations;
  size_t allocated = 0;
  std::string failure;
  uint64_t seed = 0, launches = 0;
  int threads = 0;
  cudaError_t last = cudaSuccess;
  CUstream_st legacy;
  CUmemPool_st pool;

  Runtime() {
    streams.push_back(&legacy);
    const char *text = std::getenv("SAILS_EMULATOR_SEED");
    seed = text == nullptr ? kDefaultSeed : std::strtoull(text, nullptr, 10);
    threads = static_cast<int>(std::thread::hardware_concurrency());
  }

  bool runnable(const CUstream_st *stream) const {
    if (stream->queue.empty()) return false;
    const StreamWork &head = stream->queue.front();
    return head.wait_for == nullptr || head.wait_for->passed >= head.wait_number;
  }

  // Where the work behind a kernel may start early, it does half of the time. It sees what was there before that kernel; the kernels before
  // both have ended, as primitives/dependent_launch.cuh says, so that two such starts do not follow each other.
  void run_head(CUstream_st *stream) {
    const StreamWork head = take_head(stream);
    if (!head.work.run) return;
    if (head.work.kernel && !stream->queue.empty() && stream->queue.front().work.early && Random(seed + 3 * launches + 5).below(2) == 0)
      take_head(stream).work.run([&] { head.work.run(nullptr); });
    else
      head.work.run(nullptr);
  }
  static StreamWork take_head(CUstream_st *stream) {
    StreamWork head = std::move(stream->queue.front());
    stream->queue.pop_front();
    return head;
  }

  // Runs queued work, streams in a random order, until `until` has none left.
  void drain(CUstream_st *until) {
    Random random(seed + launches + 17);
    while (!until->queue.empty()) {
      const auto ready = std::count_if(streams.begin(), streams.end(), [&](CUstream_st *stream) { return runnable(stream); });
      if (ready == 0) {
        failure = "the streams wait for events that nobody will record";
        until->queue.clear();
        until->failed = true;
        return;
      }
      uint32_t skip = random.below(static_cast<uint32_t>(ready));
      for (CUstream_st *stream : streams)
        if (runnable(stream) && skip-- == 0) {
          run_head(stream);
          break;
        }
    }
  }

  void drain_all() {
    for (CUstream_st *stream : streams) drain(stream);
  }

  cudaError_t result(CUstream_st *stream) {
    if (!stream->failed) return cudaSuccess;
    stream->failed = false;
    return last = cudaErrorLaunchFailure;
  }

  // What allocates, with the status that CUDA has for it.
  template <typename Body>
  cudaError_t allocating(Body &&body) {
    try {
      body();
      return cudaSuccess;
    } catch (const std::bad_alloc &) {
      return last = cudaErrorMemoryAllocation;
    }
  }

  // Work that is no kernel.
  template <typename Run>
  cudaError_t add(CUstream_st *stream, Run &&run) {
    return add_work(stream, [&] { return Work{[run = std::forward<Run>(run)](const Before &) { run(); }}; });
  }
  template <typename Make>
  cudaError_t add_work(CUstream_st *stream, Make &&make) {
    if (stream == nullptr) stream = &legacy;
    const cudaError_t status = allocating([&] {
      Work work = make();
      if (stream->capture)
        stream->capture->nodes.push_back(std::move(work));
      else
        stream->queue.push_back({std::move(work), nullptr, 0});
    });
    if (status == cudaSuccess && stream->queue.size() > kMaxQueued) drain(stream);
    return status;
  }
};

// Never destroyed: threads of the embedding program may still hold devices when static objects go.
Runtime &runtime() {
  static Runtime *instance = new Runtime;
  return *instance;
}

using Lock = std::lock_guard<std::recursive_mutex>;

#if !defined(__SANITIZE_ADDRESS__)
bool zone_intact(const char *zone) {
  for (size_t i = 0; i < kMemoryRedZone; i++)
    if (static_cast<unsigned char>(zone[i]) != kZoneByte) return false;
  return true;
}

size_t padded(size_t bytes) { return (bytes + 255) / 256 * 256; }
#endif

// [red zone][bytes][red zone]; 256-byte aligned as cudaMalloc's. Under a sanitizer malloc's own red zones stand there instead.
char *take_memory(size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  void *memory = nullptr;
  if (posix_memalign(&memory, 256, bytes == 0 ? 1 : bytes) != 0) return nullptr;
  char *pointer = static_cast<char *>(memory);
#else
  char *memory = static_cast<char *>(std::aligned_alloc(256, padded(bytes) + 2 * kMemoryRedZone));
  if (memory == nullptr) return nullptr;
  std::memset(memory, kZoneByte, kMemoryRedZone);
  char *pointer = memory + kMemoryRedZone;
  std::memset(pointer + bytes, kZoneByte, kMemoryRedZone);
#endif
  std::memset(pointer, kFreshByte, bytes);
  return pointer;
}

void give_memory(char *pointer) {
#if defined(__SANITIZE_ADDRESS__)
  std::free(pointer);
#else
  std::free(pointer - kMemoryRedZone);
#endif
}

// A write next to an allocation, seen when it is freed or when a stream is waited for.
bool damaged(char *pointer, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  (void)pointer;
  (void)bytes;
  return false;
#else
  return !zone_intact(pointer - kMemoryRedZone) || !zone_intact(pointer + bytes);
#endif
}

cudaError_t remember(cudaError_t status) {
  if (status != cudaSuccess) runtime().last = status;
  return status;
}

}  // namespace

void set_seed(uint64_t seed) {
  Lock lock(runtime().mutex);
  if (seed == 0) return;
  runtime().seed = seed;
  runtime().launches = 0;
}
uint64_t seed() { return runtime().seed; }
void set_threads(int threads) { runtime().threads = threads; }
std::string failure_text() {
  Lock lock(runtime().mutex);
  return runtime().failure;
}

cudaError_t enqueue(cudaStream_t stream, KernelCall call) {
  Runtime &r = runtime();
  Lock lock(r.mutex);
  CUstream_st *target = stream == nullptr ? &r.legacy : stream;
  return r.add_work(target, [&] {
    Work work;
    work.kernel = true;
    work.early = call.early;
    work.run = [&r, target, call = std::move(call)](const Before &before) {
      // After a failure nothing more runs on the stream, as in a CUDA context.
      if (target->failed) return;
      std::string sentence = run_kernel(call, r.seed + 0x632BE59BD9B4E019ull * ++r.launches, r.threads, before);
      if (sentence.empty() || target->failed) return;
      r.failure = sentence + ", seed " + std::to_string(r.seed);
      target->failed = true;
    };
    return work;
  });
}

}  // namespace sails_emulator

using sails_emulator::Lock;
using sails_emulator::remember;
using sails_emulator::runtime;

cudaError_t cudaGetDeviceCount(int *count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return remember(device == 0 ? cudaSuccess : cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int *device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
  if (device != 0) return remember(cudaErrorInvalidDevice);
  *properties = cudaDeviceProp();
  std::strcpy(properties->name, "emulated GPU");
  size_t free_bytes = 0;
  cudaMemGetInfo(&free_bytes, &properties->totalGlobalMem);
  properties->major = 9;
  properties->minor = 0;
  // Few, so that grids that depend on it have more blocks than multiprocessors.
  properties->multiProcessorCount = 4;
  properties->sharedMemPerBlockOptin = sails_emulator::kMaxSharedBytes;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  const cudaError_t status = cudaGetDeviceProperties(&properties, device);
  if (status != cudaSuccess) return status;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = properties.multiProcessorCount; break;
    case cudaDevAttrComputeCapabilityMajor: *value = properties.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = properties.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(properties.sharedMemPerBlockOptin); break;
    case cudaDevAttrMemoryPoolsSupported: *value = 1; break;
    case cudaDevAttrPageableMemoryAccess: *value = 0; break;
  }
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) { return cudaDriverGetVersion(version); }
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  *total_bytes = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page;
  *free_bytes = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  return cudaSuccess;
}

const char *cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorNotSupported: return "cudaErrorNotSupported";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoKernelImageForDevice: return "cudaErrorNoKernelImageForDevice";
  }
  return "an unknown error";
}
const char *cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorLaunchFailure: return "a kernel failed";
    default: return cudaGetErrorName(error);
  }
}
cudaError_t cudaGetLastError() {
  Lock lock(runtime().mutex);
  const cudaError_t last = runtime().last;
  runtime().last = cudaSuccess;
  return last;
}
cudaError_t cudaPeekAtLastError() { return runtime().last; }

cudaError_t cudaMalloc(void **pointer, size_t bytes) {
  auto &r = runtime();
  Lock lock(r.mutex);
  *pointer = nullptr;
  size_t free_bytes = 0, total_bytes = 0;
  cudaMemGetInfo(&free_bytes, &total_bytes);
  if (bytes > total_bytes || r.allocated + bytes > total_bytes) return remember(cudaErrorMemoryAllocation);
  char *memory = sails_emulator::take_memory(bytes);
  if (memory == nullptr) return remember(cudaErrorMemoryAllocation);
  const cudaError_t status = r.allocating([&] { r.allocations[memory] = {bytes}; });
  if (status != cudaSuccess) {
    sails_emulator::give_memory(memory);
    return status;
  }
  r.allocated += bytes;
  *pointer = memory;
  return cudaSuccess;
}

// Waits for everything, as cudaFree does.
cudaError_t cudaFree(void *pointer) {
  auto &r = runtime();
  Lock lock(r.mutex);
  if (pointer == nullptr) return cudaSuccess;
  r.drain_all();
  const auto found = r.allocations.find(static_cast<char *>(pointer));
  if (found == r.allocations.end()) return remember(cudaErrorInvalidValue);
  const bool damaged = sails_emulator::damaged(found->first, found->second.bytes);
  if (damaged) r.failure = "a write outside an allocation of " + std::to_string(found->second.bytes) + " bytes of device memory";
  r.allocated -= found->second.bytes;
  sails_emulator::give_memory(found->first);
  r.allocations.erase(found);
  return remember(damaged ? cudaErrorLaunchFailure : cudaSuccess);
}
cudaError_t cudaMallocAsync(void **pointer, size_t bytes, cudaStream_t) { return cudaMalloc(pointer, bytes); }
cudaError_t cudaFreeAsync(void *pointer, cudaStream_t stream) {
  auto &r = runtime();
  Lock lock(r.mutex);
  if (r.allocations.find(static_cast<char *>(pointer)) == r.allocations.end()) return remember(cudaErrorInvalidValue);
  CUstream_st *target = stream == nullptr ? &r.legacy : stream;
  return r.add(target, [&r, target, pointer] {
    const auto found = r.allocations.find(static_cast<char *>(pointer));
    if (found == r.allocations.end()) return;
    if (sails_emulator::damaged(found->first, found->second.bytes)) {
      r.failure = "a write outside an allocation of " + std::to_string(found->second.bytes) + " bytes of device memory";
      target->failed = true;
    }
    r.allocated -= found->second.bytes;
    sails_emulator::give_memory(found->first);
    r.allocations.erase(found);
  });
}
cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
  *pointer = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  return remember(*pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaFreeHost(void *pointer) {
  Lock lock(runtime().mutex);
  runtime().drain_all();
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  auto &r = runtime();
  Lock lock(r.mutex);
  return r.add(stream, [to, from, bytes] { std::memmove(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  auto &r = runtime();
  Lock lock(r.mutex);
  return r.add(stream, [to, value, bytes] { std::memset(to, value, bytes); });
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
  *pool = &runtime().pool;
  return remember(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void *) { return cudaSuccess; }
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void *value) {
  Lock lock(runtime().mutex);
  *static_cast<uint64_t *>(value) = runtime().allocated;
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  Lock lock(runtime().mutex);
  *stream = nullptr;
  return runtime().allocating([&] {
    auto made = std::make_unique<CUstream_st>();
    runtime().streams.push_back(made.get());
    *stream = made.release();
  });
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  auto &r = runtime();
  Lock lock(r.mutex);
  r.drain(stream);
  for (size_t i = 0; i < r.streams.size(); i++)
    if (r.streams[i] == stream) r.streams.erase(r.streams.begin() + static_cast<std::ptrdiff_t>(i));
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  auto &r = runtime();
  Lock lock(r.mutex);
  CUstream_st *target = stream == nullptr ? &r.legacy : stream;
  if (target->capture) return remember(cudaErrorStreamCaptureUnsupported);
  r.drain(target);
  return r.result(target);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  auto &r = runtime();
  Lock lock(r.mutex);
  CUstream_st *target = stream == nullptr ? &r.legacy : stream;
  return r.allocating([&] { target->queue.push_back({{}, event, event->recorded}); });
}
cudaError_t cudaDeviceSynchronize() {
  auto &r = runtime();
  Lock lock(r.mutex);
  r.drain_all();
  for (CUstream_st *stream : r.streams)
    if (stream->failed) return r.result(stream);
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *argument) {
  auto &r = runtime();
  Lock lock(r.mutex);
  return r.add(stream, [function, argument] { function(argument); });
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
  Lock lock(runtime().mutex);
  return runtime().allocating([&] { *event = new CUevent_st; });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  auto &r = runtime();
  Lock lock(r.mutex);
  r.drain_all();
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  auto &r = runtime();
  Lock lock(r.mutex);
  const uint64_t number = ++event->recorded;
  return r.add(stream, [event, number] {
    if (event->passed < number) event->passed = number;
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  auto &r = runtime();
  Lock lock(r.mutex);
  if (event->passed < event->recorded) r.drain_all();
  return cudaSuccess;
}
// Time means nothing here.
cudaError_t cudaEventElapsedTime(float *elapsed_ms, cudaEvent_t, cudaEvent_t) {
  *elapsed_ms = 0;
  return cudaSuccess;
}

// Nothing is forbidden while the emulator records.
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode *mode) {
  thread_local cudaStreamCaptureMode current = cudaStreamCaptureModeGlobal;
  std::swap(current, *mode);
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  Lock lock(runtime().mutex);
  if (stream == nullptr || stream->capture) return remember(cudaErrorStreamCaptureUnsupported);
  return runtime().allocating([&] { stream->capture = std::make_unique<CUgraph_st>(); });
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  Lock lock(runtime().mutex);
  if (!stream->capture) return remember(cudaErrorInvalidValue);
  *graph = stream->capture.release();
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
  *status = stream != nullptr && stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long) {
  Lock lock(runtime().mutex);
  return runtime().allocating([&] { *executable = std::make_unique<CUgraphExec_st>(CUgraphExec_st{graph->nodes}).release(); });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  auto &r = runtime();
  Lock lock(r.mutex);
  for (const auto &node : executable->nodes) {
    const cudaError_t status = r.add_work(stream, [&] { return node; });
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
