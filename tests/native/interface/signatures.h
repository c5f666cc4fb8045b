// What sails.h declares, read from the header itself, and calls of it by what was read: a function that is added is called too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace interface {

struct Parameter {
  std::string type;  // "const float *"
  std::string name;
  bool pointer() const { return type.find('*') != std::string::npos; }
  // A host array of device pointers.
  bool pointers() const { return type.find('*') != type.rfind('*'); }
  bool real() const { return type == "float" || type == "double"; }
  // Bytes of what it points at, 0 where its dtype says so.
  int64_t element_bytes() const;
};

struct Function {
  std::string name;
  std::vector<Parameter> parameters;
  const Parameter *find(const std::string &name) const;
};

// Every function of the header, in its order.
std::vector<Function> read_header(const std::string &path);

// An argument in the form in which the call wants it.
union Value {
  int64_t integer;
  void *pointer;
  double real;  // also of a float
};

using Arguments = std::map<std::string, Value>;

// A library of the interface.
class Library {
 public:
  explicit Library(const std::string &path);
  // Calls a function with an argument for each of its parameters.
  int32_t call(const Function &function, const Arguments &arguments) const;
  void *symbol(const std::string &name) const;

 private:
  void *handle_;
};

}  // namespace interface
