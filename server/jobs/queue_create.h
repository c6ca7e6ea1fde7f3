// Making a job's rows, once. Everything here runs inside a transaction of its caller.
#ifndef LBW_JOBS_QUEUE_CREATE_H_
#define LBW_JOBS_QUEUE_CREATE_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "jobs/job.h"
#include "jobs/queue_rows.h"

namespace lbw::jobs {

// The job that the submitter made by the same request. Errors: kAlreadyExists, REQUEST_ID_REUSED -
// the request_id made another one.
absl::StatusOr<std::optional<Job>> FindEarlier(JobRows& rows, const JobDraft& draft);
// As Queue::FindByRequest.
absl::StatusOr<std::optional<Job>> FindByRequest(JobRows& rows, const Queue::Request& request);
// Errors: kResourceExhausted, LIMIT_EXCEEDED; those of JobRows::Insert.
absl::StatusOr<JobRow> CreateJob(JobRows& rows, const JobDraft& draft, const std::string& id);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_CREATE_H_
