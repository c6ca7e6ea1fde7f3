#include "eval/curve.h"

#include "gtest/gtest.h"

namespace lbw::eval {
namespace {

// T F T F F T of 4 truths: precision 1, 1/2, 2/3, 2/4, 2/5, 3/6; recall 1/4, 2/4, 3/4.
std::vector<Step> Ranking() {
  return {{1, 0, 0.9F}, {1, 1, 0.8F}, {2, 1, 0.7F}, {2, 2, 0.6F}, {2, 3, 0.5F}, {3, 3, 0.4F}};
}

TEST(ApOf, EqualsTheHandWorkedRanking) {
  const AveragePrecision ap = ApOf(Ranking(), 4);
  EXPECT_NEAR(ap.area, 0.25 * 1 + 0.25 * 2 / 3 + 0.25 * 0.5, 1e-12);
  // 0, .1, .2: 1. .3, .4, .5: 2/3. .6, .7: 1/2. .8, .9, 1: 0.
  EXPECT_NEAR(ap.eleven_point, (3 * 1.0 + 3 * 2.0 / 3 + 2 * 0.5) / 11, 1e-12);
}

TEST(ApOf, IsOneForAPerfectRankingAndZeroForNone) {
  EXPECT_DOUBLE_EQ(ApOf(std::vector<Step>{{1, 0, 1}, {2, 0, 1}}, 2).eleven_point, 1);
  EXPECT_DOUBLE_EQ(ApOf(std::vector<Step>{{1, 0, 1}, {2, 0, 1}}, 2).area, 1);
  EXPECT_EQ(ApOf({}, 3).eleven_point, 0);
  EXPECT_EQ(ApOf({}, 3).area, 0);
  EXPECT_EQ(ApOf(std::vector<Step>{{0, 1, 1}}, 3).eleven_point, 0);
}

// Recall 2/10 reaches the point 0.2; recall 3/10 lies below 3 * 0.1 in floating point.
TEST(ApOf, HasItsElevenPointsWhereFloatingPointPutsThem) {
  std::vector<Step> steps = {{1, 0, 0.9F}, {2, 0, 0.8F}};
  EXPECT_DOUBLE_EQ(ApOf(steps, 10).eleven_point, 3.0 / 11);
  steps.push_back({3, 0, 0.7F});
  EXPECT_DOUBLE_EQ(ApOf(steps, 10).eleven_point, 3.0 / 11);
  EXPECT_NEAR(ApOf(steps, 10).area, 0.3, 1e-12);
  steps.push_back({4, 0, 0.6F});
  EXPECT_DOUBLE_EQ(ApOf(steps, 10).eleven_point, 5.0 / 11);
}

TEST(ApOf, LooksAtTheBestPrecisionFurtherOn) {
  // F T T: precision 0, 1/2, 2/3 - interpolated to 2/3 throughout.
  const AveragePrecision ap = ApOf(std::vector<Step>{{0, 1, 3}, {1, 1, 2}, {2, 1, 1}}, 2);
  EXPECT_NEAR(ap.area, 2.0 / 3, 1e-12);
  EXPECT_NEAR(ap.eleven_point, 2.0 / 3, 1e-12);
}

TEST(CurveOf, KeepsStepsAtWhichRecallRisesAndTheLast) {
  std::vector<Step> steps = Ranking();
  steps.push_back({3, 4, 0.3F});
  const std::vector<CurvePoint> curve = CurveOf(steps, 4, 200);
  ASSERT_EQ(curve.size(), 4U);
  EXPECT_DOUBLE_EQ(curve[1].recall, 0.5);
  EXPECT_DOUBLE_EQ(curve[1].precision, 2.0 / 3);
  EXPECT_EQ(curve[1].score, 0.7F);
  EXPECT_DOUBLE_EQ(curve[3].recall, 0.75);
  EXPECT_DOUBLE_EQ(curve[3].precision, 3.0 / 7);
  EXPECT_TRUE(CurveOf({}, 4, 200).empty());
}

TEST(CurveOf, ThinsToTheBoundAndKeepsBothEnds) {
  std::vector<Step> steps;
  for (int64_t i = 1; i <= 101; ++i) steps.push_back({i, 0, 1.0F / static_cast<float>(i)});
  EXPECT_EQ(CurveOf(steps, 101, 101).size(), 101U);
  const std::vector<CurvePoint> curve = CurveOf(steps, 101, 11);
  ASSERT_EQ(curve.size(), 11U);
  EXPECT_DOUBLE_EQ(curve.front().recall, 1.0 / 101);
  EXPECT_DOUBLE_EQ(curve[5].recall, 51.0 / 101);
  EXPECT_DOUBLE_EQ(curve.back().recall, 1);
  EXPECT_EQ(CurveOf(steps, 101, 2).size(), 2U);
}

// mAP of a perfect detector was printed as 1.0000000000000002: shares of 1 / n do not add up to 1.
TEST(ApOf, OfAPerfectRankingIsOneToTheLastBit) {
  for (int64_t positives = 1; positives <= 500; ++positives) {
    std::vector<Step> steps;
    for (int64_t hits = 1; hits <= positives; ++hits) steps.push_back({hits, 0, 0.5F});
    const AveragePrecision ap = ApOf(steps, positives);
    ASSERT_EQ(ap.area, 1.0) << positives;
    ASSERT_EQ(ap.eleven_point, 1.0) << positives;
  }
}

TEST(ApOf, NeverExceedsOne) {
  // One false box in front: precisions of (n - 1) / n, rounded both ways.
  for (int64_t positives = 1; positives <= 500; ++positives) {
    std::vector<Step> steps = {{0, 1, 0.9F}};
    for (int64_t hits = 1; hits <= positives; ++hits) steps.push_back({hits, 1, 0.5F});
    const AveragePrecision ap = ApOf(steps, positives);
    ASSERT_LT(ap.area, 1.0) << positives;
    ASSERT_NEAR(ap.area, static_cast<double>(positives) / static_cast<double>(positives + 1),
                1e-12);
  }
}

}  // namespace
}  // namespace lbw::eval
