#include "emulator/hopper.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <unordered_map>

#include "emulator/scheduler.h"

namespace sails_emulator {
namespace {

constexpr int kGroup = 128;  // threads of a warpgroup

// A bulk load that has been issued and not done.
struct Load {
  std::function<void()> copy;
  int64_t bytes;
  Site site;
};

struct Barrier {
  int64_t count = 0, pending = 0;  // arrivals of a phase, and those still missing in this one
  int64_t bytes = 0;               // announced and not arrived; below 0 while copies are ahead of the announcement
  uint32_t phase = 0;              // the parity of the phase under way
  bool by_others = false;          // another block of the cluster has arrived
  std::vector<Load> loads;
  std::vector<Thread *> waiting;
  Site waited_at{};
};

struct Store {
  std::function<void()> read, write;
  bool has_read = false;
};
struct StoreGroup {
  std::vector<Store> stores;
  bool waited_for = false;  // by a wait for reads: the thread may return now
};
struct Stores {
  std::vector<Store> open;
  std::deque<StoreGroup> groups;
};

// One product of a warpgroup. The shadows hold what its accumulators will be.
struct Product {
  int n;
  uint64_t a, b;
  bool a_in_registers, accumulate, a_mn_major, b_mn_major;
  std::array<float *, kGroup> d;
  std::array<std::array<uint32_t, 4>, kGroup> a_registers;
  Site site;
};
struct ProductGroup {
  std::vector<Product> products;
  bool done = false;
};
struct Warpgroup {
  Meeting meeting;
  std::vector<Product> open;
  std::deque<ProductGroup> groups;
  // By a thread's accumulator array: what it will hold, and how many products are still under way on it.
  struct Shadow {
    std::vector<float> values;
    int under_way = 0;
  };
  std::map<float *, Shadow> shadows;
  std::array<bool, kGroup> fenced{};
  Warpgroup() { meeting.payloads.resize(kGroup); }
};

struct Hopper {
  std::unordered_map<int64_t, Barrier> barriers;  // by shared offset
  std::unordered_map<int, Stores> stores;         // by thread
  std::map<int, Warpgroup> warpgroups;

