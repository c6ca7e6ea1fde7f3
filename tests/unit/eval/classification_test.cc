#include "eval/classification.h"

#include <limits>

#include "eval/boxes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::eval {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();

JudgedPicture Judge(const std::vector<float>& logits, int32_t label) {
  const auto judged = JudgeLogits(logits, label);
  EXPECT_TRUE(judged.ok()) << judged.status().ToString();
  return judged.value_or(JudgedPicture{-1, -1, -1});
}

TEST(JudgeLogits, RanksTheLabel) {
  EXPECT_EQ(Judge({0.1F, 3, 2, -1}, 1), (JudgedPicture{1, 1, 0}));
  EXPECT_EQ(Judge({0.1F, 3, 2, -1}, 2), (JudgedPicture{2, 1, 1}));
  EXPECT_EQ(Judge({0.1F, 3, 2, -1}, 3), (JudgedPicture{3, 1, 3}));
  EXPECT_EQ(Judge({-kInf, 3, kInf}, 0), (JudgedPicture{0, 2, 2}));
}

TEST(JudgeLogits, PutsTheLowerIndexFirstAmongEquals) {
  EXPECT_EQ(Judge({1, 1, 1}, 0), (JudgedPicture{0, 0, 0}));
  EXPECT_EQ(Judge({1, 1, 1}, 2), (JudgedPicture{2, 0, 2}));
  EXPECT_EQ(Judge({0.0F, -0.0F}, 1), (JudgedPicture{1, 0, 1}));
}

TEST(JudgeLogits, NamesTheLogitThatIsNan) {
  const std::vector<float> logits = {1, std::numeric_limits<float>::quiet_NaN(), 2};
  const absl::Status status = JudgeLogits(logits, 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("logits[1]"));
}

TEST(JudgeLogits, RefusesLabelsOutside) {
  const std::vector<float> logits = {1, 2};
  EXPECT_FALSE(JudgeLogits(logits, 2).ok());
  EXPECT_FALSE(JudgeLogits(logits, -1).ok());
  EXPECT_FALSE(JudgeLogits({}, 0).ok());
}

TEST(SummarizeClassification, CountsTopOneTopKAndConfusion) {
  const std::vector<JudgedPicture> pictures = {{0, 0, 0}, {0, 1, 1}, {0, 2, 2}, {1, 1, 0}};
  const auto result = SummarizeClassification(pictures, {3, 2});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->pictures, 4);
  EXPECT_DOUBLE_EQ(*result->top1, 0.5);
  EXPECT_DOUBLE_EQ(*result->top_k, 0.75);
  EXPECT_EQ(result->k, 2);
  EXPECT_THAT(result->confusion, ElementsAre(1, 1, 1, 0, 1, 0, 0, 0, 0));
  EXPECT_DOUBLE_EQ(*result->class_accuracy[0], 1.0 / 3);
  EXPECT_DOUBLE_EQ(*result->class_accuracy[1], 1);
  EXPECT_FALSE(result->class_accuracy[2].has_value());
}

TEST(SummarizeClassification, TakesKDownToTheClasses) {
  const std::vector<JudgedPicture> pictures = {{1, 0, 1}};
  const auto result = SummarizeClassification(pictures, {2, 5});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->k, 2);
  EXPECT_DOUBLE_EQ(*result->top_k, 1);
  EXPECT_FALSE(SummarizeClassification({}, {2, 5})->top1.has_value());
}

TEST(SummarizeClassification, LeavesTheMatrixOutAboveItsBound) {
  EXPECT_EQ(SummarizeClassification({}, {kMaxConfusionClasses, 5})->confusion.size(),
            size_t{kMaxConfusionClasses} * kMaxConfusionClasses);
  EXPECT_TRUE(SummarizeClassification({}, {kMaxConfusionClasses + 1, 5})->confusion.empty());
}

TEST(SummarizeClassification, RefusesOptionsAndPicturesOutside) {
  EXPECT_FALSE(SummarizeClassification({}, {0, 5}).ok());
  EXPECT_TRUE(SummarizeClassification({}, {kMaxClasses, 5}).ok());
  EXPECT_FALSE(SummarizeClassification({}, {kMaxClasses + 1, 5}).ok());
  EXPECT_FALSE(SummarizeClassification({}, {3, 0}).ok());
  const std::vector<JudgedPicture> pictures = {{0, 0, 0}, {3, 0, 0}};
  const absl::Status status = SummarizeClassification(pictures, {3, 1}).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("pictures[1]"));
}

}  // namespace
}  // namespace lbw::eval
