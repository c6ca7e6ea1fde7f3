// The outlines of synthetic scenes and which pixels they cover. Private to the room.
//
// Bits: only +, -, *, /, sqrt and floor in float32, which IEEE 754 rounds in one way; contraction
// is off for the whole project.
// Threads: pure.
#ifndef LBW_DATASET_SCENE_SHAPES_H_
#define LBW_DATASET_SCENE_SHAPES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lbw::dataset {

// The classes first, in the order of SceneClasses(); then parts of them and other things that are
// no class: what clutter is made of.
enum class Outline : uint8_t {
  kDisc,
  kSquare,
  kTriangle,
  kRing,
  kCross,
  kStar,
  kHalfDisc,
  kArc,
  kTrapezoid,
  kTee,
  kBar,
  kCorner,
  kChevron,
  kBlob,
};
inline constexpr size_t kClassOutlines = 6;
inline constexpr size_t kAllOutlines = 14;

// Below 0 inside, above 0 outside, at most the distance to the outline; the shape's longer side
// goes from -1 to 1.
float SignedDistance(Outline outline, float x, float y);

// Where a shape lies, in pixels of the picture (pixel i covers [i, i + 1)).
struct Pose {
  Outline outline = Outline::kDisc;
  float cx = 0;
  float cy = 0;
  float half_px = 1;  // of the longer side
  float cos = 1;      // of the turn; cos^2 + sin^2 = 1
  float sin = 0;
  float squeeze_x = 1;  // 0..1: sides in the shape's own axes; the larger one is 1
  float squeeze_y = 1;
};
struct Local {
  float x;
  float y;
};
// A point of the picture in the shape's own coordinates, -1..1.
Local ToLocal(const Pose& pose, float x_px, float y_px);

// A shape on the grid of pixels: everything within margin_px around it, also outside the picture.
struct Coverage {
  int32_t left = 0;
  int32_t top = 0;
  int32_t width = 0;
  int32_t height = 0;
  std::vector<uint8_t> alpha;  // [height, width]: sixteenths of the pixel inside the shape, 0..16
  std::vector<float> distance_px;  // [height, width]: SignedDistance at the pixel's centre
  int64_t pixels = 0;              // those that the shape covers by half or more
  bool Covers(size_t index) const { return alpha[index] >= 8; }
};
Coverage Cover(const Pose& pose, float margin_px);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_SCENE_SHAPES_H_
