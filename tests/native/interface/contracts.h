// What sails.h says in words about the memory behind each pointer, in a form that a program can read: the one table of the tests that call
// the whole interface. contracts_of() fails where the header has a function or a pointer that the table has not.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "interface/signatures.h"

namespace interface {

// The memory behind a pointer.
struct Tensor {
  std::string name;
  std::string dtype;          // the parameter that tells the elements' type, "" where the pointer's own does
  int64_t element_bytes = 0;  // 0: by dtype
  bool optional = false;      // NULL is legal
  std::string size;           // in elements
  std::string limit;          // integers lie in [0, limit), "" for other contents
};

// An operation of the interface: what runs on tensors.
struct Contract {
  Function function;
  std::map<std::string, std::string> sizes;       // a size that is no free number: how legal ones are made
  std::map<std::string, std::vector<int>> codes;  // a parameter of type int32_t: the codes that it knows
  std::vector<Tensor> tensors;                    // on the device; [i] of a host array of pointers
  std::vector<std::string> arrays;                // numbers in host arrays of `count`
  const Tensor *find(const std::string &name) const;
  bool sizes_memory(const std::string &parameter) const;
};

// Where a name in an expression stands.
using Names = std::function<__int128(const std::string &)>;

// Sums and products of names and numbers, and c ? a : b.
__int128 evaluate(const std::string &expression, const Names &names);

// The contracts of all operations of the header; functions of handles, memory and graphs are not among them, and are listed by
// handle_functions(), nor are questions for workspaces.
std::vector<Contract> contracts_of(const std::vector<Function> &header);
const std::vector<std::string> &handle_functions();
bool asks_for_workspace(const std::string &function);

}  // namespace interface
