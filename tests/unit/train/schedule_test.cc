#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lbw::train {
namespace {

OptimizerOptions With(Schedule schedule, int64_t warmup_steps) {
  OptimizerOptions options;
  options.schedule = schedule;
  options.warmup_steps = warmup_steps;
  return options;
}

TEST(RateFactor, ConstantBehindItsWarmUp) {
  const OptimizerOptions options = With(Schedule::kConstant, 4);
  EXPECT_DOUBLE_EQ(RateFactor(options, 1, 0, 10), 0.25);
  EXPECT_DOUBLE_EQ(RateFactor(options, 1, 2, 10), 0.75);
  EXPECT_DOUBLE_EQ(RateFactor(options, 1, 3, 10), 1);
  EXPECT_DOUBLE_EQ(RateFactor(options, 1, 9, 10), 1);
}

TEST(RateFactor, WithoutWarmUpBeginsInFull) {
  EXPECT_DOUBLE_EQ(RateFactor(With(Schedule::kCosine, 0), 1, 0, 10), 1);
  EXPECT_DOUBLE_EQ(RateFactor(With(Schedule::kCosine, 1), 1, 0, 10), 1);
}

// (1 + cos(pi t / T)) / 2: 3/4 at a third, 1/2 in the middle, 1/4 at two thirds.
TEST(RateFactor, Cosine) {
  const OptimizerOptions options = With(Schedule::kCosine, 0);
  EXPECT_NEAR(RateFactor(options, 1, 4, 12), 0.75, 1e-12);
  EXPECT_NEAR(RateFactor(options, 1, 6, 12), 0.5, 1e-12);
  EXPECT_NEAR(RateFactor(options, 1, 8, 12), 0.25, 1e-12);
  EXPECT_GT(RateFactor(options, 1, 11, 12), 0);
}

// Both at once: step 1 of 12 with a warm-up of 4 is 2/4 of (1 + cos(pi / 12)) / 2.
TEST(RateFactor, WarmUpMultipliesTheSchedule) {
  const double expected = 0.5 * (1 + std::cos(std::acos(-1.0) / 12)) / 2;
  EXPECT_NEAR(RateFactor(With(Schedule::kCosine, 4), 1, 1, 12), expected, 1e-12);
}

TEST(RateFactor, StepsFallAtTheirFractions) {
  OptimizerOptions options = With(Schedule::kStep, 0);
  options.step_at = {0.5, 0.7};
  options.step_gamma = 0.1;
  EXPECT_DOUBLE_EQ(RateFactor(options, 1, 4, 10), 1);
  EXPECT_DOUBLE_EQ(RateFactor(options, 1, 5, 10), 0.1);
  EXPECT_DOUBLE_EQ(RateFactor(options, 1, 6, 10), 0.1);
  EXPECT_NEAR(RateFactor(options, 1, 7, 10), 0.01, 1e-15);
  EXPECT_NEAR(RateFactor(options, 1, 9, 10), 0.01, 1e-15);
}

// Codes are fixed from step 8 of 12 on: a cosine over 8 steps, then a third of one over 4, without
// a warm-up.
TEST(RateFactor, BeginsAnewWhereCodesAreFixed) {
  const OptimizerOptions options = With(Schedule::kCosine, 2);
  EXPECT_EQ(CodesEnd(2.0 / 3, 12), 8);
  EXPECT_NEAR(RateFactor(options, 2.0 / 3, 0, 12), 0.5, 1e-12);
  EXPECT_NEAR(RateFactor(options, 2.0 / 3, 4, 12), 0.5, 1e-12);
  EXPECT_NEAR(RateFactor(options, 2.0 / 3, 8, 12), 1.0 / 3, 1e-12);
  EXPECT_NEAR(RateFactor(options, 2.0 / 3, 10, 12), 1.0 / 6, 1e-12);
}

TEST(CodesEnd, IsTheFirstStepWithFixedCodes) {
  EXPECT_EQ(CodesEnd(1, 100), 100);
  EXPECT_EQ(CodesEnd(0.75, 100), 75);
  EXPECT_EQ(CodesEnd(0.75, 4), 3);
  // 0.1 * 30 is a little above 3 in doubles.
  EXPECT_EQ(CodesEnd(0.1, 30), 3);
  EXPECT_EQ(CodesEnd(1e-9, 30), 1);
  EXPECT_EQ(CodesEnd(0.999, 1), 1);
}

TEST(EmaDecay, GrowsToItsLimit) {
  EXPECT_DOUBLE_EQ(EmaDecay(0.98, 0), 0.1);
  EXPECT_DOUBLE_EQ(EmaDecay(0.98, 8), 0.5);
  EXPECT_DOUBLE_EQ(EmaDecay(0.98, 1'000), 0.98);
  EXPECT_DOUBLE_EQ(EmaDecay(0, 1'000), 0);
}

}  // namespace
}  // namespace lbw::train
