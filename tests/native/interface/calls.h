// Random calls of operations: legal ones, whose memory is exactly as large as the header says, and ones with a fault of a known kind.
#pragma once

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "interface/contracts.h"
#include "sails.h"

namespace interface {

// Random numbers of a seed.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t below(int64_t limit) { return limit <= 0 ? 0 : static_cast<int64_t>(engine_() % static_cast<uint64_t>(limit)); }
  bool one_in(int64_t n) { return below(n) == 0; }
  template <typename T>
  const T &of(const std::vector<T> &values) {
    return values[static_cast<size_t>(below(static_cast<int64_t>(values.size())))];
  }

 private:
  std::mt19937_64 engine_;
};

// The library with its header, and the few functions that the driver itself uses.
struct Interface {
  explicit Interface(const std::string &library_path, const std::string &header_path);
  Library library;
  std::vector<Function> header;
  std::vector<Contract> contracts;
  const Function *find(const std::string &name) const;

  decltype(&sails_device_open) open;
  decltype(&sails_device_close) close;
  decltype(&sails_device_error) error;
  decltype(&sails_device_host_accessible) host_accessible;
  decltype(&sails_device_memory) memory;
  decltype(&sails_alloc) alloc;
  decltype(&sails_free) free;
  decltype(&sails_upload) upload;
  decltype(&sails_download) download;
  decltype(&sails_synchronize) synchronize;
  decltype(&sails_axpby) axpby;
};

// An open device of the library.
struct Device {
  sails_device *handle = nullptr;
  bool host_memory = false;  // what it reads is taken from malloc, byte for byte, so that a sanitizer sees the first byte past the end
};

// Device memory of a call; none where the library had none left.
class Memory {
 public:
  Memory(const Interface &interface, const Device &device, int64_t bytes);
  ~Memory();
  Memory(Memory &&other) noexcept;
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  void *pointer = nullptr;
  int64_t bytes = 0;
  std::vector<char> content;  // what was uploaded

  bool upload();
  // Whether the device still has what was uploaded.
  bool intact() const;

 private:
  const Interface *interface_;
  Device device_;
};

// What a call must do.
enum class Expected {
  any,      // legal, or a fault that the contents of a tensor have: any status
  refusal,  // SAILS_INVALID_ARGUMENT or SAILS_UNSUPPORTED, and no tensor is touched
};

// A call that is ready to be made.
struct Call {
  const Contract *contract = nullptr;
  Arguments arguments;
  Expected expected = Expected::any;
  std::string fault;  // in words, "" where it is legal
  std::vector<Memory> memory;
  std::vector<std::vector<int64_t>> words;  // host arrays
};

// Makes a call of an operation on a device. None where its sizes ask for more memory than the driver gives.
std::unique_ptr<Call> make_call(const Interface &interface, const Device &device, const Contract &contract, Random &random, bool faults);

// The question for the workspace that belongs to a call, with the call's own arguments: -1 where it is refused.
int64_t workspace_of(const Interface &interface, const Call &call);

}  // namespace interface
