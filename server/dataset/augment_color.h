// Brightness, contrast, saturation and hue of a picture, changed in one pass. Private to the room.
//
// Math:      luma y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), chroma in the plane of
//            u = 0.492 (B - y), v = 0.877 (R - y). y' = contrast (y + brightness);
//            (u', v') = contrast saturation (u, v), turned by the hue's angle. All four are one
//            affine map, so values are clipped and rounded once.
// Source:    ranges of W. Liu et al., "SSD: Single Shot MultiBox Detector", arXiv 1512.02325
//            (2015), section 2.2, and its released training definition; there saturation and hue
//            are HSV's.
// Precision: +, -, *, / only: no library's sines.
// Threads:   pure.
#ifndef LBW_DATASET_AUGMENT_COLOR_H_
#define LBW_DATASET_AUGMENT_COLOR_H_

#include "absl/types/span.h"
#include "base/random.h"

namespace lbw::dataset {

struct ColorChange {
  float brightness = 0;     // pixel values
  float contrast = 1;       // a factor
  float saturation = 1;     // a factor
  float hue_half_turn = 0;  // tangent of half the angle
};

inline constexpr float kMostBrightness = 32;
inline constexpr float kMostContrast = 0.5F;         // from 1, both ways
inline constexpr float kMostSaturation = 0.5F;       // from 1, both ways
inline constexpr float kMostHueHalfTurn = 0.15838F;  // 18 degrees

// Each of the four with a chance of a half, evenly within its range.
ColorChange DrawColorChange(base::Random& random);
// planes: [3, pixels] R, G, B, values 0..255; stay there, not rounded.
void Recolor(const ColorChange& change, absl::Span<float> planes);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_AUGMENT_COLOR_H_
