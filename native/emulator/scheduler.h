// Runs the blocks of a kernel: each CUDA thread is a fiber; a cluster of blocks (most often of one) runs whole on one OS thread, all its
// fibers in a random order.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/device_runtime.h"
#include "emulator/fiber.h"
#include "emulator/host_runtime.h"
#include "emulator/shared_window.h"

namespace sails_emulator {

constexpr int kMaxBlockThreads = 1024;
constexpr int kMaxCluster = 8;  // blocks that every device takes
constexpr int kNamedBarriers = 16;

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

// Texts of one place in the source are most often one pointer; a shuffle asks 32 times.
inline bool same_text(const char *a, const char *b) { return a == b || std::strcmp(a, b) == 0; }

struct AsyncCopy {
  void *to;
  const void *from;
  int bytes, source_bytes;
};

struct Block;

// One CUDA thread.
struct Thread {
  Coordinates coordinates;
  Block *block = nullptr;
  Context context;
  std::unique_ptr<Stack> stack;  // while it runs
  int index = 0, lane = 0, warp = 0;
  bool done = false;
  // While it waits: for what, and where in the source.
  const char *waits_for = nullptr;
  Site site{};
  std::vector<AsyncCopy> copies;    // issued, not yet done
  std::deque<size_t> copy_groups;   // sizes of the committed groups
  size_t open_copies = 0;           // issued since the last commit
  bool at_cluster_barrier = false;  // has arrived and not yet waited
  uint32_t cluster_phase = 0;       // in which it arrived
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

// One block of the cluster that runs.
struct Block {
  uint3 index{};
  int rank = 0;  // in the cluster
  int live = 0;  // threads that have not returned
  SharedWindow shared;
  Meeting barrier;
  BlockVote barrier_vote = BlockVote::none;
  int barrier_votes = 0, barrier_result = 0;
  NamedBarrier named[kNamedBarriers];
  // By warp: the meetings of each mask that has come.
  std::vector<std::vector<std::pair<uint32_t, std::unique_ptr<Meeting>>>> warp_meetings{kMaxBlockThreads / 32};
  // For parts that keep state for a block (hopper.h); cleared when the cluster starts and ends.
  std::shared_ptr<void> extension;
};

class ClusterRunner {
 public:
  ClusterRunner();

  // Runs the cluster whose first block this is to its end. Returns the sentence of what went wrong, "" if nothing did. grids_before, where
  // given, ends the kernels that this one waits for; it is called when no thread can go on without.
  std::string run(const KernelCall &call, uint3 first_block, uint64_t seed, const std::function<void()> *grids_before = nullptr);

  Thread &current() { return *current_; }
  Block &block() { return *current_->block; }
  int cluster_blocks() const { return n_blocks_; }
  // A block of the cluster by its rank.
  Block &block(int rank) { return *blocks_[static_cast<size_t>(rank)]; }
  Random &random() { return random_; }
  int block_threads() const { return n_threads_; }

  // Stops the cluster with this sentence; does not return.
  [[noreturn]] void fail(const std::string &what, Site site);
  // Puts the current thread to sleep until someone wakes it.
  void wait(const char *what, Site site);
  void wake(Thread *thread);

  // All lanes of `mask` of the current thread's warp meet with a payload each; the last to come calls `work` on the payloads (by lane).
  template <typename Work>
  void meet_warp(uint32_t mask, void *payload, const char *what, Site site, Work &&work);

  int barrier(BlockVote vote, int predicate, Site site);
  void named_barrier(int id, int threads, bool wait_too, Site site);
  void cluster_arrive(Site site);
  void cluster_wait(Site site);
  void wait_for_grids(Site site);

  void *shared_array(const void *key, const char *name, size_t bytes);
  // Of the current block.
  SharedWindow &shared() { return block().shared; }

  // Called when no thread can run but not all are done; true if it made one runnable.
  void set_idle_hook(bool (*hook)(ClusterRunner &)) { idle_hook_ = hook; }
  // Called when the last thread of a block returns.
  void set_block_end_hook(void (*hook)(ClusterRunner &)) { block_end_hook_ = hook; }

  Meeting &warp_meeting(int warp, uint32_t mask, const char *what, Site site);
  void join(Meeting &meeting, int slot, void *payload);
  void release(Meeting &meeting);

 private:
  static void fiber_main();
  void start(const KernelCall &call, uint3 first_block, uint64_t seed);
  void start_block(Block &block, uint3 index, int rank);
  void thread_finished();
  void complete_cluster_phase();
  bool end_grids_before();
  bool make_runnable();
  Thread *pick();
  void run_thread_loop();
  void continue_thread(Thread *next, bool last);
  std::string where(const Thread &thread, Site site) const;
  std::string deadlock() const;
  void end_windows();
  std::unique_ptr<Stack> take_stack();

  const KernelCall *call_ = nullptr;
  int n_blocks_ = 0, n_threads_ = 0, live_ = 0;  // n_threads_: of a block, live_: of the cluster
  std::vector<std::unique_ptr<Block>> blocks_;
  std::deque<Thread> threads_;
  std::vector<Thread *> runnable_;
  std::vector<std::unique_ptr<Stack>> free_stacks_;
  std::vector<std::unique_ptr<Stack>> finished_stacks_;
  Thread *current_ = nullptr;
  Context main_;
  Random random_{1};
  std::string failure_;
  SharedLayout layout_;
  int cluster_arrived_ = 0;
  uint32_t cluster_phase_ = 0;
  std::vector<Thread *> cluster_waiting_;
  const std::function<void()> *grids_before_ = nullptr;  // NULL: they have ended
  std::vector<Thread *> grids_waiting_;
  bool (*idle_hook_)(ClusterRunner &) = nullptr;
  void (*block_end_hook_)(ClusterRunner &) = nullptr;
};

// The runner of the calling OS thread; outside a kernel an error.
ClusterRunner &runner();

template <typename Work>
void ClusterRunner::meet_warp(uint32_t mask, void *payload, const char *what, Site site, Work &&work) {
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
