#include "dataset/check_boxes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace lbw::dataset {
namespace {

RawBox Raw(double x0, double y0, double x1, double y1) {
  RawBox box;
  box.corners = {x0, y0, x1, y1};
  box.class_name = "cat";
  box.difficult = false;
  return box;
}

BoxFrame Frame(PixelRule rule = PixelRule::kInclusive) {
  BoxFrame frame;
  frame.width = 40;
  frame.height = 30;
  frame.pixel_rule = rule;
  frame.tells_difficult = true;
  frame.file = "a.xml";
  return frame;
}

struct Result {
  DefectList defects;
  std::vector<Annotation> kept;
};
Result Check(const RawBox& box, const BoxFrame& frame = Frame()) {
  Result result;
  result.kept = CheckBoxes({box}, frame, {{"cat", 0}, {"dog", 1}}, result.defects);
  return result;
}

struct Case {
  const char* name;
  RawBox box;
  std::optional<DefectKind> kind;
  std::optional<std::array<float, 4>> kept;
};

class Boxes : public ::testing::TestWithParam<Case> {};

TEST_P(Boxes, AreKeptRepairedOrLeftOut) {
  const Case& test = GetParam();
  const Result result = Check(test.box);
  ASSERT_EQ(result.kept.size(), test.kept.has_value() ? 1U : 0U);
  if (test.kept.has_value()) {
    const detect::BoxXyxyPx& box = result.kept[0].box;
    EXPECT_EQ((std::array<float, 4>{box.x_min, box.y_min, box.x_max, box.y_max}), *test.kept);
  }
  ASSERT_EQ(result.defects.kept().size(), test.kind.has_value() ? 1U : 0U);
  if (test.kind.has_value()) {
    EXPECT_EQ(result.defects.kept()[0].kind, *test.kind);
    EXPECT_EQ(result.defects.kept()[0].file, "a.xml");
    EXPECT_EQ(result.defects.kept()[0].action == DefectAction::kLeftOut, !test.kept.has_value());
  }
}

RawBox Floats() {
  RawBox box = Raw(1.5, 2, 30, 20);
  box.has_floats = true;
  return box;
}
RawBox Unknown() {
  RawBox box = Raw(1, 2, 30, 20);
  box.class_name = "cow";
  return box;
}
RawBox NoDifficult() {
  RawBox box = Raw(1, 2, 30, 20);
  box.difficult.reset();
  return box;
}

using Kept = std::array<float, 4>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
INSTANTIATE_TEST_SUITE_P(
    All, Boxes,
    ::testing::Values(
        Case{"Good", Raw(1, 2, 40, 30), std::nullopt, Kept{1, 2, 40, 30}},
        Case{"MinusOne", Raw(-1, 0, 30, 20), DefectKind::kBoxOutside, Kept{0, 0, 30, 20}},
        Case{"Beyond", Raw(1, 2, 41, 31), DefectKind::kBoxOutside, Kept{1, 2, 40, 30}},
        Case{"BeyondByARounding", Raw(1, 2, 40.0005, 30), std::nullopt, Kept{1, 2, 40, 30}},
        Case{"WhollyRight", Raw(40, 2, 50, 20), DefectKind::kBoxOutside, std::nullopt},
        Case{"WhollyAbove", Raw(1, -9, 30, 0), DefectKind::kBoxOutside, std::nullopt},
        Case{"Huge", Raw(-1e300, -1e300, 1e300, 1e300), DefectKind::kBoxOutside,
             Kept{0, 0, 40, 30}},
        Case{"NoWidth", Raw(5, 2, 5, 20), DefectKind::kZeroArea, std::nullopt},
        Case{"NoHeight", Raw(5, 2, 9, 2), DefectKind::kZeroArea, std::nullopt},
        Case{"SwappedX", Raw(30, 2, 1, 20), DefectKind::kSwappedCorners, Kept{1, 2, 30, 20}},
        Case{"SwappedY", Raw(1, 20, 30, 2), DefectKind::kSwappedCorners, Kept{1, 2, 30, 20}},
        Case{"Floats", Floats(), DefectKind::kFloatCoordinates, Kept{1.5F, 2, 30, 20}},
        Case{"NotANumber", Raw(1, kNan, 3, 4), DefectKind::kBadCoordinates, std::nullopt},
        Case{"Infinite", Raw(1, 2, kInf, 4), DefectKind::kBadCoordinates, std::nullopt},
        Case{"UnknownClass", Unknown(), DefectKind::kUnknownClass, std::nullopt},
        Case{"NoDifficult", NoDifficult(), DefectKind::kDifficultMissing, Kept{1, 2, 30, 20}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(CheckBoxes, FractionsBecomePixels) {
  RawBox box = Raw(0.25, 0.5, 1.00001, 1);
  box.relative = true;
  const Result result = Check(box, Frame(PixelRule::kContinuous));
  ASSERT_EQ(result.kept.size(), 1U);
  EXPECT_EQ(result.kept[0].box.x_min, 10);
  EXPECT_EQ(result.kept[0].box.y_min, 15);
  EXPECT_EQ(result.kept[0].box.x_max, 40);
  EXPECT_TRUE(result.defects.counts().empty()) << "four digits too many are a rounding";
}

TEST(CheckBoxes, KeepsFlagsAndAreas) {
  RawBox box = Raw(1, 2, 3, 4);
  box.class_name = "dog";
  box.difficult = true;
  box.crowd = true;
  box.area_px2 = 2.5;
  const Result result = Check(box);
  EXPECT_EQ(result.kept[0].class_index, 1);
  EXPECT_TRUE(result.kept[0].difficult);
  EXPECT_TRUE(result.kept[0].crowd);
  EXPECT_EQ(result.kept[0].area_px2, 2.5);
}

// A mark at the stored picture's top left, 2 by 1 pixels, worked out by hand for each orientation
// (EXIF 2.32, tag 0x0112: where the stored first row and column lie in the upright picture).
struct Turned {
  int orientation;
  Kept inclusive;   // pixels from 1
  Kept continuous;  // edges
};
TEST(CheckBoxes, TurnsWithThePicture) {
  // Upright 40 x 30, from 5 on stored as 30 x 40.
  const std::array<Turned, 8> cases = {{{1, {1, 1, 3, 2}, {0, 0, 2, 1}},
                                        {2, {38, 1, 40, 2}, {38, 0, 40, 1}},
                                        {3, {38, 29, 40, 30}, {38, 29, 40, 30}},
                                        {4, {1, 29, 3, 30}, {0, 29, 2, 30}},
                                        {5, {1, 1, 2, 3}, {0, 0, 1, 2}},
                                        {6, {39, 1, 40, 3}, {39, 0, 40, 2}},
                                        {7, {39, 28, 40, 30}, {39, 28, 40, 30}},
                                        {8, {1, 28, 2, 30}, {0, 28, 1, 30}}}};
  for (const Turned& test : cases) {
    for (const PixelRule rule : {PixelRule::kInclusive, PixelRule::kContinuous}) {
      const bool inclusive = rule == PixelRule::kInclusive;
      BoxFrame frame = Frame(rule);
      frame.turn = true;
      frame.orientation = test.orientation;
      const Result result = Check(inclusive ? Raw(1, 1, 3, 2) : Raw(0, 0, 2, 1), frame);
      ASSERT_EQ(result.kept.size(), 1U);
      const detect::BoxXyxyPx& box = result.kept[0].box;
      EXPECT_EQ((Kept{box.x_min, box.y_min, box.x_max, box.y_max}),
                inclusive ? test.inclusive : test.continuous)
          << test.orientation << " inclusive=" << inclusive;
    }
  }
}

}  // namespace
}  // namespace lbw::dataset
