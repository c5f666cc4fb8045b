#include "interface/calls.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace interface {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 22, kMostArray = 5;
// From here on a shape cannot be: the shell refuses it. Between the two lies what is only too large for the driver.
constexpr __int128 kOverflow = __int128{1} << 44;

const std::vector<int64_t> kEdges = {-1,
                                     -2,
                                     std::numeric_limits<int64_t>::min(),
                                     std::numeric_limits<int64_t>::max(),
                                     0,
                                     1,
                                     (int64_t{1} << 31) - 1,
                                     int64_t{1} << 31,
                                     int64_t{1} << 32,
                                     (int64_t{1} << 32) + 1,
                                     int64_t{1} << 44,
                                     int64_t{1} << 59,
                                     int64_t{1} << 61,
                                     int64_t{1} << 62,
                                     -(int64_t{1} << 32)};
const std::vector<int32_t> kWrongCodes = {
    -1, 2, 3, 4, 5, 99, 256, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
const std::vector<double> kReals = {
    0,     1, 0.5, 2, -1, 1e-6, 0.9, 30, 1e30, -1e-30, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
    5e-324};

// Builds one call.
class Maker {
 public:
  Maker(const Interface &interface, const Device &device, const Contract &contract, Random &random)
      : interface_(interface), device_(device), contract_(contract), random_(random), call_(std::make_unique<Call>()) {
    call_->contract = &contract;
    call_->arguments["device"].pointer = device.handle;
  }

  std::unique_ptr<Call> make(bool faults) {
    numbers();
    if (faults && random_.one_in(3)) fault_in_numbers();
    if (!measure()) return nullptr;
    for (const Tensor &tensor : contract_.tensors)
      if (!give(tensor)) return nullptr;
    if (faults && call_->fault.empty() && random_.one_in(3)) fault_in_pointers();
    if (!workspace(faults)) return nullptr;
    return std::move(call_);
  }

 private:
  int64_t free_number() { return random_.one_in(12) ? 0 : random_.one_in(10) ? 17 + random_.below(60) : 1 + random_.below(9); }

  bool is_array(const std::string &name) const {
    for (const std::string &array : contract_.arrays)
      if (array == name) return true;
    return false;
  }

  void numbers() {
    Arguments &arguments = call_->arguments;
    for (const Parameter &parameter : contract_.function.parameters) {
      const std::string &name = parameter.name;
      if (parameter.pointer()) continue;
      if (parameter.real()) {
        arguments[name].real = random_.one_in(4) ? random_.of(kReals) : 0.25 * static_cast<double>(1 + random_.below(4));
      } else if (parameter.type == "int32_t") {
        const auto codes = contract_.codes.find(name);
        arguments[name].integer = codes == contract_.codes.end() ? random_.below(2) : random_.of(codes->second);
      } else {
        arguments[name].integer = name == "count" ? random_.below(kMostArray) : free_number();
      }
    }
    // Twice: a size may be made of one that is made.
    for (int pass = 0; pass < 2; pass++)
      for (const auto &[name, expression] : contract_.sizes)
        if (pass == 0 || expression.find("free") == std::string::npos || !made_once(expression))
          arguments[name].integer = static_cast<int64_t>(evaluate(expression, names(0)));
    arrays();
  }

  // Whether an expression is of free numbers alone; the others are made of what these gave.
  bool made_once(const std::string &expression) const {
    for (const auto &[name, other] : contract_.sizes)
      if (expression.find(name) != std::string::npos) return false;
    return true;
  }

  void arrays() {
    const auto count = static_cast<size_t>(call_->arguments.count("count") ? call_->arguments["count"].integer : 0);
    for (const std::string &name : contract_.arrays) {
      const std::string &type = contract_.function.find(name)->type;
      // 64-bit words hold arrays of any type.
      std::vector<int64_t> words(count);
      for (size_t i = 0; i < count; i++) {
        const int64_t number = type.find("int32_t") != std::string::npos ? random_.below(2) : free_number();
        if (type.find("int64_t") != std::string::npos) words[i] = number;
        if (type.find("int32_t") != std::string::npos) reinterpret_cast<int32_t *>(words.data())[i] = static_cast<int32_t>(number);
        if (type.find("float") != std::string::npos) reinterpret_cast<float *>(words.data())[i] = 0.5f;
      }
      keep(name, std::move(words));
    }
  }

  void keep(const std::string &name, std::vector<int64_t> words) {
    call_->words.push_back(std::move(words));
    call_->arguments[name].pointer = call_->words.back().empty() ? nullptr : call_->words.back().data();
  }

  Names names(int64_t i) {
    return [this, i](const std::string &name) -> __int128 {
      if (name == "free") return random_.below(4);
      const auto found = call_->arguments.find(name);
      if (found == call_->arguments.end()) return 0;
      if (is_array(name)) return found->second.pointer == nullptr ? 0 : static_cast<const int64_t *>(found->second.pointer)[i];
      return found->second.integer;
    };
  }

  int64_t copies(const Tensor &tensor) const {
    if (!contract_.function.find(tensor.name)->pointers()) return 1;
    const int64_t count = call_->arguments.at("count").integer;
    return count < 0 || count > kMostArray ? 0 : count;
  }

  int64_t element_bytes(const Tensor &tensor) const {
    if (tensor.element_bytes != 0) return tensor.element_bytes;
    switch (call_->arguments.at(tensor.dtype).integer) {
      case SAILS_F32: return 4;
      case SAILS_BF16:
      case SAILS_F16: return 2;
      default: return 8;
    }
  }

  void fault(const std::string &words, Expected expected) {
    call_->fault = words;
    call_->expected = expected;
  }

  static bool known(const std::vector<int> &codes, int64_t code) { return std::find(codes.begin(), codes.end(), code) != codes.end(); }

  // One number becomes one that is at an edge, or a code that there is not.
  void fault_in_numbers() {
    std::vector<const Parameter *> candidates;
    for (const Parameter &parameter : contract_.function.parameters)
      if (!parameter.pointer() && !parameter.real() && parameter.name != "workspace_bytes") candidates.push_back(&parameter);
    if (candidates.empty()) return;
    const Parameter &chosen = *random_.of(candidates);
    Value &value = call_->arguments[chosen.name];
    const bool code = contract_.codes.count(chosen.name) != 0;
    value.integer = chosen.type == "int32_t" ? random_.of(kWrongCodes) : random_.of(kEdges);
    const bool wrong_code = code && !known(contract_.codes.at(chosen.name), value.integer);
    const bool negative = value.integer < 0 && contract_.sizes_memory(chosen.name) && chosen.type == "int64_t";
    const auto words = chosen.name + " = " + std::to_string(value.integer);
    fault(words, wrong_code || negative ? Expected::refusal : Expected::any);
  }

  // Whether the driver has the memory that the sizes ask for; what no machine can have must be refused.
  bool measure() {
    __int128 total = 0;
    for (const Tensor &tensor : contract_.tensors) {
      for (int64_t i = 0; i < copies(tensor); i++) {
        const __int128 n = evaluate(tensor.size, names(i));
        if (n >= kOverflow) {
          call_->expected = Expected::refusal;
          return !call_->fault.empty();
        }
        if (n > 0) total += n * element_bytes(tensor);
      }
    }
    if (call_->arguments.count("count") && call_->arguments["count"].integer > kMostArray) return false;
    return total <= kMostBytes || call_->expected == Expected::refusal;
  }

  // The memory of a tensor, or of each in a host array.
  bool give(const Tensor &tensor) {
    const int64_t count = copies(tensor);
    std::vector<int64_t> pointers;
    for (int64_t i = 0; i < count; i++) {
      const __int128 n = evaluate(tensor.size, names(i));
      const bool none = n == 0 || (tensor.optional && random_.one_in(3));
      // Where the call must be refused the memory is never read: little of it does.
      const bool refused = call_->expected == Expected::refusal && (n < 0 || n > 4096);
      void *pointer = nullptr;
      if (!none) {
        Memory memory(interface_, device_, refused ? 64 : static_cast<int64_t>(n) * element_bytes(tensor));
        fill(tensor, memory, i);
        if (memory.pointer == nullptr || !memory.upload()) return false;
        pointer = memory.pointer;
        call_->memory.push_back(std::move(memory));
      }
      pointers.push_back(reinterpret_cast<int64_t>(pointer));
    }
    if (contract_.function.find(tensor.name)->pointers())
      keep(tensor.name, std::move(pointers));
    else
      call_->arguments[tensor.name].integer = pointers[0];
    return true;
  }

  void fill(const Tensor &tensor, Memory &memory, int64_t i) {
    memory.content.resize(static_cast<size_t>(memory.bytes));
    const bool integers = contract_.function.find(tensor.name)->type.find("int32_t") != std::string::npos;
    const bool wild = random_.one_in(40);
    const auto limit = tensor.limit.empty() ? 0 : static_cast<int64_t>(evaluate(tensor.limit, names(i)));
    auto *at = memory.content.data();
    for (int64_t left = memory.bytes; left > 0;) {
      int32_t word = integers ? static_cast<int32_t>(random_.below(limit)) : pattern(tensor);
      if (wild) word = static_cast<int32_t>(random_.below(int64_t{1} << 32));
      const int64_t n = std::min<int64_t>(left, 4);
      std::memcpy(at, &word, static_cast<size_t>(n));
      at += n;
      left -= n;
    }
    if (wild && call_->fault.empty()) call_->fault = "wild contents of " + tensor.name;
  }

  // Bits that are small numbers as f32, and as two of bf16 or half of f64.
  int32_t pattern(const Tensor &) {
    constexpr int32_t kNumbers[] = {0, 0x3e803e80, 0x3f003f00, 0x3f803f80, static_cast<int32_t>(0xbf00bf00), 0x3dcc3dcc};
    return kNumbers[random_.below(6)];
  }

  // Whether the call has something to do: where a size is 0 it need not look at all that it is given.
  bool works() {
    for (const Parameter &parameter : contract_.function.parameters)
      if (parameter.type == "int64_t" && parameter.name != "workspace_bytes" && contract_.sizes_memory(parameter.name) &&
          call_->arguments[parameter.name].integer <= 0)
        return false;
    for (const Tensor &tensor : contract_.tensors)
      for (int64_t i = 0; i < copies(tensor); i++)
        if (evaluate(tensor.size, names(i)) <= 0) return false;
    return true;
  }

  // NULL or an odd address in place of a tensor.
  void fault_in_pointers() {
    std::vector<const Tensor *> candidates;
    const bool all_there = works();
    for (const Tensor &tensor : contract_.tensors)
      if (!tensor.optional && !contract_.function.find(tensor.name)->pointers() && call_->arguments[tensor.name].pointer != nullptr)
        candidates.push_back(&tensor);
    if (candidates.empty()) return;
    const Tensor &chosen = *random_.of(candidates);
    Value &value = call_->arguments[chosen.name];
    const bool odd = element_bytes(chosen) > 1 && random_.one_in(2);
    value.integer = odd ? value.integer + 1 : 0;
    // Where a call has nothing to do it may not look.
    fault(chosen.name + (odd ? " is misaligned" : " is NULL"), all_there ? Expected::refusal : Expected::any);
    if (!all_there && odd) value.integer -= 1;
  }

  bool workspace(bool faults) {
    if (contract_.function.find("workspace") == nullptr) return true;
    const int64_t needed = workspace_of(interface_, *call_);
    if (needed > kMostBytes * 16) return false;
    const int64_t bytes = needed < 0 ? 0 : needed;
    call_->arguments["workspace"].pointer = nullptr;
    call_->arguments["workspace_bytes"].integer = bytes;
    if (bytes == 0) return true;
    Memory memory(interface_, device_, bytes);
    if (memory.pointer == nullptr) return false;
    memory.content.assign(static_cast<size_t>(bytes), '\x7f');
    if (!memory.upload()) return false;
    call_->arguments["workspace"].pointer = memory.pointer;
    call_->memory.push_back(std::move(memory));
    if (faults && call_->fault.empty() && random_.one_in(4)) fault_in_workspace(bytes);
    return true;
  }

  void fault_in_workspace(int64_t bytes) {
    const std::vector<int64_t> wrong = {-1, 0, bytes - 1, std::numeric_limits<int64_t>::min()};
    const Expected expected = works() ? Expected::refusal : Expected::any;
    switch (random_.below(3)) {
      case 0:
        call_->arguments["workspace_bytes"].integer = random_.of(wrong);
        return fault("workspace_bytes = " + std::to_string(call_->arguments["workspace_bytes"].integer), expected);
      case 1: call_->arguments["workspace"].pointer = nullptr; return fault("workspace is NULL", expected);
      default: call_->arguments["workspace"].integer += 4; return fault("workspace is misaligned", expected);
    }
  }

  const Interface &interface_;
  const Device device_;
  const Contract &contract_;
  Random &random_;
  std::unique_ptr<Call> call_;
};

}  // namespace

