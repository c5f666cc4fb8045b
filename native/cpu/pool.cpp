#include "cpu/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <csignal>

namespace sails {
namespace {

// Looks at the word so often before it sleeps: some microseconds, as OpenMP's threads do here (OpenMpWaiting.java).
constexpr int kLooks = 200;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static_assert(sizeof(std::atomic<uint32_t>) == 4 && std::atomic<uint32_t>::is_always_lock_free);
void sleep_while(std::atomic<uint32_t> &word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake(std::atomic<uint32_t> &word, int threads) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0);
}

uint32_t parts_of(uint64_t ticket) { return static_cast<uint32_t>(ticket >> 16) & 0xffff; }
uint32_t next_of(uint64_t ticket) { return static_cast<uint32_t>(ticket) & 0xffff; }

// Signals are the program's own threads' to answer.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

Pool::Pool(int threads) {
  workers_.reserve(static_cast<size_t>(threads - 1));
  const SignalsBlocked blocked;
  try {
    for (int i = 1; i < threads; i++) {
      workers_.emplace_back([this, i] { work(i); });
      pthread_setname_np(workers_.back().native_handle(), "sails-cpu");
    }
  } catch (...) {
    stop();
    throw;
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() {
  stopping_ = true;
  job_++;
  wake(job_, INT_MAX);
  for (std::thread &worker : workers_) worker.join();
}

// Whether a part was there to be taken, of the job that `seen` is of.
bool Pool::take_part(uint64_t seen, int thread) {
  while (next_of(seen) < parts_of(seen)) {
    // Only where the ticket is still the one that was seen: then its job has not ended, and does not before this part is done.
    if (!ticket_.compare_exchange_weak(seen, seen + 1)) continue;
    const uint32_t parts = parts_of(seen);
    function_(context_, next_of(seen), thread);
    if (done_.fetch_add(1) + 1 == parts) wake(done_, 1);
    return true;
  }
  return false;
}

void Pool::work(int thread) {
  uint32_t known = 0;
  while (!stopping_) {
    for (int look = 0; look < kLooks && job_ == known; look++) pause();
    if (job_ == known) {
      sleepers_++;
      sleep_while(job_, known);
      sleepers_--;
      continue;
    }
    known = job_;
    while (take_part(ticket_, thread)) {
    }
  }
}

void Pool::run(int64_t parts, PartFunction function, const void *context) {
  if (parts <= 1 || workers_.empty()) {
    for (int64_t part = 0; part < parts; part++) function(context, part, 0);
    return;
  }
  function_ = function;
  context_ = context;
  done_ = 0;
  const auto count = static_cast<uint32_t>(parts);
  const uint32_t job = job_ + 1;
  ticket_ = static_cast<uint64_t>(job) << 32 | static_cast<uint64_t>(count) << 16;
  job_ = job;
  if (sleepers_ > 0) wake(job_, static_cast<int>(count) - 1);
  while (take_part(ticket_, 0)) {
  }
  for (int look = 0; look < kLooks && done_ < count; look++) pause();
  for (uint32_t done = done_; done < count; done = done_) sleep_while(done_, done);
}

int threads_of(const Pool &pool) { return pool.threads(); }

void run_parts(Pool &pool, int64_t parts, PartFunction function, const void *context) { pool.run(parts, function, context); }

}  // namespace sails
