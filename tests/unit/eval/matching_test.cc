#include "eval/matching.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

using testing::ElementsAre;

constexpr detect::BoxXyxyPx kLeft{0, 0, 100, 100};
constexpr detect::BoxXyxyPx kNearLeft{10, 0, 110, 100};  // IoU 90 / 110 with kLeft
constexpr detect::BoxXyxyPx kRight{200, 0, 300, 100};
constexpr detect::BoxXyxyPx kNowhere{500, 500, 600, 600};

std::vector<Verdict> VerdictsOf(const Lists& lists, double iou_threshold = 0.5) {
  const auto matches = MatchBoxes(lists.Set(), {iou_threshold, PixelRule::kContinuous});
  EXPECT_TRUE(matches.ok()) << matches.status().ToString();
  std::vector<Verdict> verdicts;
  if (!matches.ok()) return verdicts;
  for (const MatchedBox& box : matches->front().boxes) verdicts.push_back(box.verdict);
  return verdicts;
}

TEST(MatchBoxes, TakesEachTruthOnceInOrderOfScore) {
  EXPECT_THAT(VerdictsOf({{Truth({0, kLeft})},
                          {Found({0, kLeft}, 0.5F), Found({0, kNearLeft}, 0.9F),
                           Found({0, kNowhere}, 0.1F)}}),
              ElementsAre(Verdict::kTrue, Verdict::kDuplicate, Verdict::kUnmatched));
}

// Two truths overlap; both detections lie nearest the first. The second is a duplicate even though
// the other truth is free and overlaps it enough.
TEST(MatchBoxes, DoesNotFallBackToAFreeTruth) {
  EXPECT_THAT(VerdictsOf({{Truth({0, kLeft}), Truth({0, kNearLeft})},
                          {Found({0, kLeft}, 0.9F), Found({0, kLeft}, 0.8F)}}),
              ElementsAre(Verdict::kTrue, Verdict::kDuplicate));
}

TEST(MatchBoxes, CountsDifficultNeitherTrueNorFalseHoweverOften) {
  const Lists lists = {{Difficult({0, kLeft}), Truth({0, kRight})},
                       {Found({0, kLeft}, 0.9F), Found({0, kLeft}, 0.8F), Found({0, kRight}, 0.7F),
                        Found({0, kNowhere}, 0.6F)}};
  EXPECT_THAT(VerdictsOf(lists), ElementsAre(Verdict::kNeutral, Verdict::kNeutral, Verdict::kTrue,
                                             Verdict::kUnmatched));
  const auto matches = MatchBoxes(lists.Set(), MatchOptions());
  ASSERT_TRUE(matches.ok());
  EXPECT_EQ(matches->front().positives.size(), 1U);
  EXPECT_EQ(matches->front().not_counted, 1);
}

// A difficult object nearer to the detection than an easy one draws it off: the easy one is missed.
TEST(MatchBoxes, PrefersANearerDifficultTruth) {
  EXPECT_THAT(
      VerdictsOf({{Truth({0, kNearLeft}), Difficult({0, kLeft})}, {Found({0, kLeft}, 0.9F)}}),
      ElementsAre(Verdict::kNeutral));
}

TEST(MatchBoxes, KeepsClassesAndPicturesApart) {
  Lists lists = {{Truth({0, kLeft}), Truth({1, kLeft}, 1)},
                 {Found({1, kLeft}, 0.9F), Found({0, kLeft}, 0.9F, 1)},
                 2,
                 2};
  EXPECT_THAT(VerdictsOf(lists), ElementsAre(Verdict::kUnmatched));
  lists.found = {Found({0, kLeft}, 0.9F)};
  EXPECT_THAT(VerdictsOf(lists), ElementsAre(Verdict::kTrue));
}

TEST(MatchBoxes, BreaksTiesByTheOrderOfTheList) {
  const FoundBox exact = Found({0, kLeft}, 0.5F);
  const FoundBox near = Found({0, kNearLeft}, 0.5F);
  auto matches = MatchBoxes(Lists{{Truth({0, kLeft})}, {near, exact}}.Set(), MatchOptions());
  ASSERT_TRUE(matches.ok());
  EXPECT_EQ(matches->front().boxes[0].verdict, Verdict::kTrue);
  // Equal overlaps: the first truth, which is difficult here.
  EXPECT_THAT(VerdictsOf({{Difficult({0, kLeft}), Truth({0, kLeft})}, {exact}}),
              ElementsAre(Verdict::kNeutral));
  EXPECT_THAT(VerdictsOf({{Truth({0, kLeft}), Difficult({0, kLeft})}, {exact}}),
              ElementsAre(Verdict::kTrue));
}

TEST(MatchBoxes, AcceptsAnOverlapEqualToTheThreshold) {
  const Lists lists = {{Truth({0, kLeft})}, {Found({0, {0, 0, 100, 50}}, 0.9F)}};
  EXPECT_THAT(VerdictsOf(lists, 0.5), ElementsAre(Verdict::kTrue));
  EXPECT_THAT(VerdictsOf(lists, 0.51), ElementsAre(Verdict::kUnmatched));
}

TEST(MatchBoxes, RefusesThresholdsOutsideZeroToOne) {
  for (const double bad : {0.0, -1.0, 1.01, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(MatchBoxes(Lists().Set(), {bad, PixelRule::kInclusive}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(VerdictWithin, LooksAtTheTruthWhereThereIsOne) {
  const AreaRange range{10, 20};
  EXPECT_EQ(VerdictWithin({0, 0, 5, 15, Verdict::kTrue}, range), Verdict::kTrue);
  EXPECT_EQ(VerdictWithin({0, 0, 15, 5, Verdict::kTrue}, range), Verdict::kNeutral);
  EXPECT_EQ(VerdictWithin({0, 0, 15, 5, Verdict::kDuplicate}, range), Verdict::kNeutral);
  EXPECT_EQ(VerdictWithin({0, 0, 20, 0, Verdict::kUnmatched}, range), Verdict::kUnmatched);
  EXPECT_EQ(VerdictWithin({0, 0, 21, 0, Verdict::kUnmatched}, range), Verdict::kNeutral);
  EXPECT_EQ(VerdictWithin({0, 0, 15, 15, Verdict::kNeutral}, range), Verdict::kNeutral);
}

}  // namespace
}  // namespace lbw::eval