Interface::Interface(const std::string &library_path, const std::string &header_path)
    : library(library_path), header(read_header(header_path)), contracts(contracts_of(header)) {
  const auto bind = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(library.symbol(name));
  };
  bind(open, "sails_device_open");
  bind(close, "sails_device_close");
  bind(error, "sails_device_error");
  bind(host_accessible, "sails_device_host_accessible");
  bind(memory, "sails_device_memory");
  bind(alloc, "sails_alloc");
  bind(free, "sails_free");
  bind(upload, "sails_upload");
  bind(download, "sails_download");
  bind(synchronize, "sails_synchronize");
  bind(axpby, "sails_axpby");
}

const Function *Interface::find(const std::string &name) const {
  for (const Function &function : header)
    if (function.name == name) return &function;
  return nullptr;
}

Memory::Memory(const Interface &interface, const Device &device, int64_t n) : bytes(n), interface_(&interface), device_(device) {
  if (device.host_memory) {
    if (posix_memalign(&pointer, 64, static_cast<size_t>(n)) != 0) pointer = nullptr;
  } else if (interface.alloc(device.handle, &pointer, n) != SAILS_OK) {
    pointer = nullptr;
  }
}

Memory::~Memory() {
  if (pointer == nullptr) return;
  if (device_.host_memory)
    std::free(pointer);
  else
    (void)interface_->free(device_.handle, pointer);  // refused where the device is closed, which has freed it
}

