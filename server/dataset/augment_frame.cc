#include "dataset/augment_frame.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "detect/decoder.h"

namespace lbw::dataset {
namespace {

// A stretch of whole pixels on one axis.
struct Stretch {
  int64_t begin = 0;
  int64_t size = 0;
};

double Middle(float low, float high) {
  return (static_cast<double>(low) + static_cast<double>(high)) / 2;
}

// low and high belong to it.
int64_t DrawBetween(int64_t low, int64_t high, base::Random& random) {
  return low + static_cast<int64_t>(random.Below(static_cast<size_t>(high - low + 1)));
}

PixelRect Filled(const detect::Placement& placement) {
  return {static_cast<int64_t>(placement.offset_x), static_cast<int64_t>(placement.offset_y),
          placement.resized_width, placement.resized_height};
}

// The part of a side that a crop takes; with a centre it is in there.
Stretch DrawCut(int64_t side, std::optional<double> centre, double scale, base::Random& random) {
  const double share = random.Between(static_cast<float>(scale), 1.0F);
  const int64_t size =
      std::clamp<int64_t>(std::llround(static_cast<double>(side) * share), 1, side);
  int64_t low = 0;
  int64_t high = side - size;
  if (centre.has_value()) {
    low = std::max(low, static_cast<int64_t>(std::ceil(*centre)) - size);
    high = std::min(high, static_cast<int64_t>(std::floor(*centre)));
  }
  return {DrawBetween(low, high, random), size};
}

PixelRect DrawCrop(const detect::Image& image, absl::Span<const Object> objects, double scale,
                   base::Random& random) {
  std::vector<const Object*> wanted;
  for (const Object& object : objects) {
    if (!object.difficult) wanted.push_back(&object);
  }
  if (wanted.empty()) {
    for (const Object& object : objects) wanted.push_back(&object);
  }
  std::optional<double> cx;
  std::optional<double> cy;
  if (!wanted.empty()) {
    const detect::BoxXyxyPx& box = wanted[random.Below(wanted.size())]->box;
    cx = Middle(box.x_min, box.x_max);
    cy = Middle(box.y_min, box.y_max);
  }
  const Stretch x = DrawCut(image.width, cx, scale, random);
  const Stretch y = DrawCut(image.height, cy, scale, random);
  return {x.begin, y.begin, x.size, y.size};
}

// Where a side of the picture, at `begin` of a canvas, lies on what the canvas fills of the input.
Stretch Shrink(const Stretch& side, double scale, const Stretch& filled) {
  const auto edge = [&](int64_t at) { return std::llround(static_cast<double>(at) * scale); };
  const int64_t begin = std::clamp<int64_t>(edge(side.begin), 0, filled.size - 1);
  const int64_t end = std::clamp<int64_t>(edge(side.begin + side.size), begin + 1, filled.size);
  return {filled.begin + begin, end - begin};
}

void ZoomOut(const detect::InputSpec& input, const detect::Image& image, double zoom_scale,
             base::Random& random, Frame& frame) {
  const double scale = random.Between(1.0F, static_cast<float>(zoom_scale));
  const auto grown = [scale](int64_t side) {
    return std::max<int64_t>(side, std::llround(static_cast<double>(side) * scale));
  };
  const int64_t width = grown(image.width);
  const int64_t height = grown(image.height);
  const Stretch x{DrawBetween(0, width - image.width, random), image.width};
  const Stretch y{DrawBetween(0, height - image.height, random), image.height};
  const detect::Placement placement = detect::PlacePicture(input, width, height);
  frame.canvas = Filled(placement);
  const Stretch across = Shrink(x, placement.scale_x, {frame.canvas.x, frame.canvas.width});
  const Stretch down = Shrink(y, placement.scale_y, {frame.canvas.y, frame.canvas.height});
  frame.target = {across.begin, down.begin, across.size, down.size};
}

}  // namespace

std::vector<Object> ObjectsOf(const Picture& picture, PixelRule pixel_rule,
                              const detect::Image& image) {
  const float first = pixel_rule == PixelRule::kInclusive ? 1.0F : 0.0F;
  std::vector<Object> objects;
  for (const Annotation& annotation : picture.annotations) {
    const detect::BoxXyxyPx& box = annotation.box;
    const detect::BoxXyxyPx inside =
        detect::Clip({box.x_min - first, box.y_min - first, box.x_max, box.y_max},
                     static_cast<float>(image.width), static_cast<float>(image.height));
    if (!(detect::Area(inside) > 0)) continue;  // nor NaN
    objects.push_back({inside, annotation.class_index, annotation.difficult || annotation.crowd});
  }
  return objects;
}

Frame WholeFrame(const detect::InputSpec& input, const detect::Image& image) {
  Frame frame;
  frame.cut = {0, 0, image.width, image.height};
  frame.target = Filled(detect::PlacePicture(input, image.width, image.height));
  frame.canvas = frame.target;
  return frame;
}

Frame DrawFrame(const detect::InputSpec& input, const detect::Image& image,
                absl::Span<const Object> objects, const Augmentation& augmentation,
                base::Random& random) {
  Frame frame = WholeFrame(input, image);
  if (random.Chance(static_cast<float>(augmentation.crop))) {
    frame.cut = DrawCrop(image, objects, augmentation.crop_scale, random);
    frame.target = Filled(detect::PlacePicture(input, frame.cut.width, frame.cut.height));
    frame.canvas = frame.target;
  } else if (random.Chance(static_cast<float>(augmentation.zoom_out))) {
    ZoomOut(input, image, augmentation.zoom_scale, random, frame);
  }
  return frame;
}

std::optional<SampleBox> PlaceObject(const Object& object, const Frame& frame,
                                     const detect::InputSpec& input) {
  const auto width = static_cast<double>(frame.cut.width);
  const auto height = static_cast<double>(frame.cut.height);
  const double cx = Middle(object.box.x_min, object.box.x_max) - static_cast<double>(frame.cut.x);
  const double cy = Middle(object.box.y_min, object.box.y_max) - static_cast<double>(frame.cut.y);
  if (cx < 0 || cx > width || cy < 0 || cy > height) return std::nullopt;
  const auto in_cut = [](float at, int64_t begin, double size) {
    return std::clamp(static_cast<double>(at) - static_cast<double>(begin), 0.0, size);
  };
  double left = in_cut(object.box.x_min, frame.cut.x, width);
  double right = in_cut(object.box.x_max, frame.cut.x, width);
  const double top = in_cut(object.box.y_min, frame.cut.y, height);
  const double bottom = in_cut(object.box.y_max, frame.cut.y, height);
  if (frame.flip) {
    std::swap(left, right);
    left = width - left;
    right = width - right;
  }
  // A box of which the crop leaves a line is nobody's object.
  if (right <= left || bottom <= top) return std::nullopt;
  const auto input_width = static_cast<double>(input.width);
  const auto input_height = static_cast<double>(input.height);
  const double scale_x = static_cast<double>(frame.target.width) / width;
  const double scale_y = static_cast<double>(frame.target.height) / height;
  const double x = static_cast<double>(frame.target.x) + (left + right) / 2 * scale_x;
  const double y = static_cast<double>(frame.target.y) + (top + bottom) / 2 * scale_y;
  SampleBox placed;
  placed.box.cx = static_cast<float>(x / input_width);
  placed.box.cy = static_cast<float>(y / input_height);
  placed.box.w = static_cast<float>((right - left) * scale_x / input_width);
  placed.box.h = static_cast<float>((bottom - top) * scale_y / input_height);
  placed.class_index = object.class_index;
  placed.difficult = object.difficult;
  return placed;
}

}  // namespace lbw::dataset
