// What becomes of a job when an attempt ends. Pure: the same snapshot and outcome give the same
// decision.
//
// Counts:   an attempt that ended by itself (error that may pass, crash, stall) or by running out
//           of memory counts; max_attempts of them in a row without a new checkpoint end the job.
//           One that was lost with its worker, or to a SIGKILL from outside, or that the server
//           could not begin, does not count, but backs off; max_not_begun of the latter in a row
//           end the job too (what is lost in between changes nothing). One that gave its lease back
//           (stop) neither counts nor backs off.
// Back-off: base * 2^(n-1), at most max, where n = attempts in a row that failed or did not count,
//           times 0.75..1.25 by a hash of job id and attempt, so that jobs do not come back as one.
#ifndef LBW_JOBS_RETRY_POLICY_H_
#define LBW_JOBS_RETRY_POLICY_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "jobs/job.h"

namespace lbw::jobs {

struct RetryLimits {
  int64_t max_attempts = 5;
  int64_t max_not_begun = 20;  // an hour, with these back-offs
  absl::Duration backoff_base = absl::Seconds(2);
  absl::Duration backoff_max = absl::Minutes(5);
};

// How an attempt ended.
struct Outcome {
  enum class Kind : uint8_t {
    kResult,       // the child reported a result
    kError,        // the child reported an error
    kCrashed,      // it ended by itself without either: exit status or a signal other than SIGKILL
    kOutOfMemory,  // the kernel ended it for its memory
    kKilled,       // SIGKILL from outside
    kStalled,      // its step did not move for stall_timeout
    kLost,         // the lease ran out, or its worker died
    kStopped,      // it obeyed stop: the lease is given back
    kPaused,       // it obeyed pause
    kCancelled,    // it obeyed cancel, or was ended because it did not
    kNotStarted,   // it could not be begun, by no fault of its own
  };
  Kind kind = Kind::kResult;
  JobError error;  // kError; otherwise made by Decide
  // "killed by signal 11 (SIGSEGV)", "exit status 3": shown with the job.
  std::string detail;
};

struct Decision {
  JobState next = JobState::kQueued;
  absl::Duration delay;  // QUEUED: not before now + delay
  int64_t failed_attempts = 0;
  int64_t lost_attempts = 0;
  int64_t not_begun = 0;
  JobError error;
};

// An error's code that may pass by itself: UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED,
// DEADLINE_EXCEEDED, INTERNAL, UNKNOWN. The others are the job's own fault and final.
bool MayPass(absl::StatusCode code);

// job as it stands (state RUNNING, PAUSING or CANCELLING; counts before this attempt's end).
Decision Decide(const Job& job, const Outcome& outcome, const RetryLimits& limits);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_RETRY_POLICY_H_
