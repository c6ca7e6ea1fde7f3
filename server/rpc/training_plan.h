// The part of PlanJob for jobs of kind train and fine_tune: reads the facts that their specs need.
//
// Threads: every function blocks on the database or the disk; safe to call concurrently.
#ifndef LBW_RPC_TRAINING_PLAN_H_
#define LBW_RPC_TRAINING_PLAN_H_

#include "absl/status/statusor.h"
#include "lbw/v1/job.pb.h"
#include "rpc/job_plan.h"
#include "rpc/services.h"

namespace lbw::rpc {

// Both also read the bundle's header. Errors: those of FillIn (training_job_spec.h) and
// Datasets::RequireReady, with the request's fields; the store's; kFailedPrecondition,
// NO_CUDA_BUILD or NO_CUDA_DEVICE - a device that this machine, whose workers take jobs, does not
// have.

// Also those of Registry::Resolve; kFailedPrecondition, ALREADY_QUANTIZED - a quantized version
// (names its float ancestor).
absl::StatusOr<JobPlan> PlanTrain(const ServiceContext& context,
                                  const v1::CreateJobRequest& request);
// Also those of Registry::ResolveFloat.
absl::StatusOr<JobPlan> PlanFineTune(const ServiceContext& context,
                                     const v1::CreateJobRequest& request);

}  // namespace lbw::rpc

#endif  // LBW_RPC_TRAINING_PLAN_H_
