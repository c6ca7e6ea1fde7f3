#include "dataset/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "base/random.h"
#include "base/status.h"
#include "dataset/augment_color.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;

constexpr float kGround = 40;
constexpr float kInk = 220;

// Grey everywhere, so that one channel tells all.
detect::Image Plain(int64_t width, int64_t height, float value = kGround) {
  return {
      width, height,
      std::vector<uint8_t>(static_cast<size_t>(width * height * 3), static_cast<uint8_t>(value))};
}

// Paints [x_min, x_max) x [y_min, y_max).
void Paint(const detect::BoxXyxyPx& box, float value, detect::Image& image) {
  for (auto y = static_cast<int64_t>(box.y_min); y < static_cast<int64_t>(box.y_max); ++y) {
    for (auto x = static_cast<int64_t>(box.x_min); x < static_cast<int64_t>(box.x_max); ++x) {
      std::fill_n(image.rgb.begin() + (y * image.width + x) * 3, 3, static_cast<uint8_t>(value));
    }
  }
}

detect::Image Noise(int64_t width, int64_t height, uint64_t seed) {
  base::Random random(seed);
  detect::Image image = Plain(width, height);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random.Below(256));
  return image;
}

Annotation Annotated(const detect::BoxXyxyPx& box, int32_t class_index = 0) {
  Annotation annotation;
  annotation.box = box;
  annotation.class_index = class_index;
  return annotation;
}

Picture With(const detect::Image& image, std::vector<Annotation> annotations) {
  Picture picture;
  picture.name = "p";
  picture.width = image.width;
  picture.height = image.height;
  picture.annotations = std::move(annotations);
  return picture;
}

// What is filled in around a picture is its ground.
detect::InputSpec Input(int64_t height, int64_t width,
                        detect::Resize resize = detect::Resize::kStretch) {
  detect::InputSpec input;
  input.height = height;
  input.width = width;
  input.resize = resize;
  input.pad_value = kGround;
  input.shortest_side_min = std::min(height, width) * 3 / 4;
  input.shortest_side_max = std::max(height, width);
  input.mean = {kGround, kGround, kGround};
  return input;
}

Sample Make(const detect::Image& image, const Picture& picture, const detect::InputSpec& input,
            const Augmentation& augmentation, uint64_t seed) {
  auto sample = MakeSample(image, picture, PixelRule::kContinuous, input, augmentation, seed);
  LBW_CHECK(sample.ok());
  return *std::move(sample);
}

std::vector<float> Preprocessed(const detect::Image& image, const detect::InputSpec& input) {
  std::vector<float> values(static_cast<size_t>(input.channels() * input.height * input.width));
  LBW_CHECK(detect::Preprocess(image, input, absl::MakeSpan(values)).ok());
  return values;
}

detect::BoxXyxyPx InInput(const SampleBox& placed, const detect::InputSpec& input) {
  const auto width = static_cast<float>(input.width);
  const auto height = static_cast<float>(input.height);
  const detect::BoxCxcywhNorm& box = placed.box;
  return {(box.cx - box.w / 2) * width, (box.cy - box.h / 2) * height, (box.cx + box.w / 2) * width,
          (box.cy + box.h / 2) * height};
}

// The pixels of the first channel that are nearer to the ink than to the ground.
detect::BoxXyxyPx Inked(const std::vector<float>& values, const detect::InputSpec& input) {
  const auto plane = static_cast<ptrdiff_t>(input.height * input.width);
  const auto [low, high] = std::minmax_element(values.begin(), values.begin() + plane);
  const float between = (*low + *high) / 2;
  detect::BoxXyxyPx found{1e9F, 1e9F, -1e9F, -1e9F};
  for (int64_t y = 0; y < input.height; ++y) {
    for (int64_t x = 0; x < input.width; ++x) {
      if (values[static_cast<size_t>(y * input.width + x)] <= between) continue;
      found.x_min = std::min(found.x_min, static_cast<float>(x));
      found.y_min = std::min(found.y_min, static_cast<float>(y));
      found.x_max = std::max(found.x_max, static_cast<float>(x + 1));
      found.y_max = std::max(found.y_max, static_cast<float>(y + 1));
    }
  }
  return found;
}

