// Quantities as a person reads them. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_FORMAT_H_
#define LBW_CLIENT_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace lbw::client {

// Binary multiples, three significant digits: "0 B", "1023 B", "1.50 KiB", "97.7 MiB".
std::string HumanBytes(uint64_t bytes);
// "0.4 s", "59 s", "3:05", "1:02:03"; "-" for an infinite one.
std::string HumanDuration(absl::Duration duration);
// A fixed number of decimals; "-" for a value that is missing or not finite.
std::string Decimal(std::optional<double> value, int decimals);
// A fraction as per cent with one decimal, without the sign: 0.1234 -> "12.3".
std::string Percent(double fraction);
// "[64,3,7,7]"; "[]" for a scalar. Works on any range of integers.
template <typename Range>
std::string Shape(const Range& dimensions) {
  std::string text = "[";
  for (const auto dimension : dimensions) {
    if (text.size() > 1) text += ',';
    text += std::to_string(dimension);
  }
  return text + "]";
}
// "1 tensor", "2 tensors", "0 tensors".
std::string Count(uint64_t number, std::string_view noun);
// "1,839".
std::string Grouped(uint64_t number);
// A measured value with four significant digits: "0.8957", "12.31", "18392", "3e-05"; "-" where it
// is not finite.
std::string Measured(double value);
// The first `width` columns of the text; width below 1: "".
std::string CutColumns(std::string_view text, int width);
// The same text with control characters and broken UTF-8 as '?', so that what a server or a file
// says cannot steer the terminal.
std::string Printable(std::string_view text);
// How many terminal columns the text takes: its code points.
size_t DisplayWidth(std::string_view text);
// "2026-03-01 12:00:05" in the zone given.
std::string TimeText(absl::Time time, absl::TimeZone zone);

}  // namespace lbw::client

#endif  // LBW_CLIENT_FORMAT_H_
