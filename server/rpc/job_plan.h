// From what a caller asks to a job: reads the facts that the spec needs, and of the bundle what its
// estimate needs.
//
// Threads: every function blocks on the database or the disk; safe to call concurrently.
#ifndef LBW_RPC_JOB_PLAN_H_
#define LBW_RPC_JOB_PLAN_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "jobs/job.h"
#include "lbw/v1/job.pb.h"
#include "rpc/services.h"
#include "store/database.h"
#include "tasks/estimate.h"

namespace lbw::rpc {

struct JobPlan {
  jobs::JobDraft draft;
  // That the job reads, as they were when it was planned.
  struct Dataset {
    std::string name;
    std::string pack;  // sha256
  };
  std::vector<Dataset> datasets;
  // What the job will cost; reads the bundle's header unless planning has read it, never its
  // weights. Not to be called after the context that the job was planned with is gone. Errors: the
  // store's; those of ReadBundleOutline; those of tasks/estimate.h.
  std::function<absl::StatusOr<tasks::Estimate>()> estimate;
};

// Errors: those of CheckCreateRequest, FillIn, Registry::Resolve and Datasets::RequireReady, with
// the request's fields.
absl::StatusOr<JobPlan> PlanJob(const ServiceContext& context, const v1::CreateJobRequest& request);

// An evaluation with everything filled in, as a job would have it; nothing is created. Errors:
// those of PlanJob, with fields that begin with "spec.evaluate".
absl::StatusOr<v1::EvaluateSpec> FillInEvaluation(const ServiceContext& context,
                                                  const v1::EvaluateSpec& asked);

// For the transaction that creates the job: what it was planned on is still there. Errors: those of
// Datasets::RequireReady; kFailedPrecondition, DATASET_NOT_READY - made anew meanwhile.
absl::Status CheckStillThere(store::Session& session, const JobPlan& plan);

// The job as it would be created, for validate_only: no name, no times.
jobs::Job PreviewOf(const jobs::JobDraft& draft);

}  // namespace lbw::rpc

#endif  // LBW_RPC_JOB_PLAN_H_
