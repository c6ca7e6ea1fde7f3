// Jobs that go, with everything that belongs to them, in transactions that are bounded however much
// that is. Everything here runs inside a transaction of its caller.
#ifndef LBW_JOBS_QUEUE_DELETE_H_
#define LBW_JOBS_QUEUE_DELETE_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "jobs/queue_rows.h"

namespace lbw::jobs {

// Removes the job, or as many of its oldest events as one transaction may where it has more. False:
// it is still there, and the caller asks again. Errors: kNotFound; kFailedPrecondition,
// WRONG_STATE.
absl::StatusOr<bool> DeleteSome(JobRows& rows, std::string_view id);

// The same for jobs that ended longer ago than they are kept.
struct SweptSome {
  int64_t jobs = 0;   // that are gone
  bool more = false;  // the caller asks again
};
absl::StatusOr<SweptSome> SweepSome(JobRows& rows);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_DELETE_H_
