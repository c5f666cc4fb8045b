// Random legal and illegal calls of every function of sails.h, in long sequences, on a library that is given. What must hold: every call
// answers with a status; a refused one has a sentence, has touched no tensor, and leaves the device as it was; a handle that is closed is
// refused; nothing crashes, and where the library is built with AddressSanitizer nothing reads or writes past what the header says.
//   hostile_calls_test LIBRARY HEADER [--seed S] [--steps N] [--options OPTIONS] [--keep-going yes]
#include <unistd.h>
#include <algorithm>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <thread>

#include "interface/calls.h"

// AddressSanitizer's, where it is linked: a crash ends there.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using namespace interface;

// A call that takes longer hangs.
constexpr unsigned kMostSeconds = 20;
constexpr size_t kMostDevices = 3;

// Where a parameter is a pointer: NULL.
constexpr int64_t kNoPointer = INT64_MIN + 1;

// Written before each call: what a crash or a hang is told with.
char now_doing[2048];

void doing(uint64_t seed, int64_t step, const std::string &what) {
  std::snprintf(now_doing, sizeof now_doing, "seed %llu, step %lld: %s\n", static_cast<unsigned long long>(seed),
                static_cast<long long>(step), what.c_str());
}

void tell_and_end(int signal) {
  (void)!write(2, signal == SIGALRM ? "hangs: " : "crashes: ", signal == SIGALRM ? 7 : 9);
  (void)!write(2, now_doing, std::strlen(now_doing));
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

// Told all at once where a search goes on after what it finds.
bool keep_going = false;
std::atomic<int64_t> failures{0};

void fail(const std::string &sentence) {
  std::fprintf(stderr, "FAILED: %s\n  in %s", sentence.c_str(), now_doing);
  failures++;
  if (!keep_going) std::_Exit(1);
}

constexpr int64_t kStepsThatReachAll = 4000;

struct Count {
  int64_t taken = 0, refused = 0;
};

class Driver {
 public:
  Driver(const Interface &interface, std::string options, uint64_t seed)
      : interface_(interface), options_(std::move(options)), random_(seed), seed_(seed) {}

  // Threads make a run's calls differ from those of the same seed: what many steps have not reached by chance gets more of them.
  void run(int64_t steps) {
    open();
    questions_at_edges();
    for (step_ = 0; step_ < steps || (steps >= kStepsThatReachAll && step_ < 10 * steps && !all_taken()); step_++) {
      alarm(kMostSeconds);
      while (devices_.empty() || (devices_.size() < kMostDevices && random_.one_in(200))) open();
      const int64_t kind = random_.below(1000);
      if (kind < 5) {
        close();
      } else if (kind < 20) {
        wrong_open();
      } else if (kind < 60) {
        closed_handle(random_.of(interface_.header));
      } else if (kind < 120) {
        texts();
      } else if (kind < 200) {
        memory();
      } else if (kind < 220) {
        graph();
      } else if (kind < 320) {
        question();
      } else if (kind < 330) {
        threads();
      } else if (kind < 360) {
        std::thread([&] { operation(random_.of(devices_)); }).join();
      } else {
        operation(random_.of(devices_));
      }
    }
    alarm(0);
    while (!devices_.empty()) close();
    for (const Function &function : interface_.header) closed_handle(function);
  }

  // Every function was taken once and refused once: otherwise the table or this driver says something wrong. A backend that records nothing
  // takes no graph.
  void require_all_reached() const {
    for (const Function &function : interface_.header) {
      if (never_taken(function)) fail(function.name + " was never taken");
      if (count(function.name).refused == 0) fail(function.name + " was never refused");
    }
  }

  int64_t calls() const {
    int64_t sum = 0;
    for (const auto &[name, count] : counts_) sum += count.taken + count.refused;
    return sum;
  }

 private:
  Count count(const std::string &name) const {
    const auto found = counts_.find(name);
    return found == counts_.end() ? Count{} : found->second;
  }

  bool never_taken(const Function &function) const {
    const bool needs_recording = function.name.rfind("sails_graph_", 0) == 0 && function.name != "sails_graph_close";
    return count(function.name).taken == 0 && (!needs_recording || count("sails_graph_begin").taken > 0);
  }

  bool all_taken() const {
    return std::none_of(interface_.header.begin(), interface_.header.end(),
                        [&](const Function &function) { return never_taken(function); });
  }

  int32_t call(const std::string &name, const Arguments &arguments, const std::string &words = "") {
    doing(seed_, step_, name + (words.empty() ? "" : " with " + words));
    const int32_t status = interface_.library.call(*interface_.find(name), arguments);
    if (status < SAILS_OK || status > SAILS_FAILED) fail("the status is " + std::to_string(status));
    Count &count = counts_[name];
    (status == SAILS_OK ? count.taken : count.refused)++;
    return status;
  }

  static Value of(int64_t number) { return Value{.integer = number}; }
  static Value of(const void *pointer) { return Value{.pointer = const_cast<void *>(pointer)}; }

  void open() {
    Device device;
    char text[256] = "";
    const int32_t status = call("sails_device_open", {{"out_device", of(&device.handle)},
                                                      {"ordinal", of(int64_t{0})},
                                                      {"n_threads", of(1 + random_.below(2))},
                                                      {"options", of(options_.c_str())},
                                                      {"error_text", of(text)},
                                                      {"error_bytes", of(int64_t{sizeof text})}});
    if (status != SAILS_OK || device.handle == nullptr) fail(std::string("cannot open a device: ") + text);
    int32_t accessible = 0;
    call("sails_device_host_accessible", {{"device", of(device.handle)}, {"out_accessible", of(&accessible)}});
    device.host_memory = accessible != 0;
    devices_.push_back(device);
  }

  void close() {
    const size_t which = static_cast<size_t>(random_.below(static_cast<int64_t>(devices_.size())));
    sails_device *handle = devices_[which].handle;
    devices_.erase(devices_.begin() + static_cast<std::ptrdiff_t>(which));
    if (call("sails_device_close", {{"device", of(handle)}}) != SAILS_OK) fail("an open device cannot be closed");
    closed_.push_back(handle);
  }

  // Arguments of sails_device_open at their edges.
  void wrong_open() {
    static const std::vector<std::string> wrong = {"x",
                                                   "=",
                                                   ",",
                                                   "isa=",
                                                   "matmul=x",
                                                   "memory_mib=-1",
                                                   "memory_mib=99999999999999999999",
                                                   "head_mib=0",
                                                   "kernels=",
                                                   "clusters=maybe",
                                                   "cublaslt=/",
                                                   "multiprocessors=1000000",
                                                   "\xff\xfe",
                                                   "seed=",
                                                   "isa=avx512,isa=",
                                                   std::string(1 << 20, 'a'),
                                                   "isa=" + std::string(1 << 20, '='),
                                                   std::string(100000, ',')};
    const std::string options = random_.of(wrong);
    constexpr char kCanary = '\x5a';
    std::vector<char> text(64, kCanary);
    const std::vector<int64_t> sizes = {0, 1, 2, 7, 63, -1, INT64_MIN};
    const int64_t bytes = random_.of(sizes);
    const std::vector<int64_t> edges = {0, -1, 1, INT32_MAX, INT32_MIN, 1025};
    const bool bad_options = random_.one_in(2);
    int64_t ordinal = 0, n_threads = 1;
    if (!bad_options) (random_.one_in(2) ? ordinal : n_threads) = random_.of(edges);
    if (n_threads == 0 || (n_threads == 1 && ordinal == 0 && !bad_options)) ordinal = -1;
    const bool no_text = random_.one_in(5), no_device = random_.one_in(5);
    sails_device *device = reinterpret_cast<sails_device *>(&text);
    const int32_t status = call("sails_device_open",
                                {{"out_device", of(no_device ? nullptr : &device)},
                                 {"ordinal", of(ordinal)},
                                 {"n_threads", of(n_threads)},
                                 {"options", of(bad_options ? options.c_str() : nullptr)},
                                 {"error_text", of(no_text ? nullptr : text.data())},
                                 {"error_bytes", of(bytes)}},
                                "options " + options.substr(0, 40) + ", ordinal " + std::to_string(ordinal) + ", n_threads " +
                                    std::to_string(n_threads) + ", error_bytes " + std::to_string(bytes));
    if (status == SAILS_OK) fail("a wrong opening is taken");
    if (!no_device && device != nullptr) fail("*out_device is not NULL after a failure");
    const int64_t room = no_text || bytes < 0 ? 0 : bytes;
    for (size_t i = static_cast<size_t>(room); i < text.size(); i++)
      if (text[i] != kCanary) fail("the sentence is written past its buffer");
    if (!no_device && room > 0 && std::memchr(text.data(), 0, static_cast<size_t>(room)) == nullptr) fail("the sentence does not end");
    if (!no_device && room > 1 && text[0] == '\0') fail("the sentence is empty");
  }

  // Any function on NULL or a handle that is closed.
  void closed_handle(const Function &function) {
    sails_device *handle = closed_.empty() || random_.one_in(4) ? nullptr : random_.of(closed_);
    if (function.find("device") == nullptr) return;
    Arguments arguments;
    int64_t out = 0;
    for (const Parameter &parameter : function.parameters) arguments[parameter.name] = of(parameter.pointer() ? &out : nullptr);
    arguments["device"] = of(handle);
    if (call(function.name, arguments, "a closed handle") != SAILS_INVALID_ARGUMENT) fail("a closed handle is taken");
    if (call("sails_device_close", {{"device", of(handle)}}, "a closed handle") != SAILS_INVALID_ARGUMENT) fail("a device is closed twice");
    out = 7;
    call("sails_abi_version", {{"out_version", of(random_.one_in(2) ? nullptr : &out)}});
  }

  void texts() {
    const Device &device = random_.of(devices_);
    constexpr char kCanary = '\x5a';
    std::vector<char> text(512, kCanary);
    const std::vector<int64_t> sizes = {0, 1, 2, 7, 511, -1, INT64_MIN};
    const int64_t bytes = random_.of(sizes);
    const char *name = random_.one_in(2) ? "sails_device_error" : "sails_device_describe";
    const bool no_text = random_.one_in(4);
    const int32_t status =
        call(name, {{"device", of(device.handle)}, {"text", of(no_text ? nullptr : text.data())}, {"text_bytes", of(bytes)}},
             "text_bytes " + std::to_string(bytes));
    if ((status == SAILS_OK) != (!no_text && bytes > 0))
      fail("a text of " + std::to_string(bytes) + " bytes gives " + std::to_string(status));
    for (size_t i = static_cast<size_t>(bytes > 0 && !no_text ? bytes : 0); i < text.size(); i++)
      if (text[i] != kCanary) fail("the text is written past its buffer");
    if (status == SAILS_OK && std::memchr(text.data(), 0, static_cast<size_t>(bytes)) == nullptr) fail("the text does not end");
    int64_t a = 0, b = 0;
    call("sails_device_memory", {{"device", of(device.handle)},
                                 {"out_allocated_bytes", of(random_.one_in(3) ? nullptr : &a)},
                                 {"out_peak_bytes", of(random_.one_in(3) ? nullptr : &b)}});
    if (b < a) fail("the peak is below what is allocated");
    int32_t accessible = 0;
    call("sails_device_host_accessible",
         {{"device", of(device.handle)}, {"out_accessible", of(random_.one_in(3) ? nullptr : &accessible)}});
  }

  // Memory: sizes at the edges, pointers that are none, freed twice.
  void memory() {
    const Device &device = random_.of(devices_);
    const std::vector<int64_t> sizes = {
        0, 1, 3, 63, 64, 65, 4096, -1, INT64_MIN, INT64_MAX, int64_t{1} << 62, int64_t{1} << 61, (int64_t{1} << 62) - 1};
    const int64_t bytes = random_.of(sizes);
    void *pointer = &pointer;
    const int32_t status = call("sails_alloc", {{"device", of(device.handle)}, {"out_pointer", of(&pointer)}, {"bytes", of(bytes)}},
                                std::to_string(bytes) + " bytes");
    if ((status == SAILS_OK) != (bytes >= 0 && bytes <= 4096))
      fail("sails_alloc of " + std::to_string(bytes) + " bytes gives " + std::to_string(status));
    if (status != SAILS_OK || bytes == 0) {
      if (pointer != nullptr) fail("a pointer where there is no memory");
      sentence_of(device, status);
      if (call("sails_alloc", {{"device", of(device.handle)}, {"out_pointer", of(nullptr)}, {"bytes", of(int64_t{8})}}) == SAILS_OK)
        fail("sails_alloc writes to NULL");
      return;
    }
    copies(device, pointer, bytes);
    int64_t stranger = 0;
    if (call("sails_free", {{"device", of(device.handle)}, {"pointer", of(&stranger)}}, "memory of others") == SAILS_OK)
      fail("strange memory is freed");
    if (bytes > 1 && call("sails_free", {{"device", of(device.handle)}, {"pointer", of(static_cast<char *>(pointer) + 1)}}) == SAILS_OK)
      fail("the inside of an allocation is freed");
    if (random_.one_in(8)) return;  // the device frees it when it is closed
    if (call("sails_free", {{"device", of(device.handle)}, {"pointer", of(pointer)}}) != SAILS_OK) fail("memory cannot be freed");
    if (call("sails_free", {{"device", of(device.handle)}, {"pointer", of(pointer)}}, "a freed pointer") == SAILS_OK)
      fail("memory is freed twice");
  }

  void copies(const Device &device, void *pointer, int64_t bytes) {
    std::vector<char> in(static_cast<size_t>(bytes), 'i'), out(static_cast<size_t>(bytes), 'o');
    const auto four = [&](const char *name, const char *to_name, void *to, const char *from_name, const void *from, int64_t n) {
      return call(name, {{"device", of(device.handle)}, {to_name, of(to)}, {from_name, of(from)}, {"bytes", of(n)}},
                  std::to_string(n) + " bytes");
    };
    if (four("sails_upload", "destination", pointer, "host_source", in.data(), bytes) != SAILS_OK) fail("an upload is refused");
    if (four("sails_upload", "destination", pointer, "host_source", in.data(), -1) == SAILS_OK) fail("-1 bytes are uploaded");
    if (four("sails_upload", "destination", nullptr, "host_source", in.data(), bytes) == SAILS_OK) fail("an upload to NULL is taken");
    if (four("sails_copy", "destination", pointer, "source", pointer, bytes / 2) != SAILS_OK) fail("a copy is refused");
    if (four("sails_copy", "destination", pointer, "source", nullptr, bytes) == SAILS_OK) fail("a copy of NULL is taken");
    if (four("sails_copy", "destination", pointer, "source", pointer, INT64_MIN) == SAILS_OK) fail("a copy of INT64_MIN bytes is taken");
    if (four("sails_download", "host_destination", nullptr, "source", pointer, bytes) == SAILS_OK) fail("a download to NULL is taken");
    if (four("sails_download", "host_destination", out.data(), "source", pointer, bytes) != SAILS_OK || out != in)
      fail("a download is wrong");
    const auto zero = [&](void *to, int64_t n) {
      return call("sails_fill_zero", {{"device", of(device.handle)}, {"destination", of(to)}, {"bytes", of(n)}});
    };
    if (zero(pointer, -1) == SAILS_OK || zero(nullptr, 1) == SAILS_OK) fail("a wrong sails_fill_zero is taken");
    if (zero(pointer, bytes) != SAILS_OK || call("sails_synchronize", {{"device", of(device.handle)}}) != SAILS_OK)
      fail("sails_fill_zero is refused");
  }

  void sentence_of(const Device &device, int32_t status) {
    char text[400];
    if (interface_.error(device.handle, text, sizeof text) != SAILS_OK) fail("the sentence cannot be asked for");
    if ((status == SAILS_OK) != (text[0] == '\0'))
      fail(std::string("status ") + std::to_string(status) + " with the sentence '" + text + "'");
    // What a kernel finds wrong is told by the next call that waits.
    if (status == SAILS_FAILED) fail(std::string("the library says: ") + text);
  }

  // An operation, and what must hold afterwards.
  int32_t operation(const Device &device) {
    const Contract &contract = random_.of(interface_.contracts);
    doing(seed_, step_, "making a call of " + contract.function.name);
    const auto made = make_call(interface_, device, contract, random_, true);
    if (made == nullptr) return SAILS_OK;
    const int32_t status = call(contract.function.name, made->arguments, made->fault.empty() ? "legal arguments" : made->fault);
    sentence_of(device, status);
    if (made->expected == Expected::refusal && status == SAILS_OK) fail("the call is taken");
    if (status == SAILS_OUT_OF_MEMORY) fail("there is memory");
    // A fault that lies in a tensor may be told now.
    const int32_t waited = call("sails_synchronize", {{"device", of(device.handle)}});
    if (waited != SAILS_OK && waited != SAILS_INVALID_ARGUMENT) sentence_of(device, waited);
    if (made->expected == Expected::refusal) {
      if (waited != SAILS_OK) fail("a refused call leaves something to be told");
      for (const Memory &memory : made->memory)
        if (!memory.intact()) fail("a refused call has written");
    }
    if (status != SAILS_OK || waited != SAILS_OK) known_good(device);
    return status;
  }

  // A small call that is right works whatever came before.
  void known_good(const Device &device) {
    doing(seed_, step_, std::string("a good call after ") + now_doing);
    const float x[4] = {1, -2, 3, 0.5f};
    float y[4] = {};
    Memory in(interface_, device, sizeof x), out(interface_, device, sizeof y);
    in.content.assign(reinterpret_cast<const char *>(x), reinterpret_cast<const char *>(x) + sizeof x);
    if (!in.upload() ||
        interface_.axpby(device.handle, static_cast<float *>(out.pointer), in.pointer, 4, 2.0f, 0.0f, SAILS_F32) != SAILS_OK ||
        interface_.synchronize(device.handle) != SAILS_OK || interface_.download(device.handle, y, out.pointer, sizeof y) != SAILS_OK)
      fail("a good call is refused");
    for (int i = 0; i < 4; i++)
      if (y[i] != 2 * x[i]) fail("a good call gives a wrong result");
  }

  // Questions for a workspace touch no memory: any sizes will do.
  void question() {
    const Device &device = random_.of(devices_);
    std::vector<const Function *> questions;
    for (const Function &function : interface_.header)
      if (asks_for_workspace(function.name)) questions.push_back(&function);
    const Function &function = *random_.of(questions);
    const std::vector<int64_t> sizes = {0,
                                        1,
                                        2,
                                        3,
                                        64,
                                        1000,
                                        1 << 20,
                                        -1,
                                        INT64_MIN,
                                        INT64_MAX,
                                        int64_t{1} << 31,
                                        int64_t{1} << 40,
                                        int64_t{1} << 57,
                                        (int64_t{1} << 59) - 1};
    const bool wild = random_.one_in(2);
    ask(device, function, [&](const Parameter &parameter) {
      if (parameter.name == "weight_dtype" && !wild) return SAILS_Q8 + random_.below(2);
      if (parameter.name == "count") return wild && random_.one_in(4) ? int64_t{-1} : int64_t{2};
      if (parameter.pointer() && random_.one_in(20)) return kNoPointer;
      if (parameter.type == "int32_t") return random_.below(wild ? 8 : 2);
      return wild ? random_.of(sizes) : 1 + random_.below(9);
    });
  }

  // Every question with any of its sizes at an edge and the others small: products that no check of a tensor has bounded.
  void questions_at_edges() {
    const Device device = devices_.back();
    const std::vector<int64_t> edges = {(int64_t{1} << 20) + 1, (int64_t{1} << 31) - 1, int64_t{1} << 31, int64_t{1} << 40,
                                        (int64_t{1} << 44) - 1, int64_t{1} << 44,       int64_t{1} << 57, INT64_MAX};
    for (const Function &function : interface_.header) {
      if (!asks_for_workspace(function.name)) continue;
      std::vector<std::string> sizes;
      for (const Parameter &parameter : function.parameters)
        if (!of_type_code(parameter) && parameter.name != "count" && parameter.name != "device" && parameter.name != "out_bytes")
          sizes.push_back(parameter.name);
      for (uint32_t at_edge = 1; at_edge < uint32_t{1} << sizes.size(); at_edge++)
        for (const int64_t edge : edges)
          for (const int64_t code : {SAILS_F32, SAILS_BF16, SAILS_Q8}) {
            alarm(kMostSeconds);
            ask(device, function, [&](const Parameter &parameter) -> int64_t {
              if (of_type_code(parameter)) return parameter.name == "weight_dtype" || code != SAILS_Q8 ? code : SAILS_F32;
              if (parameter.name == "count") return 2;
              const auto which = std::find(sizes.begin(), sizes.end(), parameter.name) - sizes.begin();
              return at_edge >> which & 1 ? edge : 1;
            });
          }
    }
  }

  static bool of_type_code(const Parameter &parameter) { return parameter.type.find("int32_t") != std::string::npos; }

  // A question with the numbers that are given by parameter; an array gets its number twice.
  void ask(const Device &device, const Function &function, const std::function<int64_t(const Parameter &)> &number_of) {
    int64_t bytes = -5;
    Arguments arguments{{"device", of(device.handle)}};
    std::string words;
    std::vector<std::vector<int64_t>> arrays;
    for (const Parameter &parameter : function.parameters) {
      if (parameter.name == "device") continue;
      const int64_t number = number_of(parameter);
      if (parameter.name != "out_bytes") words += parameter.name + " " + std::to_string(number) + ", ";
      if (parameter.pointer() && number == kNoPointer) {
        arguments[parameter.name] = of(nullptr);
      } else if (parameter.name == "out_bytes") {
        arguments[parameter.name] = of(&bytes);
      } else if (parameter.pointer()) {
        // Twice as 64 bits or as 32.
        arrays.push_back(of_type_code(parameter) ? std::vector<int64_t>{number | number << 32} : std::vector<int64_t>{number, number});
        arguments[parameter.name] = of(arrays.back().data());
      } else {
        arguments[parameter.name] = of(number);
      }
    }
    const int32_t status = call(function.name, arguments, words);
    sentence_of(device, status);
    // Far from where a sum wraps: other sizes make more.
    if (status == SAILS_OK && (bytes < 0 || bytes > int64_t{1} << 60)) fail("a workspace of " + std::to_string(bytes) + " bytes");
  }

  // Begin, calls of every kind, end; launches; what may not be while it is recorded.
  void graph() {
    const Device &device = random_.of(devices_);
    const auto graph_call = [&](const char *name, const sails_graph *graph) {
      return call(name, {{"device", of(device.handle)}, {"graph", of(graph)}});
    };
    std::vector<std::unique_ptr<Call>> calls;
    for (int i = 0; i < 3; i++) {
      auto made = make_call(interface_, device, random_.of(interface_.contracts), random_, random_.one_in(4));
      if (made != nullptr && made->fault.find("wild") == std::string::npos) calls.push_back(std::move(made));
    }
    sails_graph *graph = nullptr;
    if (graph_call("sails_graph_launch", nullptr) == SAILS_OK) fail("no graph is launched");
    if (call("sails_graph_end", {{"device", of(device.handle)}, {"out_graph", of(&graph)}}) == SAILS_OK)
      fail("a recording ends that never began");
    int64_t stranger[8] = {};
    if (graph_call("sails_graph_close", reinterpret_cast<sails_graph *>(stranger)) == SAILS_OK) fail("a strange graph is closed");
    (void)graph_call("sails_graph_close", nullptr);
    if (call("sails_graph_begin", {{"device", of(device.handle)}}) != SAILS_OK) return;  // this backend records nothing
    if (call("sails_graph_begin", {{"device", of(device.handle)}}) == SAILS_OK) fail("a recording begins in a recording");
    void *pointer = nullptr;
    if (call("sails_alloc", {{"device", of(device.handle)}, {"out_pointer", of(&pointer)}, {"bytes", of(int64_t{64})}}) == SAILS_OK)
      fail("memory in a recording");
    if (call("sails_synchronize", {{"device", of(device.handle)}}) == SAILS_OK) fail("a recording waits");
    for (const auto &made : calls)
      if (call(made->contract->function.name, made->arguments, "recorded, " + made->fault) == SAILS_OK &&
          made->expected == Expected::refusal)
        fail("the call is taken");
    if (random_.one_in(10)) return close_while_recording(device);
    if (call("sails_graph_end", {{"device", of(device.handle)}, {"out_graph", of(random_.one_in(10) ? nullptr : &graph)}}) != SAILS_OK) {
      if (call("sails_graph_end", {{"device", of(device.handle)}, {"out_graph", of(&graph)}}) != SAILS_OK)
        fail("a recording cannot be ended");
    }
    for (int64_t i = random_.below(3); i > 0; i--)
      if (graph_call("sails_graph_launch", graph) != SAILS_OK) fail("a graph cannot be launched");
    const int32_t waited = call("sails_synchronize", {{"device", of(device.handle)}});
    if (waited != SAILS_OK && waited != SAILS_INVALID_ARGUMENT) sentence_of(device, waited);
    if (random_.one_in(5)) return known_good(device);  // the device closes it
    if (graph_call("sails_graph_close", graph) != SAILS_OK) fail("a graph cannot be closed");
    if (graph_call("sails_graph_close", graph) == SAILS_OK || graph_call("sails_graph_launch", graph) == SAILS_OK)
      fail("a closed graph is taken");
    known_good(device);
  }

  void close_while_recording(const Device &device) {
    sails_device *handle = device.handle;
    for (size_t i = 0; i < devices_.size(); i++)
      if (devices_[i].handle == handle) devices_.erase(devices_.begin() + static_cast<std::ptrdiff_t>(i));
    if (call("sails_device_close", {{"device", of(handle)}}, "a recording") != SAILS_OK) fail("a recording device cannot be closed");
    closed_.push_back(handle);
  }

  // Several threads on one device, and one that closes it: each call is taken whole or refused.
  void threads() {
    open();
    const Device device = devices_.back();
    devices_.pop_back();
    doing(seed_, step_, "three threads on a device that a fourth closes");
    std::vector<std::thread> threads;
    std::atomic<int> begun{0};
    std::atomic<bool> wrong{false};
    for (int t = 0; t < 3; t++)
      threads.emplace_back([&, t] {
        Random random(seed_ * 31 + static_cast<uint64_t>(step_ * 3 + t));
        for (int i = 0; i < 20; i++) {
          const auto made = make_call(interface_, device, random.of(interface_.contracts), random, false);
          begun++;
          if (made == nullptr) continue;
          const int32_t status = interface_.library.call(made->contract->function, made->arguments);
          if (status < SAILS_OK || status > SAILS_FAILED) wrong = true;
        }
      });
    while (begun < 10 + static_cast<int>(random_.below(30))) std::this_thread::yield();
    if (interface_.close(device.handle) != SAILS_OK) fail("an open device cannot be closed");
    for (std::thread &thread : threads) thread.join();
    if (wrong) fail("a call beside the closing has no status");
    closed_.push_back(device.handle);
  }

  const Interface &interface_;
  const std::string options_;
  Random random_;
  const uint64_t seed_;
  int64_t step_ = 0;
  std::vector<Device> devices_;
  std::vector<sails_device *> closed_;
  std::map<std::string, Count> counts_;
};

}  // namespace

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "hostile_calls_test LIBRARY HEADER [--seed S] [--steps N] [--options OPTIONS] [--keep-going yes]\n");
    return 2;
  }
  uint64_t seed = 1;
  int64_t steps = 4000;
  std::string options;
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--steps") steps = std::atoll(argv[i + 1]);
    if (name == "--keep-going") keep_going = std::strcmp(argv[i + 1], "yes") == 0;
    if (name == "--options") options = argv[i + 1];
  }
  std::signal(SIGALRM, tell_and_end);
  std::signal(SIGABRT, tell_and_end);
  if (__sanitizer_set_death_callback != nullptr)
    __sanitizer_set_death_callback([] { (void)!write(2, now_doing, std::strlen(now_doing)); });
  const Interface interface(argv[1], argv[2]);
  Driver driver(interface, options, seed);
  driver.run(steps);
  if (steps >= kStepsThatReachAll) driver.require_all_reached();
  std::printf("hostile calls: seed %llu, %lld steps, %lld calls of %zu functions, each with a status\n",
              static_cast<unsigned long long>(seed), static_cast<long long>(steps), static_cast<long long>(driver.calls()),
              interface.header.size());
  return failures == 0 ? 0 : 1;
}
