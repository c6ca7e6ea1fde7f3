// Where a picture's pixels and boxes go in an augmented sample: what is cut out of the picture,
// where that lies in the network's input, whether it is turned over. Private to the room.
//
// Threads: pure.
#ifndef LBW_DATASET_AUGMENT_FRAME_H_
#define LBW_DATASET_AUGMENT_FRAME_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "base/random.h"
#include "dataset/augment.h"

namespace lbw::dataset {

struct PixelRect {
  int64_t x = 0;
  int64_t y = 0;
  int64_t width = 0;
  int64_t height = 0;
  bool operator==(const PixelRect&) const = default;
};

// Whole pixels throughout, so that boxes go exactly where pixels go.
struct Frame {
  PixelRect cut;     // of the picture
  PixelRect canvas;  // of the input: what is not around the picture; larger than target only where
                     // it was zoomed out
  PixelRect target;  // of the input: where the cut goes
  bool flip = false;
};

// An annotation with continuous coordinates, inside the picture.
struct Object {
  detect::BoxXyxyPx box;
  int32_t class_index = 0;
  bool difficult = false;  // or a crowd
};

// An inclusive box covers [x_min - 1, x_max]. Boxes are clipped to the picture; those that are not
// finite or have no area there are left out.
std::vector<Object> ObjectsOf(const Picture& picture, PixelRule pixel_rule,
                              const detect::Image& image);

// The whole picture as detection places it.
Frame WholeFrame(const detect::InputSpec& input, const detect::Image& image);
// By chance cropped or zoomed out. A crop keeps the centre of an object that was drawn, one that is
// not difficult where there is one; sides are drawn each by itself.
Frame DrawFrame(const detect::InputSpec& input, const detect::Image& image,
                absl::Span<const Object> objects, const Augmentation& augmentation,
                base::Random& random);

// nullopt: its centre was cut off.
std::optional<SampleBox> PlaceObject(const Object& object, const Frame& frame,
                                     const detect::InputSpec& input);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_AUGMENT_FRAME_H_
