#include "metrics/process.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"

namespace lbw::metrics {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

uint64_t CountOpenFds() {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  uint64_t count = 0;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++count;
  // One of them is the iterator's own.
  return count == 0 ? 0 : count - 1;
}

}  // namespace

std::optional<StatFields> ParseStat(std::string_view text) {
  const size_t bracket = text.rfind(')');
  if (bracket == std::string_view::npos) return std::nullopt;
  const std::vector<std::string> fields = absl::StrSplit(base::Absl(text.substr(bracket + 1)),
                                                         absl::ByAnyChar(" \n"), absl::SkipEmpty());
  // Numbered as proc(5) does, from the third field (state) on.
  constexpr size_t kFirst = 3;
  constexpr size_t kUtime = 14, kStime = 15, kStartTime = 22, kRss = 24;
  if (fields.size() <= kRss - kFirst) return std::nullopt;
  uint64_t utime = 0;
  uint64_t stime = 0;
  StatFields result;
  const bool ok = absl::SimpleAtoi(fields[kUtime - kFirst], &utime) &&
                  absl::SimpleAtoi(fields[kStime - kFirst], &stime) &&
                  absl::SimpleAtoi(fields[kStartTime - kFirst], &result.start_ticks) &&
                  absl::SimpleAtoi(fields[kRss - kFirst], &result.resident_pages);
  if (!ok) return std::nullopt;
  result.cpu_ticks = utime + stime;
  return result;
}

std::optional<uint64_t> ParseBootTime(std::string_view text) {
  for (const absl::string_view line : absl::StrSplit(base::Absl(text), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t seconds = 0;
    if (words.size() == 2 && words[0] == "btime" && absl::SimpleAtoi(words[1], &seconds)) {
      return seconds;
    }
  }
  return std::nullopt;
}

ProcessNumbers ReadProcessNumbers() {
  ProcessNumbers numbers;
  const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const std::optional<StatFields> stat = ParseStat(ReadFile("/proc/self/stat"));
  if (stat.has_value()) {
    numbers.cpu_seconds = static_cast<double>(stat->cpu_ticks) / ticks_per_second;
    numbers.resident_bytes = stat->resident_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::optional<uint64_t> boot = ParseBootTime(ReadFile("/proc/stat"));
    if (boot.has_value()) {
      numbers.start_time_seconds =
          static_cast<double>(*boot) + static_cast<double>(stat->start_ticks) / ticks_per_second;
    }
  }
  numbers.open_fds = CountOpenFds();
  return numbers;
}

}  // namespace lbw::metrics
