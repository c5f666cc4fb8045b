// Every function of sails.h while the n-th allocation fails that the library makes in it, for n = 1, 2, ... until the call has no n-th one:
// the call answers SAILS_OUT_OF_MEMORY in a sentence, leaves nothing allocated, and the same call right after it works.
//
// This program has malloc and its relatives itself, so that every library of the process comes here. Only what libsails_* asks for fails:
// OpenMP's runtime ends the process where it gets no memory, and nothing above it can help that.
//   allocation_failure_test LIBRARY HEADER [--seed S] [--rounds N] [--options OPTIONS]
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "interface/calls.h"

extern "C" {
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *pointer);
}

namespace {

// Where the library's code lies: what it calls from there may fail.
constexpr size_t kMostRanges = 8;
struct Range {
  std::atomic<uintptr_t> begin{0}, end{0};
};
Range code[kMostRanges];
std::atomic<int64_t> left{-1};  // allocations of the library until one fails; -1: none does
std::atomic<bool> failed{false};
std::atomic<int64_t> live{0};  // blocks that the library has

// While the emulator runs a kernel: its fibers and what they hold are hardware on a card.
std::atomic<bool> hardware{false};

bool of_library(const void *caller) {
  const auto address = reinterpret_cast<uintptr_t>(caller);
  for (const Range &range : code)
    if (address >= range.begin && address < range.end) return true;
  return false;
}

bool fails(const void *caller) {
  if (left < 0 || hardware || !of_library(caller)) return false;
  if (left-- != 0) return false;
  failed = true;
  errno = ENOMEM;
  return true;
}

// A header would move what aligned_alloc aligns: whose a block is stands in a table instead, by its address.
constexpr size_t kSlots = 1 << 20;
std::atomic<void *> blocks[kSlots];

size_t slot_of(const void *pointer) { return reinterpret_cast<uintptr_t>(pointer) / 16 * 0x9E3779B97F4A7C15ull % kSlots; }

void *taken(void *pointer, const void *caller) {
  if (pointer == nullptr || hardware || !of_library(caller)) return pointer;
  for (size_t slot = slot_of(pointer);; slot = (slot + 1) % kSlots) {
    void *empty = nullptr;
    if (blocks[slot].compare_exchange_strong(empty, pointer)) break;
  }
  live++;
  return pointer;
}

void given(void *pointer) {
  if (pointer == nullptr) return;
  // A few slots: they are hardly ever full, and a block that is not the library's is the common case.
  for (size_t i = 0, slot = slot_of(pointer); i < 64; i++, slot = (slot + 1) % kSlots) {
    void *found = pointer;
    if (blocks[slot].compare_exchange_strong(found, nullptr)) {
      live--;
      return;
    }
  }
}

}  // namespace

#define CALLER __builtin_return_address(0)

extern "C" {
void *malloc(size_t bytes) { return fails(CALLER) ? nullptr : taken(__libc_malloc(bytes), CALLER); }
void *calloc(size_t count, size_t bytes) { return fails(CALLER) ? nullptr : taken(__libc_calloc(count, bytes), CALLER); }
void *realloc(void *pointer, size_t bytes) {
  if (fails(CALLER)) return nullptr;
  void *moved = __libc_realloc(pointer, bytes);
  if (moved != nullptr || bytes == 0) given(pointer);
  return taken(moved, CALLER);
}
void *aligned_alloc(size_t alignment, size_t bytes) { return fails(CALLER) ? nullptr : taken(__libc_memalign(alignment, bytes), CALLER); }
void *memalign(size_t alignment, size_t bytes) { return fails(CALLER) ? nullptr : taken(__libc_memalign(alignment, bytes), CALLER); }
int posix_memalign(void **out, size_t alignment, size_t bytes) {
  if (fails(CALLER)) return ENOMEM;
  *out = taken(__libc_memalign(alignment, bytes), CALLER);
  return *out == nullptr ? ENOMEM : 0;
}
void free(void *pointer) {
  given(pointer);
  __libc_free(pointer);
}
}

// Visible, or the library finds none and calls nothing.
extern "C" __attribute__((visibility("default"))) void sails_hardware_runs(int32_t runs) { hardware = runs != 0; }

namespace {

using namespace interface;

char now_doing[512] = "";

[[noreturn]] void fail(const std::string &sentence) {
  left = -1;
  std::fprintf(stderr, "FAILED: %s\n  in %s\n", sentence.c_str(), now_doing);
  std::_Exit(1);
}

void terminated() {
  left = -1;
  std::fprintf(stderr, "FAILED: an exception leaves the library\n  in %s\n", now_doing);
  std::abort();
}

// Finds where the code of the library and of what belongs to it is mapped: only what calls from there may fail.
void find_code() {
  std::FILE *maps = std::fopen("/proc/self/maps", "r");
  char line[1024];
  size_t count = 0;
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long from = 0, to = 0;
    char access[8] = "";
    if (std::strstr(line, "/libsails_") == nullptr || std::sscanf(line, "%lx-%lx %7s", &from, &to, access) != 3 || access[2] != 'x')
      continue;
    if (count == kMostRanges) fail("the library has more pieces of code than this test knows");
    code[count].begin = from;
    code[count++].end = to;
  }
  std::fclose(maps);
  if (count == 0) fail("no /libsails_*.so is in the process");
}