void ExpectNear(const detect::BoxXyxyPx& a, const detect::BoxXyxyPx& b, float tolerance) {
  EXPECT_NEAR(a.x_min, b.x_min, tolerance);
  EXPECT_NEAR(a.y_min, b.y_min, tolerance);
  EXPECT_NEAR(a.x_max, b.x_max, tolerance);
  EXPECT_NEAR(a.y_max, b.y_max, tolerance);
}

struct Kind {
  std::string name;
  Augmentation augmentation;
};

std::vector<Kind> Kinds() {
  return {{"none", {}},
          {"flip", {.flip = 1}},
          {"crop", {.crop = 1}},
          {"zoom_out", {.zoom_out = 1}},
          {"photometric", {.photometric = 1}},
          {"flipped_crop", {.flip = 1, .crop = 1, .photometric = 1}},
          {"flipped_zoom_out", {.flip = 1, .zoom_out = 1, .zoom_scale = 3}},
          {"all", {.flip = 0.5, .crop = 0.5, .zoom_out = 0.5}}};
}

std::vector<detect::InputSpec> Inputs() {
  return {Input(96, 128), Input(112, 112, detect::Resize::kLetterbox),
          Input(90, 150, detect::Resize::kLetterbox),
          Input(120, 160, detect::Resize::kShortestSide)};
}

class AugmentKinds : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(All, AugmentKinds, ::testing::ValuesIn(Kinds()),
                         [](const auto& param) { return param.param.name; });

// A solid rectangle, anywhere in pictures of several shapes: the box tells where its pixels are.
TEST_P(AugmentKinds, BoxFollowsPixels) {
  for (const detect::InputSpec& input : Inputs()) {
    for (uint64_t seed = 0; seed < 60; ++seed) {
      SCOPED_TRACE(base::StrCat("seed ", seed, " resize ", static_cast<int>(input.resize)));
      base::Random random(seed);
      detect::Image image = Plain(120 + static_cast<int64_t>(random.Below(120)),
                                  120 + static_cast<int64_t>(random.Below(120)));
      const auto x = static_cast<float>(random.Below(static_cast<size_t>(image.width) - 30));
      const auto y = static_cast<float>(random.Below(static_cast<size_t>(image.height) - 30));
      const detect::BoxXyxyPx box{x, y, x + 10 + static_cast<float>(random.Below(20)),
                                  y + 10 + static_cast<float>(random.Below(20))};
      Paint(box, kInk, image);
      const Sample sample = Make(image, With(image, {Annotated(box, 3)}), input,
                                 GetParam().augmentation, seed * 7919 + 1);
      ASSERT_EQ(sample.boxes.size(), 1U);
      EXPECT_EQ(sample.boxes[0].class_index, 3);
      EXPECT_EQ(sample.label, -1);
      ExpectNear(Inked(sample.values, input), InInput(sample.boxes[0], input), 1.5F);
    }
  }
}

TEST_P(AugmentKinds, MakesTheSameBitsOfTheSameSeed) {
  const detect::Image image = Noise(70, 50, 1);
  const Picture picture = With(image, {Annotated({10, 10, 40, 30})});
  const detect::InputSpec input = Input(40, 40);
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Sample a = Make(image, picture, input, GetParam().augmentation, seed);
    const Sample b = Make(image, picture, input, GetParam().augmentation, seed);
    EXPECT_EQ(a.values, b.values);
    ASSERT_EQ(a.boxes.size(), b.boxes.size());
    for (size_t i = 0; i < a.boxes.size(); ++i) EXPECT_EQ(a.boxes[i].box, b.boxes[i].box);
  }
}

TEST(MakeSample, WithoutChancesIsWhatDetectionSees) {
  using detect::ColorOrder;
  using detect::Interpolation;
  const detect::Image image = Noise(97, 61, 2);
  for (const ColorOrder color : {ColorOrder::kRgb, ColorOrder::kBgr, ColorOrder::kGray}) {
    for (const Interpolation interpolation :
         {Interpolation::kNearest, Interpolation::kLinear, Interpolation::kArea}) {
      for (detect::InputSpec input : Inputs()) {
        input.color = color;
        input.interpolation = interpolation;
        input.mean = {123.675F, 116.28F, 103.53F};
        input.scale = {0.0171F, 0.0175F, 0.0174F};
        const Sample sample = Make(image, With(image, {}), input, {}, 5);
        EXPECT_EQ(sample.values, Preprocessed(image, input));
      }
    }
  }
}

