#include <gtest/gtest.h>

#include <cmath>

#include "base/io.h"
#include "detect/image/image.h"
#include "support/test_data.h"
#include "unit/detect/golden.h"
#include "unit/detect/image/pictures.h"

namespace lbw::detect {
namespace {

InputSpec Input(int64_t height, int64_t width) {
  InputSpec input;
  input.height = height;
  input.width = width;
  return input;
}

std::vector<float> Prepare(const Image& image, const InputSpec& input) {
  std::vector<float> out(static_cast<size_t>(input.channels() * input.height * input.width), -1e9F);
  EXPECT_TRUE(Preprocess(image, input, absl::MakeSpan(out)).ok());
  return out;
}

// Without resizing nothing is lost: planes of (pixel - mean) * scale.
TEST(Preprocess, NormalisesIntoPlanes) {
  const Image image = Gradient(5, 3);
  InputSpec input = Input(3, 5);
  input.mean = {10, 20, 30};
  input.scale = {0.5F, 0.25F, 2};
  for (const ColorOrder color : {ColorOrder::kRgb, ColorOrder::kBgr}) {
    input.color = color;
    const auto out = Prepare(image, input);
    for (size_t i = 0; i < 15; ++i) {
      for (size_t c = 0; c < 3; ++c) {
        const size_t channel = color == ColorOrder::kRgb ? c : 2 - c;
        EXPECT_EQ(
            out[c * 15 + i],
            (static_cast<float>(image.rgb[3 * i + channel]) - input.mean[c]) * input.scale[c]);
      }
    }
  }
}

TEST(Preprocess, GrayIsLuma) {
  Image image;
  image.width = 3;
  image.height = 1;
  image.rgb = {255, 255, 255, 255, 0, 0, 0, 0, 255};
  InputSpec input = Input(1, 3);
  input.color = ColorOrder::kGray;
  EXPECT_EQ(Prepare(image, input), (std::vector<float>{255, 76, 29}));
}

TEST(Preprocess, LetterboxPadsAroundThePicture) {
  Image image = Gradient(8, 4);
  std::fill(image.rgb.begin(), image.rgb.end(), 200);
  InputSpec input = Input(8, 8);
  input.resize = Resize::kLetterbox;
  input.pad_value = 114;
  input.scale = {0.5F, 0.5F, 0.5F};
  const auto out = Prepare(image, input);
  for (size_t y = 0; y < 8; ++y) {
    for (size_t x = 0; x < 8; ++x) {
      EXPECT_EQ(out[y * 8 + x], y >= 2 && y < 6 ? 100 : 57) << x << " " << y;
    }
  }
}

TEST(Preprocess, ShortestSidePadsToTheRightAndBelow) {
  Image image = Gradient(4, 4);
  std::fill(image.rgb.begin(), image.rgb.end(), 200);
  InputSpec input = Input(6, 8);
  input.resize = Resize::kShortestSide;
  input.shortest_side_min = 4;
  input.shortest_side_max = 10;
  input.pad_value = 0;
  const auto out = Prepare(image, input);
  for (size_t y = 0; y < 6; ++y) {
    for (size_t x = 0; x < 8; ++x) EXPECT_EQ(out[y * 8 + x], x < 4 && y < 4 ? 200 : 0);
  }
}

TEST(Preprocess, InterpolationsDoWhatTheirNamesSay) {
  Image image;
  image.width = 4;
  image.height = 1;
  image.rgb = {0, 0, 0, 100, 100, 100, 50, 50, 50, 250, 250, 250};
  InputSpec input = Input(1, 2);
  input.color = ColorOrder::kGray;
  input.interpolation = Interpolation::kNearest;
  EXPECT_EQ(Prepare(image, input), (std::vector<float>{0, 50}));
  input.interpolation = Interpolation::kLinear;
  EXPECT_EQ(Prepare(image, input), (std::vector<float>{50, 150}));
  input.interpolation = Interpolation::kArea;
  EXPECT_EQ(Prepare(image, input), (std::vector<float>{50, 150}));
  // Four taps, a = -0.75; the picture's edge is repeated.
  input.interpolation = Interpolation::kCubic;
  const auto cubic = Prepare(image, input);
  EXPECT_NE(cubic[0], 50);
  EXPECT_NEAR(cubic[0], -0.09375 * (0 + 50) + 0.59375 * (0 + 100), 1);
}

TEST(Preprocess, SurvivesExtremeShapes) {
  for (const Interpolation interpolation : {Interpolation::kNearest, Interpolation::kLinear,
                                            Interpolation::kArea, Interpolation::kCubic}) {
    for (const Resize resize : {Resize::kStretch, Resize::kLetterbox}) {
      InputSpec input = Input(16, 24);
      input.interpolation = interpolation;
      input.resize = resize;
      for (const auto& size : {std::array<int64_t, 2>{70'000, 1}, {1, 70'000}, {1, 1}}) {
        for (const float value : Prepare(Gradient(size[0], size[1]), input)) {
          ASSERT_TRUE(value >= 0 && value <= 255);
        }
      }
    }
  }
}

TEST(Preprocess, IsTheSameEveryTime) {
  const Image image = Gradient(301, 207);
  const InputSpec input = Input(64, 48);
  const auto first = Prepare(image, input);
  Prepare(Gradient(50, 60), input);
  EXPECT_EQ(Prepare(image, input), first);
}

// Made by OpenCV's own chain (decode, resize INTER_LINEAR, 1/255). The same decoder and resize:
// only the multiplication may round differently.
TEST(Preprocess, EqualsTheGoldenInputOfARealNetwork) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const auto image = DecodeImage(base::AsBytes(ReadFile(*data + "/weights_aizoo_ssd/demo2.jpg")));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, 464);
  EXPECT_EQ(image->height, 330);
  const base::Tensor golden = ReadNpyF32(
      *data + "/weights_aizoo_ssd/golden_forward/input_1x3x260x260.npy", {1, 3, 260, 260});
  ASSERT_EQ(golden.elements(), 3 * 260 * 260);
  InputSpec input = Input(260, 260);
  input.scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F};
  const auto out = Prepare(*image, input);
  float worst = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    worst = std::max(worst, std::abs(out[i] - golden.as<float>()[i]));
  }
  EXPECT_LE(worst, 1e-6F);
}

TEST(Preprocess, TakesPicturesOfOneRowOrOneColumn) {
  InputSpec input;
  input.width = 16;
  input.height = 16;
  std::vector<float> out(3 * 16 * 16);
  for (const Resize resize : {Resize::kStretch, Resize::kLetterbox}) {
    for (const Interpolation interpolation : {Interpolation::kNearest, Interpolation::kLinear,
                                              Interpolation::kArea, Interpolation::kCubic}) {
      input.resize = resize;
      input.interpolation = interpolation;
      for (const bool wide : {true, false}) {
        Image image;
        image.width = wide ? 1'000'000 : 1;
        image.height = wide ? 1 : 1'000'000;
        image.rgb.assign(3'000'000, 200);
        // Done or refused, never an exception.
        const absl::Status status = Preprocess(image, input, absl::MakeSpan(out));
        EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInternal) << status;
      }
    }
  }
}

}  // namespace
}  // namespace lbw::detect
