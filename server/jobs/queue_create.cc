#include "jobs/queue_create.h"

#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/queue_draft.h"
#include "jobs/queue_workers.h"

namespace lbw::jobs {

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
  row.job.priority = draft.priority;
  row.job.labels = draft.labels;
  row.job.estimate_json = draft.estimate_json;
  row.job.uses = draft.uses;
  row.artifacts = draft.artifacts;
  LBW_RETURN_IF_ERROR(rows.Insert(row));
  return row;
}

// The job that the submitter made by the same request.
absl::StatusOr<std::optional<Job>> FindEarlier(JobRows& rows, const JobDraft& draft) {
  if (draft.request_id.empty()) return std::optional<Job>();
  const std::vector<store::Value> key = {draft.submitter, draft.request_id};
  LBW_ASSIGN_OR_RETURN(const std::vector<JobRow> found,
                       rows.Select("WHERE submitter = $1 AND request_id = $2", key));
  if (found.empty()) return std::optional<Job>();
  const Job& job = found.front().job;
  if (IsSameRequest(job, draft)) return std::optional<Job>(job);
  base::Error error(absl::StatusCode::kAlreadyExists, base::reason::kRequestIdReused,
                    base::StrCat("request_id was used for another request, which made ",
                                 base::JobName(job.id), ": request_id=", draft.request_id));
  error.Field("request_id");
  return error;
}

}  // namespace lbw::jobs
