// The child's side of the job `compare`: two versions over the same pictures, layer by layer and
// box by box. What the worker does around it: quantize_publish.h.
#ifndef LBW_TASKS_COMPARE_H_
#define LBW_TASKS_COMPARE_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/executor.h"
#include "jobs/runner.h"

namespace lbw::tasks {

// Spec:    ParseCompareSpec. Inputs: PrepareCompare's.
// Answers  {"comparison": lbw.v1.Comparison}, or where that is too long for a result
//          (report_size.h) {"report_blob": SHA-256 of a durable blob with the text of what would
//          stand there}.
// Errors:  kInvalidArgument, kFailedPrecondition - the spec, the dataset or the versions do not fit
//          each other; kDataLoss; what ObeyedStatus makes.
absl::StatusOr<std::string> RunCompare(const jobs::JobContext& context,
                                       engine::ExecutorFactory& engine);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_COMPARE_H_
