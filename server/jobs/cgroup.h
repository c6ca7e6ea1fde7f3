// How often the kernel ended a process of this process's control group for its memory.
//
// Source: Linux, Documentation/admin-guide/cgroup-v2.rst (memory.events, oom_kill) and
//         cgroup-v1/memory.rst (memory.oom_control). Best effort: a group is shared by every
//         process in it.
#ifndef LBW_JOBS_CGROUP_H_
#define LBW_JOBS_CGROUP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lbw::jobs {

// The files that may hold the counter, likeliest first, for a process whose /proc/self/cgroup says
// `cgroups`; root is where the control groups are mounted. Pure.
std::vector<std::string> OomCounterPaths(std::string_view cgroups, std::string_view root);

// The value of oom_kill in the text of such a file; none where it has none. Pure.
std::optional<int64_t> ParseOomKills(std::string_view text);

// The counter of the calling process's group now; none where the machine keeps none.
std::optional<int64_t> ReadOomKills();

}  // namespace lbw::jobs

#endif  // LBW_JOBS_CGROUP_H_
