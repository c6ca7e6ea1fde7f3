#include "support/fake_clock.h"

namespace lbw::testing {

void FakeClock::Advance(absl::Duration by) {
  absl::MutexLock lock(&mu_);
  now_ += by;
  steady_ns_ += absl::ToInt64Nanoseconds(by);
}

void FakeClock::SetNow(absl::Time now) {
  absl::MutexLock lock(&mu_);
  now_ = now;
}

}  // namespace lbw::testing
