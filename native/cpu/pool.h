// Threads that share out the parts of one job. The caller works, too, and waits only for parts that somebody has begun: where the system
// lets a thread in late, because other work keeps the processors busy, the others have done its parts meanwhile. OpenMP waits for every
// thread of its team.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "cpu/parts.h"

namespace sails {

class Pool {
 public:
  // threads - 1 workers, which end with the pool. Throws std::system_error where the system gives none, std::bad_alloc.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // As run_parts.
  void run(int64_t parts, PartFunction function, const void *context);

 private:
  void work(int thread);
  bool take_part(uint64_t seen, int thread);
  void stop();

  // The job's number in the upper half; how many parts it has; the next one to be taken. One word, so that nobody takes a part of a job
  // that has ended.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<uint32_t> job_{0};  // changes with each job; workers sleep on it
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> done_{0};
  std::atomic<bool> stopping_{false};
  PartFunction function_ = nullptr;
  const void *context_ = nullptr;
  std::vector<std::thread> workers_;
};

}  // namespace sails
