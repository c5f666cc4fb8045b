// Opening and describing the CPU device.
#include "cpu/device.h"

#include <omp.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "cpu/matmul.h"
#include "cpu/processors.h"
#include "shell/backend.h"

namespace sails {

CpuDevice::CpuDevice() = default;
CpuDevice::~CpuDevice() = default;

int64_t thread_number() { return omp_get_thread_num(); }

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

std::string best_isa() { return supports("avx512") ? "avx512" : supports("avx2") ? "avx2" : "generic"; }

std::string choose_isa(const std::string &asked) {
  if (asked.empty()) return best_isa();
  require(asked == "avx512" || asked == "avx2" || asked == "generic", "option isa=", asked,
          " is unknown, expected avx512, avx2 or generic");
  require(supports(asked), "option isa=", asked, ": this CPU does not have it");
  return asked;
}

struct Options {
  std::string isa, matmul;
};

// "key=value,..." with the two keys that this backend knows.
Options parse_options(std::string rest) {
  Options options;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string option = rest.substr(0, comma);
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    require(option != "isa=" && option != "matmul=", "option ", option, ": expected a value behind it");
    if (option.compare(0, 4, "isa=") == 0)
      options.isa = option.substr(4);
    else if (option.compare(0, 7, "matmul=") == 0)
      options.matmul = option.substr(7);
    else
      require(false, "option '", option, "' is unknown to the cpu backend, expected isa=... or matmul=...");
  }
  return options;
}

// oneDNN where its library is there, unless the option says otherwise; empty: own products.
std::unique_ptr<Onednn> choose_matmul(const std::string &asked) {
  require(asked.empty() || asked == "onednn" || asked == "own", "option matmul=", asked, " is unknown, expected onednn or own");
  if (asked == "own") return nullptr;
  auto onednn = Onednn::open_beside();
  require(onednn != nullptr || asked.empty(), "option matmul=onednn: this build leaves out libsails_onednn.so");
  return onednn;
}

[[noreturn]] void fail_threads(const std::string &got, int count, const std::string &reason) {
  throw Error(SAILS_FAILED, "the system gives " + got + " threads of " + std::to_string(count) + " (" + reason +
                                "): ask for fewer, or raise the limit of processes (ulimit -u, pids.max)");
}

std::unique_ptr<Pool> open_pool(int count) {
  try {
    return std::make_unique<Pool>(count);
  } catch (const std::system_error &e) {
    fail_threads("fewer than all", count, e.what());
  }
}

// OpenMP ends the process where the system gives it no thread: so they are asked for once, before it is.
void require_threads(int count) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable all_there;
  bool done = false;
  std::string reason;
  bool no_memory = false;
  try {
    threads.reserve(static_cast<size_t>(count));
    while (static_cast<int>(threads.size()) < count - 1)
      threads.emplace_back([&] {
        std::unique_lock<std::mutex> lock(mutex);
        all_there.wait(lock, [&] { return done; });
      });
  } catch (const std::bad_alloc &) {
    no_memory = true;
  } catch (const std::exception &e) {
    reason = e.what();
  }
  {
    std::lock_guard<std::mutex> lock(mutex);
    done = true;
  }
  all_there.notify_all();
  for (std::thread &thread : threads) thread.join();
  if (no_memory) throw std::bad_alloc();
  if (!reason.empty()) fail_threads(std::to_string(threads.size() + 1), count, reason);
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.compare(0, 10, "model name") == 0) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

}  // namespace

namespace backend {

std::unique_ptr<sails_device> open(int32_t ordinal, int32_t n_threads, const std::string &options) {
  require(ordinal == 0, "there is no cpu device ", ordinal, ", only 0");
  auto device = std::make_unique<CpuDevice>();
  const Options chosen = parse_options(options);
  device->isa = choose_isa(chosen.isa);
  device->kernels = find_kernels(device->isa);
  device->threads = n_threads > 0 ? n_threads : usable_processors();
  // Beside those of the pool there is room for OpenMP's.
  device->pool = open_pool(device->threads);
  require_threads(device->threads);
  device->onednn = choose_matmul(chosen.matmul);
  // Measured where both use what the machine has.
  device->takes_faster = chosen.matmul.empty() && device->isa == best_isa() && device->isa != "generic";
  return device;
}

// OpenMP (ours and oneDNN's) keeps the thread count for each OS thread that calls.
void begin(sails_device &device, const char *) { omp_set_num_threads(cpu(device).threads); }
void end(sails_device &) noexcept {}

std::string describe(sails_device &device) {
  CpuDevice &host = cpu(device);
  return "{\"backend\":\"cpu\",\"name\":\"" + json_escaped(cpu_name()) + "\",\"isa\":\"" + host.isa +
         "\",\"threads\":" + std::to_string(host.threads) + ",\"matmul\":\"" + json_escaped(matmul_name(host)) + "\"}";
}

bool host_accessible(sails_device &) { return true; }

// Every call has done its work when it returns.
void synchronize(sails_device &) {}

void graph_begin(sails_device &) {
  throw Error(SAILS_UNSUPPORTED, "the cpu backend runs every operation at once and records none; call the operations themselves");
}
std::unique_ptr<sails_graph> graph_end(sails_device &) { return nullptr; }
void graph_launch(sails_device &, sails_graph &) {}

}  // namespace backend
}  // namespace sails
