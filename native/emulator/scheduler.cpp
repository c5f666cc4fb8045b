#include "emulator/scheduler.h"

#include <cstdlib>
#include <cstring>

namespace sails_emulator {

__thread const Coordinates *coordinates __attribute__((tls_model("initial-exec"))) = nullptr;

namespace {

thread_local ClusterRunner *running __attribute__((tls_model("initial-exec"))) = nullptr;

std::string file_name(const char *path) {
  const char *slash = path == nullptr ? nullptr : std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path == nullptr ? "?" : path;
}

std::string triple(unsigned x, unsigned y, unsigned z) {
  return std::string("(") + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

}  // namespace

ClusterRunner &runner() {
  if (running == nullptr) std::abort();  // a device function called outside a kernel: nothing sensible can follow
  return *running;
}

ClusterRunner::ClusterRunner() { runnable_.reserve(kMaxBlockThreads); }

std::unique_ptr<Stack> ClusterRunner::take_stack() {
  if (free_stacks_.empty()) return std::make_unique<Stack>();
  std::unique_ptr<Stack> stack = std::move(free_stacks_.back());
  free_stacks_.pop_back();
  return stack;
}

void ClusterRunner::start(const KernelCall &call, uint3 first_block, uint64_t seed) {
  call_ = &call;
  n_blocks_ = call.cluster;
  n_threads_ = static_cast<int>(call.block.x * call.block.y * call.block.z);
  live_ = n_blocks_ * n_threads_;
  random_ = Random(seed);
  failure_.clear();
  cluster_arrived_ = 0;
  cluster_phase_ = 0;
  cluster_waiting_.clear();
  runnable_.clear();
  layout_.start(call.shared_bytes);
  while (static_cast<int>(blocks_.size()) < n_blocks_) blocks_.push_back(std::make_unique<Block>());
  if (static_cast<int>(threads_.size()) < live_) threads_.resize(static_cast<size_t>(live_));
  for (int rank = 0; rank < n_blocks_; rank++)
    start_block(block(rank), {first_block.x + static_cast<unsigned>(rank), first_block.y, first_block.z}, rank);
}

void ClusterRunner::start_block(Block &block, uint3 index, int rank) {
  block.index = index;
  block.rank = rank;
  block.live = n_threads_;
  block.extension.reset();
  block.barrier.what = nullptr;
  block.barrier.waiting.clear();
  block.barrier.count = block.barrier_votes = 0;
  for (NamedBarrier &barrier : block.named) barrier = NamedBarrier();
  for (auto &meetings : block.warp_meetings) meetings.clear();
  block.shared.start(layout_);
  const dim3 size = call_->block;
  for (int i = 0; i < n_threads_; i++) {
    Thread &t = threads_[static_cast<size_t>(rank * n_threads_ + i)];
    const unsigned u = static_cast<unsigned>(i);
    t.coordinates = {{u % size.x, u / size.x % size.y, u / (size.x * size.y)}, index, size, call_->grid};
    t.block = &block;
    t.index = i;
    t.lane = i % 32;
    t.warp = i / 32;
    t.done = t.at_cluster_barrier = false;
    t.waits_for = nullptr;
    t.copies.clear();
    t.copy_groups.clear();
    t.open_copies = 0;
    runnable_.push_back(&t);
  }
}

std::string ClusterRunner::run(const KernelCall &call, uint3 first_block, uint64_t seed, const std::function<void()> *grids_before) {
  start(call, first_block, seed);
  grids_before_ = grids_before;
  grids_waiting_.clear();
  running = this;
  adopt_thread_stack(main_);
  Thread *first = pick();
  current_ = nullptr;
  continue_thread(first, false);
  // Here all threads are done, or one has failed; threads that were left asleep give their stacks back.
  for (int i = 0; i < n_blocks_ * n_threads_; i++) {
    std::unique_ptr<Stack> &stack = threads_[static_cast<size_t>(i)].stack;
    if (!stack) continue;
    forget_frames(*stack);
    free_stacks_.push_back(std::move(stack));
  }
  for (auto &stack : finished_stacks_) free_stacks_.push_back(std::move(stack));
  finished_stacks_.clear();
  for (auto &block : blocks_) block->extension.reset();
  running = nullptr;
  coordinates = nullptr;
  end_windows();
  return failure_;
}

void ClusterRunner::end_windows() {
  for (int rank = 0; rank < n_blocks_; rank++) {
    const std::string outside = block(rank).shared.end();
    const uint3 at = block(rank).index;
    if (failure_.empty() && !outside.empty()) failure_ = outside + " (kernel " + call_->name + ", block " + triple(at.x, at.y, at.z) + ")";
  }
}

Thread *ClusterRunner::pick() {
  if (runnable_.empty()) return nullptr;
  const size_t i = random_.below(static_cast<uint32_t>(runnable_.size()));
  Thread *thread = runnable_[i];
  runnable_[i] = runnable_.back();
  runnable_.pop_back();
  return thread;
}

// Leaves the current fiber for `next`, or for the runner where there is none.
void ClusterRunner::continue_thread(Thread *next, bool last) {
  Context &from = current_ == nullptr ? main_ : current_->context;
  if (next == nullptr) {
    coordinates = nullptr;
    current_ = nullptr;
    switch_context(from, main_, last);
    return;
  }
  if (!next->stack) {
    next->stack = take_stack();
    prepare(next->context, *next->stack, fiber_main);
  }
  current_ = next;
  coordinates = &next->coordinates;
  switch_context(from, next->context, last);
}

void ClusterRunner::fiber_main() {
  entered(running->current_->context);
  running->run_thread_loop();
}

// A fiber whose thread is done goes on with the next thread that has not started yet: a kernel without barriers is a plain loop.
void ClusterRunner::run_thread_loop() {
  for (;;) {
    call_->body();
    thread_finished();
    Thread *next = pick();
    while (next == nullptr && live_ > 0) {
      if (make_runnable()) {
        next = pick();
      } else {
        failure_ = deadlock();
        break;
      }
    }
    Thread *me = current_;
    if (next != nullptr && !next->stack) {
      next->stack = std::move(me->stack);
      next->context.stack = next->stack.get();
      current_ = next;
      coordinates = &next->coordinates;
      continue;
    }
    // The stack is in use until the switch below; nobody takes it from finished_stacks_ before.
    finished_stacks_.push_back(std::move(me->stack));
    continue_thread(next, true);
  }
}

void ClusterRunner::thread_finished() {
  async_copy_wait(0);
  current_->done = true;
  live_--;
  // Who has arrived and returns without waiting is not counted twice.
  if (current_->at_cluster_barrier && current_->cluster_phase == cluster_phase_) cluster_arrived_--;
  if (--block().live == 0 && block_end_hook_ != nullptr) block_end_hook_(*this);
  complete_cluster_phase();
}

void ClusterRunner::wait(const char *what, Site site) {
  Thread *me = current_;
  me->waits_for = what;
  me->site = site;
  Thread *next = pick();
  while (next == nullptr) {
    if (make_runnable()) {
      next = pick();
      continue;
    }
    failure_ = deadlock();
    break;
  }
  if (next == me) {
    me->waits_for = nullptr;
    return;
  }
  continue_thread(next, false);
  me->waits_for = nullptr;
}

// No thread can run: what is asynchronous makes progress, else what the kernel waits for ends.
bool ClusterRunner::make_runnable() { return (idle_hook_ != nullptr && idle_hook_(*this)) || end_grids_before(); }

bool ClusterRunner::end_grids_before() {
  if (grids_waiting_.empty()) return false;
  (*grids_before_)();
  grids_before_ = nullptr;
  for (Thread *thread : grids_waiting_) wake(thread);
  grids_waiting_.clear();
  return true;
}

void ClusterRunner::wait_for_grids(Site site) {
  if (grids_before_ == nullptr) return;
  grids_waiting_.push_back(current_);
  wait("the kernels before", site);
}

void ClusterRunner::wake(Thread *thread) { runnable_.push_back(thread); }

std::string ClusterRunner::where(const Thread &thread, Site site) const {
  const uint3 t = thread.coordinates.thread, b = thread.coordinates.block;
  return "kernel " + call_->name + ", block " + triple(b.x, b.y, b.z) + ", thread " + triple(t.x, t.y, t.z) + ", " + file_name(site.file) +
         ":" + std::to_string(site.line);
}

void ClusterRunner::fail(const std::string &what, Site site) {
  failure_ = what + " (" + where(*current_, site) + ")";
  continue_thread(nullptr, false);
  std::abort();  // a failed thread is never continued
}

std::string ClusterRunner::deadlock() const {
  const int all = n_blocks_ * n_threads_;
  int waiting = 0;
  const Thread *first = nullptr;
  for (int i = 0; i < all; i++) {
    const Thread &t = threads_[static_cast<size_t>(i)];
    if (t.done) continue;
    waiting++;
    if (first == nullptr) first = &t;
  }
  return "deadlock: " + std::to_string(waiting) + " of " + std::to_string(all) + " threads wait" +
         (first == nullptr ? "" : std::string(" for ") + first->waits_for) + ", " + std::to_string(all - live_) +
         " have returned and none can go on" + (first == nullptr ? "" : " (" + where(*first, first->site) + ")");
}

Meeting &ClusterRunner::warp_meeting(int warp, uint32_t mask, const char *what, Site site) {
  const Thread &me = *current_;
  const int lanes = std::min(32, n_threads_ - warp * 32);
  if ((mask >> me.lane & 1u) == 0) fail(std::string(what) + ": the calling lane is not in its mask", site);
  if (lanes < 32 && (mask >> lanes) != 0) fail(std::string(what) + ": the mask names lanes that this warp does not have", site);
  auto &meetings = me.block->warp_meetings[static_cast<size_t>(warp)];
  Meeting *found = nullptr;
  for (auto &entry : meetings)
    if (entry.first == mask) found = entry.second.get();
  if (found == nullptr) {
    meetings.emplace_back(mask, std::make_unique<Meeting>());
    found = meetings.back().second.get();
    found->payloads.resize(32);
  }
  if (found->what == nullptr) {
    found->what = what;
    found->site = site;
  } else if (!same_text(found->what, what)) {
    fail(std::string(what) + " meets " + found->what + " at " + file_name(found->site.file) + ":" + std::to_string(found->site.line) +
             " in the same warp: the lanes have diverged",
         site);
  }
  return *found;
}

void ClusterRunner::join(Meeting &meeting, int slot, void *payload) { meeting.payloads[static_cast<size_t>(slot)] = payload; }

void ClusterRunner::release(Meeting &meeting) {
  for (Thread *thread : meeting.waiting) wake(thread);
  meeting.waiting.clear();
  meeting.arrived = 0;
  meeting.count = 0;
  meeting.what = nullptr;
}

int ClusterRunner::barrier(BlockVote vote, int predicate, Site site) {
  Block &b = block();
  if (b.barrier.what == nullptr) {
    b.barrier.what = "__syncthreads";
    b.barrier.site = site;
    b.barrier_vote = vote;
    b.barrier_votes = 0;
  } else if (b.barrier.site.line != site.line || !same_text(b.barrier.site.file, site.file)) {
    fail("divergent barrier: this thread is at a __syncthreads while others wait at the one of " + file_name(b.barrier.site.file) + ":" +
             std::to_string(b.barrier.site.line),
         site);
  }
  b.barrier.count++;
  b.barrier_votes += predicate != 0;
  if (b.barrier.count < n_threads_) {
    b.barrier.waiting.push_back(current_);
    wait("__syncthreads", site);
    return b.barrier_result;
  }
  switch (b.barrier_vote) {
    case BlockVote::none: b.barrier_result = 0; break;
    case BlockVote::any: b.barrier_result = b.barrier_votes > 0; break;
    case BlockVote::all: b.barrier_result = b.barrier_votes == n_threads_; break;
    case BlockVote::count: b.barrier_result = b.barrier_votes; break;
  }
  release(b.barrier);
  // The last thread to come is not the first to go on.
  wake(current_);
  const int result = b.barrier_result;
  wait("__syncthreads", site);
  return result;
}

void ClusterRunner::named_barrier(int id, int threads, bool wait_too, Site site) {
  if (id < 1 || id >= kNamedBarriers || threads % 32 != 0 || threads <= 0 || threads > n_threads_)
    fail("named barrier " + std::to_string(id) + " of " + std::to_string(threads) + " threads: expected 1 to 15 and a multiple of 32",
         site);
  NamedBarrier &barrier = block().named[id];
  if (barrier.expected == 0) barrier.expected = threads;
  if (barrier.expected != threads)
    fail("named barrier " + std::to_string(id) + " is used with " + std::to_string(threads) + " and " + std::to_string(barrier.expected) +
             " threads at once",
         site);
  if (++barrier.arrived == threads) {
    for (Thread *thread : barrier.waiting) wake(thread);
    barrier = NamedBarrier();
  } else if (wait_too) {
    barrier.waiting.push_back(current_);
    wait("a named barrier", site);
  }
}

void ClusterRunner::cluster_arrive(Site site) {
  Thread &me = *current_;
  if (me.at_cluster_barrier) fail("barrier.cluster.arrive: this thread has arrived already and not waited", site);
  me.at_cluster_barrier = true;
  me.cluster_phase = cluster_phase_;
  cluster_arrived_++;
  complete_cluster_phase();
}

void ClusterRunner::cluster_wait(Site site) {
  Thread &me = *current_;
  if (!me.at_cluster_barrier) fail("barrier.cluster.wait: this thread has not arrived", site);
  while (cluster_phase_ == me.cluster_phase) {
    cluster_waiting_.push_back(&me);
    wait("the cluster's barrier", site);
  }
  me.at_cluster_barrier = false;
}

// Threads that have returned count as arrived.
void ClusterRunner::complete_cluster_phase() {
  if (cluster_arrived_ == 0 || cluster_arrived_ < live_) return;
  cluster_arrived_ = 0;
  cluster_phase_++;
  for (Thread *thread : cluster_waiting_) wake(thread);
  cluster_waiting_.clear();
}

void *ClusterRunner::shared_array(const void *key, const char *name, size_t bytes) {
  if (void *declared = shared().find(key)) return declared;
  std::string why;
  const SharedPiece &piece = layout_.place(key, name, static_cast<int64_t>(bytes), why);
  if (!why.empty()) fail(why, {nullptr, 0});
  return shared().declare(piece);
}

// ---- what device_runtime.h promises

void *shared_array(const void *key, const char *name, size_t bytes) { return runner().shared_array(key, name, bytes); }
void *dynamic_shared() { return runner().shared().dynamic(); }

uint32_t shared_address(const void *pointer, Site site) {
  const int64_t offset = runner().shared().offset(pointer);
  if (offset < 0) runner().fail("the pointer is not in shared memory", site);
  return static_cast<uint32_t>(offset);
}
void *shared_pointer(uint32_t address) { return runner().shared().arena() + address; }

int block_barrier(BlockVote vote, int predicate, Site site) { return runner().barrier(vote, predicate, site); }
void named_barrier(int id, int threads, bool wait, Site site) { runner().named_barrier(id, threads, wait, site); }
int cluster_rank() { return runner().block().rank; }
void cluster_arrive(Site site) { runner().cluster_arrive(site); }
void cluster_wait(Site site) { runner().cluster_wait(site); }
void wait_for_grids(Site site) { runner().wait_for_grids(site); }
int lane_index() { return runner().current().lane; }
void trap(const char *why, Site site) { runner().fail(why, site); }

uint64_t warp_shuffle(uint32_t mask, uint64_t value, int source, const char *what, Site site) {
  struct Slot {
    uint64_t value, result;
    int source;
  } slot{value, 0, source};
  ClusterRunner &r = runner();
  if (source < 0 || source > 31 || (mask >> source & 1u) == 0) r.fail(std::string(what) + " reads a lane that is not in its mask", site);
  r.meet_warp(mask, &slot, what, site, [mask](void **payloads) {
    for (int lane = 0; lane < 32; lane++) {
      if ((mask >> lane & 1u) == 0) continue;
      auto *target = static_cast<Slot *>(payloads[lane]);
      target->result = static_cast<Slot *>(payloads[target->source])->value;
    }
  });
  return slot.result;
}

uint32_t warp_ballot(uint32_t mask, int predicate, const char *what, Site site) {
  struct Slot {
    bool predicate;
    uint32_t result;
  } slot{predicate != 0, 0};
  runner().meet_warp(mask, &slot, what, site, [mask](void **payloads) {
    uint32_t ballot = 0;
    for (int lane = 0; lane < 32; lane++)
      if (mask >> lane & 1u) ballot |= static_cast<uint32_t>(static_cast<Slot *>(payloads[lane])->predicate) << lane;
    for (int lane = 0; lane < 32; lane++)
      if (mask >> lane & 1u) static_cast<Slot *>(payloads[lane])->result = ballot;
  });
  return slot.result;
}

void async_copy(void *to_shared, const void *from_global, int bytes, int source_bytes, Site site) {
  ClusterRunner &r = runner();
  const int64_t offset = r.shared().offset(to_shared);
  if (offset < 0 || !r.shared().holds(offset, bytes)) r.fail("cp.async writes outside the block's shared memory", site);
  if (offset % bytes != 0 || reinterpret_cast<uintptr_t>(from_global) % static_cast<uintptr_t>(bytes) != 0)
    r.fail("cp.async of " + std::to_string(bytes) + " bytes from or to an address that is not aligned to them", site);
  Thread &me = r.current();
  me.copies.push_back({to_shared, from_global, bytes, source_bytes});
  me.open_copies++;
}

void async_copy_commit() {
  Thread &me = runner().current();
  me.copy_groups.push_back(me.open_copies);
  me.open_copies = 0;
}

// What is never committed is never copied.
void async_copy_wait(int pending) {
  Thread &me = runner().current();
  size_t ready = 0;
  while (me.copy_groups.size() > static_cast<size_t>(pending)) {
    ready += me.copy_groups.front();
    me.copy_groups.pop_front();
  }
  if (ready == 0) return;
  for (size_t i = 0; i < ready; i++) {
    const AsyncCopy &copy = me.copies[i];
    if (copy.source_bytes > 0) std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.source_bytes));
    if (copy.source_bytes < copy.bytes)
      std::memset(static_cast<char *>(copy.to) + copy.source_bytes, 0, static_cast<size_t>(copy.bytes - copy.source_bytes));
  }
  me.copies.erase(me.copies.begin(), me.copies.begin() + static_cast<std::ptrdiff_t>(ready));
}

}  // namespace sails_emulator
