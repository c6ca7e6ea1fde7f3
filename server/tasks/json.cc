#include "tasks/json.h"

#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

base::Error Wrong(const std::string& key, std::string_view expected, const Json& got) {
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                    base::StrCat(key, " must be ", expected, ": got ", Dump(got).substr(0, 100)));
  error.Field(key);
  return error;
}

// The field, or nullptr where it is left out.
const Json* Find(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

absl::StatusOr<Json> ParseObject(std::string_view text, std::string_view what) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return json;
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(what, " is not a JSON object: ", text.substr(0, 100)));
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::string> TextOf(const Json& object, const std::string& key) {
  const Json* const value = Find(object, key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return Wrong(key, "text", *value);
  return value->get<std::string>();
}

absl::StatusOr<std::optional<double>> NumberOf(const Json& object, const std::string& key) {
  const Json* const value = Find(object, key);
  if (value == nullptr) return std::optional<double>();
  double number = 0;
  if (value->is_number()) {
    number = value->get<double>();
  } else if (!value->is_string() || !absl::SimpleAtod(value->get<std::string>(), &number)) {
    return Wrong(key, "a number", *value);
  }
  if (!std::isfinite(number)) return Wrong(key, "a finite number", *value);
  return std::optional<double>(number);
}

absl::StatusOr<int64_t> IntegerOf(const Json& object, const std::string& key) {
  const Json* const value = Find(object, key);
  if (value == nullptr) return int64_t{0};
  int64_t number = 0;
  if (value->is_number_integer()) {
    // Numbers above the signed range are kept unsigned and would come out negative.
    const bool fits = !value->is_number_unsigned() ||
                      value->get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()};
    if (fits) return value->get<int64_t>();
  }
  if (value->is_string() && absl::SimpleAtoi(value->get<std::string>(), &number)) return number;
  return Wrong(key, "a whole number", *value);
}

absl::StatusOr<uint64_t> UnsignedOf(const Json& object, const std::string& key) {
  const Json* const value = Find(object, key);
  if (value == nullptr) return uint64_t{0};
  uint64_t number = 0;
  if (value->is_number_unsigned()) return value->get<uint64_t>();
  if (value->is_number_integer() && value->get<int64_t>() >= 0) return value->get<uint64_t>();
  if (value->is_string() && absl::SimpleAtoi(value->get<std::string>(), &number)) return number;
  return Wrong(key, "a whole number from 0", *value);
}

absl::StatusOr<std::optional<bool>> SwitchOf(const Json& object, const std::string& key) {
  const Json* const value = Find(object, key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return Wrong(key, "true or false", *value);
  return std::optional<bool>(value->get<bool>());
}

absl::StatusOr<Json> ObjectOf(const Json& object, const std::string& key) {
  const Json* const value = Find(object, key);
  if (value == nullptr) return Json(Json::object());
  if (!value->is_object()) return Wrong(key, "an object", *value);
  return *value;
}

}  // namespace lbw::tasks
