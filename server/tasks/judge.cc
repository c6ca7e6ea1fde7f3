#include "tasks/judge.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

void TakeBoxes(const Predicted& predicted, const Judging& judging, int32_t index, RunState& run) {
  for (const detect::Detection& detection : predicted.detections) {
    const int32_t mapped = judging.to_dataset[static_cast<size_t>(detection.class_index)];
    if (mapped < 0) continue;
    run.found.push_back({index, {detection.box, mapped, detection.score}});
  }
}

void TakeRank(const Predicted& predicted, const Judging& judging, int32_t index, RunState& run) {
  eval::JudgedPicture judged;
  judged.label = judging.subject.labels[static_cast<size_t>(index)];
  // Where it is not among them.
  judged.rank = static_cast<int32_t>(judging.subject.truth.labels.size()) - 1;
  // Classes that the dataset does not have stand in nobody's way.
  int32_t rank = 0;
  bool first = true;
  for (const detect::ClassScore& score : predicted.classes) {
    const int32_t mapped = judging.to_dataset[static_cast<size_t>(score.class_index)];
    if (mapped < 0) continue;
    if (std::exchange(first, false)) judged.predicted = mapped;
    if (mapped == judged.label) judged.rank = rank;
    ++rank;
  }
  run.judged.push_back(judged);
  run.judged_pictures.push_back(index);
}

}  // namespace

absl::Status CheckTask(const model::ModelSpec& spec, const dataset::Dataset& data) {
  const bool classification = data.task == dataset::Task::kClassification;
  if (IsClassifier(spec) == classification) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kFailedPrecondition, base::reason::kNotTheRightHead,
      base::StrCat("the dataset is for ", classification ? "classification" : "detection",
                   " and the version's head is ", spec.head.kind));
}

detect::DecodeOptions DecodeOptionsOf(const model::ModelSpec& spec, const EvaluateOptions& asked) {
  detect::DecodeOptions options;
  if (IsClassifier(spec)) {
    options.top_k = std::min<int64_t>(1000, static_cast<int64_t>(spec.classes.size()));
    return options;
  }
  options.score_threshold = asked.score_threshold;
  options.iou_threshold = asked.iou_threshold;
  options.max_detections = asked.max_detections;
  options.per_class = asked.per_class_nms;
  return options;
}

void TakePredicted(const Predicted& predicted, const Judging& judging, int32_t index,
                   RunState& run) {
  if (judging.classifier) {
    TakeRank(predicted, judging, index, run);
  } else {
    TakeBoxes(predicted, judging, index, run);
  }
}

absl::StatusOr<std::optional<double>> MeanAgreement(const eval::VersionPair& versions,
                                                    const base::CancelToken& cancel) {
  eval::AgreementOptions options;
  options.voc.max_curve_points = 2;
  LBW_ASSIGN_OR_RETURN(const eval::VocResult result,
                       eval::EvaluateAgreement(versions, options, cancel));
  if (!result.mean.has_value()) return std::nullopt;
  return result.mean->area;
}

}  // namespace lbw::tasks
