// The part of PlanJob for jobs of kind quantize and compare: reads the facts that their specs need.
//
// Threads: every function blocks on the database or the disk; safe to call concurrently.
#ifndef LBW_RPC_CALIBRATION_PLAN_H_
#define LBW_RPC_CALIBRATION_PLAN_H_

#include "absl/status/statusor.h"
#include "lbw/v1/job.pb.h"
#include "rpc/job_plan.h"
#include "rpc/services.h"

namespace lbw::rpc {

// Also reads the bundle's header. Errors: those of FillIn, Registry::ResolveFloat and
// Datasets::RequireReady, with the request's fields; the store's.
absl::StatusOr<JobPlan> PlanQuantize(const ServiceContext& context,
                                     const v1::CreateJobRequest& request);

// reference left out: the float ancestor of the version. Errors: those of FillIn, Registry::Resolve
// and Datasets::RequireReady, with the request's fields; kInvalidArgument, BAD_ARGUMENT, field
// spec.compare.reference - left out where the version is float.
absl::StatusOr<JobPlan> PlanCompare(const ServiceContext& context,
                                    const v1::CreateJobRequest& request);

}  // namespace lbw::rpc

#endif  // LBW_RPC_CALIBRATION_PLAN_H_