  // The block is over: stores that were waited for have their data and reach global memory now.
  ~Hopper() {
    for (auto &entry : stores)
      for (StoreGroup &group : entry.second.groups)
        if (group.waited_for)
          for (Store &store : group.stores) store.write();
  }
};

bool make_progress(ClusterRunner &r);

void end_of_block(ClusterRunner &r);

Hopper &hopper(Block &block) {
  if (!block.extension) {
    block.extension = std::make_shared<Hopper>();
    runner().set_idle_hook(make_progress);
    runner().set_block_end_hook(end_of_block);
  }
  return *static_cast<Hopper *>(block.extension.get());
}
Hopper &hopper() { return hopper(runner().block()); }

bool coin() { return runner().random().below(2) == 0; }

// ---------------------------------------------------------------- mbarriers

// The mbarrier of `block` at the place that `pointer` has in the calling thread's.
Barrier &barrier_of(Block &block, void *pointer, const char *what, Site site) {
  ClusterRunner &r = runner();
  const int64_t offset = r.shared().offset(pointer);
  const std::string whose = &block == &r.block() ? "" : " of block " + std::to_string(block.rank) + " of the cluster";
  if (block.live == 0) r.fail(std::string(what) + ": the mbarrier's block" + whose + " has ended", site);
  if (offset < 0 || !r.shared().holds(offset, 8)) r.fail(std::string(what) + ": the mbarrier is outside the block's shared memory", site);
  auto &barriers = hopper(block).barriers;
  const auto found = barriers.find(offset);
  if (found == barriers.end()) r.fail(std::string(what) + ": the mbarrier" + whose + " is not initialised", site);
  return found->second;
}
Barrier &barrier_at(void *pointer, const char *what, Site site) { return barrier_of(runner().block(), pointer, what, site); }

void complete_phase_if_done(ClusterRunner &r, Barrier &barrier) {
  if (barrier.pending > 0 || barrier.bytes != 0) return;
  barrier.phase ^= 1;
  barrier.pending = barrier.count;
  for (Thread *thread : barrier.waiting) r.wake(thread);
  barrier.waiting.clear();
}

void finish_load(ClusterRunner &r, Barrier &barrier, size_t which) {
  const Load load = std::move(barrier.loads[which]);
  barrier.loads.erase(barrier.loads.begin() + static_cast<std::ptrdiff_t>(which));
  load.copy();
  barrier.bytes -= load.bytes;
  complete_phase_if_done(r, barrier);
}

// Nobody can run: one load on which somebody waits arrives. Without any the cluster is stuck, and a barrier says what it lacks.
bool make_progress(ClusterRunner &r) {
  std::vector<Barrier *> with_loads;
  const Barrier *stuck = nullptr;
  for (int rank = 0; rank < r.cluster_blocks(); rank++) {
    if (!r.block(rank).extension) continue;
    for (auto &entry : hopper(r.block(rank)).barriers) {
      if (entry.second.waiting.empty()) continue;
      if (!entry.second.loads.empty())
        with_loads.push_back(&entry.second);
      else if (stuck == nullptr)
        stuck = &entry.second;
    }
  }
  if (!with_loads.empty()) {
    Barrier &barrier = *with_loads[r.random().below(static_cast<uint32_t>(with_loads.size()))];
    finish_load(r, barrier, r.random().below(static_cast<uint32_t>(barrier.loads.size())));
    return true;
  }
  if (stuck != nullptr)
    r.fail("deadlock: " + std::to_string(stuck->waiting.size()) + " threads wait for an mbarrier that lacks " +
               std::to_string(stuck->pending) + " arrivals and " + std::to_string(stuck->bytes) + " bytes, and no thread can go on",
           stuck->waited_at);
  return false;
}

// A load must have arrived before its block ends: the shared memory is another block's then.
void end_of_block(ClusterRunner &r) {
  if (!r.block().extension) return;
  for (const auto &entry : hopper().barriers)
    if (!entry.second.loads.empty())
      r.fail("the block has ended while a bulk load into its shared memory is under way", entry.second.loads.front().site);
}

void issue_load(Block &block, void *barrier, int64_t bytes, std::function<void()> copy, const char *what, Site site) {
  Barrier &b = barrier_of(block, barrier, what, site);
  b.loads.push_back({std::move(copy), bytes, site});
  if (coin()) finish_load(runner(), b, b.loads.size() - 1);
}

// ---------------------------------------------------------------- bulk copies

int64_t swizzled(int64_t offset, int span) { return offset ^ ((offset >> 7 & (span / 16 - 1)) << 4); }

const TensorView &view_of(const void *map) { return *static_cast<const TensorView *>(map); }

int64_t box_bytes(const TensorView &v) {
  int64_t bytes = v.element_bytes;
  for (int i = 0; i < v.rank; i++) bytes *= v.box[i];
  return bytes;
}

// Calls body(shared offset, global pointer or NULL where outside the tensor) for each element of the box at `corner`.
template <typename Body>
void each_element(const TensorView &v, int64_t start, const int64_t (&corner)[4], Body &&body) {
  const int64_t depth = v.rank > 2 ? v.box[2] : 1, count = v.rank > 3 ? v.box[3] : 1;
  int64_t linear = 0;
  for (int64_t w = 0; w < count; w++)
    for (int64_t z = 0; z < depth; z++)
      for (int64_t y = 0; y < v.box[1]; y++)
        for (int64_t x = 0; x < v.box[0]; x++, linear += v.element_bytes) {
          const int64_t at[4] = {corner[0] + x, corner[1] + y, corner[2] + z, corner[3] + w};
          bool inside = true;
          int64_t global = at[0] * v.element_bytes;
          for (int i = 0; i < v.rank; i++) {
            inside = inside && at[i] >= 0 && at[i] < static_cast<int64_t>(v.size[i]);
            if (i > 0) global += at[i] * static_cast<int64_t>(v.stride_bytes[i - 1]);
          }
          body(swizzled(start + linear, v.swizzle_span), inside ? static_cast<const char *>(v.base) + global : nullptr);
        }
}

// The box's place in the shared window, which must be there in the block.
int64_t check_box(Block &block, const TensorView &v, const void *shared, int rank, const char *what, Site site) {
  ClusterRunner &r = runner();
  if (v.rank != rank)
    r.fail(std::string(what) + " of " + std::to_string(rank) + " dimensions through a map of " + std::to_string(v.rank), site);
  const int64_t offset = r.shared().offset(shared);
  if (offset < 0 || !block.shared.holds(offset, box_bytes(v)))
    r.fail(std::string(what) + ": the box is outside the block's shared memory", site);
  if (offset % 128 != 0) r.fail(std::string(what) + ": the shared address is not aligned to 128 bytes", site);
  return offset;
}

void check_bulk(const void *shared, const void *global, uint32_t bytes, const char *what, Site site) {
  ClusterRunner &r = runner();
  const int64_t offset = r.shared().offset(shared);
  if (offset < 0 || !r.shared().holds(offset, bytes)) r.fail(std::string(what) + " reaches outside the block's shared memory", site);
  if (bytes % 16 != 0 || offset % 16 != 0 || reinterpret_cast<uintptr_t>(global) % 16 != 0)
    r.fail(std::string(what) + " of " + std::to_string(bytes) + " bytes: size and addresses must be multiples of 16", site);
}

void issue_store(std::function<void()> read, std::function<void()> write) {
  Store store{std::move(read), std::move(write)};
  if (coin()) {
    store.read();
    store.has_read = true;
  }
  hopper().stores[runner().current().index].open.push_back(std::move(store));
}

}  // namespace

void mbarrier_init(void *barrier, uint32_t count, Site site) {
  ClusterRunner &r = runner();
  const int64_t offset = r.shared().offset(barrier);
  if (offset < 0 || !r.shared().holds(offset, 8)) r.fail("mbarrier.init: the mbarrier is outside the block's shared memory", site);
  if (offset % 8 != 0) r.fail("mbarrier.init: the address is not aligned to 8 bytes", site);
  if (count == 0) r.fail("mbarrier.init: a count of 0", site);
  Barrier &b = hopper().barriers[offset];
  if (!b.waiting.empty() || !b.loads.empty()) r.fail("mbarrier.init: the mbarrier is in use", site);
  b = Barrier();
  b.count = b.pending = count;
}

void mbarrier_invalidate(void *barrier, Site site) {
  Barrier &b = barrier_at(barrier, "mbarrier.inval", site);
  if (!b.waiting.empty() || !b.loads.empty()) runner().fail("mbarrier.inval: the mbarrier is in use", site);
  hopper().barriers.erase(runner().shared().offset(barrier));
}

namespace {

void arrive(Barrier &b, uint32_t bytes, Site site) {
  ClusterRunner &r = runner();
  if (b.pending == 0) r.fail("mbarrier.arrive: all " + std::to_string(b.count) + " arrivals of this phase have come already", site);
  b.bytes += bytes;
  b.pending--;
  complete_phase_if_done(r, b);
  // Who waited may go on before the thread that came last does anything else.
  r.wake(&r.current());
  r.wait("its turn", site);
}

Block &block_of_cluster(uint32_t rank, const char *what, Site site) {
  ClusterRunner &r = runner();
  if (rank >= static_cast<uint32_t>(r.cluster_blocks()))
    r.fail(std::string(what) + ": block " + std::to_string(rank) + " of a cluster of " + std::to_string(r.cluster_blocks()), site);
  return r.block(static_cast<int>(rank));
}

}  // namespace

void mbarrier_arrive(void *barrier, uint32_t bytes, Site site) { arrive(barrier_at(barrier, "mbarrier.arrive", site), bytes, site); }

void mbarrier_arrive_at(void *barrier, uint32_t rank, Site site) {
  Block &block = block_of_cluster(rank, "mbarrier.arrive", site);
  Barrier &b = barrier_of(block, barrier, "mbarrier.arrive", site);
  b.by_others = b.by_others || &block != &runner().block();
  arrive(b, 0, site);
}

bool mbarrier_wait(void *barrier, uint32_t parity, bool until_done, bool cluster, Site site) {
  ClusterRunner &r = runner();
  if (parity > 1) r.fail("mbarrier.try_wait: a parity of " + std::to_string(parity), site);
  Barrier &b = barrier_at(barrier, "mbarrier.try_wait", site);
  if (!until_done && b.phase == parity && !b.loads.empty()) finish_load(r, b, r.random().below(static_cast<uint32_t>(b.loads.size())));
  if (!until_done && b.phase == parity) {
    // Others go on before this thread asks again.
    r.wake(&r.current());
    r.wait("an mbarrier", site);
    return false;
  }
  while (b.phase == parity) {
    b.waiting.push_back(&r.current());
    b.waited_at = site;
    r.wait("an mbarrier", site);
  }
  if (b.by_others && !cluster)
    r.fail("mbarrier.try_wait in the block's scope on an mbarrier at which another block of the cluster arrives", site);
  return true;
}

bool make_tensor_map(void *map, size_t map_bytes, const TensorView &v) {
  static_assert(sizeof(TensorView) <= 128, "a map holds 128 bytes");
  if (map_bytes < sizeof v || reinterpret_cast<uintptr_t>(v.base) % 16 != 0 || v.rank < 2 || v.rank > 4) return false;
  for (int i = 0; i < v.rank; i++)
    if (v.size[i] == 0 || v.box[i] == 0 || v.box[i] > 256) return false;
  for (int i = 0; i + 1 < v.rank; i++)
    if (v.stride_bytes[i] % 16 != 0) return false;
  const int64_t inner = static_cast<int64_t>(v.box[0]) * v.element_bytes;
  if (inner % 16 != 0 || (v.swizzle_span > 16 && inner > v.swizzle_span)) return false;
  std::memcpy(map, &v, sizeof v);
  return true;
}

namespace {

void load_box(Block &block, void *to_shared, const TensorView &v, void *barrier, int rank, const int64_t (&corner)[4], Site site) {
  const int64_t offset = check_box(block, v, to_shared, rank, "cp.async.bulk.tensor load", site), x = corner[0], y = corner[1],
                z = corner[2], w = corner[3];
  char *arena = block.shared.arena();
  issue_load(
      block, barrier, box_bytes(v),
      [=] {
        each_element(v, offset, {x, y, z, w}, [&](int64_t to, const char *from) {
          if (from != nullptr)
            std::memcpy(arena + to, from, static_cast<size_t>(v.element_bytes));
          else
            std::memset(arena + to, 0, static_cast<size_t>(v.element_bytes));
        });
      },
      "cp.async.bulk.tensor load", site);
}

}  // namespace

void tensor_load(void *to_shared, const void *map, void *barrier, int rank, int32_t x, int32_t y, int32_t z, int32_t w, Site site) {
  load_box(runner().block(), to_shared, view_of(map), barrier, rank, {x, y, z, w}, site);
}

// In each block the box arrives at a moment of its own.
void tensor_load_multicast(void *to_shared, const void *map, void *barrier, uint32_t blocks, int rank, int32_t x, int32_t y, int32_t z,
                           int32_t w, Site site) {
  if (blocks == 0) runner().fail("cp.async.bulk.tensor load: no block in the multicast mask", site);
  for (uint32_t to = 0; blocks >> to != 0; to++)
    if ((blocks >> to & 1) != 0)
      load_box(block_of_cluster(to, "cp.async.bulk.tensor load", site), to_shared, view_of(map), barrier, rank, {x, y, z, w}, site);
}

void bulk_load(void *to_shared, const void *from_global, uint32_t bytes, void *barrier, Site site) {
  check_bulk(to_shared, from_global, bytes, "cp.async.bulk load", site);
  issue_load(
      runner().block(), barrier, bytes, [=] { std::memcpy(to_shared, from_global, bytes); }, "cp.async.bulk load", site);
}

void tensor_store(const void *map, const void *from_shared, int rank, int32_t x, int32_t y, int32_t z, int32_t w, Site site) {
  const TensorView v = view_of(map);
  const int64_t offset = check_box(runner().block(), v, from_shared, rank, "cp.async.bulk.tensor store", site);
  const char *arena = runner().shared().arena();
  const auto held = std::make_shared<std::vector<char>>();
  issue_store(
      [=] {
        each_element(v, offset, {x, y, z, w},
                     [&](int64_t from, const char *) { held->insert(held->end(), arena + from, arena + from + v.element_bytes); });
      },
      [=] {
        size_t at = 0;
        each_element(v, offset, {x, y, z, w}, [&](int64_t, const char *to) {
          if (to != nullptr) std::memcpy(const_cast<char *>(to), held->data() + at, static_cast<size_t>(v.element_bytes));
          at += static_cast<size_t>(v.element_bytes);
        });
      });
}

void bulk_store(void *to_global, const void *from_shared, uint32_t bytes, Site site) {
  check_bulk(from_shared, to_global, bytes, "cp.async.bulk store", site);
  const auto held = std::make_shared<std::vector<char>>(bytes);
  issue_store([=] { std::memcpy(held->data(), from_shared, bytes); }, [=] { std::memcpy(to_global, held->data(), bytes); });
}

void bulk_commit() {
  Stores &stores = hopper().stores[runner().current().index];
  stores.groups.push_back({std::move(stores.open), false});
  stores.open.clear();
}

// What is never committed is never copied.
void bulk_wait(int pending, bool read_only) {
  Stores &stores = hopper().stores[runner().current().index];
  const size_t ready = stores.groups.size() - std::min(stores.groups.size(), static_cast<size_t>(pending));
  for (size_t i = 0; i < ready; i++) {
    for (Store &store : stores.groups[i].stores) {
      if (!store.has_read) store.read();
      store.has_read = true;
    }
    stores.groups[i].waited_for = true;
  }
  // A group that was waited for by its reads alone writes when it likes, at the latest when the block is over.
  if (read_only && coin()) return;
  for (size_t i = 0; i < ready; i++) {
    for (Store &store : stores.groups.front().stores) store.write();
    stores.groups.pop_front();
  }
}

// ---------------------------------------------------------------- warpgroup products

namespace {

Warpgroup &warpgroup(const char *what, Site site) {
  ClusterRunner &r = runner();
  const int group = r.current().index / kGroup;
  if ((group + 1) * kGroup > r.block_threads()) r.fail(std::string(what) + ": the warpgroup has fewer than 128 threads", site);
  return hopper().warpgroups[group];
}

// All 128 threads meet; the last one works on their payloads.
template <typename Work>
void meet(Warpgroup &group, void *payload, const char *what, Site site, Work &&work) {
  ClusterRunner &r = runner();
  Meeting &meeting = group.meeting;
  if (meeting.what == nullptr) {
    meeting.what = what;
    meeting.site = site;
  } else if (!same_text(meeting.what, what)) {
    r.fail(std::string(what) + " meets " + meeting.what + " in the same warpgroup: the threads have diverged", site);
  }
  r.join(meeting, r.current().index % kGroup, payload);
  if (++meeting.count < kGroup) {
    meeting.waiting.push_back(&r.current());
    r.wait(what, site);
    return;
  }
  work(meeting.payloads);
  r.release(meeting);
}

float low_half(uint32_t pair) { return from_word<float>(static_cast<uint64_t>(pair << 16)); }
float high_half(uint32_t pair) { return from_word<float>(static_cast<uint64_t>(pair & 0xffff0000u)); }

// Element (row, k) of an operand in shared memory; see primitives/wgmma.cuh for the layouts.
float operand(uint64_t descriptor, bool mn_major, int row, int k, Site site) {
  const auto field = [&](int bit) { return static_cast<int64_t>(descriptor >> bit & 0x3fff) << 4; };
  const int64_t start = field(0), leading = field(16), stride = field(32);
  const int code = static_cast<int>(descriptor >> 62), span = code == 0 ? 16 : 256 >> code;
  const int64_t across = mn_major ? row : k, along = mn_major ? k : row;  // across: the contiguous index
  int64_t offset;
  if (!mn_major)
    offset = code == 0 ? along / 8 * stride + across / 8 * leading + along % 8 * 16 + across % 8 * 2
                       : along / 8 * stride + along % 8 * span + across * 2;
  else
    offset = code == 0 ? across / 8 * stride + along / 8 * leading + along % 8 * 16 + across % 8 * 2
                       : across / (span / 2) * leading + along / 8 * stride + along % 8 * span + across % (span / 2) * 2;
  const int64_t at = swizzled(start + offset, span);
  ClusterRunner &r = runner();
  if (!r.shared().holds(at, 2)) r.fail("wgmma: the descriptor reaches outside the block's shared memory", site);
  uint16_t bits;
  std::memcpy(&bits, r.shared().arena() + at, 2);
  return low_half(bits);
}

void multiply(Warpgroup &group, const Product &p) {
  const auto n = static_cast<size_t>(p.n);
  std::vector<float> b(16 * n);
  for (int k = 0; k < 16; k++)
    for (int col = 0; col < p.n; col++)
      b[static_cast<size_t>(k) * n + static_cast<size_t>(col)] = operand(p.b, p.b_mn_major, col, k, p.site);
  float a[64][16];
  for (int row = 0; row < 64; row++)
    for (int k = 0; k < 16; k++) {
      if (!p.a_in_registers) {
        a[row][k] = operand(p.a, p.a_mn_major, row, k, p.site);
        continue;
      }
      const int lane = row % 8 * 4 + k % 8 / 2, thread = row / 16 * 32 + lane, which = row % 16 / 8 + k / 8 * 2;
      const uint32_t pair = p.a_registers[static_cast<size_t>(thread)][static_cast<size_t>(which)];
      a[row][k] = k % 2 == 0 ? low_half(pair) : high_half(pair);
    }
  for (int thread = 0; thread < kGroup; thread++) {
    std::vector<float> &d = group.shadows[p.d[static_cast<size_t>(thread)]].values;
    const int g = thread % 32 / 4, t = thread % 4;
    for (int i = 0; i < p.n / 2; i++) {
      const int row = thread / 32 * 16 + g + i / 2 % 2 * 8, col = i / 4 * 8 + 2 * t + i % 2;
      float sum = p.accumulate ? d[static_cast<size_t>(i)] : 0.0f;
      for (int k = 0; k < 16; k++) sum += a[row][k] * b[static_cast<size_t>(k) * n + static_cast<size_t>(col)];
      d[static_cast<size_t>(i)] = sum;
    }
  }
}

void run_group(Warpgroup &group, ProductGroup &products) {
  if (products.done) return;
  for (const Product &p : products.products) multiply(group, p);
  products.done = true;
}

}  // namespace

void wgmma_fence(Site site) { warpgroup("wgmma.fence", site).fenced[static_cast<size_t>(runner().current().index % kGroup)] = true; }

void wgmma(float *d, int n, const uint32_t *a_registers, uint64_t a, uint64_t b, bool accumulate, bool a_mn_major, bool b_mn_major,
           Site site) {
  struct Slot {
    float *d;
    const uint32_t *a_registers;
    uint64_t a, b;
    bool accumulate;
  } slot{d, a_registers, a, b, accumulate};
  Warpgroup &group = warpgroup("wgmma.mma_async", site);
  if (!group.fenced[static_cast<size_t>(runner().current().index % kGroup)])
    runner().fail("wgmma.mma_async without a wgmma.fence since the start or the last wait", site);
  meet(group, &slot, "wgmma.mma_async", site, [&](std::vector<void *> &threads) {
    Product p{n, a, b, a_registers != nullptr, accumulate, a_mn_major, b_mn_major, {}, {}, site};
    for (size_t i = 0; i < kGroup; i++) {
      const auto &other = *static_cast<Slot *>(threads[i]);
      if (other.a != a || other.b != b || other.accumulate != accumulate)
        runner().fail("wgmma.mma_async: the threads of the warpgroup pass different descriptors or predicates", site);
      p.d[i] = other.d;
      if (other.a_registers != nullptr) std::copy_n(other.a_registers, 4, p.a_registers[i].begin());
      Warpgroup::Shadow &shadow = group.shadows[other.d];
      if (shadow.under_way++ == 0) shadow.values.assign(other.d, other.d + n / 2);
      // Until the wait the registers hold nothing.
      std::fill_n(other.d, n / 2, NAN);
    }
    group.open.push_back(p);
  });
}

void wgmma_commit(Site site) {
  Warpgroup &group = warpgroup("wgmma.commit_group", site);
  meet(group, nullptr, "wgmma.commit_group", site, [&](std::vector<void *> &) {
    group.groups.push_back({std::move(group.open), false});
    group.open.clear();
    // In the order of their issue: an early group cannot be passed by a later one on the same accumulators.
    if (coin())
      for (ProductGroup &products : group.groups) run_group(group, products);
  });
}

// What is never committed is never computed.
void wgmma_wait(int pending, Site site) {
  Warpgroup &group = warpgroup("wgmma.wait_group", site);
  group.fenced[static_cast<size_t>(runner().current().index % kGroup)] = false;
  meet(group, nullptr, "wgmma.wait_group", site, [&](std::vector<void *> &) {
    while (group.groups.size() > static_cast<size_t>(pending)) {
      ProductGroup products = std::move(group.groups.front());
      group.groups.pop_front();
      run_group(group, products);
      for (const Product &p : products.products)
        for (float *d : p.d) {
          const auto shadow = group.shadows.find(d);
          if (--shadow->second.under_way > 0) continue;
          std::copy(shadow->second.values.begin(), shadow->second.values.end(), d);
          group.shadows.erase(shadow);
        }
    }
  });
}

}  // namespace sails_emulator