// Turning over happens on the resized pixels: every row is the other one read backwards.
TEST(MakeSample, FlipMirrorsEveryRow) {
  const detect::Image image = Noise(97, 61, 3);
  for (const detect::ColorOrder color :
       {detect::ColorOrder::kRgb, detect::ColorOrder::kBgr, detect::ColorOrder::kGray}) {
    detect::InputSpec input = Input(33, 47);
    input.color = color;
    input.mean = {123.675F, 116.28F, 103.53F};
    input.scale = {0.0171F, 0.0175F, 0.0174F};
    std::vector<float> expected = Preprocessed(image, input);
    for (size_t row = 0; row < expected.size(); row += 47) {
      std::reverse(expected.begin() + static_cast<ptrdiff_t>(row),
                   expected.begin() + static_cast<ptrdiff_t>(row + 47));
    }
    const Picture picture = With(image, {Annotated({0, 0, 97.0F / 4, 61})});
    const Sample sample = Make(image, picture, input, {.flip = 1}, 5);
    EXPECT_EQ(sample.values, expected);
    EXPECT_NEAR(sample.boxes.at(0).box.cx, 0.875F, 1e-6F);
    EXPECT_NEAR(sample.boxes.at(0).box.w, 0.25F, 1e-6F);
  }
}

TEST(MakeSample, FlipsHalfOfThePictures) {
  detect::Image image = Plain(32, 32);
  Paint({0, 0, 8, 32}, kInk, image);
  const Picture picture = With(image, {Annotated({0, 0, 8, 32})});
  int flipped = 0;
  for (uint64_t seed = 0; seed < 2'000; ++seed) {
    const Sample sample = Make(image, picture, Input(32, 32), {.flip = 0.5}, seed);
    flipped += sample.boxes.at(0).box.cx > 0.5F ? 1 : 0;
  }
  EXPECT_NEAR(flipped, 1'000, 110);  // five standard deviations
}

TEST(MakeSample, LetterboxKeepsItsPadAroundAFlippedPicture) {
  const detect::Image image = Plain(40, 80, kInk);
  detect::InputSpec input = Input(64, 64, detect::Resize::kLetterbox);
  input.pad_value = 7;
  const Sample sample = Make(image, With(image, {}), input, {.flip = 1}, 5);
  EXPECT_EQ(sample.values, Preprocessed(image, input));
  // Zoomed out, the canvas lies between the picture and the pad.
  const Sample zoomed = Make(image, With(image, {}), input, {.zoom_out = 1}, 5);
  std::set<float> seen(zoomed.values.begin(), zoomed.values.end());
  EXPECT_EQ(seen, (std::set<float>{7 - kGround, 0, kInk - kGround}));
}

TEST(MakeSample, FillsWithMidGreyWhereTheInputHasNoMean) {
  const detect::Image image = Plain(50, 50, kInk);
  detect::InputSpec input = Input(50, 50);
  input.mean = {0, 0, 0};
  const Sample grey = Make(image, With(image, {}), input, {.zoom_out = 1, .zoom_scale = 3}, 1);
  EXPECT_EQ(std::set<float>(grey.values.begin(), grey.values.end()), (std::set<float>{128, kInk}));
  // Means are in the network's order of channels.
  input.color = detect::ColorOrder::kBgr;
  input.mean = {10, 20, 30};
  const Sample mean = Make(image, With(image, {}), input, {.zoom_out = 1, .zoom_scale = 3}, 1);
  EXPECT_EQ(std::set<float>(mean.values.begin(), mean.values.end()),
            (std::set<float>{0, kInk - 10, kInk - 20, kInk - 30}));
}

TEST(MakeSample, CropStaysWithinItsScaleAndZoomOutWithinIts) {
  const detect::Image image = Plain(200, 100);
  const Picture picture = With(image, {Annotated({99, 49, 101, 51})});
  float least = 1e9F;
  float most = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Sample crop = Make(image, picture, Input(100, 200), {.crop = 1, .crop_scale = 0.5}, seed);
    least = std::min(least, crop.boxes.at(0).box.w);
    most = std::max(most, crop.boxes.at(0).box.w);
  }
  EXPECT_GE(least, 0.01F - 1e-6F);
  EXPECT_LT(least, 0.0102F);
  EXPECT_LE(most, 0.02F + 1e-6F);
  EXPECT_GT(most, 0.0195F);
  least = 1e9F;
  most = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Augmentation zoom{.zoom_out = 1, .zoom_scale = 2};
    const Sample sample = Make(image, picture, Input(100, 200), zoom, seed);
    least = std::min(least, sample.boxes.at(0).box.w);
    most = std::max(most, sample.boxes.at(0).box.w);
  }
  EXPECT_GE(least, 0.005F - 1e-4F);
  EXPECT_LT(least, 0.0053F);
  EXPECT_LE(most, 0.01F + 1e-6F);
  EXPECT_GT(most, 0.0097F);
}

