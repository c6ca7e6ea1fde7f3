// How values are written in configuration: numbers, byte sizes, durations, switches, addresses.
//
// Threads: pure functions. Each Parse gives nullopt for text that is not exactly one value.
#ifndef LBW_CONFIG_VALUES_H_
#define LBW_CONFIG_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace lbw::config {

// Decimal digits with an optional minus.
std::optional<int64_t> ParseCount(std::string_view text);

// Whole bytes: "512", "48MiB", "64 GiB", "1.5GiB"; KiB, MiB, GiB, TiB are powers of 1024, kB, MB,
// GB, TB of 1000, B is one.
std::optional<int64_t> ParseBytes(std::string_view text);
// The largest binary unit that divides it: "48MiB", "1000B".
std::string FormatBytes(int64_t bytes);

// "30s", "1h30m", "250ms"; "0". The inverse is absl::FormatDuration.
std::optional<absl::Duration> ParseDuration(std::string_view text);

// true, yes, on, 1 and false, no, off, 0, in any case.
std::optional<bool> ParseSwitch(std::string_view text);

struct Address {
  std::string host;  // without brackets
  int port = 0;      // 0..65535; 0 picks a free one
};
// "HOST:PORT", "[::1]:8500".
std::optional<Address> ParseAddress(std::string_view text);
// The inverse: brackets where the host has a colon.
std::string FormatAddress(const Address& address);

}  // namespace lbw::config

#endif  // LBW_CONFIG_VALUES_H_
