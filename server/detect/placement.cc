#include <algorithm>
#include <cmath>

#include "detect/decoder.h"

namespace lbw::detect {
namespace {

int64_t Scaled(int64_t size, double scale, int64_t limit) {
  return std::clamp<int64_t>(std::llround(static_cast<double>(size) * scale), 1, limit);
}

double CommonScale(const InputSpec& input, double width, double height) {
  const double fit = std::min(static_cast<double>(input.width) / width,
                              static_cast<double>(input.height) / height);
  if (input.resize != Resize::kShortestSide) return fit;
  const double shorter = std::min(width, height);
  const double longer = std::max(width, height);
  return std::min({fit, static_cast<double>(input.shortest_side_min) / shorter,
                   static_cast<double>(input.shortest_side_max) / longer});
}

}  // namespace

Placement PlacePicture(const InputSpec& input, int64_t picture_width, int64_t picture_height) {
  Placement placement;
  placement.picture_width = picture_width;
  placement.picture_height = picture_height;
  placement.resized_width = input.width;
  placement.resized_height = input.height;
  const auto width = static_cast<double>(picture_width);
  const auto height = static_cast<double>(picture_height);
  if (input.resize != Resize::kStretch) {
    const double scale = CommonScale(input, width, height);
    placement.resized_width = Scaled(picture_width, scale, input.width);
    placement.resized_height = Scaled(picture_height, scale, input.height);
  }
  // From the whole pixels that are really filled, so that the way back is exact.
  placement.scale_x = static_cast<float>(static_cast<double>(placement.resized_width) / width);
  placement.scale_y = static_cast<float>(static_cast<double>(placement.resized_height) / height);
  if (input.resize == Resize::kLetterbox) {
    placement.offset_x = static_cast<float>((input.width - placement.resized_width) / 2);
    placement.offset_y = static_cast<float>((input.height - placement.resized_height) / 2);
  }
  return placement;
}

BoxXyxyPx ToPicture(const BoxXyxyPx& box, const Placement& placement) {
  const BoxXyxyPx moved{(box.x_min - placement.offset_x) / placement.scale_x,
                        (box.y_min - placement.offset_y) / placement.scale_y,
                        (box.x_max - placement.offset_x) / placement.scale_x,
                        (box.y_max - placement.offset_y) / placement.scale_y};
  return Clip(moved, static_cast<float>(placement.picture_width),
              static_cast<float>(placement.picture_height));
}

}  // namespace lbw::detect
