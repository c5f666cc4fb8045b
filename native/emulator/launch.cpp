#include "emulator/launch.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "emulator/scheduler.h"

// A test that lets the library's allocations fail has this function: what is allocated between the two calls stands for hardware.
extern "C" __attribute__((weak, visibility("default"))) void sails_hardware_runs(int32_t runs);

namespace sails_emulator {
namespace {

struct Hardware {
  Hardware() {
    if (sails_hardware_runs != nullptr) sails_hardware_runs(1);
  }
  ~Hardware() {
    if (sails_hardware_runs != nullptr) sails_hardware_runs(0);
  }
};

// Clusters in a random order: i -> (a i + b) mod n with a prime to n visits each once.
struct Order {
  uint64_t n, a, b;
  Order(uint64_t n, uint64_t seed) : n(n), a(1), b(0) {
    Random random(seed);
    if (n < 2) return;
    b = random.below(static_cast<uint32_t>(std::min<uint64_t>(n, UINT32_MAX)));
    a = 1 + random.below(static_cast<uint32_t>(std::min<uint64_t>(n - 1, UINT32_MAX)));
    while (std::gcd(a, n) != 1) a = a % n + 1;
  }
  uint64_t at(uint64_t i) const { return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * i + b) % n); }
};

// An OS thread for a kernel that runs inside another's first cluster, whose fibers have taken the calling thread. It keeps its stacks.
class Aside {
 public:
  ~Aside() {
    if (!thread_.joinable()) return;
    hand_over(nullptr);
    thread_.join();
  }
  void run(const std::function<void()> &work) {
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
    hand_over(&work);
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !busy_; });
  }

 private:
  // NULL: the end.
  void hand_over(const std::function<void()> *work) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      work_ = work;
      busy_ = true;
    }
    changed_.notify_all();
  }
  void loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return busy_; });
      if (work_ == nullptr) return;
      lock.unlock();
      (*work_)();
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
  const std::function<void()> *work_ = nullptr;
  bool busy_ = false;
};

struct Job {
  const KernelCall &call;
  uint64_t seed, clusters_x, clusters;
  Order order;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::string failure;

  Job(const KernelCall &call, uint64_t seed)
      : call(call),
        seed(seed),
        clusters_x(call.grid.x / static_cast<unsigned>(call.cluster)),
        clusters(clusters_x * call.grid.y * call.grid.z),
        order(clusters, seed) {}

  void work() {
    for (uint64_t i = next++; i < clusters && !failed; i = next++) run_cluster(i, nullptr);
  }
  // The first cluster, around what was queued before the kernel.
  void start_early(const std::function<void()> &before) {
    static Aside aside;
    bool ended = false;
    const std::function<void()> once = [&] {
      if (!ended) aside.run(before);
      ended = true;
    };
    run_cluster(next++, &once);
    once();
  }

 private:
  void run_cluster(uint64_t i, const std::function<void()> *grids_before) {
    static thread_local ClusterRunner cluster_runner;
    const uint64_t cluster = order.at(i);
    const auto x = static_cast<unsigned>(cluster % clusters_x) * static_cast<unsigned>(call.cluster);
    const auto y = static_cast<unsigned>(cluster / clusters_x % call.grid.y);
    const auto z = static_cast<unsigned>(cluster / clusters_x / call.grid.y);
    std::string sentence = cluster_runner.run(call, {x, y, z}, seed ^ (cluster + 1) * 0xD1B54A32D192ED03ull, grids_before);
    if (sentence.empty()) return;
    std::lock_guard<std::mutex> lock(mutex);
    if (failure.empty()) failure = std::move(sentence);
    failed = true;
  }
};

// OS threads that wait for a job; they keep their stacks and arenas between kernels.
class Workers {
 public:
  ~Workers() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread &thread : threads_) thread.join();
  }

  // The calling thread works too.
  void run(Job &job, int threads) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (static_cast<int>(threads_.size()) < threads - 1) threads_.emplace_back([this] { loop(); });
      job_ = &job;
      wanted_ = threads - 1;
      generation_++;
    }
    wake_.notify_all();
    job.work();
    std::unique_lock<std::mutex> lock(mutex_);
    wanted_ = 0;
    done_.wait(lock, [this] { return busy_ == 0; });
    job_ = nullptr;
  }

 private:
  void loop() {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stopping_ || (generation_ != seen && wanted_ > 0); });
      if (stopping_) return;
      seen = generation_;
      wanted_--;
      busy_++;
      Job *job = job_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--busy_ == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> threads_;
  Job *job_ = nullptr;
  int wanted_ = 0, busy_ = 0;
  uint64_t generation_ = 0;
  bool stopping_ = false;
};

std::string refused(const KernelCall &call) {
  const uint64_t threads = static_cast<uint64_t>(call.block.x) * call.block.y * call.block.z;
  if (threads == 0 || threads > kMaxBlockThreads || call.block.z > 64)
    return "a block of " + std::to_string(threads) + " threads, expected 1 to 1024";
  if (call.grid.x > 0x7fffffffu || call.grid.y > 65535 || call.grid.z > 65535)
    return "a grid of " + std::to_string(call.grid.x) + " x " + std::to_string(call.grid.y) + " x " + std::to_string(call.grid.z) +
           " blocks, expected at most 2^31 - 1 x 65535 x 65535";
  if (call.shared_bytes < 0 || call.shared_bytes > kMaxSharedBytes)
    return std::to_string(call.shared_bytes) + " bytes of dynamic shared memory, expected at most " + std::to_string(kMaxSharedBytes);
  if (call.cluster < 1 || call.cluster > kMaxCluster || call.grid.x % static_cast<unsigned>(call.cluster) != 0)
    return "clusters of " + std::to_string(call.cluster) + " in a row of " + std::to_string(call.grid.x) + " blocks, expected 1 to " +
           std::to_string(kMaxCluster) + " and whole clusters";
  return "";
}

}  // namespace

std::string run_kernel(const KernelCall &call, uint64_t seed, int threads, const std::function<void()> &before) {
  const Hardware hardware;
  const std::string why = refused(call);
  if (!why.empty() && before) before();
  if (!why.empty()) return "kernel " + call.name + ": " + why;
  // For whoever wants to know which kernels an operation runs.
  static const bool trace = std::getenv("SAILS_TRACE_LAUNCHES") != nullptr;
  if (trace)
    std::fprintf(stderr, "%s: %u x %u x %u blocks of %u threads%s\n", call.name.c_str(), call.grid.x, call.grid.y, call.grid.z,
                 call.block.x, call.cluster > 1 ? (" in clusters of " + std::to_string(call.cluster)).c_str() : "");
  static Workers workers;
  Job job(call, seed);
  if (before) job.start_early(before);
  if (threads <= 1 || job.clusters < 4)
    job.work();
  else
    workers.run(job, threads);
  return job.failure;
}

}  // namespace sails_emulator
