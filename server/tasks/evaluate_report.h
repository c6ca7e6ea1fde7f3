// The figures of an evaluation as lbw.v1.Evaluation.
//
// Bounds: curves have at most 50 points a class and 2,400 in all; a confusion matrix is told up to
// 32
//         classes; so that a result stays far below a line of the jobs' protocol.
#ifndef LBW_TASKS_EVALUATE_REPORT_H_
#define LBW_TASKS_EVALUATE_REPORT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "dataset/dataset.h"
#include "eval/boxes.h"
#include "tasks/evaluate_spec.h"
#include "tasks/evaluate_state.h"
#include "tasks/json.h"

namespace lbw::tasks {

// What the figures are taken over. Indices of classes are the dataset's.
struct Truth {
  std::vector<std::string> labels;
  std::vector<eval::TruthBox> boxes;
  int32_t pictures = 0;
  dataset::Task task = dataset::Task::kDetection;
  dataset::Format format = dataset::Format::kAuto;
  eval::PixelRule pixels = eval::PixelRule::kInclusive;
};

// Fields metric, value, pictures, pictures_failed, voc and coco, or classification, agreement and
// timings. A figure that is not defined is left out, and so are value where the metric is not, and
// milliseconds a picture where no picture was read. cancel: asked as eval/work_meter.h says.
// Errors: those of room eval; cancel's.
absl::StatusOr<Json> Report(const Truth& truth, const EvaluateSpec& spec,
                            const EvaluateState& state,
                            const base::CancelToken& cancel = base::CancelToken());

// mAP so far, for progress; unset where nothing is defined, or cancel was asked and said so.
std::optional<double> RunningMap(const Truth& truth, const EvaluateState& state,
                                 const base::CancelToken& cancel = base::CancelToken());

// What promotion looks at: metric -> value, of those that are defined.
std::map<std::string, double> MetricsOf(const Json& evaluation);
// Without curves and confusion.
Json Summary(const Json& evaluation);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_EVALUATE_REPORT_H_
