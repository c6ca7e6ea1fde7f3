#include "base/cancel.h"

#include "base/clock.h"
#include "base/status.h"

namespace lbw::base {

absl::Status CancelToken::Check() const {
  if (is_cancelled_ && is_cancelled_()) {
    return Error(absl::StatusCode::kCancelled, reason::kCancelled, "the call was cancelled");
  }
  if (deadline_ != absl::InfiniteFuture() && RealClock().Now() >= deadline_) {
    return Error(absl::StatusCode::kDeadlineExceeded, reason::kDeadline,
                 "the call's deadline has passed");
  }
  return absl::OkStatus();
}

}  // namespace lbw::base
