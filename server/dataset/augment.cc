#include "dataset/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "base/status.h"
#include "dataset/augment_color.h"
#include "dataset/augment_frame.h"

namespace lbw::dataset {
namespace {

constexpr float kMidGrey = 128;

struct Plan {
  Frame frame;
  std::optional<ColorChange> color;
  int64_t shift_x = 0;  // pixels of the input
  int64_t shift_y = 0;
};

bool IsClassified(const Picture& picture) {
  return picture.label.has_value() && picture.annotations.empty();
}

int64_t DrawShift(int64_t side, double share, base::Random& random) {
  const auto most = static_cast<int64_t>(static_cast<double>(side) * share);
  if (most <= 0) return 0;
  return static_cast<int64_t>(random.Below(static_cast<size_t>(2 * most + 1))) - most;
}

detect::Image CutOut(const detect::Image& image, const PixelRect& cut) {
  detect::Image out;
  out.width = cut.width;
  out.height = cut.height;
  const auto row_bytes = static_cast<size_t>(cut.width) * 3;
  out.rgb.reserve(row_bytes * static_cast<size_t>(cut.height));
  for (int64_t y = cut.y; y < cut.y + cut.height; ++y) {
    const uint8_t* row = image.rgb.data() + (y * image.width + cut.x) * 3;
    out.rgb.insert(out.rgb.end(), row, row + row_bytes);
  }
  return out;
}

// What says nothing to the network, as R, G, B: the mean that it takes away, or mid grey where it
// takes none.
std::array<uint8_t, 3> Ground(const detect::InputSpec& input) {
  std::array<uint8_t, 3> rgb{};
  const bool none = input.mean == std::array<float, 3>{0, 0, 0};
  for (size_t c = 0; c < 3; ++c) {
    size_t channel = c;
    if (input.color == detect::ColorOrder::kGray) channel = 0;
    if (input.color == detect::ColorOrder::kBgr) channel = 2 - c;
    const float value = none ? kMidGrey : std::clamp(input.mean[channel], 0.0F, 255.0F);
    rgb[c] = static_cast<uint8_t>(std::lround(value));
  }
  return rgb;
}

void Fill(const PixelRect& rect, const std::array<uint8_t, 3>& rgb, detect::Image& out) {
  for (int64_t y = rect.y; y < rect.y + rect.height; ++y) {
    uint8_t* pixel = out.rgb.data() + (y * out.width + rect.x) * 3;
    for (int64_t x = 0; x < rect.width; ++x, pixel += 3) std::copy(rgb.begin(), rgb.end(), pixel);
  }
}

// planes: [3, rect.height, rect.width], values 0..255.
void Paste(absl::Span<const float> planes, const PixelRect& rect, detect::Image& out) {
  const size_t pixels = planes.size() / 3;
  const float* in = planes.data();
  for (int64_t y = rect.y; y < rect.y + rect.height; ++y) {
    uint8_t* pixel = out.rgb.data() + (y * out.width + rect.x) * 3;
    for (int64_t x = 0; x < rect.width; ++x, ++in, pixel += 3) {
      pixel[0] = static_cast<uint8_t>(in[0] + 0.5F);
      pixel[1] = static_cast<uint8_t>(in[pixels] + 0.5F);
      pixel[2] = static_cast<uint8_t>(in[2 * pixels] + 0.5F);
    }
  }
}

// The input as pixels, resized and laid out by Preprocess, changed in between.
absl::Status Render(const detect::Image& cut, const detect::InputSpec& input, const Plan& plan,
                    absl::Span<float> out) {
  const Frame& frame = plan.frame;
  detect::InputSpec pixels_only;
  pixels_only.width = frame.target.width;
  pixels_only.height = frame.target.height;
  pixels_only.interpolation = input.interpolation;
  // Where it is large enough, the result's place holds the pixels before: new memory is dear.
  const auto size = static_cast<size_t>(3 * frame.target.width * frame.target.height);
  std::vector<float> own(size <= out.size() ? 0 : size);
  const absl::Span<float> planes = own.empty() ? out.first(size) : absl::MakeSpan(own);
  LBW_RETURN_IF_ERROR(detect::Preprocess(cut, pixels_only, planes));
  if (plan.color.has_value()) Recolor(*plan.color, planes);

  detect::Image canvas;
  canvas.width = input.width;
  canvas.height = input.height;
  canvas.rgb.assign(static_cast<size_t>(input.width * input.height * 3),
                    static_cast<uint8_t>(std::lround(input.pad_value)));
  if (frame.canvas != frame.target) Fill(frame.canvas, Ground(input), canvas);
  Paste(planes, frame.target, canvas);
  detect::InputSpec in_place = input;
  in_place.resize = detect::Resize::kStretch;  // it has the input's size
  return detect::Preprocess(canvas, in_place, out);
}

// Turns over what the picture fills of [channels, height, width].
void Mirror(const PixelRect& rect, const detect::InputSpec& input, std::vector<float>& values) {
  for (int64_t c = 0; c < input.channels(); ++c) {
    for (int64_t y = rect.y; y < rect.y + rect.height; ++y) {
      float* row = values.data() + (c * input.height + y) * input.width + rect.x;
      std::reverse(row, row + rect.width);
    }
  }
}

// Moves [channels, height, width] by whole pixels; zeros come in.
std::vector<float> Shifted(const std::vector<float>& values, const detect::InputSpec& input,
                           const Plan& plan) {
  std::vector<float> out(values.size(), 0.0F);
  const int64_t width = input.width - std::abs(plan.shift_x);
  const int64_t height = input.height - std::abs(plan.shift_y);
  const int64_t from_x = std::max<int64_t>(0, -plan.shift_x);
  const int64_t from_y = std::max<int64_t>(0, -plan.shift_y);
  for (int64_t c = 0; c < input.channels(); ++c) {
    for (int64_t y = from_y; y < from_y + height; ++y) {
      const float* row = values.data() + (c * input.height + y) * input.width + from_x;
      float* to =
          out.data() + (c * input.height + y + plan.shift_y) * input.width + from_x + plan.shift_x;
      std::copy(row, row + width, to);
    }
  }
  return out;
}

absl::StatusOr<std::vector<float>> Values(const detect::Image& image,
                                          const detect::InputSpec& input, const Plan& plan) {
  const Frame& frame = plan.frame;
  const bool whole = frame.cut == PixelRect{0, 0, image.width, image.height};
  const detect::Image cut = whole ? detect::Image{} : CutOut(image, frame.cut);
  const detect::Image& source = whole ? image : cut;
  std::vector<float> values(static_cast<size_t>(input.channels() * input.height * input.width));
  if (plan.color.has_value() || frame.canvas != frame.target) {
    LBW_RETURN_IF_ERROR(Render(source, input, plan, absl::MakeSpan(values)));
  } else {
    LBW_RETURN_IF_ERROR(detect::Preprocess(source, input, absl::MakeSpan(values)));
  }
  if (frame.flip) Mirror(frame.target, input, values);
  if (plan.shift_x != 0 || plan.shift_y != 0) return Shifted(values, input, plan);
  return values;
}

absl::Status CheckRange(std::string_view field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(field, " must be ", low, "..", high, ": ", field, "=", value))
      .Field(field);
}

}  // namespace

