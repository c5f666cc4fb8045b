// The processors that control groups pay for, read from files as Linux writes them.
#include "cpu/processors.h"

#include <unistd.h>

#include <fstream>

#include "check.h"

using check::expect;
namespace fs = std::filesystem;

namespace {

// A file system of control groups in a directory of its own.
struct Groups {
  fs::path root = fs::temp_directory_path() / ("sails-groups-" + std::to_string(getpid()));
  Groups() { fs::create_directories(root); }
  ~Groups() { fs::remove_all(root); }
  void write(const fs::path &file, const std::string &text) const {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  }
  std::string expect_processors(const std::string &membership, int expected) const {
    write("membership", membership);
    const int found = sails::quota_processors(root / "membership", root);
    return expect(found == expected, membership + " gives " + std::to_string(found) + ", expected " + std::to_string(expected));
  }
};

check::Register no_quota("processors: no quota, no files, and lines that are none", [] {
  const Groups groups;
  groups.write("a/cpu.max", "max 100000\n");
  groups.write("cpu/cpu.cfs_quota_us", "-1\n");
  groups.write("cpu/cpu.cfs_period_us", "100000\n");
  for (const char *membership : {"", "0::/\n", "0::/a\n", "0::/not/there\n", "3:cpu,cpuacct:/\n", "nothing\n", "1:name=systemd\n"}) {
    const std::string why = groups.expect_processors(membership, 0);
    if (!why.empty()) return why;
  }
  return std::string();
});

check::Register version_2("processors: version 2, the least of a group and of those around it, rounded up", [] {
  const Groups groups;
  groups.write("pod/cpu.max", "250000 100000\n");
  groups.write("pod/one/cpu.max", "400000 100000\n");
  groups.write("pod/two/cpu.max", "1000 100000\n");
  groups.write("pod/three/cpu.max", "max 100000\n");
  const struct {
    const char *membership;
    int expected;
  } cases[] = {{"0::/pod\n", 3}, {"0::/pod/one\n", 3}, {"0::/pod/two/\n", 1}, {"0::/pod/three/deep\n", 3}, {"0::/../pod\n", 0}};
  for (const auto &c : cases) {
    const std::string why = groups.expect_processors(c.membership, c.expected);
    if (!why.empty()) return why;
  }
  return std::string();
});

check::Register version_1("processors: version 1, also where the path is the host's and the mount the container's", [] {
  const Groups groups;
  groups.write("cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
  groups.write("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  groups.write("memory/a/cpu.cfs_quota_us", "100000\n");
  const std::string why = groups.expect_processors("5:memory:/a\n4:cpu,cpuacct:/docker/0123\n0::/\n", 2);
  return why.empty() ? groups.expect_processors("5:memory:/a\n4:cpuset:/docker/0123\n", 0) : why;
});

}  // namespace
