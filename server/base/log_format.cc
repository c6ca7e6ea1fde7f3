#include "base/log_format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace lbw::base {
namespace {

struct LevelStyle {
  std::string_view name;
  std::string_view label;
  std::string_view color;  // ANSI
};

LevelStyle StyleOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return {"debug", "DEBUG", "\x1b[2m"};
    case LogLevel::kInfo:
      return {"info", "INFO ", "\x1b[32m"};
    case LogLevel::kWarning:
      return {"warning", "WARN ", "\x1b[33m"};
    case LogLevel::kError:
      return {"error", "ERROR", "\x1b[31m"};
  }
  return {"info", "INFO ", ""};
}

constexpr std::string_view kReset = "\x1b[0m";

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

void AppendEscaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const auto c = static_cast<unsigned char>(text.front());
    // Also DEL and the C1 controls (U+0080..U+009F, some terminals act on them).
    const bool c1 = length == 2 && c == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned>(c));
    } else if (c1) {
      absl::StrAppendFormat(&out, "\\u%04x",
                            static_cast<unsigned>(static_cast<unsigned char>(text[1])));
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

std::string NumberText(double value) { return absl::StrFormat("%.17g", value); }

// The shortest of 15 to 17 digits that reads back as the same number.
std::string ShortNumberText(double value) {
  for (const int digits : {15, 16}) {
    std::string text = absl::StrFormat("%.*g", digits, value);
    double back = 0;
    if (absl::SimpleAtod(text, &back) && back == value) return text;
  }
  return NumberText(value);
}

std::string JsonValue(const LogField& field) {
  if (const auto* text = std::get_if<std::string>(&field.value)) return JsonQuote(*text);
  if (const auto* flag = std::get_if<bool>(&field.value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&field.value)) return StrCat(*integer);
  const double number = std::get<double>(field.value);
  if (!std::isfinite(number)) return JsonQuote(StrCat(number));
  return ShortNumberText(number);
}

bool IsPlain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
  });
}

std::string TextValue(const LogField& field) {
  const auto* text = std::get_if<std::string>(&field.value);
  if (text != nullptr) return IsPlain(*text) ? *text : JsonQuote(*text);
  return JsonValue(field);
}

}  // namespace

std::string JsonQuote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out.push_back('"');
  AppendEscaped(out, text);
  out.push_back('"');
  return out;
}

std::string FormatLogJson(const LogEvent& event) {
  std::string line = StrCat("{\"time\":\"", TimeText(event.time), "\",\"level\":\"",
                            StyleOf(event.level).name, "\",\"event\":", JsonQuote(event.event));
  for (const LogField& field : event.fields) {
    const bool taken = field.key == "time" || field.key == "level" || field.key == "event";
    StrAppend(&line, ",", JsonQuote(taken ? StrCat(field.key, "_") : std::string(field.key)), ":",
              JsonValue(field));
  }
  line.push_back('}');
  return line;
}

std::string FormatLogText(const LogEvent& event, LogColor color) {
  const LevelStyle style = StyleOf(event.level);
  const bool colored = color == LogColor::kYes;
  const std::string name = IsPlain(event.event) ? std::string(event.event) : JsonQuote(event.event);
  std::string line = StrCat(TimeText(event.time), " ", colored ? style.color : "", style.label,
                            colored ? kReset : "", " ", name);
  for (const LogField& field : event.fields) {
    const std::string key = IsPlain(field.key) ? std::string(field.key) : JsonQuote(field.key);
    StrAppend(&line, " ", key, "=", TextValue(field));
  }
  return line;
}

}  // namespace lbw::base
