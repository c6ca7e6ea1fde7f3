// The worker's side of the jobs `train` and `fine_tune`: names to digests before an attempt, the
// result into rows after it.
#ifndef LBW_TASKS_TRAIN_PUBLISH_H_
#define LBW_TASKS_TRAIN_PUBLISH_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "jobs/runner.h"
#include "tasks/json.h"
#include "tasks/tasks.h"

namespace lbw::tasks {

// {"bundle", "pack", "eval_pack", "calibration_pack"}, digests; those that are not needed are left
// out.
// Errors: kNotFound, kFailedPrecondition.
absl::StatusOr<std::string> PrepareTrain(const jobs::Job& job, registry::Registry& registry,
                                         registry::Datasets& datasets);

// Inside the transaction that ends the job: the bundle becomes an artifact and the next version of
// the model, READY, with its evaluation. `result` is RunTrain's and becomes lbw.v1.JobResult with
// the version's name; long lists may be missing there, the version has them. Errors: those of
// Registry::AddReadyVersion; kUnavailable, BLOB_GONE - the bundle was swept.
absl::Status ApplyTrain(store::Session& session, const jobs::Job& job, const TaskContext& context,
                        Json& result);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_TRAIN_PUBLISH_H_
