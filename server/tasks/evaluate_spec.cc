#include "tasks/evaluate_spec.h"

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

absl::StatusOr<std::optional<float>> Fraction(const Json& options, const std::string& key) {
  LBW_ASSIGN_OR_RETURN(const std::optional<double> value, NumberOf(options, key));
  if (!value.has_value()) return std::optional<float>();
  if (*value >= 0 && *value <= 1) return std::optional<float>(static_cast<float>(*value));
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                    base::StrCat(key, " must be in [0, 1]: ", key, "=", *value));
  error.Field(key);
  return error;
}

struct Bounds {
  int64_t least;
  int64_t most;
  int64_t otherwise;  // where it is 0 or left out
};
absl::StatusOr<int64_t> Bounded(const Json& options, const std::string& key, const Bounds& bounds) {
  LBW_ASSIGN_OR_RETURN(const int64_t value, IntegerOf(options, key));
  if (value == 0) return bounds.otherwise;
  if (value >= bounds.least && value <= bounds.most) return value;
  base::Error error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
      base::StrCat(key, " must be in ", bounds.least, "..", bounds.most, ": ", key, "=", value));
  error.Field(key);
  return error;
}

}  // namespace

absl::StatusOr<EvaluateOptions> ParseEvaluateOptions(const Json& options_json) {
  constexpr int64_t kMany = 1'000'000'000;
  EvaluateOptions options;
  LBW_ASSIGN_OR_RETURN(const std::optional<float> score, Fraction(options_json, "score_threshold"));
  options.score_threshold = score.value_or(options.score_threshold);
  LBW_ASSIGN_OR_RETURN(options.iou_threshold, Fraction(options_json, "iou_threshold"));
  LBW_ASSIGN_OR_RETURN(options.per_class_nms, SwitchOf(options_json, "per_class_nms"));
  LBW_ASSIGN_OR_RETURN(options.max_detections,
                       Bounded(options_json, "max_detections", {1, 1000, 200}));
  LBW_ASSIGN_OR_RETURN(options.max_pictures, Bounded(options_json, "max_pictures", {1, kMany, 0}));
  LBW_ASSIGN_OR_RETURN(options.checkpoint_pictures,
                       Bounded(options_json, "checkpoint_pictures", {1, kMany, 0}));
  LBW_ASSIGN_OR_RETURN(options.top_k, Bounded(options_json, "top_k", {1, 1000, 5}));
  LBW_ASSIGN_OR_RETURN(options.threads, Bounded(options_json, "threads", {1, 1024, 0}));
  LBW_ASSIGN_OR_RETURN(const std::string rule, TextOf(options_json, "pixel_rule"));
  if (rule == "inclusive") options.pixel_rule = eval::PixelRule::kInclusive;
  if (rule == "continuous") options.pixel_rule = eval::PixelRule::kContinuous;
  if (!rule.empty() && !options.pixel_rule.has_value()) {
    base::Error error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
        base::StrCat("pixel_rule must be inclusive or continuous: pixel_rule=", rule));
    error.Field("pixel_rule");
    return error;
  }
  return options;
}

absl::StatusOr<base::ModelRef> ParseVersionName(const std::string& name, std::string_view field) {
  LBW_ASSIGN_OR_RETURN(base::ModelRef ref, base::ParseModelRef(name, field));
  if (ref.version.has_value()) return ref;
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                    base::StrCat(field, " must name a version: ", name));
  error.Field(field);
  return error;
}

absl::StatusOr<EvaluateSpec> ParseEvaluateSpec(std::string_view spec_json) {
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(spec_json, "the spec of an evaluation"));
  EvaluateSpec spec;
  LBW_ASSIGN_OR_RETURN(const std::string version, TextOf(json, "version"));
  LBW_ASSIGN_OR_RETURN(spec.version, ParseVersionName(version, "version"));
  LBW_ASSIGN_OR_RETURN(const std::string dataset, TextOf(json, "dataset"));
  LBW_ASSIGN_OR_RETURN(spec.dataset, base::ParseDatasetName(dataset, "dataset"));
  LBW_ASSIGN_OR_RETURN(spec.split, TextOf(json, "split"));
  LBW_ASSIGN_OR_RETURN(const std::string against, TextOf(json, "against"));
  if (!against.empty()) {
    LBW_ASSIGN_OR_RETURN(spec.against, ParseVersionName(against, "against"));
  }
  const auto options = json.find("options");
  spec.options_json =
      options != json.end() && !options->is_null() ? *options : Json(Json::object());
  if (!spec.options_json.is_object()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("options must be an object: got ",
                                    Dump(spec.options_json).substr(0, 100)))
        .Field("options");
  }
  LBW_ASSIGN_OR_RETURN(spec.options, ParseEvaluateOptions(spec.options_json));
  return spec;
}

std::string ComparableOptions(const Json& options_json) {
  Json comparable = options_json;
  comparable.erase("threads");
  comparable.erase("checkpoint_pictures");
  return Dump(comparable);
}

std::string_view Name(eval::PixelRule rule) {
  return rule == eval::PixelRule::kInclusive ? "inclusive" : "continuous";
}

}  // namespace lbw::tasks
