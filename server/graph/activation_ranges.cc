// Ranges of activations: how they are chosen and what they must be.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "graph/rounding_points.h"

namespace lbw::graph {
namespace {

constexpr double kUnsignedCodes = 255;
constexpr double kSignedCodes = 127;
// An affine range costs an integer executor a correction for each row: it must be worth it.
constexpr double kWorthAffine = 1.5;
constexpr size_t kMaxMethod = 64;

base::Error NoValue(const std::string& key) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat("activations: the graph has no value ", key));
}

// One number for all channels.
bool IsUniform(absl::Span<const float> values) {
  return std::all_of(values.begin(), values.end(), [&](float x) { return x == values[0]; });
}

Extremes Join(const Extremes& a, const Extremes& b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

Extremes ExtremesOf(const ActivationRange& range) {
  return {range.scale * static_cast<float>(range.least_code() - range.zero_point),
          range.scale * static_cast<float>(range.greatest_code() - range.zero_point)};
}

}  // namespace

ActivationRange ChooseRange(Extremes extremes) {
  const auto low = static_cast<double>(extremes.low);
  const auto high = static_cast<double>(extremes.high);
  ActivationRange range{false, 1, 0, "max"};
  if (!std::isfinite(low) || !std::isfinite(high) || low > high) return range;
  double scale = high / kUnsignedCodes;
  double zero_point = 0;
  bool is_signed = false;
  if (low < 0) {
    scale = std::max(-low, high) / kSignedCodes;
    is_signed = true;
    const double affine = (std::max(high, 0.0) - low) / kUnsignedCodes;
    if (scale > kWorthAffine * affine) {
      scale = affine;
      zero_point = std::clamp(std::nearbyint(-low / scale), 0.0, kUnsignedCodes);
      is_signed = false;
    }
  }
  // A scale that is not normal has lost its precision, or vanished.
  if (scale < static_cast<double>(std::numeric_limits<float>::min())) return range;
  range.is_signed = is_signed;
  range.scale = static_cast<float>(scale);
  range.zero_point = static_cast<int32_t>(zero_point);
  return range;
}

ActivationRange PictureRange(absl::Span<const float> mean, absl::Span<const float> scale) {
  LBW_CHECK(!mean.empty() && mean.size() == scale.size());
  const bool whole = mean[0] >= 0 && mean[0] <= 255 && mean[0] == std::nearbyint(mean[0]);
  if (IsUniform(mean) && IsUniform(scale) && whole && std::isfinite(scale[0]) && scale[0] > 0) {
    return {false, scale[0], static_cast<int32_t>(mean[0]), "picture"};
  }
  Extremes all{std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  for (size_t i = 0; i < mean.size(); ++i) {
    const float black = (0 - mean[i]) * scale[i];
    const float white = (255 - mean[i]) * scale[i];
    all = Join(all, {std::min(black, white), std::max(black, white)});
  }
  return ChooseRange(all);
}

absl::StatusOr<Activations> ChooseActivations(
    const std::vector<RoundingPoint>& points,
    const std::map<std::string, Extremes, std::less<>>& extremes, const ActivationRange& picture) {
  struct Group {
    Extremes extremes;
    size_t members = 0;
  };
  std::map<int, Group> groups;
  for (const RoundingPoint& point : points) {
    Extremes own = ExtremesOf(picture);
    if (!point.is_input) {
      const auto found = extremes.find(point.value);
      if (found == extremes.end()) {
        return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                           base::StrCat("no extremes for the rounding point ", point.value));
      }
      own = found->second;
    }
    Group& group = groups[point.group];
    group.extremes = group.members == 0 ? own : Join(group.extremes, own);
    ++group.members;
  }
  Activations activations;
  for (const RoundingPoint& point : points) {
    const Group& group = groups.find(point.group)->second;
    const bool alone = point.is_input && group.members == 1;
    activations.emplace(point.value, alone ? picture : ChooseRange(group.extremes));
  }
  return activations;
}

absl::Status CheckRange(const std::string& key, const ActivationRange& range) {
  if (key.empty()) return NoValue(key);
  const auto bad = [&](std::string_view what) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("activations.", key, ".", what));
  };
  if (!std::isfinite(range.scale) || !(range.scale > 0)) {
    return bad(base::StrCat("scale must be finite and above 0: ", range.scale));
  }
  if (range.zero_point < range.least_code() || range.zero_point > range.greatest_code()) {
    return bad(base::StrCat("zero_point must be in ", range.least_code(), "..",
                            range.greatest_code(), ": ", range.zero_point));
  }
  if (range.method.empty() || range.method.size() > kMaxMethod) {
    return bad(base::StrCat("method must have 1..", kMaxMethod, " bytes: ", range.method.size()));
  }
  return absl::OkStatus();
}

absl::Status CheckActivations(const Activations& activations, const Graph& graph) {
  if (activations.empty()) return absl::OkStatus();
  std::set<std::string_view> values;
  for (const ValueInfo& input : graph.inputs) values.insert(input.name);
  for (const Node& node : graph.nodes) values.insert(node.outputs.begin(), node.outputs.end());
  for (const auto& [key, range] : activations) {
    if (values.count(key) == 0) return NoValue(key);
    LBW_RETURN_IF_ERROR(CheckRange(key, range));
  }
  return absl::OkStatus();
}

}  // namespace lbw::graph