absl::Status CheckAugmentation(const Augmentation& augmentation) {
  constexpr double kLeastCrop = 0.01;
  LBW_RETURN_IF_ERROR(CheckRange("flip", augmentation.flip, 0, 1));
  LBW_RETURN_IF_ERROR(CheckRange("crop", augmentation.crop, 0, 1));
  LBW_RETURN_IF_ERROR(CheckRange("crop_scale", augmentation.crop_scale, kLeastCrop, 1));
  LBW_RETURN_IF_ERROR(CheckRange("zoom_out", augmentation.zoom_out, 0, 1));
  LBW_RETURN_IF_ERROR(CheckRange("zoom_scale", augmentation.zoom_scale, 1, kMostZoom));
  LBW_RETURN_IF_ERROR(CheckRange("photometric", augmentation.photometric, 0, 1));
  return CheckRange("shift", augmentation.shift, 0, 1);
}

absl::StatusOr<Sample> MakeSample(const detect::Image& image, const Picture& picture,
                                  PixelRule pixel_rule, const detect::InputSpec& input,
                                  const Augmentation& augmentation, uint64_t seed) {
  base::Random random(seed);
  const bool classified = IsClassified(picture);
  const std::vector<Object> objects = ObjectsOf(picture, pixel_rule, image);
  Plan plan;
  const bool flip = random.Chance(static_cast<float>(augmentation.flip));
  if (random.Chance(static_cast<float>(augmentation.photometric))) {
    plan.color = DrawColorChange(random);
  }
  if (classified) {
    plan.frame = WholeFrame(input, image);
    plan.shift_x = DrawShift(input.width, augmentation.shift, random);
    plan.shift_y = DrawShift(input.height, augmentation.shift, random);
  } else {
    plan.frame = DrawFrame(input, image, objects, augmentation, random);
  }
  plan.frame.flip = flip;
  Sample sample;
  LBW_ASSIGN_OR_RETURN(sample.values, Values(image, input, plan));
  for (const Object& object : objects) {
    const std::optional<SampleBox> placed = PlaceObject(object, plan.frame, input);
    if (placed.has_value()) sample.boxes.push_back(*placed);
  }
  sample.label = picture.label.value_or(-1);
  return sample;
}

}  // namespace lbw::dataset
