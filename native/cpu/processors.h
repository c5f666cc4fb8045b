// How many processors this process may use.
#pragma once

#include <filesystem>

namespace sails {

// The smaller of the processors that it may run on and of what its control groups pay for; at least 1.
int usable_processors();

// What the quotas of control groups pay for, of the group and of those around it, rounded up; 0 where none sets one. `membership` is
// /proc/self/cgroup, `groups` where the groups of either version are mounted, /sys/fs/cgroup.
int quota_processors(const std::filesystem::path &membership, const std::filesystem::path &groups);

}  // namespace sails
