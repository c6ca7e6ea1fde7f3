// What is compared: the boxes that are there and the boxes that a model found.
//
// Indices:  pictures are 0 .. image_count-1, classes 0 .. class_count-1.
// Order:    lists need no order. Where scores are equal the order of the list decides, so the same
//           lists give the same figures, bit for bit.
// Boxes:    finite. A box whose maximum lies below its minimum overlaps nothing.
#ifndef LBW_EVAL_BOXES_H_
#define LBW_EVAL_BOXES_H_

#include <cstdint>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "detect/box.h"

namespace lbw::eval {

inline constexpr int64_t kMaxBoxes = 100'000'000;  // in each list
inline constexpr int32_t kMaxImages = 10'000'000;
inline constexpr int32_t kMaxClasses = 100'000;
inline constexpr int64_t kMaxTruthsOfClassInImage = 10'000;

struct TruthBox {
  int32_t image_index = 0;
  detect::BoxXyxyPx box;
  int32_t class_index = 0;
  bool difficult = false;          // VOC: neither to be found nor wrong to find
  bool crowd = false;              // COCO: a region of many objects
  bool ignore = false;             // as difficult, for other reasons
  std::optional<double> area_px2;  // COCO: of the mask; unset: the box's

  // A truth that a model is asked to find.
  bool Counts() const { return !difficult && !crowd && !ignore; }
};

struct FoundBox {
  int32_t image_index = 0;
  detect::Detection detection;  // its score may be infinite and must not be NaN
};

// Borrowed lists over the same pictures and classes.
struct BoxSet {
  absl::Span<const TruthBox> truths;
  absl::Span<const FoundBox> found;
  int32_t image_count = 0;
  int32_t class_count = 0;
};

// How coordinates count pixels.
enum class PixelRule : uint8_t {
  kInclusive,   // first and last pixel, width = max - min + 1: VOC's annotations and its kit
  kContinuous,  // edges, width = max - min: COCO, and the boxes that a decoder returns
};

// Both ends belong to it.
struct AreaRange {
  double min_px2 = 0;
  double max_px2 = std::numeric_limits<double>::infinity();
  bool Has(double area_px2) const { return area_px2 >= min_px2 && area_px2 <= max_px2; }
};

// 0 where a side is not positive.
double BoxArea(const detect::BoxXyxyPx& box, PixelRule rule);
// truth.area_px2 where it is set.
double TruthArea(const TruthBox& truth, PixelRule rule);
double Intersection(const detect::BoxXyxyPx& a, const detect::BoxXyxyPx& b, PixelRule rule);
// Intersection over union in double precision, 0 .. 1.
double OverlapRatio(const detect::BoxXyxyPx& a, const detect::BoxXyxyPx& b, PixelRule rule);

// Errors: kInvalidArgument - an index outside its range, a coordinate that is not finite, a score
//         that is NaN, an area that is negative or not finite (each names list, place and value);
//         kResourceExhausted - more boxes, pictures or classes than the constants above.
absl::Status CheckBoxes(const BoxSet& set);

}  // namespace lbw::eval

#endif  // LBW_EVAL_BOXES_H_
