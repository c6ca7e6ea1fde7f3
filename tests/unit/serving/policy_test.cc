#include "serving/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lbw::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Admit, Table) {
  struct Row {
    const char* what;
    QueueSnapshot queue;
    size_t calls;
    uint64_t bytes;
    Admission expected;
  };
  const QueueLimits limits{3, 100};
  const Row rows[] = {
      {"empty", {0, 0, 0}, 1, 10, Admission::kAdmit},
      {"as large as the queue", {0, 0, 0}, 1, 100, Admission::kAdmit},
      {"one byte larger than the queue", {0, 0, 0}, 1, 101, Admission::kNeverFits},
      {"last place", {2, 10, 0}, 1, 90, Admission::kAdmit},
      {"one byte too many now", {2, 10, 0}, 1, 91, Admission::kQueueFull},
      {"no place", {3, 0, 0}, 1, 0, Admission::kQueueFull},
      {"growing needs no place", {3, 10, 0}, 0, 90, Admission::kAdmit},
      {"growing too far", {3, 10, 0}, 0, 91, Admission::kQueueFull},
      {"overflow", {1, 50, 0}, 1, UINT64_MAX, Admission::kNeverFits},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Admit(row.queue, limits, row.calls, row.bytes), row.expected) << row.what;
  }
}

TEST(RetryAfterMs, IsTheTimeToHalfTheQueueWithinBounds) {
  EXPECT_EQ(RetryAfterMs({256, 0, 0}), 1'000);
  EXPECT_EQ(RetryAfterMs({256, 0, 0.010}), 1'280);
  EXPECT_EQ(RetryAfterMs({1, 0, 0.001}), 10);
  EXPECT_EQ(RetryAfterMs({256, 0, 10}), 30'000);
  EXPECT_EQ(RetryAfterMs({256, 0, -1}), 1'000);
}

TEST(UpdateAverage, StartsAtTheFirstSampleAndFollows) {
  EXPECT_DOUBLE_EQ(UpdateAverage(0, 2), 2);
  EXPECT_DOUBLE_EQ(UpdateAverage(2, 7), 3);
}

absl::Time At(int second) { return absl::FromUnixSeconds(second); }

TEST(PlanEviction, TakesTheLeastRecentlyUsedAndAsFewAsItTakes) {
  const Resident residents[] = {{40, At(3), false}, {30, At(1), false}, {30, At(2), false}};
  const EvictionPlan none = PlanEviction({}, 100, 100);
  EXPECT_EQ(none.verdict, RoomVerdict::kFits);
  EXPECT_THAT(none.evict, IsEmpty());
  EXPECT_THAT(PlanEviction(residents, 0, 100).evict, IsEmpty());
  EXPECT_THAT(PlanEviction(residents, 30, 100).evict, ElementsAre(1));
  EXPECT_THAT(PlanEviction(residents, 31, 100).evict, ElementsAre(1, 2));
  EXPECT_THAT(PlanEviction(residents, 100, 100).evict, ElementsAre(1, 2, 0));
}

TEST(PlanEviction, OneInUseStays) {
  const Resident residents[] = {{40, At(1), true}, {30, At(2), false}, {30, At(3), true}};
  EXPECT_THAT(PlanEviction(residents, 30, 100).evict, ElementsAre(1));
  const EvictionPlan busy = PlanEviction(residents, 31, 100);
  EXPECT_EQ(busy.verdict, RoomVerdict::kBusy);
  EXPECT_THAT(busy.evict, IsEmpty());
}

TEST(PlanEviction, WhatIsLargerThanTheBudgetNeverFits) {
  const Resident residents[] = {{40, At(1), false}};
  EXPECT_EQ(PlanEviction(residents, 100, 100).verdict, RoomVerdict::kFits);
  const EvictionPlan plan = PlanEviction(residents, 101, 100);
  EXPECT_EQ(plan.verdict, RoomVerdict::kNeverFits);
  EXPECT_THAT(plan.evict, IsEmpty());
}

TEST(PlanEviction, ABudgetThatIsExceededAlreadyIsMetAgain) {
  const Resident residents[] = {{80, At(1), false}, {80, At(2), false}};
  EXPECT_THAT(PlanEviction(residents, 10, 100).evict, ElementsAre(0));
}

TEST(PicturesPerRun, IsBoundedByTheGraphAndBySixteen) {
  EXPECT_EQ(PicturesPerRun(0), 16U);
  EXPECT_EQ(PicturesPerRun(1), 1U);
  EXPECT_EQ(PicturesPerRun(15), 15U);
  EXPECT_EQ(PicturesPerRun(17), 16U);
}

}  // namespace
}  // namespace lbw::serving
