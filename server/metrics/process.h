// What /proc says of this process.
#ifndef LBW_METRICS_PROCESS_H_
#define LBW_METRICS_PROCESS_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace lbw::metrics {

struct ProcessNumbers {
  double start_time_seconds = 0;  // since 1970
  double cpu_seconds = 0;         // user and system
  uint64_t resident_bytes = 0;
  uint64_t open_fds = 0;
};

// The fields of /proc/self/stat that are read here. See proc(5): the second field, the program's
// name in brackets, may itself hold spaces and brackets.
struct StatFields {
  uint64_t cpu_ticks = 0;    // utime + stime
  uint64_t start_ticks = 0;  // since boot
  uint64_t resident_pages = 0;
};
std::optional<StatFields> ParseStat(std::string_view text);
// The seconds since 1970 at which the machine booted, from /proc/stat.
std::optional<uint64_t> ParseBootTime(std::string_view text);

// Reads /proc; what cannot be read is 0.
ProcessNumbers ReadProcessNumbers();

}  // namespace lbw::metrics

#endif  // LBW_METRICS_PROCESS_H_