Memory::Memory(Memory &&other) noexcept
    : pointer(other.pointer), bytes(other.bytes), content(std::move(other.content)), interface_(other.interface_), device_(other.device_) {
  other.pointer = nullptr;
}

bool Memory::upload() {
  if (device_.host_memory) {
    std::memcpy(pointer, content.data(), content.size());
    return true;
  }
  return interface_->upload(device_.handle, pointer, content.data(), bytes) == SAILS_OK;
}

bool Memory::intact() const {
  if (device_.host_memory) return std::memcmp(pointer, content.data(), content.size()) == 0;
  std::vector<char> now(content.size());
  if (interface_->download(device_.handle, now.data(), pointer, bytes) != SAILS_OK) return true;
  return now == content;
}

std::unique_ptr<Call> make_call(const Interface &interface, const Device &device, const Contract &contract, Random &random, bool faults) {
  return Maker(interface, device, contract, random).make(faults);
}

int64_t workspace_of(const Interface &interface, const Call &call) {
  const Function *question = interface.find(call.contract->function.name + "_workspace_bytes");
  if (question == nullptr) return 0;
  int64_t bytes = -1;
  Arguments arguments = call.arguments;
  arguments["out_bytes"].pointer = &bytes;
  return interface.library.call(*question, arguments) == SAILS_OK ? bytes : -1;
}

}  // namespace interface