class Failures {
 public:
  Failures(const Interface &interface, std::string options, uint64_t seed)
      : interface_(interface), options_(std::move(options)), random_(seed) {}

  void run(int rounds) {
    find_code();                   // first, so that what is made once and grows later counts from its beginning
    const Device warm = opened();  // what is made once in a process is made now
    find_code();                   // of what the opening has loaded, too
    every_operation(warm, 1);
    close(warm);
    close(opened());  // frees what the first one had queued last
    failing_ = true;
    live_before_ = live;
    openings();
    const Device device = opened();
    queued_ = device.handle;
    device_functions(device);
    graphs(device);
    every_operation(device, rounds);
    queued_ = nullptr;
    close(device);
    closings();
    if (live > live_before_) fail(std::to_string(live - live_before_) + " blocks are left after everything is closed");
  }

  int64_t failures() const { return failures_; }

 private:
  Device opened() {
    Device device;
    char text[512] = "";
    if (interface_.open(&device.handle, 0, threads_, options_.c_str(), text, sizeof text) != SAILS_OK)
      fail(std::string("cannot open: ") + text);
    int32_t accessible = 0;
    interface_.host_accessible(device.handle, &accessible);
    device.host_memory = accessible != 0;
    return device;
  }

  void close(const Device &device) {
    if (interface_.close(device.handle) != SAILS_OK) fail("cannot close");
  }

  // Calls until the call has no n-th allocation; `undo` takes back what a call that went well has made.
  void every_failure(const char *name, const std::function<int32_t()> &call, const std::function<void()> &undo,
                     const std::function<std::string()> &sentence) {
    if (!failing_) {
      if (call() == SAILS_OK) undo();
      return;
    }
    for (int64_t n = 0;; n++) {
      std::snprintf(now_doing, sizeof now_doing, "%s, allocation %lld fails", name, static_cast<long long>(n + 1));
      const int64_t before = live;
      failed = false;
      left = n;
      const int32_t status = call();
      left = -1;
      if (!failed) {
        if (status == SAILS_OK) undo();
        return;
      }
      failures_++;
      if (status == SAILS_OK) {
        // It went on without: nothing to tell.
        undo();
      } else {
        if (status != SAILS_OUT_OF_MEMORY) fail("the status is " + std::to_string(status) + ": " + sentence());
        if (sentence().empty()) fail("the sentence is empty");
        // What the call had queued when it failed holds memory until it has run, and what it could not queue to be freed until after that.
        for (int i = 0; i < 2 && queued_ != nullptr; i++)
          if (interface_.synchronize(queued_) != SAILS_OK) fail("the next wait fails");
        // Fewer are no leak: what was queued before may have run.
        if (live > before) fail(std::to_string(live - before) + " blocks are left");
      }
    }
  }

  std::string error(const Device &device) {
    char text[512] = "";
    interface_.error(device.handle, text, sizeof text);
    return text;
  }

  void openings() {
    Device device;
    char text[512] = "";
    every_failure(
        "sails_device_open",
        [&] {
          text[0] = '\0';
          return interface_.open(&device.handle, 0, threads_, options_.c_str(), text, sizeof text);
        },
        [&] { close(device); }, [&] { return std::string(text); });
  }

  // A closing cannot fail: it frees what there is.
  void closings() {
    for (int64_t n = 0; n < 4; n++) {
      const Device device = opened();
      void *pointer = nullptr;
      if (interface_.alloc(device.handle, &pointer, 100) != SAILS_OK) fail("no memory");
      std::snprintf(now_doing, sizeof now_doing, "sails_device_close, allocation %lld fails", static_cast<long long>(n + 1));
      failed = false;
      left = n;
      const int32_t status = interface_.close(device.handle);
      left = -1;
      if (status != SAILS_OK) fail("a closing fails");
      if (failed) failures_++;
    }
  }

