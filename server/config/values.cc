#include "config/values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/strings.h"

namespace lbw::config {
namespace {

struct ByteUnit {
  std::string_view name;
  int64_t bytes;
};

constexpr std::array<ByteUnit, 9> kByteUnits = {{
    {"TiB", int64_t{1} << 40},
    {"GiB", int64_t{1} << 30},
    {"MiB", int64_t{1} << 20},
    {"KiB", int64_t{1} << 10},
    {"TB", 1'000'000'000'000},
    {"GB", 1'000'000'000},
    {"MB", 1'000'000},
    {"kB", 1'000},
    {"B", 1},
}};

// Digits, and at most one point between digits: what a person writes, not what strtod takes.
bool IsPlainNumber(std::string_view text) {
  const auto points = std::count(text.begin(), text.end(), '.');
  const auto digits =
      std::count_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return !text.empty() && points <= 1 && points + digits == static_cast<int64_t>(text.size()) &&
         text.front() != '.' && text.back() != '.';
}

std::string_view Trim(std::string_view text) {
  return base::Std(absl::StripAsciiWhitespace(base::Absl(text)));
}

}  // namespace

std::optional<int64_t> ParseCount(std::string_view text) {
  const std::string_view digits = text.substr(!text.empty() && text.front() == '-' ? 1 : 0);
  if (!IsPlainNumber(digits) || digits.find('.') != std::string_view::npos) return std::nullopt;
  int64_t value = 0;
  if (!absl::SimpleAtoi(base::Absl(text), &value)) return std::nullopt;
  return value;
}

std::optional<int64_t> ParseBytes(std::string_view text) {
  int64_t unit_bytes = 1;
  for (const ByteUnit& unit : kByteUnits) {
    if (text.size() > unit.name.size() &&
        text.substr(text.size() - unit.name.size()) == unit.name) {
      unit_bytes = unit.bytes;
      text = Trim(text.substr(0, text.size() - unit.name.size()));
      break;
    }
  }
  if (!IsPlainNumber(text)) return std::nullopt;
  if (text.find('.') == std::string_view::npos) {
    int64_t whole = 0;
    int64_t bytes = 0;
    if (!absl::SimpleAtoi(base::Absl(text), &whole)) return std::nullopt;
    if (__builtin_mul_overflow(whole, unit_bytes, &bytes)) return std::nullopt;
    return bytes;
  }
  double number = 0;
  if (!absl::SimpleAtod(base::Absl(text), &number)) return std::nullopt;
  const double bytes = number * static_cast<double>(unit_bytes);
  if (bytes >= static_cast<double>(std::numeric_limits<int64_t>::max()) ||
      bytes != std::floor(bytes)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(bytes);
}

std::string FormatBytes(int64_t bytes) {
  for (const ByteUnit& unit : kByteUnits) {
    const bool binary = unit.name.size() == 3;
    if (binary && bytes != 0 && bytes % unit.bytes == 0) {
      return base::StrCat(bytes / unit.bytes, unit.name);
    }
  }
  return base::StrCat(bytes, "B");
}

std::optional<absl::Duration> ParseDuration(std::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(base::Absl(text), &duration)) return std::nullopt;
  return duration;
}

std::optional<bool> ParseSwitch(std::string_view text) {
  const std::string lower = absl::AsciiStrToLower(base::Absl(text));
  if (lower == "true" || lower == "yes" || lower == "on" || lower == "1") return true;
  if (lower == "false" || lower == "no" || lower == "off" || lower == "0") return false;
  return std::nullopt;
}

std::optional<Address> ParseAddress(std::string_view text) {
  constexpr int kMaxPort = 65535;
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::optional<int64_t> port = ParseCount(text.substr(colon + 1));
  if (!port.has_value() || *port < 0 || *port > kMaxPort) return std::nullopt;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) return std::nullopt;
  if (host.find_first_of("[] /\t\n") != std::string_view::npos) return std::nullopt;
  return Address{std::string(host), static_cast<int>(*port)};
}

std::string FormatAddress(const Address& address) {
  if (address.host.find(':') != std::string::npos) {
    return base::StrCat("[", address.host, "]:", address.port);
  }
  return base::StrCat(address.host, ":", address.port);
}

}  // namespace lbw::config
