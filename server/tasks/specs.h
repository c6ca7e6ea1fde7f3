// What jobs are asked (protojson of EvaluateSpec and CheckDatasetSpec) and what their names were
// resolved to, as values. Private to the room.
//
// Errors: kInvalidArgument - BAD_ARGUMENT (json.h), BAD_NAME. Threads: pure.
#ifndef LBW_TASKS_SPECS_H_
#define LBW_TASKS_SPECS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "dataset/dataset.h"
#include "detect/decoder.h"
#include "detect/spec.h"
#include "eval/boxes.h"
#include "tasks/json.h"

namespace lbw::tasks {

struct EvaluateOptions {
  std::optional<float> score_threshold;
  std::optional<float> iou_threshold;
  std::optional<bool> per_class_nms;
  uint64_t max_detections = 0;  // 0: not told
  std::string pixel_rule;       // "", "inclusive", "continuous"
  uint64_t max_pictures = 0;
  uint64_t checkpoint_pictures = 0;
  uint64_t top_k = 0;
  uint64_t threads = 0;
};

struct EvaluateSpec {
  base::ModelRef version;
  std::string dataset;  // its own name
  std::string split;
  EvaluateOptions options;
  std::optional<base::ModelRef> against;
};
absl::StatusOr<EvaluateSpec> ParseEvaluateSpec(std::string_view json);

// What is left out, taken from the model and the dataset.
struct ChosenOptions {
  detect::DecodeOptions decode;
  eval::PixelRule pixels = eval::PixelRule::kInclusive;
  uint64_t max_pictures = 0;
  uint64_t checkpoint_pictures = 0;
  int threads = 1;
};
struct ChoiceFacts {
  const detect::NmsSpec& nms;
  dataset::PixelRule pixel_rule = dataset::PixelRule::kInclusive;
  int threads = 1;
};
ChosenOptions Choose(const EvaluateOptions& asked, const ChoiceFacts& facts);
// Protojson of EvaluateOptions with everything that was chosen.
Json ToJson(const ChosenOptions& options);
// "inclusive", "continuous".
std::string_view Name(eval::PixelRule rule);

struct EvaluateInputs {
  std::string bundle;  // sha256
  std::string pack;
  std::string against_bundle;  // "": none
};
std::string ToJson(const EvaluateInputs& inputs);
absl::StatusOr<EvaluateInputs> ParseEvaluateInputs(std::string_view json);

struct CheckDatasetSpec {
  std::string dataset;  // its own name
  std::string archive;  // sha256
  dataset::ReadOptions read;
};
absl::StatusOr<CheckDatasetSpec> ParseCheckDatasetSpec(std::string_view json);
// {"archive": sha256}
std::string CheckInputsJson(std::string_view archive);
absl::StatusOr<std::string> ParseCheckInputs(std::string_view json);

// "DATASET_FORMAT_VOC", ...
std::string_view Name(dataset::Format format);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_SPECS_H_
