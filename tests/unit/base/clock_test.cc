#include "base/clock.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "support/fake_clock.h"

namespace lbw::base {
namespace {

TEST(RealClock, IsTheMachinesAndNeverRunsBackwards) {
  EXPECT_LT(absl::AbsDuration(RealClock().Now() - absl::Now()), absl::Minutes(1));
  int64_t last = RealClock().SteadyNs();
  for (int i = 0; i < 1000; ++i) {
    const int64_t now = RealClock().SteadyNs();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(Stopwatch, MeasuresTheClockItWasGiven) {
  testing::FakeClock clock;
  const Stopwatch watch(clock);
  EXPECT_EQ(watch.ElapsedNs(), 0);
  clock.Advance(absl::Microseconds(1500));
  EXPECT_EQ(watch.ElapsedNs(), 1'500'000);
  EXPECT_EQ(watch.ElapsedUs(), 1500u);
  clock.SetNow(absl::UnixEpoch());
  EXPECT_EQ(watch.ElapsedUs(), 1500u);
}

}  // namespace
}  // namespace lbw::base
