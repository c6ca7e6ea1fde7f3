// An attempt's beginning and end as changes of rows. Everything here runs inside a transaction of
// its caller.
#ifndef LBW_JOBS_QUEUE_ATTEMPT_H_
#define LBW_JOBS_QUEUE_ATTEMPT_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "jobs/queue.h"
#include "jobs/queue_rows.h"
#include "jobs/retry_policy.h"

namespace lbw::jobs {

// Leases the next job to the worker; none is due: nothing.
absl::StatusOr<std::optional<JobRow>> BeginAttempt(JobRows& rows, std::string_view worker,
                                                   absl::Span<const std::string> kinds);
// Moves a job that holds a lease to what Decide says; result_json is kept when it SUCCEEDED, and
// on_failure (may be empty) runs when it FAILED or was CANCELLED.
absl::Status EndAttempt(JobRows& rows, JobRow& row, const Outcome& outcome,
                        std::string_view result_json, const Queue::ApplyFailure& on_failure);
// How an attempt ends whose result could not be applied.
Outcome OutcomeOf(const absl::Status& apply_error);
// Whether a status tells of the database rather than of what was asked of it.
bool IsDatabaseTrouble(const absl::Status& status);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_ATTEMPT_H_
