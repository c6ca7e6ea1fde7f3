// What a network's answers say about a picture that is evaluated or measured on. Pure.
#ifndef LBW_TASKS_JUDGE_H_
#define LBW_TASKS_JUDGE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "dataset/dataset.h"
#include "detect/decoder.h"
#include "eval/agreement.h"
#include "model/model.h"
#include "tasks/evaluate_spec.h"
#include "tasks/evaluate_state.h"
#include "tasks/evaluate_subject.h"
#include "tasks/predict.h"

namespace lbw::tasks {

// Errors: kFailedPrecondition, NOT_THE_RIGHT_HEAD - a detector on a dataset for classifiers, or the
// reverse.
absl::Status CheckTask(const model::ModelSpec& spec, const dataset::Dataset& data);

// How answers are decoded; of a classifier all classes, so that the rank of a label is known.
detect::DecodeOptions DecodeOptionsOf(const model::ModelSpec& spec, const EvaluateOptions& asked);

struct Judging {
  bool classifier = false;
  const std::vector<int32_t>& to_dataset;  // the model's class -> the subject's; -1: left out
  const Subject& subject;
};
// Puts the answers for the subject's index-th picture, which could be read, into the run.
void TakePredicted(const Predicted& predicted, const Judging& judging, int32_t index,
                   RunState& run);

// eval::EvaluateAgreement's mean; unset where the reference found nothing. Errors: its.
absl::StatusOr<std::optional<double>> MeanAgreement(
    const eval::VersionPair& versions, const base::CancelToken& cancel = base::CancelToken());

}  // namespace lbw::tasks

#endif  // LBW_TASKS_JUDGE_H_
