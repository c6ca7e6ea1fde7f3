#include "tasks/json.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

constexpr size_t kShownBytes = 80;

base::Error BadText(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

std::string Shown(const Json& value) {
  std::string text = Dump(value);
  if (text.size() > kShownBytes) text = text.substr(0, kShownBytes) + "...";
  return text;
}

std::optional<uint64_t> AsUint(const Json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  uint64_t number = 0;
  if (value.is_string() && absl::SimpleAtoi(value.get_ref<const std::string&>(), &number)) {
    return number;
  }
  return std::nullopt;
}

std::optional<double> AsDouble(const Json& value) {
  if (value.is_number()) return value.get<double>();
  double number = 0;
  if (value.is_string() && absl::SimpleAtod(value.get_ref<const std::string&>(), &number)) {
    return number;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<ObjectReader> ObjectReader::Parse(std::string_view text, std::string_view what) {
  if (text.size() > kMaxTextBytes) {
    return BadText(base::StrCat(what, " is too long: bytes=", text.size(), " limit=", kMaxTextBytes))
        .Field(what);
  }
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return BadText(base::StrCat(what, " is no JSON object")).Field(what);
  return ObjectReader(std::move(json), std::string(what));
}

const Json* ObjectReader::Find(std::string_view key) {
  asked_.emplace(key);
  const auto found = object_.find(std::string(key));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

absl::Status ObjectReader::Bad(std::string_view key, std::string_view expected,
                               const Json& value) const {
  const std::string field = base::StrCat(path_, ".", key);
  return BadText(base::StrCat(field, " must be ", expected, ": ", key, "=", Shown(value)))
      .Field(field);
}

absl::Status ObjectReader::Read(std::string_view key, std::string& out) {
  const Json* value = Find(key);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string()) return Bad(key, "a string", *value);
  out = value->get<std::string>();
  return absl::OkStatus();
}

absl::Status ObjectReader::Read(std::string_view key, std::vector<std::string>& out) {
  const Json* value = Find(key);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_array()) return Bad(key, "a list of strings", *value);
  std::vector<std::string> read;
  for (const Json& item : *value) {
    if (!item.is_string()) return Bad(key, "a list of strings", item);
    read.push_back(item.get<std::string>());
  }
  out = std::move(read);
  return absl::OkStatus();
}

absl::Status ObjectReader::Read(std::string_view key, std::map<std::string, std::string>& out) {
  const Json* value = Find(key);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_object()) return Bad(key, "an object of strings", *value);
  std::map<std::string, std::string> read;
  for (const auto& item : value->items()) {
    if (!item.value().is_string()) return Bad(key, "an object of strings", item.value());
    read.emplace(item.key(), item.value().get<std::string>());
  }
  out = std::move(read);
  return absl::OkStatus();
}

absl::Status ObjectReader::Read(std::string_view key, std::optional<bool>& out) {
  const Json* value = Find(key);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_boolean()) return Bad(key, "true or false", *value);
  out = value->get<bool>();
  return absl::OkStatus();
}

absl::Status ObjectReader::Read(std::string_view key, const Range& range,
                                std::optional<float>& out) {
  const Json* value = Find(key);
  if (value == nullptr) return absl::OkStatus();
  const std::optional<double> number = AsDouble(*value);
  if (!number || !std::isfinite(*number) || *number < range.low || *number > range.high) {
    return Bad(key, base::StrCat("a number ", range.low, "..", range.high), *value);
  }
  out = static_cast<float>(*number);
  return absl::OkStatus();
}

absl::Status ObjectReader::Read(std::string_view key, uint64_t max, uint64_t& out) {
  const Json* value = Find(key);
  if (value == nullptr) return absl::OkStatus();
  const std::optional<uint64_t> number = AsUint(*value);
  if (!number || *number > max) {
    return Bad(key, base::StrCat("a whole number 0..", max), *value);
  }
  out = *number;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ObjectReader>> ObjectReader::Object(std::string_view key) {
  const Json* value = Find(key);
  if (value == nullptr) return std::optional<ObjectReader>();
  if (!value->is_object()) return Bad(key, "an object", *value);
  return std::optional<ObjectReader>(ObjectReader(*value, base::StrCat(path_, ".", key)));
}

absl::Status ObjectReader::End() const {
  for (const auto& item : object_.items()) {
    if (asked_.count(item.key()) != 0) continue;
    const std::string field = base::StrCat(path_, ".", item.key().substr(0, kShownBytes));
    return BadText(base::StrCat("unknown field: ", field)).Field(field);
  }
  return absl::OkStatus();
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Int64Text(uint64_t value) { return base::StrCat(value); }

double Shortest(float value) {
  std::array<char, 32> text;
  for (const int digits : {6, 7, 8, 9}) {
    std::snprintf(text.data(), text.size(), "%.*g", digits, static_cast<double>(value));
    if (std::strtof(text.data(), nullptr) == value) break;
  }
  return std::strtod(text.data(), nullptr);
}

double Rounded(double value, int digits) {
  const double unit = std::pow(10.0, digits);
  return std::round(value * unit) / unit;
}

void SetIf(Json& object, const char* key, const std::optional<double>& value) {
  if (value) object[key] = *value;
}

}  // namespace lbw::tasks
