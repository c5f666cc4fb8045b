// A list of named tests, run in order; each says in one line that it passed or why it failed.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace check {

struct Test {
  std::string name;
  std::function<std::string()> body;  // "" where it passed, else why not; "skip: ..." where it cannot run
};

inline std::vector<Test> &tests() {
  static std::vector<Test> all;
  return all;
}

struct Register {
  Register(const char *name, std::function<std::string()> body) { tests().push_back({name, std::move(body)}); }
};

// How a child process ended that ran `body`.
struct Child {
  bool died = false;   // by a signal or with an exit code that is not 0
  std::string output;  // of standard output and standard error
};

inline Child in_child(const std::function<void()> &body) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    body();
    std::fflush(nullptr);
    _exit(0);
  }
  close(ends[1]);
  Child child;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) child.output.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  child.died = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  return child;
}

inline std::string expect(bool condition, const std::string &why) { return condition ? "" : why; }
inline std::string expect_contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos ? "" : "expected '" + part + "' in: " + text;
}

inline int run_all() {
  int failed = 0, skipped = 0;
  for (const Test &test : tests()) {
    const std::string why = test.body();
    const bool skip = why.compare(0, 5, "skip:") == 0;
    skipped += skip;
    failed += !skip && !why.empty();
    std::printf("%-8s %s%s%s\n", skip ? "skipped" : why.empty() ? "ok" : "FAILED", test.name.c_str(), why.empty() ? "" : ": ", why.c_str());
  }
  std::printf("%zu tests of the emulator, %d failed, %d skipped\n", tests().size(), failed, skipped);
  return failed == 0 && !tests().empty() ? 0 : 1;
}

}  // namespace check

#define CHECK_CONCAT_INNER(a, b) a##b
#define CHECK_CONCAT(a, b) CHECK_CONCAT_INNER(a, b)
#define TEST(name) \
  static std::string CHECK_CONCAT(test_, __LINE__)(); \
  static const check::Register CHECK_CONCAT(register_, __LINE__)(name, CHECK_CONCAT(test_, __LINE__)); \
  static std::string CHECK_CONCAT(test_, __LINE__)()
