// Time as an interface, so that tests need no sleeps. Threads: all methods may be called
// concurrently.
#ifndef LBW_BASE_CLOCK_H_
#define LBW_BASE_CLOCK_H_

#include <cstdint>

#include "absl/time/time.h"

namespace lbw::base {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time, for what is shown or stored.
  virtual absl::Time Now() const = 0;
  // Monotonic, for durations; the origin means nothing.
  virtual int64_t SteadyNs() const = 0;
};

// The machine's clocks; lives for ever.
const Clock& RealClock();

// Measures one stretch of time.
class Stopwatch {
 public:
  explicit Stopwatch(const Clock& clock = RealClock())
      : clock_(&clock), start_ns_(clock.SteadyNs()) {}
  int64_t ElapsedNs() const { return clock_->SteadyNs() - start_ns_; }
  double ElapsedSeconds() const { return static_cast<double>(ElapsedNs()) * 1e-9; }
  uint32_t ElapsedUs() const { return static_cast<uint32_t>(ElapsedNs() / 1000); }

 private:
  const Clock* clock_;
  int64_t start_ns_;
};

}  // namespace lbw::base

#endif  // LBW_BASE_CLOCK_H_
