// What an evaluation is asked, as values: lbw.v1.EvaluateSpec with everything filled in.
#ifndef LBW_TASKS_EVALUATE_SPEC_H_
#define LBW_TASKS_EVALUATE_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "eval/boxes.h"
#include "tasks/json.h"

namespace lbw::tasks {

struct EvaluateOptions {
  float score_threshold = 0.02F;
  std::optional<float> iou_threshold;
  std::optional<bool> per_class_nms;
  int64_t max_detections = 200;
  std::optional<eval::PixelRule> pixel_rule;  // unset: the dataset's
  int64_t max_pictures = 0;                   // 0: all
  int64_t checkpoint_pictures = 0;            // 0: by time
  int64_t top_k = 5;
  int64_t threads = 0;  // 0: the context's
};

struct EvaluateSpec {
  base::ModelRef version;  // with its number
  std::string dataset;
  std::string split;
  std::optional<base::ModelRef> against;
  EvaluateOptions options;
  Json options_json;  // as it stands in the spec
};

// Errors: kInvalidArgument - a field that is wrong (names it).
absl::StatusOr<EvaluateSpec> ParseEvaluateSpec(std::string_view spec_json);

// What a spec keeps in pieces. Errors as above; field: the key that `name` stood under.
absl::StatusOr<EvaluateOptions> ParseEvaluateOptions(const Json& options_json);
absl::StatusOr<base::ModelRef> ParseVersionName(const std::string& name, std::string_view field);

// What of the options decides the figures, as a text that is equal where they are: threads and the
// distance of checkpoints do not.
std::string ComparableOptions(const Json& options_json);

std::string_view Name(eval::PixelRule rule);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_EVALUATE_SPEC_H_
