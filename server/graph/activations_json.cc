// Ranges of activations as JSON, for bundles.
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "graph/rounding_points.h"
#include "nlohmann/json.hpp"

namespace lbw::graph {
namespace {

using Json = nlohmann::json;

constexpr size_t kMembers = 4;

base::Error Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("activations JSON: ", message));
}

absl::StatusOr<ActivationRange> AsRange(const Json& json, const std::string& key) {
  if (!json.is_object()) return Bad(base::StrCat(key, " must be an object"));
  const auto bad = [&](std::string_view what) { return Bad(base::StrCat(key, ".", what)); };
  for (const char* member : {"signed", "scale", "zero_point", "method"}) {
    if (!json.contains(member)) return bad(base::StrCat(member, " is missing"));
  }
  if (json.size() != kMembers) {
    for (const auto& item : json.items()) {
      const std::string& name = item.key();
      if (name != "signed" && name != "scale" && name != "zero_point" && name != "method") {
        return bad(base::StrCat(name, " is not known"));
      }
    }
  }
  ActivationRange range;
  if (!json["signed"].is_boolean()) return bad("signed must be true or false");
  range.is_signed = json["signed"].get<bool>();
  if (!json["scale"].is_number()) return bad("scale must be a number");
  const auto scale = json["scale"].get<double>();
  if (!(std::fabs(scale) <= static_cast<double>(std::numeric_limits<float>::max()))) {
    return bad("scale is beyond float32's range");
  }
  range.scale = static_cast<float>(scale);
  const Json& zero_point = json["zero_point"];
  // Unsigned JSON numbers may lie beyond int64: they are told apart before they are read.
  const bool small = zero_point.is_number_unsigned()
                         ? zero_point.get<uint64_t>() <= 255
                         : zero_point.is_number_integer() && zero_point.get<int64_t>() >= -128;
  if (!small) return bad("zero_point must be an integer in -128..255");
  range.zero_point = static_cast<int32_t>(zero_point.get<int64_t>());
  if (!json["method"].is_string()) return bad("method must be a string");
  range.method = json["method"].get<std::string>();
  return range;
}

}  // namespace

std::string ActivationsToJson(const Activations& activations) {
  Json json = Json::object();
  for (const auto& [key, range] : activations) {
    json[key] = {{"signed", range.is_signed},
                 {"scale", static_cast<double>(range.scale)},
                 {"zero_point", range.zero_point},
                 {"method", range.method}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Activations> ActivationsFromJson(std::string_view text) {
  // The parser keeps the last of equal keys: they are seen here alone. One set a level of nesting.
  std::vector<std::set<std::string>> open;
  std::string repeated;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end && !open.empty()) open.pop_back();
    if (event == Json::parse_event_t::key && !open.empty() && repeated.empty()) {
      const auto key = parsed.get<std::string>();
      if (!open.back().insert(key).second) repeated = key;
    }
    return true;
  };
  const Json json = Json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return Bad("not a JSON object");
  if (!repeated.empty()) return Bad(base::StrCat(repeated, " stands twice"));
  Activations activations;
  for (const auto& item : json.items()) {
    LBW_ASSIGN_OR_RETURN(ActivationRange range, AsRange(item.value(), item.key()));
    activations.emplace(item.key(), std::move(range));
  }
  for (const auto& [key, range] : activations) {
    if (const absl::Status checked = CheckRange(key, range); !checked.ok()) {
      return Bad(base::Std(checked.message()));
    }
  }
  return activations;
}

}  // namespace lbw::graph
