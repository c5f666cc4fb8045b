// Runs the blocks of a kernel: each CUDA thread is a fiber, a block runs whole on one OS thread, its fibers in a random order.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/device_runtime.h"
#include "emulator/fiber.h"
#include "emulator/host_runtime.h"

namespace sails_emulator {

constexpr int kMaxBlockThreads = 1024;
// The shared window of a block: addresses start at 0 of the arena, which is aligned to a swizzle atom. Static arrays count towards 48 KiB,
// dynamic shared memory starts 128 past an atom, because nothing promises a kernel more.
constexpr int64_t kArenaBytes = 512 * 1024;
constexpr int64_t kArenaAlignment = 4096;
constexpr int64_t kDynamicStart = 1024 + 128;
constexpr int64_t kMaxStaticSharedBytes = 48 * 1024;
constexpr int64_t kRedZone = 64;

// A small fast generator (xorshift64*); the order of threads needs no better one.
struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15ull | 1) {}
  uint32_t below(uint32_t n) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return static_cast<uint32_t>(static_cast<uint64_t>(static_cast<uint32_t>(state * 0x2545F4914F6CDD1Dull >> 32)) * n >> 32);
  }
};

struct AsyncCopy {
  void *to;
  const void *from;
  int bytes, source_bytes;
};

// One CUDA thread.
struct Thread {
  Coordinates coordinates;
  Context context;
  std::unique_ptr<Stack> stack;  // while it runs
  int index = 0, lane = 0, warp = 0;
  bool done = false;
  // While it waits: for what, and where in the source.
  const char *waits_for = nullptr;
  Site site{};
  std::vector<AsyncCopy> copies;     // issued, not yet done
  std::deque<size_t> copy_groups;    // sizes of the committed groups
  size_t open_copies = 0;            // issued since the last commit
};

// Threads that have come together at a collective operation; the last one does the work and releases the others.
struct Meeting {
  const char *what = nullptr;  // NULL: nobody is here
  Site site{};
  std::vector<Thread *> waiting;
  std::vector<void *> payloads;  // by lane or by thread of the group
  uint64_t arrived = 0;          // bits of lanes
  int count = 0;
};

struct NamedBarrier {
  int expected = 0, arrived = 0;
  std::vector<Thread *> waiting;
};

// A piece of shared memory that the block owns.
struct SharedPiece {
  const void *key;
  const char *name;
  int64_t offset, bytes;
};

class BlockRunner {
 public:
  BlockRunner();
  ~BlockRunner();

  // Runs one block to its end. Returns the sentence of what went wrong, "" if nothing did.
  std::string run(const KernelCall &call, uint3 block, uint64_t seed);

  Thread &current() { return *current_; }
  Random &random() { return random_; }
  int block_threads() const { return n_threads_; }

  // Stops the block with this sentence; does not return.
  [[noreturn]] void fail(const std::string &what, Site site);
  // Puts the current thread to sleep until someone wakes it.
  void wait(const char *what, Site site);
  void wake(Thread *thread);

  // All lanes of `mask` of the current thread's warp meet with a payload each; the last to come calls `work` on the payloads (by lane).
  template <typename Work>
  void meet_warp(uint32_t mask, void *payload, const char *what, Site site, Work &&work);

  int barrier(BlockVote vote, int predicate, Site site);
  void named_barrier(int id, int threads, bool wait_too, Site site);

  void *shared_array(const void *key, const char *name, size_t bytes);
  void *dynamic_shared() { return arena_ + kDynamicStart; }
  // Offset in the shared window, -1 where the pointer is not in it.
  int64_t shared_offset(const void *pointer) const;
  char *arena() { return arena_; }
  // Whether [offset, offset + bytes) lies in memory that the block has declared.
  bool in_shared(int64_t offset, int64_t bytes) const;

  // For parts that keep state for a block (hopper.h): cleared when a block starts.
  std::shared_ptr<void> &extension() { return extension_; }
  // Called when no thread can run but not all are done; true if it made one runnable.
  void set_idle_hook(bool (*hook)(BlockRunner &)) { idle_hook_ = hook; }

  Meeting &warp_meeting(int warp, uint32_t mask, const char *what, Site site);
  void join(Meeting &meeting, int slot, void *payload);
  void release(Meeting &meeting);

 private:
  static void fiber_main();
  void start(const KernelCall &call, uint3 block, uint64_t seed);
  void thread_finished();
  Thread *pick();
  void run_thread_loop();
  void continue_thread(Thread *next, bool last);
  std::string where(const Thread &thread, Site site) const;
  std::string deadlock() const;
  void check_red_zones();
  void fill_gaps();
  std::unique_ptr<Stack> take_stack();

  const KernelCall *call_ = nullptr;
  uint3 block_{};
  int n_threads_ = 0, live_ = 0;
  std::vector<Thread> threads_;
  std::vector<Thread *> runnable_;
  std::vector<std::unique_ptr<Stack>> free_stacks_;
  std::vector<std::unique_ptr<Stack>> finished_stacks_;
  Thread *current_ = nullptr;
  Context main_;
  Random random_{1};
  std::string failure_;
  Meeting barrier_;
  int barrier_votes_ = 0;
  BlockVote barrier_vote_ = BlockVote::none;
  int barrier_result_ = 0;
  NamedBarrier named_[16];
  std::vector<std::vector<std::pair<uint32_t, std::unique_ptr<Meeting>>>> warp_meetings_;
  char *arena_ = nullptr;
  int64_t static_next_ = 0, static_bytes_ = 0;
  std::vector<SharedPiece> pieces_;
  std::shared_ptr<void> extension_;
  bool (*idle_hook_)(BlockRunner &) = nullptr;
};

// The runner of the calling OS thread; outside a kernel an error.
BlockRunner &runner();

template <typename Work>
void BlockRunner::meet_warp(uint32_t mask, void *payload, const char *what, Site site, Work &&work) {
  Thread &me = current();
  Meeting &meeting = warp_meeting(me.warp, mask, what, site);
  join(meeting, me.lane, payload);
  meeting.arrived |= uint64_t{1} << me.lane;
  if (meeting.arrived == mask) {
    work(meeting.payloads.data());
    release(meeting);
  } else {
    meeting.waiting.push_back(&me);
    wait(what, site);
  }
}

}  // namespace sails_emulator
