// Boxes with their coordinate space in the type, and what is computed on them.
#ifndef LBW_DETECT_BOX_H_
#define LBW_DETECT_BOX_H_

#include <cstdint>
#include <vector>

namespace lbw::detect {

// Corners in pixels, continuous coordinates: x to the right, y down, pixel i covers [i, i + 1).
struct BoxXyxyPx {
  float x_min = 0;
  float y_min = 0;
  float x_max = 0;
  float y_max = 0;
  bool operator==(const BoxXyxyPx&) const = default;
};

// Centre and size as a fraction of the input picture.
struct BoxCxcywhNorm {
  float cx = 0;
  float cy = 0;
  float w = 0;
  float h = 0;
  bool operator==(const BoxCxcywhNorm&) const = default;
};

// 0 where width or height is not positive, or NaN.
float Area(const BoxXyxyPx& box);
// Intersection over union, in [0, 1]; 0 where either area is 0.
float Iou(const BoxXyxyPx& a, const BoxXyxyPx& b);
BoxXyxyPx Clip(const BoxXyxyPx& box, float width, float height);

struct Detection {
  BoxXyxyPx box;
  int32_t class_index = 0;
  float score = 0;
  bool operator==(const Detection&) const = default;
};

}  // namespace lbw::detect

#endif  // LBW_DETECT_BOX_H_
