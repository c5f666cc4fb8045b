#include "emulator/scheduler.h"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define SAILS_POISON(address, bytes) ASAN_POISON_MEMORY_REGION(address, bytes)
#define SAILS_UNPOISON(address, bytes) ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#else
#define SAILS_POISON(address, bytes) ((void)0)
#define SAILS_UNPOISON(address, bytes) ((void)0)
#endif

namespace sails_emulator {

__thread const Coordinates *coordinates __attribute__((tls_model("initial-exec"))) = nullptr;

namespace {

thread_local BlockRunner *running __attribute__((tls_model("initial-exec"))) = nullptr;

constexpr unsigned char kGapByte = 0xFD;
constexpr unsigned char kPoisonByte = 0xFF;  // a NaN in f32, bf16, f16 and f64; -1 as an index

std::string file_name(const char *path) {
  const char *slash = path == nullptr ? nullptr : std::strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path == nullptr ? "?" : path;
}

std::string triple(unsigned x, unsigned y, unsigned z) {
  return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

int64_t rounded_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

}  // namespace

BlockRunner &runner() {
  if (running == nullptr) std::abort();  // a device function called outside a kernel: nothing sensible can follow
  return *running;
}

BlockRunner::BlockRunner() : threads_(kMaxBlockThreads), warp_meetings_(kMaxBlockThreads / 32) {
  arena_ = static_cast<char *>(std::aligned_alloc(kArenaAlignment, kArenaBytes));
  if (arena_ == nullptr) throw std::bad_alloc();
  runnable_.reserve(kMaxBlockThreads);
}

BlockRunner::~BlockRunner() {
  SAILS_UNPOISON(arena_, kArenaBytes);
  std::free(arena_);
}

std::unique_ptr<Stack> BlockRunner::take_stack() {
  if (free_stacks_.empty()) return std::make_unique<Stack>();
  std::unique_ptr<Stack> stack = std::move(free_stacks_.back());
  free_stacks_.pop_back();
  return stack;
}

void BlockRunner::start(const KernelCall &call, uint3 block, uint64_t seed) {
  call_ = &call;
  block_ = block;
  n_threads_ = static_cast<int>(call.block.x * call.block.y * call.block.z);
  live_ = n_threads_;
  random_ = Random(seed);
  failure_.clear();
  extension_.reset();
  barrier_.what = nullptr;
  barrier_.waiting.clear();
  barrier_.count = barrier_votes_ = 0;
  for (NamedBarrier &barrier : named_) barrier = NamedBarrier();
  for (auto &meetings : warp_meetings_) meetings.clear();
  runnable_.clear();
  pieces_.clear();
  SAILS_UNPOISON(arena_, kArenaBytes);
  const int64_t dynamic_end = kDynamicStart + call.shared_bytes;
  std::memset(arena_ + kDynamicStart - kRedZone, kGapByte, kRedZone);
  std::memset(arena_ + kDynamicStart, kPoisonByte, static_cast<size_t>(call.shared_bytes));
  std::memset(arena_ + dynamic_end, kGapByte, kRedZone);
  SAILS_POISON(arena_, kDynamicStart);
  SAILS_POISON(arena_ + dynamic_end, kArenaBytes - dynamic_end);
  if (call.shared_bytes > 0) pieces_.push_back({nullptr, "dynamic shared memory", kDynamicStart, call.shared_bytes});
  static_next_ = rounded_up(dynamic_end + kRedZone, 128);
  static_bytes_ = 0;
  for (int i = 0; i < n_threads_; i++) {
    Thread &t = threads_[static_cast<size_t>(i)];
    const unsigned u = static_cast<unsigned>(i);
    t.coordinates = {{u % call.block.x, u / call.block.x % call.block.y, u / (call.block.x * call.block.y)}, block, call.block, call.grid};
    t.index = i;
    t.lane = i % 32;
    t.warp = i / 32;
    t.done = false;
    t.waits_for = nullptr;
    t.copies.clear();
    t.copy_groups.clear();
    t.open_copies = 0;
    runnable_.push_back(&t);
  }
}

std::string BlockRunner::run(const KernelCall &call, uint3 block, uint64_t seed) {
  start(call, block, seed);
  running = this;
  adopt_thread_stack(main_);
  Thread *first = pick();
  current_ = nullptr;
  continue_thread(first, false);
  // Here all threads are done, or one has failed; threads that were left asleep give their stacks back.
  for (int i = 0; i < n_threads_; i++) {
    std::unique_ptr<Stack> &stack = threads_[static_cast<size_t>(i)].stack;
    if (!stack) continue;
    forget_frames(*stack);
    free_stacks_.push_back(std::move(stack));
  }
  for (auto &stack : finished_stacks_) free_stacks_.push_back(std::move(stack));
  finished_stacks_.clear();
  extension_.reset();
  running = nullptr;
  coordinates = nullptr;
  if (failure_.empty()) check_red_zones();
  SAILS_UNPOISON(arena_, kArenaBytes);
  return failure_;
}

Thread *BlockRunner::pick() {
  if (runnable_.empty()) return nullptr;
  const size_t i = random_.below(static_cast<uint32_t>(runnable_.size()));
  Thread *thread = runnable_[i];
  runnable_[i] = runnable_.back();
  runnable_.pop_back();
  return thread;
}

// Leaves the current fiber for `next`, or for the runner where there is none.
void BlockRunner::continue_thread(Thread *next, bool last) {
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

void BlockRunner::fiber_main() {
  entered(running->current_->context);
  running->run_thread_loop();
}

// A fiber whose thread is done goes on with the next thread that has not started yet: a kernel without barriers is a plain loop.
void BlockRunner::run_thread_loop() {
  for (;;) {
    call_->body();
    thread_finished();
    Thread *next = pick();
    while (next == nullptr && live_ > 0) {
      if (idle_hook_ != nullptr && idle_hook_(*this)) {
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

void BlockRunner::thread_finished() {
  async_copy_wait(0);
  current_->done = true;
  live_--;
}

void BlockRunner::wait(const char *what, Site site) {
  Thread *me = current_;
  me->waits_for = what;
  me->site = site;
  Thread *next = pick();
  while (next == nullptr) {
    if (idle_hook_ != nullptr && idle_hook_(*this)) {
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

void BlockRunner::wake(Thread *thread) { runnable_.push_back(thread); }

std::string BlockRunner::where(const Thread &thread, Site site) const {
  const uint3 t = thread.coordinates.thread;
  return "kernel " + call_->name + ", block " + triple(block_.x, block_.y, block_.z) + ", thread " + triple(t.x, t.y, t.z) + ", " +
         file_name(site.file) + ":" + std::to_string(site.line);
}

void BlockRunner::fail(const std::string &what, Site site) {
  failure_ = what + " (" + where(*current_, site) + ")";
  continue_thread(nullptr, false);
  std::abort();  // a failed thread is never continued
}

std::string BlockRunner::deadlock() const {
  int waiting = 0;
  const Thread *first = nullptr;
  for (int i = 0; i < n_threads_; i++) {
    const Thread &t = threads_[static_cast<size_t>(i)];
    if (t.done) continue;
    waiting++;
    if (first == nullptr) first = &t;
  }
  const int done = n_threads_ - live_;
  return "deadlock: " + std::to_string(waiting) + " of " + std::to_string(n_threads_) + " threads wait" +
         (first == nullptr ? "" : std::string(" for ") + first->waits_for) + ", " + std::to_string(done) +
         " have returned and none can go on" + (first == nullptr ? "" : " (" + where(*first, first->site) + ")");
}

Meeting &BlockRunner::warp_meeting(int warp, uint32_t mask, const char *what, Site site) {
  const Thread &me = *current_;
  const int lanes = std::min(32, n_threads_ - warp * 32);
  if ((mask >> me.lane & 1u) == 0) fail(std::string(what) + ": the calling lane is not in its mask", site);
  if (lanes < 32 && (mask >> lanes) != 0) fail(std::string(what) + ": the mask names lanes that this warp does not have", site);
  auto &meetings = warp_meetings_[static_cast<size_t>(warp)];
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
  } else if (std::strcmp(found->what, what) != 0) {
    fail(std::string(what) + " meets " + found->what + " at " + file_name(found->site.file) + ":" + std::to_string(found->site.line) +
             " in the same warp: the lanes have diverged",
         site);
  }
  return *found;
}

void BlockRunner::join(Meeting &meeting, int slot, void *payload) { meeting.payloads[static_cast<size_t>(slot)] = payload; }

void BlockRunner::release(Meeting &meeting) {
  for (Thread *thread : meeting.waiting) wake(thread);
  meeting.waiting.clear();
  meeting.arrived = 0;
  meeting.count = 0;
  meeting.what = nullptr;
}

int BlockRunner::barrier(BlockVote vote, int predicate, Site site) {
  if (barrier_.what == nullptr) {
    barrier_.what = "__syncthreads";
    barrier_.site = site;
    barrier_vote_ = vote;
    barrier_votes_ = 0;
  } else if (barrier_.site.line != site.line || std::strcmp(barrier_.site.file, site.file) != 0) {
    fail("divergent barrier: this thread is at a __syncthreads while others wait at the one of " + file_name(barrier_.site.file) + ":" +
             std::to_string(barrier_.site.line),
         site);
  }
  barrier_.count++;
  barrier_votes_ += predicate != 0;
  if (barrier_.count < n_threads_) {
    barrier_.waiting.push_back(current_);
    wait("__syncthreads", site);
    return barrier_result_;
  }
  switch (barrier_vote_) {
    case BlockVote::none: barrier_result_ = 0; break;
    case BlockVote::any: barrier_result_ = barrier_votes_ > 0; break;
    case BlockVote::all: barrier_result_ = barrier_votes_ == n_threads_; break;
    case BlockVote::count: barrier_result_ = barrier_votes_; break;
  }
  release(barrier_);
  // The last thread to come is not the first to go on.
  wake(current_);
  const int result = barrier_result_;
  wait("__syncthreads", site);
  return result;
}

void BlockRunner::named_barrier(int id, int threads, bool wait_too, Site site) {
  if (id < 1 || id > 15 || threads % 32 != 0 || threads <= 0 || threads > n_threads_)
    fail("named barrier " + std::to_string(id) + " of " + std::to_string(threads) + " threads: expected 1 to 15 and a multiple of 32", site);
  NamedBarrier &barrier = named_[id];
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

void *BlockRunner::shared_array(const void *key, const char *name, size_t bytes) {
  for (const SharedPiece &piece : pieces_)
    if (piece.key == key) return arena_ + piece.offset;
  const auto size = static_cast<int64_t>(bytes);
  const Site site{nullptr, 0};
  static_bytes_ += rounded_up(size, 16);
  if (static_bytes_ > kMaxStaticSharedBytes) fail(std::string("shared array ") + name + ": more than 48 KiB of static shared memory", site);
  if (static_bytes_ + call_->shared_bytes > kMaxSharedBytes) fail(std::string("shared array ") + name + ": the block needs more than 227 KiB", site);
  // 16 bytes past a multiple of 128, because nothing promises more alignment than that.
  const int64_t offset = rounded_up(static_next_, 128) + 16;
  const int64_t end = offset + size;
  SAILS_UNPOISON(arena_ + static_next_, end + kRedZone - static_next_);
  std::memset(arena_ + static_next_, kGapByte, static_cast<size_t>(offset - static_next_));
  std::memset(arena_ + offset, kPoisonByte, bytes);
  std::memset(arena_ + end, kGapByte, kRedZone);
  SAILS_POISON(arena_ + static_next_, offset - static_next_);
  SAILS_POISON(arena_ + end, kRedZone);
  pieces_.push_back({key, name, offset, size});
  static_next_ = end + kRedZone;
  return arena_ + offset;
}

int64_t BlockRunner::shared_offset(const void *pointer) const {
  const auto address = reinterpret_cast<uintptr_t>(pointer), base = reinterpret_cast<uintptr_t>(arena_);
  return address >= base && address < base + kArenaBytes ? static_cast<int64_t>(address - base) : -1;
}

bool BlockRunner::in_shared(int64_t offset, int64_t bytes) const {
  for (const SharedPiece &piece : pieces_)
    if (offset >= piece.offset && offset + bytes <= piece.offset + piece.bytes) return true;
  return false;
}

// Without a sanitizer a write next to a shared array shows here, at the end of the block.
void BlockRunner::check_red_zones() {
  SAILS_UNPOISON(arena_, kArenaBytes);
  for (const SharedPiece &piece : pieces_) {
    const int64_t before = std::min<int64_t>(kRedZone, piece.key == nullptr ? kRedZone : 16);
    for (int64_t i = -before; i < piece.bytes + kRedZone; i++) {
      if (i == 0) i = piece.bytes;
      if (static_cast<unsigned char>(arena_[piece.offset + i]) == kGapByte) continue;
      failure_ = std::string("a write outside the shared array ") + piece.name + ", " +
                 (i < 0 ? std::to_string(-i) + " bytes before its start" : std::to_string(i - piece.bytes) + " bytes past its end") +
                 " (kernel " + call_->name + ", block " + triple(block_.x, block_.y, block_.z) + ")";
      return;
    }
  }
}

// ---- what device_runtime.h promises

void *shared_array(const void *key, const char *name, size_t bytes) { return runner().shared_array(key, name, bytes); }
void *dynamic_shared() { return runner().dynamic_shared(); }

uint32_t shared_address(const void *pointer, Site site) {
  const int64_t offset = runner().shared_offset(pointer);
  if (offset < 0) runner().fail("the pointer is not in shared memory", site);
  return static_cast<uint32_t>(offset);
}
void *shared_pointer(uint32_t address) { return runner().arena() + address; }

int block_barrier(BlockVote vote, int predicate, Site site) { return runner().barrier(vote, predicate, site); }
void named_barrier(int id, int threads, bool wait, Site site) { runner().named_barrier(id, threads, wait, site); }
int lane_index() { return runner().current().lane; }
void trap(const char *why, Site site) { runner().fail(why, site); }

uint64_t warp_shuffle(uint32_t mask, uint64_t value, int source, const char *what, Site site) {
  struct Slot {
    uint64_t value, result;
    int source;
  } slot{value, 0, source};
  BlockRunner &r = runner();
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
  BlockRunner &r = runner();
  const int64_t offset = r.shared_offset(to_shared);
  if (offset < 0 || !r.in_shared(offset, bytes)) r.fail("cp.async writes outside the block's shared memory", site);
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
