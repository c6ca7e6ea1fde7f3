// What a training is asked, as values: lbw.v1.TrainSpec or lbw.v1.FineTuneSpec with everything
// filled in.
#ifndef LBW_TASKS_TRAIN_SPEC_H_
#define LBW_TASKS_TRAIN_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "tasks/json.h"
#include "tasks/quantize_spec.h"
#include "train/options.h"

namespace lbw::tasks {

struct TrainingDataAsked {
  std::string dataset;
  std::string split;         // "": every picture that is not evaluated on
  std::string eval_dataset;  // the same where nothing else was told
  std::string eval_split;    // "": nothing is evaluated on
  int64_t max_pictures = 0;  // the first so many; 0: all
};

struct FineTuneAsked {
  model::QuantizeOptions options;
  Json options_json;  // lbw.v1.QuantizationOptions as it stands in the spec
  CalibrationAsked calibration;
  bool from_projection = false;
};

struct TrainJobSpec {
  base::ModelRef version;  // float, with its number
  TrainingDataAsked data;
  train::TrainOptions options;   // threads 0: the context's; device as asked
  int64_t evaluate_every = 1;    // epochs; 0: at the end only
  int64_t checkpoint_steps = 0;  // 0: by time
  bool reestimate_batch_norm = false;
  MeasureAsked evaluate;                   // skip where there is no eval_split
  std::optional<FineTuneAsked> fine_tune;  // unset: in float
};

// Errors: kInvalidArgument - a field that is wrong (names it, its value and its limit); those of
// train::CheckOptions.
absl::StatusOr<TrainJobSpec> ParseTrainSpec(std::string_view spec_json);
absl::StatusOr<TrainJobSpec> ParseFineTuneSpec(std::string_view spec_json);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_TRAIN_SPEC_H_
