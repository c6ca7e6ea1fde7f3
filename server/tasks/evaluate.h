// The job `evaluate`: a version, and perhaps another beside it, over the pictures of a dataset.
#ifndef LBW_TASKS_EVALUATE_H_
#define LBW_TASKS_EVALUATE_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/executor.h"
#include "jobs/runner.h"
#include "registry/datasets.h"
#include "registry/registry.h"

namespace lbw::tasks {

// Names to digests: {"bundle", "pack", "against_bundle"}. Errors: kNotFound, kFailedPrecondition.
absl::StatusOr<std::string> PrepareEvaluate(const jobs::Job& job, registry::Registry& registry,
                                            registry::Datasets& datasets);

// Answers lbw.v1.JobResult with an evaluation. Errors: kInvalidArgument, kFailedPrecondition - the
// spec, the dataset or the version do not fit each other; kDataLoss; what ObeyedStatus makes.
absl::StatusOr<std::string> RunEvaluate(const jobs::JobContext& context,
                                        engine::ExecutorFactory& engine);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_EVALUATE_H_
