// Opening and describing the CPU device.
#include "cpu/device.h"

#include <omp.h>
#include <sched.h>

#include <fstream>

#include "cpu/matmul.h"
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

std::string choose_isa(const std::string &asked) {
  if (asked.empty()) return supports("avx512") ? "avx512" : supports("avx2") ? "avx2" : "generic";
  require(asked == "avx512" || asked == "avx2" || asked == "generic",
          "option isa=" + asked + " is unknown, expected avx512, avx2 or generic");
  require(supports(asked), "option isa=" + asked + ": this CPU does not have it");
  return asked;
}

// "key=value,..." with the one key that this backend knows.
std::string parse_isa(std::string rest) {
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

}  // namespace

namespace backend {

std::unique_ptr<sails_device> open(int32_t ordinal, int32_t n_threads, const std::string &options) {
  require(ordinal == 0, "there is no cpu device " + std::to_string(ordinal) + ", only 0");
  auto device = std::make_unique<CpuDevice>();
  device->isa = parse_isa(options);
  device->kernels = find_kernels(device->isa);
  device->threads = n_threads > 0 ? n_threads : available_threads();
  device->matmul = std::make_unique<MatmulCache>();
  return device;
}

// OpenMP (ours and oneDNN's) keeps the thread count for each OS thread that calls.
void begin(sails_device &device, const char *) { omp_set_num_threads(cpu(device).threads); }
void end(sails_device &) noexcept {}

std::string describe(sails_device &device) {
  const CpuDevice &host = cpu(device);
  return "{\"backend\":\"cpu\",\"name\":\"" + json_escaped(cpu_name()) + "\",\"isa\":\"" + host.isa + "\",\"threads\":" +
         std::to_string(host.threads) + ",\"matmul\":\"" + json_escaped(matmul_library()) + "\"}";
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
