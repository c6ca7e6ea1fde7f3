#include "eval/boxes.h"

#include <limits>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr At kPlace{0, {10, 10, 19, 29}};

Lists OneOfEach() { return {{Truth(kPlace)}, {Found(kPlace, 0.5F)}, 1, 1}; }

TEST(CheckBoxes, NamesTheScoreThatIsNan) {
  Lists lists = OneOfEach();
  lists.found.push_back(Found(kPlace, kNan));
  const absl::Status status = CheckBoxes(lists.Set());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("found[1].score"));
  EXPECT_EQ(base::GetErrorDetails(status).fields, std::vector<std::string>{"found[1].score"});
}

TEST(CheckBoxes, AcceptsInfiniteScores) {
  Lists lists = OneOfEach();
  lists.found[0].detection.score = -std::numeric_limits<float>::infinity();
  EXPECT_TRUE(CheckBoxes(lists.Set()).ok());
}

TEST(CheckBoxes, NamesCoordinateIndexAndArea) {
  const auto message = [](auto change) {
    Lists lists = OneOfEach();
    change(&lists);
    return std::string(CheckBoxes(lists.Set()).message());
  };
  EXPECT_THAT(message([](Lists* l) { l->truths[0].box.y_max = kNan; }), HasSubstr("truths[0].box"));
  EXPECT_THAT(message([](Lists* l) { l->found[0].detection.box.x_min = kNan; }),
              HasSubstr("found[0].box"));
  EXPECT_THAT(message([](Lists* l) { l->truths[0].image_index = 1; }),
              HasSubstr("truths[0].image_index must be at least 0 and below 1: 1"));
  EXPECT_THAT(message([](Lists* l) { l->found[0].image_index = -1; }),
              HasSubstr("found[0].image_index"));
  EXPECT_THAT(message([](Lists* l) { l->found[0].detection.class_index = 1; }),
              HasSubstr("found[0].class_index"));
  EXPECT_THAT(message([](Lists* l) { l->truths[0].class_index = -1; }),
              HasSubstr("truths[0].class_index"));
  EXPECT_THAT(message([](Lists* l) { l->truths[0].area_px2 = -1; }),
              HasSubstr("truths[0].area_px2"));
  EXPECT_THAT(message([](Lists* l) { l->image_count = -1; }), HasSubstr("image_count"));
}

TEST(CheckBoxes, AcceptsTheLimitsAndRefusesMore) {
  Lists lists;
  lists.image_count = kMaxImages;
  lists.class_count = kMaxClasses;
  EXPECT_TRUE(CheckBoxes(lists.Set()).ok());
  lists.class_count = kMaxClasses + 1;
  EXPECT_EQ(CheckBoxes(lists.Set()).code(), absl::StatusCode::kResourceExhausted);
  lists = Lists();
  lists.image_count = kMaxImages + 1;
  EXPECT_EQ(CheckBoxes(lists.Set()).code(), absl::StatusCode::kResourceExhausted);
}

TEST(OverlapRatio, CountsPixelsByTheRule) {
  const detect::BoxXyxyPx a{0, 0, 9, 9};
  const detect::BoxXyxyPx b{5, 0, 14, 9};
  EXPECT_DOUBLE_EQ(BoxArea(a, PixelRule::kInclusive), 100);
  EXPECT_DOUBLE_EQ(BoxArea(a, PixelRule::kContinuous), 81);
  EXPECT_DOUBLE_EQ(OverlapRatio(a, b, PixelRule::kInclusive), 50.0 / 150);
  EXPECT_DOUBLE_EQ(OverlapRatio(a, b, PixelRule::kContinuous), 36.0 / 126);
}

TEST(OverlapRatio, IsZeroForTouchingEmptyAndReversedBoxes) {
  const detect::BoxXyxyPx a{0, 0, 10, 10};
  EXPECT_EQ(OverlapRatio(a, {10, 0, 20, 10}, PixelRule::kContinuous), 0);
  EXPECT_EQ(OverlapRatio({3, 3, 3, 3}, {3, 3, 3, 3}, PixelRule::kContinuous), 0);
  EXPECT_EQ(OverlapRatio(a, {9, 9, 1, 1}, PixelRule::kContinuous), 0);
  EXPECT_DOUBLE_EQ(OverlapRatio({3, 3, 3, 3}, {3, 3, 3, 3}, PixelRule::kInclusive), 1);
}

}  // namespace
}  // namespace lbw::eval
