// A clock that moves only when a test says so.
#ifndef LBW_TESTS_SUPPORT_FAKE_CLOCK_H_
#define LBW_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace lbw::testing {

// Threads: all methods may be called concurrently.
class FakeClock final : public base::Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : now_(start) {}

  absl::Time Now() const override {
    absl::MutexLock lock(&mu_);
    return now_;
  }
  int64_t SteadyNs() const override {
    absl::MutexLock lock(&mu_);
    return steady_ns_;
  }
  // Moves both clocks on.
  void Advance(absl::Duration by);
  // Sets the wall clock only, also backwards.
  void SetNow(absl::Time now);

 private:
  mutable absl::Mutex mu_;
  absl::Time now_ ABSL_GUARDED_BY(mu_);
  int64_t steady_ns_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace lbw::testing

#endif  // LBW_TESTS_SUPPORT_FAKE_CLOCK_H_