// Two boxes far apart: some crops cut the centre of one off. What is left is clipped and its centre
// was in the crop; a box of a class is there exactly where its inner pixel is.
TEST(MakeSample, LeavesOutBoxesWhoseCentreWasCutOffAndClipsOthers) {
  detect::Image image = Plain(100, 100);
  const detect::BoxXyxyPx first{0, 0, 40, 40};
  const detect::BoxXyxyPx second{60, 60, 100, 100};
  const Picture picture = With(image, {Annotated(first, 0), Annotated(second, 1)});
  int alone = 0;
  int both = 0;
  int clipped = 0;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const Augmentation crop{.crop = 1, .crop_scale = 0.3};
    const Sample sample = Make(image, picture, Input(100, 100), crop, seed);
    ASSERT_GE(sample.boxes.size(), 1U);
    (sample.boxes.size() == 1 ? alone : both)++;
    for (const SampleBox& box : sample.boxes) {
      const detect::BoxXyxyPx at = InInput(box, Input(100, 100));
      EXPECT_GE(at.x_min, -1e-4F);
      EXPECT_LE(at.x_max, 100 + 1e-4F);
      EXPECT_GT(box.box.w, 0);
      // A whole square stays wider than 40 of 100 pixels in any crop.
      clipped += box.box.w < 0.4F ? 1 : 0;
    }
  }
  EXPECT_GT(alone, 50);
  EXPECT_GT(both, 50);
  EXPECT_GT(clipped, 10);
}

TEST(MakeSample, KeepsTheCentreOfAnySingleBox) {
  base::Random random(11);
  const detect::Image image = Plain(64, 48);
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    detect::BoxXyxyPx box{random.Between(0, 64), random.Between(0, 48), 0, 0};
    box.x_max = random.Between(box.x_min, 64);
    box.y_max = random.Between(box.y_min, 48);
    if (!(detect::Area(box) > 0)) continue;
    const Sample sample = Make(image, With(image, {Annotated(box)}), Input(8, 8),
                               {.flip = 0.5, .crop = 1, .crop_scale = 0.01}, seed);
    ASSERT_EQ(sample.boxes.size(), 1U) << "seed " << seed;
  }
}

TEST(MakeSample, KeepsDifficultBoxesAndTakesCrowdsForSuch) {
  const detect::Image image = Plain(64, 64);
  Picture picture = With(image, {Annotated({2, 2, 12, 12}, 0), Annotated({20, 20, 30, 30}, 1),
                                 Annotated({50, 50, 60, 60}, 2)});
  picture.annotations[0].difficult = true;
  picture.annotations[1].crowd = true;
  const Sample sample = Make(image, picture, Input(64, 64), {}, 1);
  ASSERT_EQ(sample.boxes.size(), 3U);
  EXPECT_TRUE(sample.boxes[0].difficult);
  EXPECT_TRUE(sample.boxes[1].difficult);
  EXPECT_FALSE(sample.boxes[2].difficult);
  // A crop is drawn around what counts; where nothing does, around what there is.
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Augmentation crop{.crop = 1, .crop_scale = 0.2};
    const Sample cropped = Make(image, picture, Input(64, 64), crop, seed);
    EXPECT_TRUE(std::any_of(cropped.boxes.begin(), cropped.boxes.end(),
                            [](const SampleBox& box) { return box.class_index == 2; }));
    Picture ignored = picture;
    ignored.annotations.pop_back();
    EXPECT_GE(Make(image, ignored, Input(64, 64), crop, seed).boxes.size(), 1U);
  }
}

