#include "dataset/check_boxes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/strings.h"

namespace lbw::dataset {
namespace {

using Corners = std::array<double, 4>;

std::string Shown(const Corners& corners) {
  return absl::StrFormat("box=(%g, %g, %g, %g)", corners[0], corners[1], corners[2], corners[3]);
}

// From the stored picture's frame to the upright one's; width and height are upright. Continuous
// coordinates; inclusive ones are pixels from 1, whose mirror image is width + 1 - x.
Corners Turn(const Corners& stored, const BoxFrame& frame) {
  const double shift = frame.pixel_rule == PixelRule::kInclusive ? 1 : 0;
  const double width = static_cast<double>(frame.width) + shift;
  const double height = static_cast<double>(frame.height) + shift;
  const auto point = [&](double x, double y) -> std::pair<double, double> {
    switch (frame.orientation) {
      case 2:
        return {width - x, y};
      case 3:
        return {width - x, height - y};
      case 4:
        return {x, height - y};
      case 5:
        return {y, x};
      case 6:
        return {width - y, x};
      case 7:
        return {width - y, height - x};
      case 8:
        return {y, height - x};
      default:
        return {x, y};
    }
  };
  const auto [ax, ay] = point(stored[0], stored[1]);
  const auto [bx, by] = point(stored[2], stored[3]);
  return {std::min(ax, bx), std::min(ay, by), std::max(ax, bx), std::max(ay, by)};
}

class BoxChecker {
 public:
  BoxChecker(const BoxFrame& frame, const ClassIndex& classes, DefectList& defects)
      : frame_(frame), classes_(classes), defects_(defects) {}

  std::optional<Annotation> Check(const RawBox& box) {
    const auto label = classes_.find(box.class_name);
    if (label == classes_.end()) {
      return LeaveOut(DefectKind::kUnknownClass, base::StrCat("class ", box.class_name));
    }
    Corners corners = box.corners;
    for (const double value : corners) {
      if (!std::isfinite(value)) {
        return LeaveOut(DefectKind::kBadCoordinates,
                        base::StrCat(box.class_name, " ", Shown(corners)));
      }
    }
    if (box.relative) {
      for (size_t i = 0; i < 4; ++i) {
        corners[i] *= static_cast<double>(i % 2 == 0 ? frame_.width : frame_.height);
      }
    } else if (box.has_floats && frame_.pixel_rule == PixelRule::kInclusive) {
      Note(DefectKind::kFloatCoordinates, DefectAction::kNoted, Shown(corners));
    }
    if (corners[0] > corners[2] || corners[1] > corners[3]) {
      Note(DefectKind::kSwappedCorners, DefectAction::kRepaired, Shown(corners));
      if (corners[0] > corners[2]) std::swap(corners[0], corners[2]);
      if (corners[1] > corners[3]) std::swap(corners[1], corners[3]);
    }
    if (frame_.turn) corners = Turn(corners, frame_);
    const std::optional<Corners> inside = Clip(corners, box.class_name);
    if (!inside.has_value()) return std::nullopt;
    return ToAnnotation(box, *inside, label->second);
  }

 private:
  void Note(DefectKind kind, DefectAction action, const std::string& detail) {
    defects_.Add(kind, action, frame_.file, detail);
  }
  std::nullopt_t LeaveOut(DefectKind kind, const std::string& detail) {
    Note(kind, DefectAction::kLeftOut, detail);
    return std::nullopt;
  }

  std::optional<Corners> Clip(const Corners& corners, const std::string& label) {
    const auto width = static_cast<double>(frame_.width);
    const auto height = static_cast<double>(frame_.height);
    const std::string detail =
        base::StrCat(label, " ", Shown(corners), " picture=", frame_.width, "x", frame_.height);
    // An inclusive box of one pixel has equal corners; a continuous one of no width is nothing. A
    // line is nobody's object under either rule.
    if (corners[2] - corners[0] <= 0 || corners[3] - corners[1] <= 0) {
      return LeaveOut(DefectKind::kZeroArea, detail);
    }
    if (corners[2] <= 0 || corners[3] <= 0 || corners[0] >= width || corners[1] >= height) {
      return LeaveOut(DefectKind::kBoxOutside, detail);
    }
    Corners inside = {std::max(corners[0], 0.0), std::max(corners[1], 0.0),
                      std::min(corners[2], width), std::min(corners[3], height)};
    // A rounding beyond the edge is no defect worth a line; fractions are written with six digits.
    const double rounding = 1e-3 + 1e-6 * std::max(width, height);
    double moved = 0;
    for (size_t i = 0; i < 4; ++i) moved = std::max(moved, std::fabs(inside[i] - corners[i]));
    if (moved > rounding) Note(DefectKind::kBoxOutside, DefectAction::kRepaired, detail);
    return inside;
  }

  Annotation ToAnnotation(const RawBox& box, const Corners& corners, int32_t class_index) {
    Annotation annotation;
    annotation.box = {static_cast<float>(corners[0]), static_cast<float>(corners[1]),
                      static_cast<float>(corners[2]), static_cast<float>(corners[3])};
    annotation.class_index = class_index;
    annotation.difficult = box.difficult.value_or(false);
    annotation.crowd = box.crowd;
    annotation.area_px2 = box.area_px2;
    return annotation;
  }

  const BoxFrame& frame_;
  const ClassIndex& classes_;
  DefectList& defects_;
};

}  // namespace

std::vector<Annotation> CheckBoxes(const std::vector<RawBox>& boxes, const BoxFrame& frame,
                                   const ClassIndex& classes, DefectList& defects) {
  std::vector<Annotation> kept;
  size_t without_difficult = 0;
  BoxChecker checker(frame, classes, defects);
  for (const RawBox& box : boxes) {
    without_difficult += frame.tells_difficult && !box.difficult.has_value() ? 1 : 0;
    std::optional<Annotation> annotation = checker.Check(box);
    if (annotation.has_value()) kept.push_back(*annotation);
  }
  if (without_difficult > 0) {
    defects.Add(DefectKind::kDifficultMissing, DefectAction::kRepaired, frame.file,
                base::StrCat(without_difficult, " objects"));
  }
  return kept;
}

}  // namespace lbw::dataset
