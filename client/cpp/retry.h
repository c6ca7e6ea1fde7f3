// When to send a call again: a pure policy over a clock.
#ifndef LBW_CLIENT_RETRY_H_
#define LBW_CLIENT_RETRY_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace lbw::client {

struct RetryLimits {
  // How long a server that never answered is tried.
  absl::Duration first_contact = absl::Seconds(3);
  // How long work that stands still is tried once the server has answered.
  absl::Duration no_progress = absl::Minutes(10);
  absl::Duration backoff_initial = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(1);
};

// Follows one piece of work through its failures. Threads: one at a time.
class RetryState {
 public:
  explicit RetryState(const RetryLimits& limits, const base::Clock& clock = base::RealClock());

  // The work moved: time and back-off begin again.
  void Progress();

  // How long to wait before the next try after `failure`, which the caller holds for worth one;
  // nullopt: give up. Doubles from backoff_initial to backoff_max, and is never below the delay the
  // server asked for (at most 30 s). has_contact: the server has answered in this session.
  std::optional<absl::Duration> NextDelay(const absl::Status& failure, bool has_contact);

 private:
  const RetryLimits limits_;
  const base::Clock& clock_;
  int64_t progress_ns_;
  absl::Duration backoff_;
};

}  // namespace lbw::client

#endif  // LBW_CLIENT_RETRY_H_
