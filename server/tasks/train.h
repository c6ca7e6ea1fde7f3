// The jobs `train` and `fine_tune`: weights trained in float, or codes trained on the grid from the
// calibrated ones on.
//
// Precision: on the CPU a run that was stopped and goes on with as many threads ends in the bits of
//            an undisturbed one.
#ifndef LBW_TASKS_TRAIN_H_
#define LBW_TASKS_TRAIN_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/executor.h"
#include "jobs/runner.h"

namespace lbw::tasks {

// The child's side. Answers {"training": lbw.v1.TrainingResult without version, "bundle",
// "bundle_bytes", "options", "rule_matches"}, or "report_blob" where the first is too long.
// Errors: kInvalidArgument, kFailedPrecondition - version or datasets do not fit the spec;
// kFailedPrecondition, TRAINING_DIVERGED, NO_CUDA_BUILD, NO_CUDA_DEVICE; what ObeyedStatus makes.
absl::StatusOr<std::string> RunTrain(const jobs::JobContext& context,
                                     engine::ExecutorFactory& engine);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_TRAIN_H_
