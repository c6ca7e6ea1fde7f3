#include "base/cancel.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "base/status.h"

namespace lbw::base {
namespace {

TEST(CancelToken, TheDefaultIsNeverCancelled) {
  EXPECT_TRUE(CancelToken().Check().ok());
  EXPECT_EQ(CancelToken().deadline(), absl::InfiniteFuture());
}

TEST(CancelToken, FollowsTheCallback) {
  bool gone = false;
  const CancelToken token([&gone] { return gone; }, absl::InfiniteFuture());
  EXPECT_TRUE(token.Check().ok());
  gone = true;
  EXPECT_EQ(token.Check().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(GetErrorDetails(token.Check()).reason, "CANCELLED");
}

TEST(CancelToken, TellsOfADeadlineThatPassed) {
  EXPECT_TRUE(CancelToken(nullptr, absl::Now() + absl::Hours(1)).Check().ok());
  const absl::Status late = CancelToken(nullptr, absl::Now() - absl::Milliseconds(1)).Check();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(GetErrorDetails(late).reason, "DEADLINE");
}

}  // namespace
}  // namespace lbw::base