// VOC's first pixel is 1 and its last is part of the box.
TEST(MakeSample, ReadsInclusiveBoxesAsTheEvaluationDoes) {
  detect::Image image = Plain(100, 50);
  Paint({9, 4, 60, 25}, kInk, image);
  const Picture picture = With(
      image, {Annotated({10, 5, 60, 25}), Annotated({0, 0, 100, 50}), Annotated({1, 1, 100, 50})});
  const detect::InputSpec input = Input(50, 100);
  const auto sample = MakeSample(image, picture, PixelRule::kInclusive, input, {}, 1);
  ASSERT_TRUE(sample.ok()) << sample.status();
  ASSERT_EQ(sample->boxes.size(), 3U);
  ExpectNear(InInput(sample->boxes[0], input), {9, 4, 60, 25}, 1e-4F);
  ExpectNear(InInput(sample->boxes[0], input), Inked(sample->values, input), 1e-4F);
  ExpectNear(InInput(sample->boxes[1], input), {0, 0, 100, 50}, 1e-4F);
  ExpectNear(InInput(sample->boxes[2], input), {0, 0, 100, 50}, 1e-4F);
}

TEST(MakeSample, LeavesOutBoxesThatAreNone) {
  const detect::Image image = Plain(20, 20);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Picture picture =
      With(image, {Annotated({5, 5, 5, 9}), Annotated({30, 30, 40, 40}), Annotated({nan, 1, 5, 9}),
                   Annotated({9, 9, 3, 3}), Annotated({-5, -5, 5, 5})});
  const Augmentation all{.flip = 0.5, .crop = 0.5, .zoom_out = 0.5, .photometric = 0.5};
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const Sample sample = Make(image, picture, Input(20, 20), all, seed);
    ASSERT_EQ(sample.boxes.size(), 1U);
    EXPECT_TRUE(std::isfinite(sample.boxes[0].box.cx));
  }
}

TEST(MakeSample, ManagesPicturesOfOnePixelAndWithoutBoxes) {
  const Augmentation all{
      .flip = 0.5, .crop = 0.5, .crop_scale = 0.01, .zoom_out = 1, .zoom_scale = kMostZoom};
  for (const detect::InputSpec& input : Inputs()) {
    for (const auto& [width, height] : {std::pair{1, 1}, {1, 300}, {300, 1}, {3, 2}}) {
      for (uint64_t seed = 0; seed < 30; ++seed) {
        const detect::Image image = Plain(width, height);
        const Sample sample = Make(image, With(image, {}), input, all, seed);
        EXPECT_EQ(sample.values.size(), static_cast<size_t>(3 * input.height * input.width));
        EXPECT_THAT(sample.boxes, ElementsAre());
      }
    }
  }
}

Picture Labelled(const detect::Image& image, int32_t label) {
  Picture picture = With(image, {});
  picture.label = label;
  return picture;
}

