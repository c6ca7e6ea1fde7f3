#include "detect/box.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lbw::detect {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Area, IsZeroForAnythingThatIsNotABox) {
  EXPECT_EQ(Area({1, 2, 4, 6}), 12);
  EXPECT_EQ(Area({4, 2, 1, 6}), 0) << "turned round";
  EXPECT_EQ(Area({1, 2, 1, 6}), 0) << "no width";
  EXPECT_EQ(Area({kNan, 2, 4, 6}), 0);
  EXPECT_EQ(Area({0, 0, kNan, 6}), 0);
}

TEST(Iou, OfKnownOverlaps) {
  EXPECT_FLOAT_EQ(Iou({0, 0, 2, 2}, {1, 1, 3, 3}), 1.0F / 7);
  EXPECT_EQ(Iou({0, 0, 2, 2}, {0, 0, 2, 2}), 1);
  EXPECT_EQ(Iou({0, 0, 2, 2}, {2, 0, 4, 2}), 0) << "they only touch";
  EXPECT_EQ(Iou({0, 0, 2, 2}, {5, 5, 6, 6}), 0);
  EXPECT_FLOAT_EQ(Iou({0, 0, 4, 4}, {1, 1, 3, 3}), 0.25F) << "one inside the other";
}

TEST(Iou, IsZeroWithoutArea) {
  const BoxXyxyPx point{1, 1, 1, 1};
  EXPECT_EQ(Iou(point, point), 0);
  EXPECT_EQ(Iou(point, {0, 0, 2, 2}), 0);
  EXPECT_EQ(Iou({0, 0, kNan, 2}, {0, 0, 2, 2}), 0);
}

// The sum of two such areas overflows: no overlap may exceed 1 or turn into NaN.
TEST(Iou, StaysInRangeForHugeBoxes) {
  const BoxXyxyPx huge{-1e19F, -1e19F, 1e19F, 1e19F};
  const float iou = Iou(huge, huge);
  EXPECT_TRUE(iou >= 0 && iou <= 1) << iou;
  EXPECT_FALSE(std::isnan(Iou({0, 0, kInf, kInf}, {0, 0, kInf, kInf})));
}

TEST(Clip, CutsAtThePictureEdge) {
  EXPECT_EQ(Clip({-3, 2, 20, 30}, 10, 8), (BoxXyxyPx{0, 2, 10, 8}));
  EXPECT_EQ(Clip({12, 9, 20, 30}, 10, 8), (BoxXyxyPx{10, 8, 10, 8})) << "outside: no area";
  EXPECT_EQ(Clip({1, 2, 3, 4}, 10, 8), (BoxXyxyPx{1, 2, 3, 4}));
}

}  // namespace
}  // namespace lbw::detect
