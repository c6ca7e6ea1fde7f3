#include "dataset/scenes.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/random.h"
#include "base/status.h"
#include "dataset/scene_paint.h"
#include "dataset/scene_shapes.h"

namespace lbw::dataset {
namespace {

constexpr int kPlacements = 60;     // tries a shape
constexpr int64_t kMinPixels = 16;  // below this a shape tells nothing
constexpr float kMaxShadowPx = 6;
constexpr float kMaxClutter = 22;  // pieces in a picture of clutter 1
constexpr float kContrast = 0.18F;

template <typename T>
absl::Status CheckRange(const char* name, T value, T low, T high) {
  if (value >= low && value <= high) return absl::OkStatus();  // NaN is not
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(name, " must be ", low, "..", high, ": ", name, "=", value))
      .Field(name);
}

absl::Status CheckOptions(const SceneOptions& options) {
  LBW_RETURN_IF_ERROR(CheckRange<int64_t>("width", options.width, 32, 4096));
  LBW_RETURN_IF_ERROR(CheckRange<int64_t>("height", options.height, 32, 4096));
  LBW_RETURN_IF_ERROR(CheckRange("max_shapes", options.max_shapes, 0, 64));
  LBW_RETURN_IF_ERROR(CheckRange("min_shapes", options.min_shapes, 0, options.max_shapes));
  LBW_RETURN_IF_ERROR(CheckRange("max_size", options.max_size, 0.02, 1.0));
  LBW_RETURN_IF_ERROR(CheckRange("min_size", options.min_size, 0.02, options.max_size));
  LBW_RETURN_IF_ERROR(CheckRange("max_occlusion", options.max_occlusion, 0.0, 0.9));
  LBW_RETURN_IF_ERROR(CheckRange("noise", options.noise, 0.0, 64.0));
  return CheckRange("clutter", options.clutter, 0.0, 1.0);
}

// Which shape a pixel shows: the scene's geometry, without colours.
class Layout {
 public:
  struct Placed {
    Pose pose;
    Coverage coverage;
    int64_t visible = 0;  // pixels
  };

  explicit Layout(const SceneOptions& options)
      : width_(static_cast<int32_t>(options.width)),
        height_(static_cast<int32_t>(options.height)),
        max_hidden_(options.max_occlusion),
        owner_(static_cast<size_t>(options.width * options.height), -1) {}

  // False: the shape would hide too much of another, or too much of it is outside.
  bool Place(const Pose& pose) {
    Placed placed{pose, Cover(pose, kMaxShadowPx + 2), 0};
    if (placed.coverage.pixels < kMinPixels) return false;
    std::vector<int64_t> covered(shapes_.size(), 0);
    EachPixel(placed.coverage, [&](size_t pixel) {
      ++placed.visible;
      if (owner_[pixel] >= 0) ++covered[static_cast<size_t>(owner_[pixel])];
    });
    if (Hidden(placed, placed.visible) > max_hidden_) return false;
    for (size_t i = 0; i < shapes_.size(); ++i) {
      if (Hidden(shapes_[i], shapes_[i].visible - covered[i]) > max_hidden_) return false;
    }
    const auto id = static_cast<int32_t>(shapes_.size());
    EachPixel(placed.coverage, [&](size_t pixel) { owner_[pixel] = id; });
    for (size_t i = 0; i < shapes_.size(); ++i) shapes_[i].visible -= covered[i];
    shapes_.push_back(std::move(placed));
    return true;
  }

  const std::vector<Placed>& shapes() const { return shapes_; }

  std::vector<Annotation> Annotations() const {
    struct Bounds {
      int32_t left = INT32_MAX;
      int32_t top = INT32_MAX;
      int32_t right = -1;
      int32_t bottom = -1;
    };
    std::vector<Bounds> bounds(shapes_.size());
    size_t pixel = 0;
    for (int32_t y = 0; y < height_; ++y) {
      for (int32_t x = 0; x < width_; ++x, ++pixel) {
        if (owner_[pixel] < 0) continue;
        Bounds& b = bounds[static_cast<size_t>(owner_[pixel])];
        b = {std::min(b.left, x), std::min(b.top, y), std::max(b.right, x), std::max(b.bottom, y)};
      }
    }
    std::vector<Annotation> result;
    for (size_t i = 0; i < shapes_.size(); ++i) {
      const Bounds& b = bounds[i];
      Annotation annotation;
      annotation.box = {static_cast<float>(b.left + 1), static_cast<float>(b.top + 1),
                        static_cast<float>(b.right + 1), static_cast<float>(b.bottom + 1)};
      annotation.class_index = static_cast<int32_t>(shapes_[i].pose.outline);
      annotation.difficult = Hidden(shapes_[i], shapes_[i].visible) > 0.8 * max_hidden_;
      result.push_back(annotation);
    }
    return result;
  }

 private:
  static double Hidden(const Placed& placed, int64_t visible) {
    return 1 - static_cast<double>(visible) / static_cast<double>(placed.coverage.pixels);
  }

  // Pixels of the picture that the shape covers.
  template <typename Visit>
  void EachPixel(const Coverage& coverage, Visit visit) const {
    const int32_t first = std::max(0, -coverage.left);
    const int32_t last = std::min(coverage.width, width_ - coverage.left);
    for (int32_t row = std::max(0, -coverage.top);
         row < std::min(coverage.height, height_ - coverage.top); ++row) {
      for (int32_t column = first; column < last; ++column) {
        const auto index = static_cast<size_t>(row) * static_cast<size_t>(coverage.width) +
                           static_cast<size_t>(column);
        if (!coverage.Covers(index)) continue;
        visit(static_cast<size_t>(coverage.top + row) * static_cast<size_t>(width_) +
              static_cast<size_t>(coverage.left + column));
      }
    }
  }

