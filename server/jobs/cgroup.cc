#include "jobs/cgroup.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"
#include "jobs/fd.h"

namespace lbw::jobs {
namespace {

// Files of /proc and /sys tell no size beforehand.
std::optional<std::string> ReadSmallFile(const std::string& path) {
  constexpr size_t kMost = size_t{64} << 10;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return std::nullopt;
  std::string text(kMost, '\0');
  size_t used = 0;
  while (used < kMost) {
    const ssize_t got = ::read(fd.get(), text.data() + used, kMost - used);
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  text.resize(used);
  return text;
}

bool HasController(absl::string_view controllers, absl::string_view wanted) {
  const std::vector<absl::string_view> each = absl::StrSplit(controllers, ',');
  return std::find(each.begin(), each.end(), wanted) != each.end();
}

}  // namespace

std::vector<std::string> OomCounterPaths(std::string_view cgroups, std::string_view root) {
  std::vector<std::string> unified;
  std::vector<std::string> memory;
  for (const absl::string_view line : absl::StrSplit(base::Absl(cgroups), '\n')) {
    // hierarchy:controllers:path, the path may hold colons.
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::string_view path = parts[2] == "/" ? std::string_view() : base::Std(parts[2]);
    if (parts[0] == "0" && parts[1].empty()) {
      unified.push_back(base::StrCat(root, path, "/memory.events"));
      // Inside a container the path may be the host's while the mount begins at the own group.
      unified.push_back(base::StrCat(root, "/memory.events"));
    } else if (HasController(parts[1], "memory")) {
      memory.push_back(base::StrCat(root, "/memory", path, "/memory.oom_control"));
      memory.push_back(base::StrCat(root, "/memory/memory.oom_control"));
    }
  }
  unified.insert(unified.end(), memory.begin(), memory.end());
  return unified;
}

std::optional<int64_t> ParseOomKills(std::string_view text) {
  for (const absl::string_view line : absl::StrSplit(base::Absl(text), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t count = 0;
    if (words.size() == 2 && words[0] == "oom_kill" && absl::SimpleAtoi(words[1], &count)) {
      return count;
    }
  }
  return std::nullopt;
}

std::optional<int64_t> ReadOomKills() {
  const std::optional<std::string> cgroups = ReadSmallFile("/proc/self/cgroup");
  if (!cgroups) return std::nullopt;
  for (const std::string& path : OomCounterPaths(*cgroups, "/sys/fs/cgroup")) {
    const std::optional<std::string> text = ReadSmallFile(path);
    const std::optional<int64_t> kills = text ? ParseOomKills(*text) : std::nullopt;
    if (kills) return kills;
  }
  return std::nullopt;
}

}  // namespace lbw::jobs
