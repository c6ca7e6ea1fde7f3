#include "detect/box.h"

#include <algorithm>

namespace lbw::detect {

float Area(const BoxXyxyPx& box) {
  const float width = box.x_max - box.x_min;
  const float height = box.y_max - box.y_min;
  // Written so that NaN answers 0.
  return width > 0 && height > 0 ? width * height : 0.0F;
}

float Iou(const BoxXyxyPx& a, const BoxXyxyPx& b) {
  const float area_a = Area(a);
  const float area_b = Area(b);
  if (!(area_a > 0) || !(area_b > 0)) return 0;
  const float inner = Area({std::max(a.x_min, b.x_min), std::max(a.y_min, b.y_min),
                            std::min(a.x_max, b.x_max), std::min(a.y_max, b.y_max)});
  const float outer = area_a + area_b - inner;
  return outer > 0 ? std::min(inner / outer, 1.0F) : 0.0F;
}

BoxXyxyPx Clip(const BoxXyxyPx& box, float width, float height) {
  return {std::clamp(box.x_min, 0.0F, width), std::clamp(box.y_min, 0.0F, height),
          std::clamp(box.x_max, 0.0F, width), std::clamp(box.y_max, 0.0F, height)};
}

}  // namespace lbw::detect
