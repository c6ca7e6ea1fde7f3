#include "eval/boxes.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "base/status.h"

namespace lbw::eval {
namespace {

using absl::StatusCode;
using base::Error;
using base::StrCat;
namespace reason = base::reason;

double Side(double low, double high, PixelRule rule) {
  return high - low + (rule == PixelRule::kInclusive ? 1.0 : 0.0);
}

std::string Place(std::string_view list, size_t index) { return StrCat(list, "[", index, "]"); }

absl::Status CheckIndex(std::string_view field, int32_t value, int32_t count) {
  if (value >= 0 && value < count) return absl::OkStatus();
  return Error(StatusCode::kInvalidArgument, reason::kBadArgument,
               StrCat(field, " must be at least 0 and below ", count, ": ", value))
      .Field(field);
}

bool Finite(const detect::BoxXyxyPx& box) {
  return std::isfinite(box.x_min) && std::isfinite(box.y_min) && std::isfinite(box.x_max) &&
         std::isfinite(box.y_max);
}

absl::Status CheckCoordinates(std::string_view field, const detect::BoxXyxyPx& box) {
  if (Finite(box)) return absl::OkStatus();
  return Error(StatusCode::kInvalidArgument, reason::kNonFinite,
               StrCat(field, " must be finite: x_min=", box.x_min, " y_min=", box.y_min,
                      " x_max=", box.x_max, " y_max=", box.y_max))
      .Field(field);
}

absl::Status CheckCount(std::string_view field, int64_t value, int64_t limit) {
  if (value < 0) {
    return Error(StatusCode::kInvalidArgument, reason::kBadArgument,
                 StrCat(field, " must not be negative: ", value))
        .Field(field);
  }
  if (value <= limit) return absl::OkStatus();
  return Error(StatusCode::kResourceExhausted, reason::kLimitExceeded,
               StrCat(field, " must be at most ", limit, ": ", value))
      .Field(field);
}

// Names are built only for what is wrong: there may be millions of boxes.
bool Sound(const BoxSet& set, int32_t image, int32_t class_index, const detect::BoxXyxyPx& box) {
  return image >= 0 && image < set.image_count && class_index >= 0 &&
         class_index < set.class_count && Finite(box);
}

absl::Status CheckTruth(const BoxSet& set, size_t index) {
  const TruthBox& truth = set.truths[index];
  const bool area_is_sound =
      !truth.area_px2.has_value() || (std::isfinite(*truth.area_px2) && *truth.area_px2 >= 0);
  if (area_is_sound && Sound(set, truth.image_index, truth.class_index, truth.box)) {
    return absl::OkStatus();
  }
  const std::string place = Place("truths", index);
  LBW_RETURN_IF_ERROR(CheckIndex(place + ".image_index", truth.image_index, set.image_count));
  LBW_RETURN_IF_ERROR(CheckIndex(place + ".class_index", truth.class_index, set.class_count));
  LBW_RETURN_IF_ERROR(CheckCoordinates(place + ".box", truth.box));
  return Error(StatusCode::kInvalidArgument, reason::kBadArgument,
               StrCat(place,
                      ".area_px2 must be finite and not negative: ", truth.area_px2.value_or(0)))
      .Field(place + ".area_px2");
}

absl::Status CheckFound(const BoxSet& set, size_t index) {
  const FoundBox& found = set.found[index];
  const detect::Detection& detection = found.detection;
  if (!std::isnan(detection.score) &&
      Sound(set, found.image_index, detection.class_index, detection.box)) {
    return absl::OkStatus();
  }
  const std::string place = Place("found", index);
  LBW_RETURN_IF_ERROR(CheckIndex(place + ".image_index", found.image_index, set.image_count));
  LBW_RETURN_IF_ERROR(CheckIndex(place + ".class_index", detection.class_index, set.class_count));
  LBW_RETURN_IF_ERROR(CheckCoordinates(place + ".box", detection.box));
  return Error(StatusCode::kInvalidArgument, reason::kNonFinite,
               StrCat(place, ".score must not be NaN: image_index=", found.image_index))
      .Field(place + ".score");
}

}  // namespace

double BoxArea(const detect::BoxXyxyPx& box, PixelRule rule) {
  const double width = Side(box.x_min, box.x_max, rule);
  const double height = Side(box.y_min, box.y_max, rule);
  return width > 0 && height > 0 ? width * height : 0.0;
}

double TruthArea(const TruthBox& truth, PixelRule rule) {
  return truth.area_px2.has_value() ? *truth.area_px2 : BoxArea(truth.box, rule);
}

double Intersection(const detect::BoxXyxyPx& a, const detect::BoxXyxyPx& b, PixelRule rule) {
  return BoxArea({std::max(a.x_min, b.x_min), std::max(a.y_min, b.y_min),
                  std::min(a.x_max, b.x_max), std::min(a.y_max, b.y_max)},
                 rule);
}

double OverlapRatio(const detect::BoxXyxyPx& a, const detect::BoxXyxyPx& b, PixelRule rule) {
  const double common = Intersection(a, b, rule);
  if (!(common > 0)) return 0;
  return common / (BoxArea(a, rule) + BoxArea(b, rule) - common);
}

absl::Status CheckBoxes(const BoxSet& set) {
  LBW_RETURN_IF_ERROR(CheckCount("image_count", set.image_count, kMaxImages));
  LBW_RETURN_IF_ERROR(CheckCount("class_count", set.class_count, kMaxClasses));
  LBW_RETURN_IF_ERROR(CheckCount("truths", static_cast<int64_t>(set.truths.size()), kMaxBoxes));
  LBW_RETURN_IF_ERROR(CheckCount("found", static_cast<int64_t>(set.found.size()), kMaxBoxes));
  for (size_t i = 0; i < set.truths.size(); ++i) LBW_RETURN_IF_ERROR(CheckTruth(set, i));
  for (size_t i = 0; i < set.found.size(); ++i) LBW_RETURN_IF_ERROR(CheckFound(set, i));
  return absl::OkStatus();
}

}  // namespace lbw::eval
