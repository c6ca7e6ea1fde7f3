// Whether a job may be created as it was asked for. Pure.
#ifndef LBW_JOBS_QUEUE_DRAFT_H_
#define LBW_JOBS_QUEUE_DRAFT_H_

#include "absl/status/status.h"
#include "jobs/job.h"

namespace lbw::jobs {

// Errors: kInvalidArgument - BAD_ARGUMENT or LIMIT_EXCEEDED, naming field, value and limit.
absl::Status CheckDraft(const JobDraft& draft);
// The same request: by the digests of what was sent, else by kind, spec, priority and labels.
bool IsSameRequest(const Job& job, const JobDraft& draft);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_DRAFT_H_
