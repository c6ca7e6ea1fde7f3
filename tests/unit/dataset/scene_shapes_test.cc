#include "dataset/scene_shapes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace lbw::dataset {
namespace {

// By formulas of the outlines' areas, not by the code that draws them.
TEST(Cover, CountsThePixelsOfEveryClass) {
  const double pi = 3.14159265358979;
  struct Case {
    Outline outline;
    double area;  // of the shape from -1 to 1
  };
  const double star = 5 * 0.45 * std::sin(pi / 5);  // ten triangles of sides 1 and 0.45 at 36 deg
  for (const Case& c :
       {Case{Outline::kDisc, pi}, Case{Outline::kSquare, 4.0},
        Case{Outline::kTriangle, std::sqrt(3.0)}, Case{Outline::kRing, pi * (1 - 0.56 * 0.56)},
        Case{Outline::kCross, 2 * 2 * 0.6 - 0.36}, Case{Outline::kStar, star}}) {
    SCOPED_TRACE(static_cast<int>(c.outline));
    Pose pose;
    pose.outline = c.outline;
    pose.cx = 203.3F;
    pose.cy = 151.7F;
    pose.half_px = 90;
    pose.cos = 0.8F;
    pose.sin = 0.6F;
    pose.squeeze_y = 0.9F;
    const Coverage coverage = Cover(pose, 2);
    const double expected = c.area * 90 * 90 * 0.9;
    EXPECT_NEAR(static_cast<double>(coverage.pixels), expected, 0.005 * expected);
    double mass = 0;
    for (const uint8_t alpha : coverage.alpha) mass += alpha / 16.0;
    EXPECT_NEAR(mass, expected, 0.003 * expected);
  }
}

// What makes it safe to look at a pixel's centre only.
TEST(SignedDistance, NeverGrowsFasterThanTheDistance) {
  base::Random random(11);
  for (size_t i = 0; i < kAllOutlines; ++i) {
    const auto outline = static_cast<Outline>(i);
    for (int round = 0; round < 4'000; ++round) {
      const float x = random.Between(-1.5F, 1.5F);
      const float y = random.Between(-1.5F, 1.5F);
      const float dx = random.Between(-0.3F, 0.3F);
      const float dy = random.Between(-0.3F, 0.3F);
      const float change =
          std::fabs(SignedDistance(outline, x + dx, y + dy) - SignedDistance(outline, x, y));
      ASSERT_LE(change, std::sqrt(dx * dx + dy * dy) * 1.001F + 1e-5F)
          << "outline " << i << " at " << x << "," << y;
    }
  }
}

TEST(SignedDistance, TellsInsideFromOutside) {
  EXPECT_LT(SignedDistance(Outline::kDisc, 0, 0), 0);
  EXPECT_GT(SignedDistance(Outline::kRing, 0, 0), 0);
  EXPECT_LT(SignedDistance(Outline::kRing, 0.78F, 0), 0);
  EXPECT_LT(SignedDistance(Outline::kStar, 0, -0.97F), 0);  // a tip
  EXPECT_GT(SignedDistance(Outline::kStar, 0, 0.5F), 0);    // a notch
  EXPECT_GT(SignedDistance(Outline::kCross, 0.6F, 0.6F), 0);
  EXPECT_GT(SignedDistance(Outline::kTriangle, 0.9F, -0.8F), 0);
}

// Every outline stays within the bounds that Cover allows for.
TEST(SignedDistance, ReachesNoFartherThanASquaresCorner) {
  for (size_t i = 0; i < kAllOutlines; ++i) {
    for (int step = 0; step < 360; ++step) {
      const double angle = step * 3.14159265 / 180;
      EXPECT_GT(
          SignedDistance(static_cast<Outline>(i), static_cast<float>(1.4143 * std::cos(angle)),
                         static_cast<float>(1.4143 * std::sin(angle))),
          0)
          << i;
    }
  }
}

}  // namespace
}  // namespace lbw::dataset