// A classifier's picture is moved by whole pixels of the input and never cropped or zoomed out.
TEST(MakeSample, ShiftsClassifiersAndFillsInZeros) {
  const detect::Image image = Noise(32, 32, 4);
  detect::InputSpec input = Input(32, 32);
  input.mean = {300, 300, 300};  // no pixel becomes 0
  const std::vector<float> whole = Preprocessed(image, input);
  const Augmentation augmentation{.crop = 1, .zoom_out = 1, .shift = 0.125};
  std::set<std::pair<int64_t, int64_t>> shifts;
  for (uint64_t seed = 0; seed < 1'500; ++seed) {
    const Sample sample = Make(image, Labelled(image, 7), input, augmentation, seed);
    EXPECT_EQ(sample.label, 7);
    // Where the first row and column that are not zeros begin and end.
    const auto is_zero = [&](int64_t x, int64_t y) {
      return sample.values[static_cast<size_t>(y * 32 + x)] == 0;
    };
    int64_t dx = 0;
    int64_t dy = 0;
    while (is_zero(dx, 16)) ++dx;
    while (is_zero(31 + std::min<int64_t>(dx, 0), 16)) --dx;
    while (is_zero(16, dy)) ++dy;
    while (is_zero(16, 31 + std::min<int64_t>(dy, 0))) --dy;
    shifts.emplace(dx, dy);
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t y = 0; y < 32; ++y) {
        for (int64_t x = 0; x < 32; ++x) {
          const bool inside = x - dx >= 0 && x - dx < 32 && y - dy >= 0 && y - dy < 32;
          const float expected =
              inside ? whole[static_cast<size_t>((c * 32 + y - dy) * 32 + x - dx)] : 0.0F;
          ASSERT_EQ(sample.values[static_cast<size_t>((c * 32 + y) * 32 + x)], expected);
        }
      }
    }
    if (seed > 20 && shifts.size() == 81) break;
  }
  EXPECT_EQ(shifts.size(), 81U);  // -4..4, both ways
}

TEST(MakeSample, FlipsAndRecoloursClassifiers) {
  const detect::Image image = Noise(32, 32, 4);
  const detect::InputSpec input = Input(32, 32);
  std::vector<float> mirrored = Preprocessed(image, input);
  for (size_t row = 0; row < mirrored.size(); row += 32) {
    std::reverse(mirrored.begin() + static_cast<ptrdiff_t>(row),
                 mirrored.begin() + static_cast<ptrdiff_t>(row + 32));
  }
  EXPECT_EQ(Make(image, Labelled(image, 0), input, {.flip = 1}, 3).values, mirrored);
  std::set<std::vector<float>> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    seen.insert(Make(image, Labelled(image, 0), input, {.photometric = 1}, seed).values);
  }
  EXPECT_GT(seen.size(), 15U);
}

// Only the picture is recoloured, not what surrounds it; values stay pixels.
TEST(MakeSample, RecoloursThePictureAlone) {
  const detect::Image image = Plain(60, 60, 128);
  detect::InputSpec input = Input(60, 60);
  bool changed = false;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const Augmentation zoom{.zoom_out = 1, .zoom_scale = 3, .photometric = 1};
    const Sample sample = Make(image, With(image, {}), input, zoom, seed);
    std::set<float> seen(sample.values.begin(), sample.values.end());
    EXPECT_LE(seen.size(), 2U);  // grey stays grey
    EXPECT_TRUE(seen.count(0) == 1 || seen.size() == 1);
    for (const float value : seen) {
      EXPECT_EQ(value, std::round(value));
      EXPECT_GE(value, -kGround);
      EXPECT_LE(value, 255 - kGround);
    }
    changed = changed || seen.count(128 - kGround) == 0;
  }
  EXPECT_TRUE(changed);
}

TEST(CheckAugmentation, NamesWhatIsOutsideItsRange) {
  EXPECT_TRUE(CheckAugmentation({}).ok());
  const std::vector<std::pair<std::string, std::function<void(Augmentation&, double)>>> fields = {
      {"flip", [](Augmentation& a, double v) { a.flip = v; }},
      {"crop", [](Augmentation& a, double v) { a.crop = v; }},
      {"crop_scale", [](Augmentation& a, double v) { a.crop_scale = v; }},
      {"zoom_out", [](Augmentation& a, double v) { a.zoom_out = v; }},
      {"zoom_scale", [](Augmentation& a, double v) { a.zoom_scale = v; }},
      {"photometric", [](Augmentation& a, double v) { a.photometric = v; }},
      {"shift", [](Augmentation& a, double v) { a.shift = v; }},
  };
  for (const auto& field : fields) {
    for (const double value : {-0.1, 16.1, std::nan("")}) {
      Augmentation augmentation;
      field.second(augmentation, value);
      const absl::Status status = CheckAugmentation(augmentation);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << field.first << value;
      EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(field.first));
    }
    Augmentation most;
    field.second(most, 1);
    EXPECT_TRUE(CheckAugmentation(most).ok());
  }
}

}  // namespace
}  // namespace lbw::dataset
