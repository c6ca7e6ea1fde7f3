// Protojson read and written by hand: this room knows no protobuf.
//
// Numbers: 64-bit ones may be texts. A field that is left out, null or empty is its default. A
// field of
//          another kind is an error that names it.
#ifndef LBW_TASKS_JSON_H_
#define LBW_TASKS_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace lbw::tasks {

using Json = nlohmann::ordered_json;

// Errors: kInvalidArgument, BAD_ARGUMENT - not an object; what names it.
absl::StatusOr<Json> ParseObject(std::string_view text, std::string_view what);
// Compact, with broken UTF-8 replaced.
std::string Dump(const Json& json);

// Errors: kInvalidArgument, BAD_ARGUMENT, field `key`.
absl::StatusOr<std::string> TextOf(const Json& object, const std::string& key);
absl::StatusOr<std::optional<double>> NumberOf(const Json& object, const std::string& key);
absl::StatusOr<int64_t> IntegerOf(const Json& object, const std::string& key);
absl::StatusOr<uint64_t> UnsignedOf(const Json& object, const std::string& key);  // all 64 bits
absl::StatusOr<std::optional<bool>> SwitchOf(const Json& object, const std::string& key);
// An empty object where it is left out.
absl::StatusOr<Json> ObjectOf(const Json& object, const std::string& key);

// Sets the field where there is a value.
inline void Put(Json& object, const char* key, const std::optional<double>& value) {
  if (value.has_value()) object[key] = *value;
}

}  // namespace lbw::tasks

#endif  // LBW_TASKS_JSON_H_