  void device_functions(const Device &device) {
    const auto text = [&] { return error(device); };
    void *pointer = nullptr;
    every_failure(
        "sails_alloc", [&] { return interface_.alloc(device.handle, &pointer, 1000); }, [&] { interface_.free(device.handle, pointer); },
        text);
    // Memory that could not be freed is still there, and is freed by the next call.
    for (int64_t n = 0; n < 4; n++) {
      if (interface_.alloc(device.handle, &pointer, 1000) != SAILS_OK) fail("no memory");
      failed = false;
      left = n;
      const int32_t status = interface_.free(device.handle, pointer);
      left = -1;
      if (status != SAILS_OK && (status != SAILS_OUT_OF_MEMORY || interface_.free(device.handle, pointer) != SAILS_OK))
        fail("memory is lost: " + error(device));
      if (failed) failures_++;
    }
    interface_.synchronize(device.handle);
    char buffer[200] = {};
    if (interface_.alloc(device.handle, &pointer, sizeof buffer) != SAILS_OK) fail("no memory");
    const auto nothing = [] {};
    every_failure(
        "sails_upload", [&] { return interface_.upload(device.handle, pointer, buffer, sizeof buffer); }, settle(device), text);
    every_failure(
        "sails_download", [&] { return interface_.download(device.handle, buffer, pointer, sizeof buffer); }, nothing, text);
    const auto named = [&](const char *name, const Arguments &arguments) {
      const Function &function = *interface_.find(name);
      every_failure(
          name, [&] { return interface_.library.call(function, arguments); }, settle(device), text);
    };
    const Value handle{.pointer = device.handle}, memory{.pointer = pointer}, bytes{.integer = sizeof buffer};
    named("sails_fill_zero", {{"device", handle}, {"destination", memory}, {"bytes", bytes}});
    named("sails_copy", {{"device", handle}, {"destination", memory}, {"source", memory}, {"bytes", bytes}});
    named("sails_synchronize", {{"device", handle}});
    named("sails_device_describe", {{"device", handle}, {"text", Value{.pointer = buffer}}, {"text_bytes", bytes}});
    interface_.free(device.handle, pointer);
    interface_.synchronize(device.handle);
  }

  // What is queued holds memory until it has run.
  std::function<void()> settle(const Device &device) {
    return [this, &device] { interface_.synchronize(device.handle); };
  }

  void graphs(const Device &device) {
    const auto begin = reinterpret_cast<decltype(&sails_graph_begin)>(interface_.library.symbol("sails_graph_begin"));
    const auto end = reinterpret_cast<decltype(&sails_graph_end)>(interface_.library.symbol("sails_graph_end"));
    const auto launch = reinterpret_cast<decltype(&sails_graph_launch)>(interface_.library.symbol("sails_graph_launch"));
    const auto close_graph = reinterpret_cast<decltype(&sails_graph_close)>(interface_.library.symbol("sails_graph_close"));
    sails_graph *graph = nullptr;
    const auto text = [&] { return error(device); };
    if (begin(device.handle) != SAILS_OK) return;  // this backend records nothing
    end(device.handle, &graph);
    close_graph(device.handle, graph);
    every_failure(
        "sails_graph_begin", [&] { return begin(device.handle); },
        [&] {
          end(device.handle, &graph);
          close_graph(device.handle, graph);
        },
        text);
    void *pointer = nullptr;
    if (interface_.alloc(device.handle, &pointer, 64) != SAILS_OK) fail("no memory");
    const int64_t before = live;
    for (int64_t n = 0; n < 12; n++) {
      std::snprintf(now_doing, sizeof now_doing, "sails_graph_end, allocation %lld fails", static_cast<long long>(n + 1));
      begin(device.handle);
      interface_.axpby(device.handle, static_cast<float *>(pointer), pointer, 4, 1, 0, SAILS_F32);
      failed = false;
      left = n;
      const int32_t status = end(device.handle, &graph);
      left = -1;
      if (failed) failures_++;
      if (status != SAILS_OK && status != SAILS_OUT_OF_MEMORY) fail("the status is " + std::to_string(status) + ": " + error(device));
      if (status == SAILS_OK) {
        every_failure(
            "sails_graph_launch", [&] { return launch(device.handle, graph); }, settle(device), text);
        interface_.synchronize(device.handle);
        close_graph(device.handle, graph);
      }
      if (live > before) fail(std::to_string(live - before) + " blocks are left of a recording");
    }
    interface_.free(device.handle, pointer);
    interface_.synchronize(device.handle);
  }

  void every_operation(const Device &device, int rounds) {
    for (int round = 0; round < rounds; round++)
      for (const Contract &contract : interface_.contracts) {
        std::unique_ptr<Call> made;
        while (made == nullptr) made = make_call(interface_, device, contract, random_, false);
        interface_.synchronize(device.handle);
        const auto once = [&] { return interface_.library.call(contract.function, made->arguments); };
        if (once() != SAILS_OK || interface_.synchronize(device.handle) != SAILS_OK) continue;  // legal, and still not for this backend
        every_failure(contract.function.name.c_str(), once, settle(device), [&] { return error(device); });
        interface_.synchronize(device.handle);
        made.reset();
        interface_.synchronize(device.handle);
      }
  }

  const Interface &interface_;
  const std::string options_;
  Random random_;
  int32_t threads_ = 2;
  int64_t live_before_ = 0, failures_ = 0;
  sails_device *queued_ = nullptr;
  bool failing_ = false;
};

}  // namespace

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "allocation_failure_test LIBRARY HEADER [--seed S] [--rounds N] [--options OPTIONS]\n");
    return 2;
  }
  uint64_t seed = 1;
  int rounds = 2;
  std::string options;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--rounds") rounds = std::atoi(argv[i + 1]);
    if (name == "--options") options = argv[i + 1];
  }
  std::set_terminate(terminated);
  const Interface interface(argv[1], argv[2]);
  Failures failures(interface, options, seed);
  failures.run(rounds);
  std::printf("allocation failures: seed %llu, %lld allocations failed, each in one sentence, nothing left\n",
              static_cast<unsigned long long>(seed), static_cast<long long>(failures.failures()));
  return 0;
}
