#include "jobs/queue_attempt.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "jobs/queue_lanes.h"

namespace lbw::jobs {
namespace {

// What the state's event says; "" where the state says it all.
std::string ReasonOf(const Outcome& outcome, const Decision& decision) {
  switch (outcome.kind) {
    case Outcome::Kind::kStopped:
      return "its worker stopped";
    case Outcome::Kind::kResult:
    case Outcome::Kind::kPaused:
    case Outcome::Kind::kCancelled:
      return "";
    default:
      break;
  }
  return decision.error.message.empty() ? outcome.detail : decision.error.message;
}

}  // namespace

absl::StatusOr<std::optional<JobRow>> BeginAttempt(JobRows& rows, std::string_view worker,
                                                   absl::Span<const std::string> kinds) {
  LBW_RETURN_IF_ERROR(OpenDueLanes(rows.session()));
  LBW_ASSIGN_OR_RETURN(const std::optional<NextJob> next, FindNextJob(rows.session(), kinds));
  if (!next) return std::optional<JobRow>();
  LBW_ASSIGN_OR_RETURN(JobRow row, rows.Load(next->id));
  Job& job = row.job;
  ++job.attempts;
  // Rises also over a lease that a power cut made the database forget: no two attempts share one.
  job.lease_token = std::max(job.lease_token + 1, rows.session().NowUs());
  job.worker = std::string(worker);
  job.lease_expire_time = rows.Now() + rows.limits().lease;
  if (!job.start_time) job.start_time = rows.Now();
  LBW_RETURN_IF_ERROR(rows.Move(row, JobState::kRunning, ""));
  LBW_RETURN_IF_ERROR(TakeTurn(rows.session(), *next));
  return std::optional<JobRow>(std::move(row));
}

absl::Status EndAttempt(JobRows& rows, JobRow& row, const Outcome& outcome,
                        std::string_view result_json, const Queue::ApplyFailure& on_failure) {
  Job& job = row.job;
  const Decision decision = Decide(job, outcome, rows.limits().retry);
  job.failed_attempts = decision.failed_attempts;
  job.lost_attempts = decision.lost_attempts;
  job.not_begun = decision.not_begun;
  job.error = decision.error;
  if (decision.next == JobState::kSucceeded) job.result_json = std::string(result_json);
  if (decision.next == JobState::kQueued && decision.delay > absl::ZeroDuration()) {
    // As the row will have it.
    job.retry_time = rows.Now() + absl::Floor(decision.delay, absl::Microseconds(1));
  }
  LBW_RETURN_IF_ERROR(rows.Move(row, decision.next, ReasonOf(outcome, decision)));
  const bool failed = decision.next == JobState::kFailed || decision.next == JobState::kCancelled;
  return failed && on_failure ? on_failure(rows.session(), job) : absl::OkStatus();
}

Outcome OutcomeOf(const absl::Status& apply_error) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kError;
  outcome.error.code = apply_error.code();
  outcome.error.reason = base::GetErrorDetails(apply_error).reason;
  if (outcome.error.reason.empty()) {
    outcome.error.reason = std::string(base::reason::kInternal.text);
  }
  outcome.error.message = base::StrCat("the result could not be kept: ", apply_error.message());
  return outcome;
}

bool IsDatabaseTrouble(const absl::Status& status) {
  const std::string reason = base::GetErrorDetails(status).reason;
  return reason == base::reason::kStoreFailed.text || reason == base::reason::kOutOfRoom.text;
}

}  // namespace lbw::jobs
