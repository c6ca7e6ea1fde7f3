#include "client/cpp/retry.h"

#include "client/cpp/errors.h"
#include "gtest/gtest.h"
#include "support/fake_clock.h"
#include "unit/client/fake_server.h"

namespace lbw::client {
namespace {

const auto& kAway = *new absl::Status(absl::StatusCode::kUnavailable, "away");

TEST(RetryState, DoublesUpToTheCapAndBeginsAgainWithProgress) {
  lbw::testing::FakeClock clock;
  RetryState retry({}, clock);
  for (const int ms : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_EQ(retry.NextDelay(kAway, true), absl::Milliseconds(ms));
  }
  retry.Progress();
  EXPECT_EQ(retry.NextDelay(kAway, true), absl::Milliseconds(100));
}

TEST(RetryState, GivesUpTenMinutesAfterTheLastProgress) {
  lbw::testing::FakeClock clock;
  RetryState retry({}, clock);
  clock.Advance(absl::Minutes(10) - absl::Nanoseconds(1));
  EXPECT_TRUE(retry.NextDelay(kAway, true).has_value());
  retry.Progress();
  clock.Advance(absl::Minutes(9));
  EXPECT_TRUE(retry.NextDelay(kAway, true).has_value());
  clock.Advance(absl::Minutes(1));
  EXPECT_FALSE(retry.NextDelay(kAway, true).has_value());
}

TEST(RetryState, AServerThatNeverAnsweredGetsLittleTime) {
  lbw::testing::FakeClock clock;
  RetryState retry({}, clock);
  EXPECT_TRUE(retry.NextDelay(kAway, false).has_value());
  clock.Advance(absl::Seconds(3));
  EXPECT_FALSE(retry.NextDelay(kAway, false).has_value());
  EXPECT_TRUE(retry.NextDelay(kAway, true).has_value());
}

TEST(RetryState, HonoursTheServersWishWithinReason) {
  lbw::testing::FakeClock clock;
  RetryState retry({}, clock);
  FakeError full = {grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL"};
  full.retry_after_s = 5;
  EXPECT_EQ(retry.NextDelay(FromGrpc(MakeStatus(full)), true), absl::Seconds(5));
  full.retry_after_s = 3600;
  EXPECT_EQ(retry.NextDelay(FromGrpc(MakeStatus(full)), true), absl::Seconds(30));
}

}  // namespace
}  // namespace lbw::client
