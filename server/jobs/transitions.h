// The state machine of a job: one table, tested pair by pair. Pure.
//
//   QUEUED ---lease---> RUNNING ---> SUCCEEDED | FAILED
//     ^  ^                |  \--pause--> PAUSING ---> PAUSED --resume--> QUEUED
//     |  \--- requeue ----/   \-cancel-> CANCELLING -> CANCELLED
//
// A job that is PAUSING or CANCELLING may still succeed or fail: its process may have been faster.
// One whose lease is lost while PAUSING becomes PAUSED, while CANCELLING becomes CANCELLED.
#ifndef LBW_JOBS_TRANSITIONS_H_
#define LBW_JOBS_TRANSITIONS_H_

#include "absl/status/statusor.h"
#include "jobs/job.h"

namespace lbw::jobs {

bool IsAllowed(JobState from, JobState to);

// What a caller's wish makes of a job.
enum class Wish : uint8_t { kCancel, kPause, kResume, kDelete };
// The state that follows; the same state where the wish is fulfilled or under way already (cancel
// of a CANCELLED job). kDelete answers the state as it is. Errors: kFailedPrecondition,
// WRONG_STATE - names the job's state and those in which the wish is possible.
absl::StatusOr<JobState> Apply(Wish wish, JobState state);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_TRANSITIONS_H_
