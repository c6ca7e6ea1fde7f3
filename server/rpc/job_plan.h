// From what a caller asks to a job: reads the facts that the spec needs, and the bundle for its
// estimate.
//
// Threads: every function blocks on the database or the disk; safe to call concurrently.
#ifndef LBW_RPC_JOB_PLAN_H_
#define LBW_RPC_JOB_PLAN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "jobs/job.h"
#include "lbw/v1/job.pb.h"
#include "rpc/services.h"
#include "tasks/estimate.h"

namespace lbw::rpc {

struct JobPlan {
  jobs::JobDraft draft;
  // For the estimate
  std::string bundle;  // sha256
  uint64_t bundle_bytes = 0;
  uint64_t pictures = 0;
  int threads = 1;
  std::vector<double> measured_ms;  // a picture, of earlier evaluations with the same threads
};

// Errors: those of CheckCreateRequest, FillIn, Registry::Resolve and Datasets::RequireReady, with
// the request's fields.
absl::StatusOr<JobPlan> PlanJob(const ServiceContext& context, const v1::CreateJobRequest& request);

// Reads the bundle. Errors: the store's; EstimateEvaluation's.
absl::StatusOr<tasks::Estimate> EstimateOf(const ServiceContext& context, const JobPlan& plan);

// The job as it would be created, for validate_only: no name, no times.
jobs::Job PreviewOf(const jobs::JobDraft& draft);

}  // namespace lbw::rpc

#endif  // LBW_RPC_JOB_PLAN_H_
