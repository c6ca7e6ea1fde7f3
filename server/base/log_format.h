// One log event as one line of text, without its end of line. Pure: what Log writes, so that it can
// be tested.
#ifndef LBW_BASE_LOG_FORMAT_H_
#define LBW_BASE_LOG_FORMAT_H_

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/log.h"

namespace lbw::base {

struct LogEvent {
  LogLevel level = LogLevel::kInfo;
  absl::Time time;
  std::string_view event;
  absl::Span<const LogField> fields;
};

// {"time":"2024-01-02T03:04:05.678901Z","level":"info","event":"...","key":value,...}: valid JSON
// and UTF-8 whatever the values hold (bytes that are not UTF-8 become U+FFFD; NaN and infinities
// become strings). A key that is taken by the line itself gets a "_" behind.
std::string FormatLogJson(const LogEvent& event);

enum class LogColor { kNo, kYes };
// 2024-01-02T03:04:05.678901Z INFO  event key=value key="value with spaces": control characters are
// escaped, so that a value can neither begin a line of its own nor steer a terminal.
std::string FormatLogText(const LogEvent& event, LogColor color);

// text as JSON's string, with its quotes.
std::string JsonQuote(std::string_view text);

}  // namespace lbw::base

#endif  // LBW_BASE_LOG_FORMAT_H_
