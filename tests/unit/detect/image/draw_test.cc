#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "detect/image/image.h"
#include "unit/detect/image/pictures.h"

namespace lbw::detect {
namespace {

Image Plain(int64_t width, int64_t height, uint8_t value) {
  Image image = Gradient(width, height);
  std::fill(image.rgb.begin(), image.rgb.end(), value);
  return image;
}

bool IsPlain(const Image& image, int64_t x, int64_t y, uint8_t value) {
  const uint8_t* pixel = PixelAt(image, x, y);
  return pixel[0] == value && pixel[1] == value && pixel[2] == value;
}

TEST(DrawBoxes, FramesTheBoxAndLeavesItsInside) {
  Image image = Plain(200, 150, 90);
  EXPECT_TRUE(DrawBoxes(image, {{{40, 50, 140, 120}, "", 0}}).ok());
  for (const auto& at : {std::array<int64_t, 2>{40, 85}, {139, 85}, {90, 50}, {90, 119}}) {
    EXPECT_FALSE(IsPlain(image, at[0], at[1], 90)) << at[0] << " " << at[1];
  }
  EXPECT_TRUE(IsPlain(image, 90, 85, 90)) << "inside";
  EXPECT_TRUE(IsPlain(image, 20, 20, 90)) << "outside";
}

TEST(DrawBoxes, ClassesHaveTheirColours) {
  Image first = Plain(100, 100, 90);
  Image second = first;
  EXPECT_TRUE(DrawBoxes(first, {{{20, 20, 80, 80}, "", 0}}).ok());
  EXPECT_TRUE(DrawBoxes(second, {{{20, 20, 80, 80}, "", 1}}).ok());
  EXPECT_NE(first.rgb, second.rgb);
}

TEST(DrawBoxes, LabelsStayInsideThePicture) {
  Image image = Plain(200, 150, 90);
  EXPECT_TRUE(DrawBoxes(image, {{{150, 2, 199, 60}, "a label 0.97", 2}}).ok());
  // It moved left to fit, and below the box's upper edge.
  int changed_left_of_the_box = 0;
  for (int64_t y = 0; y < 60; ++y) {
    for (int64_t x = 0; x < 140; ++x) changed_left_of_the_box += IsPlain(image, x, y, 90) ? 0 : 1;
  }
  EXPECT_GT(changed_left_of_the_box, 100);
}

TEST(DrawBoxes, LinesGrowWithThePicture) {
  const auto frame_width = [](int64_t side) {
    Image image = Plain(side, side, 90);
    EXPECT_TRUE(
        DrawBoxes(image, {{{static_cast<float>(side) / 4, static_cast<float>(side) / 4,
                            static_cast<float>(side) * 3 / 4, static_cast<float>(side) * 3 / 4},
                           "",
                           0}})
            .ok());
    int width = 0;
    for (int64_t x = 0; x < side / 2; ++x) width += IsPlain(image, x, side / 2, 90) ? 0 : 1;
    return width;
  };
  EXPECT_GE(frame_width(200), 3);
  EXPECT_GT(frame_width(2000), frame_width(200) + 4);
}

TEST(DrawBoxes, SurvivesHostileBoxes) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  Image image = Plain(60, 40, 90);
  const Image before = image;
  EXPECT_TRUE(DrawBoxes(image, {{{kNan, 0, 10, 10}, "x", 0}, {{0, 0, kInf, 10}, "x", 0}}).ok());
  EXPECT_EQ(image.rgb, before.rgb);
  EXPECT_TRUE(DrawBoxes(image, {{{-1e30F, -1e30F, 1e30F, 1e30F}, std::string(500, 'w'), -7},
                                {{50, 30, 10, 5}, "turned round", 2'000'000'000}})
                  .ok());
  EXPECT_EQ(image.rgb.size(), before.rgb.size());
  Image tiny = Plain(1, 1, 0);
  EXPECT_TRUE(DrawBoxes(tiny, {{{0, 0, 1, 1}, "one pixel", 3}}).ok());
  Image none;
  EXPECT_TRUE(DrawBoxes(none, {{{0, 0, 1, 1}, "nothing", 3}}).ok());
}

}  // namespace
}  // namespace lbw::detect
