#include "cpu/processors.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

namespace sails {
namespace {

namespace fs = std::filesystem;

// A number of processors that no quota reaches.
constexpr int64_t kNoQuota = INT32_MAX;

int64_t processors(int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0) return kNoQuota;
  return std::min(kNoQuota, quota / period + (quota % period == 0 ? 0 : 1));
}

// "150000 100000", or "max 100000": microseconds of processors in a period of so many.
int64_t of_group_2(const fs::path &group) {
  int64_t quota = 0, period = 0;
  std::ifstream(group / "cpu.max") >> quota >> period;
  return processors(quota, period);
}

// -1 is no quota.
int64_t of_group_1(const fs::path &group) {
  int64_t quota = 0, period = 0;
  std::ifstream(group / "cpu.cfs_quota_us") >> quota;
  std::ifstream(group / "cpu.cfs_period_us") >> period;
  return processors(quota, period);
}

// The least of a group and of those around it. What is not there says nothing: in a container the path is often the host's.
template <typename OfGroup>
int64_t least(const fs::path &mount, const fs::path &path, OfGroup &&of_group) {
  int64_t count = of_group(mount);
  for (fs::path group = path.relative_path().lexically_normal(); group.has_relative_path(); group = group.parent_path())
    if (*group.begin() != "..") count = std::min(count, of_group(mount / group));
  return count;
}

bool names_cpu(const std::string &controllers) { return ("," + controllers + ",").find(",cpu,") != std::string::npos; }

}  // namespace

int quota_processors(const fs::path &membership, const fs::path &groups) {
  int64_t count = kNoQuota;
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    // number:controllers:path; version 2 names no controllers
    const size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path path = line.substr(second + 1);
    if (controllers.empty())
      count = std::min(count, least(groups, path, of_group_2));
    else if (names_cpu(controllers))
      for (const char *mount : {"cpu", "cpu,cpuacct", "cpuacct,cpu"}) count = std::min(count, least(groups / mount, path, of_group_1));
  }
  return count == kNoQuota ? 0 : static_cast<int>(count);
}

int usable_processors() {
  cpu_set_t set;
  const bool bound = sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0;
  const int allowed = bound ? CPU_COUNT(&set) : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int paid = quota_processors("/proc/self/cgroup", "/sys/fs/cgroup");
  return paid == 0 ? allowed : std::min(allowed, paid);
}

}  // namespace sails
