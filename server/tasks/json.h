// Reading protojson field by field, and writing it. Private to the room; only its sources and tests
// include it.
//
// Strict:   the text is one object; a key that is not asked for, a value of another kind and a
//           number outside its range are errors. null is as if it were left out. 64-bit integers
//           may be strings, as protojson writes them.
// Errors:   kInvalidArgument, BAD_ARGUMENT - names field, value and limit; Field() is the path.
#ifndef LBW_TASKS_JSON_H_
#define LBW_TASKS_JSON_H_

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace lbw::tasks {

using Json = nlohmann::json;

inline constexpr size_t kMaxTextBytes = size_t{4} << 20;

// Threads: one at a time.
class ObjectReader {
 public:
  // what: the text's name in messages and the beginning of paths ("spec").
  static absl::StatusOr<ObjectReader> Parse(std::string_view text, std::string_view what);

  // Each leaves out as it is where the key is missing.
  absl::Status Read(std::string_view key, std::string& out);
  absl::Status Read(std::string_view key, std::vector<std::string>& out);
  absl::Status Read(std::string_view key, std::map<std::string, std::string>& out);
  absl::Status Read(std::string_view key, std::optional<bool>& out);
  // Finite, low..high.
  struct Range {
    double low = 0;
    double high = 1;
  };
  absl::Status Read(std::string_view key, const Range& range, std::optional<float>& out);
  absl::Status Read(std::string_view key, uint64_t max, uint64_t& out);
  // An object below; nullopt where the key is missing.
  absl::StatusOr<std::optional<ObjectReader>> Object(std::string_view key);
  // Every key was asked for.
  absl::Status End() const;

 private:
  ObjectReader(Json object, std::string path) : object_(std::move(object)), path_(std::move(path)) {}
  const Json* Find(std::string_view key);
  absl::Status Bad(std::string_view key, std::string_view expected, const Json& value) const;

  Json object_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
};

// Compact, keys sorted, bytes that are no UTF-8 as U+FFFD.
std::string Dump(const Json& json);
// As protojson writes 64-bit integers.
std::string Int64Text(uint64_t value);
// The shortest decimal that is this float: 0.02F is 0.02 and not 0.0199999996.
double Shortest(float value);
// To `digits` decimals.
double Rounded(double value, int digits);
// Sets the key where there is a value.
void SetIf(Json& object, const char* key, const std::optional<double>& value);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_JSON_H_
