#include "jobs/retry_policy.h"

#include <algorithm>

#include "base/reason.h"
#include "base/strings.h"

namespace lbw::jobs {
namespace {

using Kind = Outcome::Kind;

// Whether an outcome counts against max_attempts, only backs off, or does neither.
enum class Weight : uint8_t { kCounts, kBacksOff, kNothing };

Weight WeightOf(Kind kind) {
  switch (kind) {
    case Kind::kError:
    case Kind::kCrashed:
    case Kind::kOutOfMemory:
    case Kind::kStalled:
      return Weight::kCounts;
    case Kind::kKilled:
    case Kind::kLost:
    case Kind::kNotStarted:
      return Weight::kBacksOff;
    case Kind::kResult:
    case Kind::kStopped:
    case Kind::kPaused:
    case Kind::kCancelled:
      break;
  }
  return Weight::kNothing;
}

JobError Made(absl::StatusCode code, base::Reason reason, std::string_view message) {
  return JobError{code, std::string(reason.text), std::string(message)};
}

JobError ErrorOf(const Job& job, const Outcome& outcome) {
  const std::string detail = outcome.detail.empty() ? "" : base::StrCat(": ", outcome.detail);
  switch (outcome.kind) {
    case Kind::kError:
      return outcome.error;
    case Kind::kCrashed:
      return Made(absl::StatusCode::kInternal, base::reason::kInternal,
                  base::StrCat("the job's process ended by itself", detail));
    case Kind::kOutOfMemory:
      return Made(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                  base::StrCat("the job's process ran out of memory", detail));
    case Kind::kStalled:
      return Made(absl::StatusCode::kDeadlineExceeded, base::reason::kDeadline,
                  base::StrCat("the job's step did not move for too long", detail));
    case Kind::kKilled:
      return Made(absl::StatusCode::kUnavailable, base::reason::kInternal,
                  base::StrCat("the job's process was killed from outside", detail));
    case Kind::kLost:
      return Made(absl::StatusCode::kUnavailable, base::reason::kLeaseLost,
                  base::StrCat("the lease ran out, or its worker died", detail));
    case Kind::kNotStarted: {
      JobError error = outcome.error;
      error.message = base::StrCat("it could not be begun yet: ", error.message);
      return error;
    }
    case Kind::kResult:
    case Kind::kCancelled:
      return {};
    case Kind::kStopped:
    case Kind::kPaused:
      break;
  }
  return job.error;  // of the last attempt that failed
}

JobError Exhausted(JobError last, Kind kind, int64_t attempts) {
  last.message =
      base::StrCat("failed ", attempts,
                   " times in a row without a new checkpoint, the last time with: ", last.message);
  // An error that the job itself told keeps its own reason: that is what to act on.
  if (kind != Kind::kError) last.reason = std::string(base::reason::kAttemptsExhausted.text);
  return last;
}

JobError NeverBegun(const JobError& last, int64_t times) {
  return Made(last.code, base::reason::kAttemptsExhausted,
              base::StrCat("it could not be begun ", times,
                           " times in a row, the last time with: ", last.message));
}

// One that was lost may have been begun or not.
int64_t NotBegun(const Job& job, Kind kind) {
  if (kind == Kind::kNotStarted) return job.not_begun + 1;
  return kind == Kind::kLost ? job.not_begun : 0;
}

uint64_t Hash(const Job& job) {
  // FNV-1a, then a finaliser so that consecutive attempts differ in every bit (MurmurHash3's).
  uint64_t hash = 14695981039346656037U;
  for (const char c : job.id) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211U;
  hash ^= static_cast<uint64_t>(job.attempts);
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53U;
  return hash ^ (hash >> 33);
}

absl::Duration Delay(const Job& job, int64_t in_a_row, const RetryLimits& limits) {
  absl::Duration delay = limits.backoff_base;
  for (int64_t i = 1; i < in_a_row && delay < limits.backoff_max; ++i) delay *= 2;
  delay = std::min(delay, limits.backoff_max);
  const double share = static_cast<double>(Hash(job) >> 11) / 9007199254740992.0;  // of 2^53
  return delay * (0.75 + 0.5 * share);
}

// Where a job goes whose attempt gave nothing final.
JobState StateWithoutEnd(JobState state) {
  if (state == JobState::kPausing) return JobState::kPaused;
  if (state == JobState::kCancelling) return JobState::kCancelled;
  return JobState::kQueued;
}

}  // namespace

bool MayPass(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

Decision Decide(const Job& job, const Outcome& outcome, const RetryLimits& limits) {
  const Weight weight = WeightOf(outcome.kind);
  Decision decision;
  decision.failed_attempts = job.failed_attempts + (weight == Weight::kCounts ? 1 : 0);
  decision.lost_attempts = job.lost_attempts + (weight == Weight::kBacksOff ? 1 : 0);
  decision.not_begun = NotBegun(job, outcome.kind);
  decision.error = ErrorOf(job, outcome);
  if (outcome.kind == Kind::kResult) {
    decision.next = JobState::kSucceeded;
    return decision;
  }
  if (outcome.kind == Kind::kError && !MayPass(outcome.error.code)) {
    decision.next = JobState::kFailed;
    return decision;
  }
  decision.next = StateWithoutEnd(job.state);
  if (decision.next == JobState::kCancelled) {
    decision.error = {};  // what was wished, however its process ended
    return decision;
  }
  if (weight == Weight::kCounts && decision.failed_attempts >= limits.max_attempts) {
    decision.next = JobState::kFailed;
    decision.error = Exhausted(std::move(decision.error), outcome.kind, decision.failed_attempts);
    return decision;
  }
  if (outcome.kind == Kind::kNotStarted && decision.not_begun >= limits.max_not_begun) {
    decision.next = JobState::kFailed;
    decision.error = NeverBegun(outcome.error, decision.not_begun);
    return decision;
  }
  if (decision.next == JobState::kQueued && weight != Weight::kNothing) {
    decision.delay = Delay(job, decision.failed_attempts + decision.lost_attempts, limits);
  }
  return decision;
}

}  // namespace lbw::jobs
