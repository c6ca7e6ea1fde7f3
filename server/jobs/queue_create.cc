#include "jobs/queue_create.h"

#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/queue_draft.h"
#include "jobs/queue_workers.h"

namespace lbw::jobs {
namespace {

absl::StatusOr<std::optional<Job>> Find(JobRows& rows, const std::string& submitter,
                                        const std::string& request_id) {
  const std::vector<store::Value> key = {submitter, request_id};
  LBW_ASSIGN_OR_RETURN(std::vector<JobRow> found,
                       rows.Select("WHERE submitter = $1 AND request_id = $2", key));
  if (found.empty()) return std::optional<Job>();
  return std::optional<Job>(std::move(found.front().job));
}

absl::Status Reused(const Job& job) {
  base::Error error(absl::StatusCode::kAlreadyExists, base::reason::kRequestIdReused,
                    base::StrCat("request_id was used for another request, which made ",
                                 base::JobName(job.id), ": request_id=", job.request_id));
  error.Field("request_id");
  return error;
}

}  // namespace

absl::StatusOr<JobRow> CreateJob(JobRows& rows, const JobDraft& draft, const std::string& id) {
  LBW_ASSIGN_OR_RETURN(const int64_t active, CountActive(rows.session()));
  if (active >= rows.limits().max_active) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kLimitExceeded,
                       base::StrCat("too many jobs have not ended: ", active,
                                    " limit=", rows.limits().max_active));
  }
  JobRow row;
  row.job.id = id;
  row.job.kind = draft.kind;
  row.job.spec_json = draft.spec_json;
  row.job.submitter = draft.submitter;
  row.job.request_id = draft.request_id;
  row.job.request_digest = draft.request_digest;
  row.job.priority = draft.priority;
  row.job.labels = draft.labels;
  row.job.estimate_json = draft.estimate_json;
  row.job.uses = draft.uses;
  row.artifacts = draft.artifacts;
  LBW_RETURN_IF_ERROR(rows.Insert(row));
  return row;
}

absl::StatusOr<std::optional<Job>> FindEarlier(JobRows& rows, const JobDraft& draft) {
  if (draft.request_id.empty()) return std::optional<Job>();
  LBW_ASSIGN_OR_RETURN(std::optional<Job> job, Find(rows, draft.submitter, draft.request_id));
  if (!job || IsSameRequest(*job, draft)) return job;
  return Reused(*job);
}

absl::StatusOr<std::optional<Job>> FindByRequest(JobRows& rows, const Queue::Request& request) {
  LBW_ASSIGN_OR_RETURN(std::optional<Job> job,
                       Find(rows, std::string(request.submitter), std::string(request.id)));
  if (!job || job->request_digest == request.digest) return job;
  if (job->request_digest.empty()) return std::optional<Job>();
  return Reused(*job);
}

}  // namespace lbw::jobs
