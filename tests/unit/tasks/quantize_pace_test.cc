#include "tasks/quantize_pace.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace lbw::tasks {
namespace {

TEST(StepCount, CountsStageBehindStageAndEndsAtTheTotal) {
  StepCount steps;
  EXPECT_EQ(steps.total(), 0) << "not known yet";
  steps.Begin(4);
  steps.Reach(3);
  EXPECT_EQ(steps.step(), 3);
  steps.Plan(20);
  steps.Begin(6);
  EXPECT_EQ(steps.step(), 4) << "the stage before is through";
  steps.Reach(5);
  steps.Reach(2);
  EXPECT_EQ(steps.step(), 9) << "never falls";
  steps.Reach(100);
  EXPECT_EQ(steps.step(), 10) << "no further than its stage";
  EXPECT_EQ(steps.total(), 20);
  steps.End();
  EXPECT_EQ(steps.step(), 20);
  EXPECT_EQ(steps.total(), 20);
}

TEST(StepCount, MoreThanWasPlannedMovesTheTotal) {
  StepCount steps;
  steps.Plan(5);
  steps.Begin(5);
  steps.Begin(7);
  EXPECT_EQ(steps.total(), 12);
  steps.End();
  EXPECT_EQ(steps.step(), steps.total());
}

// The worker ends a child whose step stands still for five minutes.
TEST(StepCount, AStepMovesWhileNothingIsCounted) {
  testing::FakeClock clock;
  StepCount steps(clock);
  steps.Plan(10);
  steps.Begin(10);
  EXPECT_FALSE(steps.Beat());
  for (int i = 1; i <= 40; ++i) {
    clock.Advance(absl::Seconds(10));
    EXPECT_TRUE(steps.Beat());
    EXPECT_FALSE(steps.Beat());
    EXPECT_EQ(steps.step(), i);
    EXPECT_EQ(steps.total(), 10 + i);
  }
  clock.Advance(absl::Seconds(9));
  steps.Reach(1);
  EXPECT_EQ(steps.step(), 41);
  clock.Advance(absl::Seconds(9));
  EXPECT_FALSE(steps.Beat()) << "it moved by itself";
  steps.End();
  EXPECT_EQ(steps.step(), 50);
  EXPECT_EQ(steps.total(), 50);
}

TEST(StepCount, AJobThatGoesOnNeitherFallsNorCountsTwice) {
  testing::FakeClock clock;
  StepCount first(clock);
  first.Plan(30);
  first.Begin(10);
  clock.Advance(absl::Seconds(10));
  EXPECT_TRUE(first.Beat());
  first.Begin(20);
  first.Reach(5);
  EXPECT_EQ(first.step(), 16);

  StepCount second(clock);
  second.GoOnFrom(first.steps());
  EXPECT_EQ(second.step(), 16);
  EXPECT_EQ(second.total(), 31);
  second.Begin(10);
  second.Reach(9);
  EXPECT_EQ(second.step(), 16) << "counted before";
  clock.Advance(absl::Seconds(10));
  EXPECT_TRUE(second.Beat()) << "and yet it moves";
  EXPECT_EQ(second.step(), 17);
  second.Begin(20);
  second.Reach(5);
  EXPECT_EQ(second.step(), 17);
  second.Reach(6);
  EXPECT_EQ(second.step(), 18);
  second.End();
  EXPECT_EQ(second.step(), 32);
  EXPECT_EQ(second.total(), 32);
}

// A killed job repeats what lies behind its last checkpoint: layers, not twenty seconds.
TEST(CheckpointPace, SmallOnesComeEveryHalfSecondLargeOnesTakeATwentieth) {
  struct Row {
    int taken_ms, due_ms;
  };
  for (const Row& row :
       {Row{0, 500}, Row{10, 500}, Row{100, 2'000}, Row{900, 18'000}, Row{5'000, 20'000}}) {
    testing::FakeClock clock;
    CheckpointPace pace(clock);
    EXPECT_FALSE(pace.IsDue());
    clock.Advance(absl::Milliseconds(500));
    EXPECT_TRUE(pace.IsDue()) << "the first";
    pace.Begin();
    clock.Advance(absl::Milliseconds(row.taken_ms));
    pace.End();
    clock.Advance(absl::Milliseconds(row.due_ms - 1));
    EXPECT_FALSE(pace.IsDue()) << row.taken_ms;
    clock.Advance(absl::Milliseconds(2));
    EXPECT_TRUE(pace.IsDue()) << row.taken_ms;
  }
}

}  // namespace
}  // namespace lbw::tasks
