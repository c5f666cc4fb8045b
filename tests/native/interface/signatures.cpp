#include "interface/signatures.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace interface {
namespace {

[[noreturn]] void stop(const std::string &sentence) {
  std::fprintf(stderr, "%s\n", sentence.c_str());
  std::exit(2);
}

Parameter parameter(std::string text) {
  const size_t name = text.find_last_of("* ") + 1;
  Parameter result;
  result.name = text.substr(name);
  result.type = text.substr(0, name);
  const auto blank = [](char c) { return c == ' ' || c == '\n'; };
  while (!result.type.empty() && blank(result.type.front())) result.type.erase(0, 1);
  while (!result.type.empty() && blank(result.type.back())) result.type.pop_back();
  return result;
}

constexpr int kMostIntegers = 32, kMostReals = 8;

}  // namespace

int64_t Parameter::element_bytes() const {
  if (type.find("double") != std::string::npos || type.find("int64_t") != std::string::npos) return 8;
  if (type.find("float") != std::string::npos || type.find("int32_t") != std::string::npos) return 4;
  return 0;
}

const Parameter *Function::find(const std::string &wanted) const {
  for (const Parameter &parameter : parameters)
    if (parameter.name == wanted) return &parameter;
  return nullptr;
}

std::vector<Function> read_header(const std::string &path) {
  std::ifstream file(path);
  if (!file) stop("cannot read " + path);
  std::stringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  for (size_t begin; (begin = text.find("/*")) != std::string::npos;) text.erase(begin, text.find("*/", begin) + 2 - begin);
  std::vector<Function> functions;
  const std::string begins = "SAILS_API int32_t ";
  for (size_t at = text.find(begins); at != std::string::npos; at = text.find(begins, at + 1)) {
    const size_t open = text.find('(', at), close = text.find(')', at), name = at + begins.size();
    Function function{text.substr(name, open - name), {}};
    std::stringstream list(text.substr(open + 1, close - open - 1));
    for (std::string one; std::getline(list, one, ',');) function.parameters.push_back(parameter(one));
    functions.push_back(function);
  }
  if (functions.empty()) stop(path + " declares no function");
  return functions;
}

Library::Library(const std::string &path) : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) stop(dlerror());
}

void *Library::symbol(const std::string &name) const {
  void *found = dlsym(handle_, name.c_str());
  if (found == nullptr) stop(name + " is missing in the library");
  return found;
}

// Both calling conventions that the libraries are built for (System V for x86-64, AAPCS64) hand integers and pointers over in their order
// in one row of registers and then the stack, and up to eight floating-point numbers in a row of their own: one prototype fits all, and
// what a function does not ask for it does not see.
int32_t Library::call(const Function &function, const Arguments &arguments) const {
  int64_t i[kMostIntegers] = {};
  double f[kMostReals] = {};
  int integers = 0, reals = 0;
  for (const Parameter &parameter : function.parameters) {
    const auto found = arguments.find(parameter.name);
    if (found == arguments.end()) stop(function.name + ": no argument for " + parameter.name);
    if (integers == kMostIntegers || reals == kMostReals) stop(function.name + " has more parameters than the driver can give");
    if (parameter.type == "float") {
      const auto narrow = static_cast<float>(found->second.real);
      std::memcpy(&f[reals++], &narrow, sizeof narrow);
    } else if (parameter.real()) {
      f[reals++] = found->second.real;
    } else {
      i[integers++] = found->second.integer;
    }
  }
  using I = int64_t;
  using Any = int32_t (*)(I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, I, double, double,
                          double, double, double, double, double, double);
  const auto any = reinterpret_cast<Any>(symbol(function.name));
  return any(i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7], i[8], i[9], i[10], i[11], i[12], i[13], i[14], i[15], i[16], i[17], i[18],
             i[19], i[20], i[21], i[22], i[23], i[24], i[25], i[26], i[27], i[28], i[29], i[30], i[31], f[0], f[1], f[2], f[3], f[4], f[5],
             f[6], f[7]);
}

}  // namespace interface
