#include "client/cpp/retry.h"

#include <algorithm>

#include "client/cpp/errors.h"

namespace lbw::client {
namespace {

constexpr int kMaxAskedSeconds = 30;

}  // namespace

RetryState::RetryState(const RetryLimits& limits, const base::Clock& clock)
    : limits_(limits),
      clock_(clock),
      progress_ns_(clock.SteadyNs()),
      backoff_(limits.backoff_initial) {}

void RetryState::Progress() {
  progress_ns_ = clock_.SteadyNs();
  backoff_ = limits_.backoff_initial;
}

std::optional<absl::Duration> RetryState::NextDelay(const absl::Status& failure, bool has_contact) {
  const absl::Duration patience = has_contact ? limits_.no_progress : limits_.first_contact;
  if (absl::Nanoseconds(clock_.SteadyNs() - progress_ns_) >= patience) return std::nullopt;
  absl::Duration delay = backoff_;
  if (const auto asked = GetCallDetails(failure).retry_after; asked.has_value()) {
    delay = std::max(delay, std::min(*asked, absl::Seconds(kMaxAskedSeconds)));
  }
  backoff_ = std::min(backoff_ * 2, limits_.backoff_max);
  return delay;
}

}  // namespace lbw::client
