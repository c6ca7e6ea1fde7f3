#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "detect/decoder.h"

namespace lbw::detect {
namespace {

InputSpec Input(Resize resize, int64_t height, int64_t width) {
  InputSpec input;
  input.resize = resize;
  input.height = height;
  input.width = width;
  input.shortest_side_min = 100;
  input.shortest_side_max = 180;
  return input;
}

TEST(PlacePicture, StretchFillsTheInput) {
  const Placement p = PlacePicture(Input(Resize::kStretch, 260, 130), 65, 520);
  EXPECT_EQ(p.scale_x, 2);
  EXPECT_EQ(p.scale_y, 0.5F);
  EXPECT_EQ(p.offset_x, 0);
  EXPECT_EQ(p.offset_y, 0);
  EXPECT_EQ(p.resized_width, 130);
  EXPECT_EQ(p.resized_height, 260);
}

TEST(PlacePicture, LetterboxIsCentred) {
  const Placement p = PlacePicture(Input(Resize::kLetterbox, 100, 100), 200, 100);
  EXPECT_EQ(p.resized_width, 100);
  EXPECT_EQ(p.resized_height, 50);
  EXPECT_EQ(p.offset_x, 0);
  EXPECT_EQ(p.offset_y, 25);
  EXPECT_EQ(p.scale_y, 0.5F);
}

TEST(PlacePicture, ShortestSideReachesMinUnlessAnotherBoundIsNearer) {
  const Placement by_min = PlacePicture(Input(Resize::kShortestSide, 400, 400), 300, 200);
  EXPECT_EQ(by_min.resized_width, 150);
  EXPECT_EQ(by_min.resized_height, 100);
  const Placement by_max = PlacePicture(Input(Resize::kShortestSide, 400, 400), 800, 200);
  EXPECT_EQ(by_max.resized_width, 180);
  EXPECT_EQ(by_max.resized_height, 45);
  const Placement by_input = PlacePicture(Input(Resize::kShortestSide, 400, 90), 300, 200);
  EXPECT_EQ(by_input.resized_width, 90);
  EXPECT_EQ(by_input.offset_x, 0);
}

TEST(PlacePicture, ExtremePicturesKeepAPixel) {
  const Placement p = PlacePicture(Input(Resize::kLetterbox, 100, 100), 40'000, 1);
  EXPECT_EQ(p.resized_width, 100);
  EXPECT_EQ(p.resized_height, 1);
}

TEST(ToPicture, InvertsEveryPlacementWithinHalfAPixel) {
  std::mt19937 random(7);
  for (const Resize resize : {Resize::kStretch, Resize::kLetterbox, Resize::kShortestSide}) {
    for (int round = 0; round < 300; ++round) {
      const auto width = static_cast<int64_t>(random() % 2000 + 1);
      const auto height = static_cast<int64_t>(random() % 2000 + 1);
      const Placement p = PlacePicture(Input(resize, 300, 260), width, height);
      // The picture lies inside the input.
      EXPECT_GE(p.offset_x, 0);
      EXPECT_LE(p.offset_x + static_cast<float>(p.resized_width), 260);
      EXPECT_LE(p.offset_y + static_cast<float>(p.resized_height), 300);
      const auto at = [&](int64_t limit) {
        return static_cast<float>(random() % static_cast<uint32_t>(limit + 1));
      };
      BoxXyxyPx box{at(width), at(height), at(width), at(height)};
      if (box.x_min > box.x_max) std::swap(box.x_min, box.x_max);
      if (box.y_min > box.y_max) std::swap(box.y_min, box.y_max);
      const BoxXyxyPx there{box.x_min * p.scale_x + p.offset_x, box.y_min * p.scale_y + p.offset_y,
                            box.x_max * p.scale_x + p.offset_x, box.y_max * p.scale_y + p.offset_y};
      const BoxXyxyPx back = ToPicture(there, p);
      EXPECT_NEAR(back.x_min, box.x_min, 0.5);
      EXPECT_NEAR(back.y_min, box.y_min, 0.5);
      EXPECT_NEAR(back.x_max, box.x_max, 0.5);
      EXPECT_NEAR(back.y_max, box.y_max, 0.5);
    }
  }
}

TEST(ToPicture, ClipsToThePicture) {
  const Placement p = PlacePicture(Input(Resize::kLetterbox, 100, 100), 200, 100);
  EXPECT_EQ(ToPicture({-5, 0, 300, 100}, p), (BoxXyxyPx{0, 0, 200, 100}));
}

}  // namespace
}  // namespace lbw::detect
