// The child's side of the job `quantize`: a float version and pictures in, a calibrated bundle and
// its report out. What the worker does around it: quantize_publish.h.
#ifndef LBW_TASKS_QUANTIZE_H_
#define LBW_TASKS_QUANTIZE_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/executor.h"
#include "jobs/runner.h"

namespace lbw::tasks {

// Spec:    ParseQuantizeSpec. Inputs: PrepareQuantize's.
// Answers  {"quantization": {"report": lbw.v1.QuantizationReport, "calibration":
//          lbw.v1.CalibrationReport}, "rule_matches": [lbw.v1.RuleMatch], "options":
//          lbw.v1.QuantizationOptions as finally used, "bundle": SHA-256 of a durable blob,
//          "bundle_bytes": "n"}.
//          Where "quantization" is too long for a result (report_size.h): "report_blob" in its
//          place, the SHA-256 of a durable blob with the text of what would stand there; its object
//          may hold "rule_matches" too, which the result then leaves out.
// Orders:  obeyed within a layer; a checkpoint holds the layers that are solved, and the same
//          bundle comes of it, bit for bit.
// Errors:  kInvalidArgument, kFailedPrecondition - the spec, the dataset or the version do not fit
//          each other; BAD_DATASET - no picture could be decoded; kDataLoss; what ObeyedStatus
//          makes.
absl::StatusOr<std::string> RunQuantize(const jobs::JobContext& context,
                                        engine::ExecutorFactory& engine);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_H_