  const int32_t width_;
  const int32_t height_;
  const double max_hidden_;
  std::vector<int32_t> owner_;  // -1: the background
  std::vector<Placed> shapes_;
};

// Turn, sides and place of a shape; small ones are commoner.
Pose RandomPose(const SceneOptions& options, Outline outline, float max_size,
                base::Random& random) {
  const auto width = static_cast<float>(options.width);
  const auto height = static_cast<float>(options.height);
  const auto min_size = static_cast<float>(options.min_size);
  Pose pose;
  pose.outline = outline;
  const float share = random.Unit();
  const float size = min_size + (max_size - min_size) * share * (0.4F + 0.6F * share);
  pose.half_px = 0.5F * size * std::min(width, height);
  // A direction without sines: a point of the unit disc, not too near its middle.
  float length = 0;
  while (length < 0.1F || length > 1) {
    pose.cos = random.Between(-1, 1);
    pose.sin = random.Between(-1, 1);
    length = std::sqrt(pose.cos * pose.cos + pose.sin * pose.sin);
  }
  pose.cos /= length;
  pose.sin /= length;
  (random.Chance(0.5F) ? pose.squeeze_x : pose.squeeze_y) = random.Between(0.78F, 1);
  const float inset = 0.6F * pose.half_px;
  pose.cx = random.Between(std::min(inset, width / 2), std::max(width - inset, width / 2));
  pose.cy = random.Between(std::min(inset, height / 2), std::max(height - inset, height / 2));
  return pose;
}

// Next to a shape that is there, so that they overlap more often than chance has it.
void MoveBeside(const Pose& other, base::Random& random, Pose& pose) {
  const float reach = other.half_px + 0.6F * pose.half_px;
  pose.cx = other.cx + random.Between(-reach, reach);
  pose.cy = other.cy + random.Between(-reach, reach);
}

void PlaceShapes(const SceneOptions& options, base::Random& random, Layout& layout) {
  const auto spread = static_cast<size_t>(options.max_shapes - options.min_shapes + 1);
  const int wanted = options.min_shapes + static_cast<int>(random.Below(spread));
  auto max_size = static_cast<float>(options.max_size);
  for (int i = 0; i < wanted; ++i) {
    const auto outline = static_cast<Outline>(random.Below(kClassOutlines));
    for (int attempt = 0; attempt < kPlacements; ++attempt) {
      // Where it is crowded, smaller ones still fit.
      if (attempt % 10 == 9) {
        max_size = std::max(static_cast<float>(options.min_size), 0.8F * max_size);
      }
      Pose pose = RandomPose(options, outline, max_size, random);
      if (!layout.shapes().empty() && random.Chance(0.4F)) {
        MoveBeside(layout.shapes()[random.Below(layout.shapes().size())].pose, random, pose);
      }
      if (layout.Place(pose)) break;
    }
  }
}

void PaintOne(const Pose& pose, const Coverage& coverage, base::Random& random, Canvas& canvas) {
  if (random.Chance(0.5F)) {
    Shadow shadow;
    const float reach = std::min(kMaxShadowPx, 1 + 0.12F * pose.half_px);
    shadow.dx_px = static_cast<int32_t>(std::floor(random.Between(-reach, reach)));
    shadow.dy_px = static_cast<int32_t>(std::floor(random.Between(0, reach)));
    shadow.softness_px = random.Between(1.5F, kMaxShadowPx);
    shadow.strength = random.Between(0.15F, 0.5F);
    PaintShadow(coverage, shadow, canvas);
  }
  PaintShape(pose, coverage, RandomPaint(random, MeanUnder(canvas, coverage), kContrast), canvas);
}

void PaintClutter(const SceneOptions& options, base::Random& random, Canvas& canvas) {
  const auto clutter = static_cast<float>(options.clutter);
  const auto pieces = static_cast<int>(kMaxClutter * clutter * random.Between(0.6F, 1));
  const float max_size =
      std::max(static_cast<float>(options.min_size), 0.7F * static_cast<float>(options.max_size));
  for (int i = 0; i < pieces; ++i) {
    const auto outline =
        static_cast<Outline>(kClassOutlines + random.Below(kAllOutlines - kClassOutlines));
    const Pose pose = RandomPose(options, outline, max_size, random);
    PaintOne(pose, Cover(pose, kMaxShadowPx + 2), random, canvas);
  }
}

}  // namespace

const std::vector<std::string>& SceneClasses() {
  static const auto& classes =
      *new std::vector<std::string>{"disc", "square", "triangle", "ring", "cross", "star"};
  return classes;
}

absl::StatusOr<Scene> MakeScene(const SceneOptions& options, uint64_t seed) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  // Streams of their own: another noise leaves the shapes where they are.
  base::Random place(base::MixBits(seed) + 1);
  base::Random paint(base::MixBits(seed) + 2);
  base::Random clutter(base::MixBits(seed) + 3);
  base::Random camera(base::MixBits(seed) + 4);
  Layout layout(options);
  PlaceShapes(options, place, layout);
  Canvas canvas = PaintBackground(static_cast<int32_t>(options.width),
                                  static_cast<int32_t>(options.height), paint);
  PaintClutter(options, clutter, canvas);
  for (const Layout::Placed& placed : layout.shapes()) {
    PaintOne(placed.pose, placed.coverage, paint, canvas);
  }
  Illuminate(camera, canvas);
  Blur(camera, canvas);
  Scene scene;
  scene.image = Expose(camera, static_cast<float>(options.noise), canvas);
  scene.annotations = layout.Annotations();
  return scene;
}

}  // namespace lbw::dataset
