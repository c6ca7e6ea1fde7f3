#include "tasks/train_spec.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();

base::Error BadArgument(std::string_view message, std::string_view field) {
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
  error.Field(field);
  return error;
}

// Reads fields of one message one after the other; the first error stays.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}

  void Take(const char* key, double& into) {
    if (!status_.ok()) return;
    const absl::StatusOr<std::optional<double>> value = NumberOf(json_, key);
    if (!value.ok()) {
      status_ = value.status();
    } else if (value->has_value()) {
      into = **value;
    }
  }
  void Take(const char* key, int64_t& into) {
    if (!status_.ok() || !json_.contains(key)) return;
    const absl::StatusOr<int64_t> value = IntegerOf(json_, key);
    if (!value.ok()) {
      status_ = value.status();
    } else if (*value < 0 || *value > kMost) {
      status_ = BadArgument(base::StrCat(key, " must be 0..", kMost, ": ", key, "=", *value), key);
    } else {
      into = *value;
    }
  }
  void Take(const char* key, int& into) {
    int64_t value = into;
    Take(key, value);
    into = static_cast<int>(value);
  }
  void Take(const char* key, uint64_t& into) {
    if (!status_.ok()) return;
    const absl::StatusOr<uint64_t> value = UnsignedOf(json_, key);
    if (value.ok()) into = *value;
    status_ = value.status();
  }
  void Take(const char* key, bool& into) {
    if (!status_.ok()) return;
    const absl::StatusOr<std::optional<bool>> value = SwitchOf(json_, key);
    if (!value.ok()) {
      status_ = value.status();
    } else if (value->has_value()) {
      into = **value;
    }
  }
  void Take(const char* key, std::string& into) {
    if (!status_.ok()) return;
    absl::StatusOr<std::string> value = TextOf(json_, key);
    status_ = value.status();
    if (value.ok() && !value->empty()) into = *std::move(value);
  }
  // Words of an enum; UNSPECIFIED and what is left out keep `into`.
  template <typename T>
  void Take(const char* key, std::initializer_list<std::pair<std::string_view, T>> words, T& into) {
    std::string name;
    Take(key, name);
    if (!status_.ok() || name.empty() || name.find("UNSPECIFIED") != std::string::npos) return;
    for (const auto& [word, value] : words) {
      if (word == name) {
        into = value;
        return;
      }
    }
    status_ =
        BadArgument(base::StrCat(key, " is none that this program knows: ", key, "=", name), key);
  }
  template <typename T>
  void TakeList(const char* key, std::vector<T>& into) {
    const auto found = json_.find(key);
    if (!status_.ok() || found == json_.end() || found->is_null()) return;
    const bool numbers =
        found->is_array() &&
        std::all_of(found->begin(), found->end(), [](const Json& one) { return one.is_number(); });
    if (!numbers) {
      status_ = BadArgument(
          base::StrCat(key, " must be a list of numbers: got ", Dump(*found).substr(0, 100)), key);
      return;
    }
    into.clear();
    for (const Json& one : *found) into.push_back(one.get<T>());
  }
  const absl::Status& status() const { return status_; }

 private:
  const Json& json_;
  absl::Status status_;
};

absl::Status ReadOptimizer(const Json& json, train::OptimizerOptions& out) {
  Fields fields(json);
  fields.Take<train::Optimizer>("optimizer",
                                {{"OPTIMIZER_KIND_ADAM", train::Optimizer::kAdam},
                                 {"OPTIMIZER_KIND_SGD", train::Optimizer::kSgd}},
                                out.kind);
  fields.Take<train::Schedule>("schedule",
                               {{"RATE_SCHEDULE_CONSTANT", train::Schedule::kConstant},
                                {"RATE_SCHEDULE_STEP", train::Schedule::kStep},
                                {"RATE_SCHEDULE_COSINE", train::Schedule::kCosine}},
                               out.schedule);
  fields.Take("rate", out.rate);
  fields.Take("bias_rate", out.bias_rate);
  fields.Take("scale_rate", out.scale_rate);
  fields.Take("momentum", out.momentum);
  fields.Take("weight_decay", out.weight_decay);
  fields.Take("clip_norm", out.clip_norm);
  fields.Take("warmup_steps", out.warmup_steps);
  fields.TakeList("step_at", out.step_at);
  fields.Take("step_gamma", out.step_gamma);
  return fields.status();
}

absl::Status ReadLoss(const Json& json, train::LossOptions& out) {
  Fields fields(json);
  fields.Take("labels", out.labels);
  fields.Take("distill", out.distill);
  fields.Take("focal", out.focal);
  fields.Take("focal_alpha", out.focal_alpha);
  fields.Take("focal_gamma", out.focal_gamma);
  fields.Take("negatives", out.negatives);
  fields.Take("box_weight", out.box_weight);
  fields.Take("label_smoothing", out.label_smoothing);
  return fields.status();
}

absl::Status ReadTraining(const Json& json, TrainJobSpec& spec) {
  train::TrainOptions& out = spec.options;
  Fields fields(json);
  fields.Take("epochs", out.epochs);
  fields.Take("batch", out.batch);
  fields.Take("steps_an_epoch", out.steps_an_epoch);
  fields.Take("seed", out.seed);
  fields.Take("threads", out.threads);
  fields.Take("loader_threads", out.loader_threads);
  fields.Take("device", out.device);
  fields.Take("autocast", out.autocast);
  fields.Take<train::BatchNorm>("batch_norm",
                                {{"BATCH_NORM_MODE_TRAIN", train::BatchNorm::kTrain},
                                 {"BATCH_NORM_MODE_FROZEN", train::BatchNorm::kFrozen}},
                                out.batch_norm);
  fields.Take("ema", out.ema);
  fields.Take("evaluate_every", spec.evaluate_every);
  fields.Take("checkpoint_steps", spec.checkpoint_steps);
  fields.Take("reestimate_batch_norm", spec.reestimate_batch_norm);
  LBW_RETURN_IF_ERROR(fields.status());
  LBW_RETURN_IF_ERROR(ReadOptimizer(json, out.optimizer));
  return ReadLoss(json, out.loss);
}

absl::Status ReadAugmentation(const Json& json, train::AugmentOptions& out) {
  Fields fields(json);
  bool off = false;
  fields.Take("off", off);
  out.enabled = !off;
  fields.Take("flip", out.flip);
  fields.Take("crop", out.crop);
  fields.Take("crop_scale", out.crop_scale);
  fields.Take("zoom_out", out.zoom_out);
  fields.Take("zoom_scale", out.zoom_scale);
  fields.Take("photometric", out.photometric);
  fields.Take("shift", out.shift);
  return fields.status();
}

absl::Status ReadLowBit(const Json& json, TrainJobSpec& spec) {
  train::LowBitOptions& out = spec.options.low_bit;
  Fields fields(json);
  fields.Take("from_projection", spec.fine_tune->from_projection);
  fields.Take("exponent_every", out.exponent_every);
  fields.Take("exponent_reach", out.exponent_reach);
  fields.Take("blend_start", out.blend_start);
  fields.Take("blend_growth", out.blend_growth);
  fields.Take("freeze_flips", out.freeze_flips);
  fields.Take("codes_until", out.codes_until);
  fields.TakeList("stages", out.stages);
  out.start_in_cell = !spec.fine_tune->from_projection;
  return fields.status();
}

absl::Status ReadData(const Json& json, TrainJobSpec& spec) {
  TrainingDataAsked& out = spec.data;
  LBW_ASSIGN_OR_RETURN(const std::string dataset, TextOf(json, "dataset"));
  LBW_ASSIGN_OR_RETURN(out.dataset, base::ParseDatasetName(dataset, "data.dataset"));
  LBW_ASSIGN_OR_RETURN(const std::string eval, TextOf(json, "eval_dataset"));
  out.eval_dataset = out.dataset;
  if (!eval.empty()) {
    LBW_ASSIGN_OR_RETURN(out.eval_dataset, base::ParseDatasetName(eval, "data.eval_dataset"));
  }
  Fields fields(json);
  fields.Take("split", out.split);
  fields.Take("eval_split", out.eval_split);
  fields.Take("max_pictures", out.max_pictures);
  LBW_RETURN_IF_ERROR(fields.status());
  if (out.eval_split == "none") out.eval_split.clear();
  LBW_ASSIGN_OR_RETURN(const Json augment, ObjectOf(json, "augment"));
  return ReadAugmentation(augment, spec.options.augment);
}

absl::Status ReadEvaluate(const Json& json, TrainJobSpec& spec) {
  MeasureAsked& out = spec.evaluate;
  out.skip = spec.data.eval_split.empty();
  if (out.skip) return absl::OkStatus();
  out.dataset = spec.data.eval_dataset;
  out.split = spec.data.eval_split;
  out.options_json = json;
  LBW_ASSIGN_OR_RETURN(out.options, ParseEvaluateOptions(json));
  out.max_pictures = out.options.max_pictures;
  out.options.max_pictures = 0;
  out.options.checkpoint_pictures = 0;
  return absl::OkStatus();
}

absl::StatusOr<TrainJobSpec> ParseCommon(const Json& json, const char* options, TrainJobSpec spec) {
  LBW_ASSIGN_OR_RETURN(const std::string version, TextOf(json, "version"));
  LBW_ASSIGN_OR_RETURN(spec.version, ParseVersionName(version, "version"));
  LBW_ASSIGN_OR_RETURN(const Json data, ObjectOf(json, "data"));
  LBW_RETURN_IF_ERROR(ReadData(data, spec));
  LBW_ASSIGN_OR_RETURN(const Json training, ObjectOf(json, options));
  LBW_RETURN_IF_ERROR(ReadTraining(training, spec));
  LBW_ASSIGN_OR_RETURN(const Json evaluate, ObjectOf(json, "evaluate"));
  LBW_RETURN_IF_ERROR(ReadEvaluate(evaluate, spec));
  // The context's threads take the place of 0.
  train::TrainOptions checked = spec.options;
  checked.threads = std::max(1, checked.threads);
  LBW_RETURN_IF_ERROR(train::CheckOptions(checked));
  return spec;
}

}  // namespace

absl::StatusOr<TrainJobSpec> ParseTrainSpec(std::string_view spec_json) {
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(spec_json, "the job's spec"));
  TrainJobSpec spec;
  spec.options.threads = 0;
  return ParseCommon(json, "options", std::move(spec));
}

absl::StatusOr<TrainJobSpec> ParseFineTuneSpec(std::string_view spec_json) {
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(spec_json, "the job's spec"));
  TrainJobSpec spec;
  spec.options.threads = 0;
  spec.options.batch_norm = train::BatchNorm::kFrozen;
  FineTuneAsked asked;
  LBW_ASSIGN_OR_RETURN(asked.options_json, ObjectOf(json, "options"));
  LBW_ASSIGN_OR_RETURN(asked.options, ParseQuantizeOptions(asked.options_json));
  LBW_ASSIGN_OR_RETURN(const Json calibration, ObjectOf(json, "calibration"));
  LBW_ASSIGN_OR_RETURN(asked.calibration, ParseCalibration(calibration));
  spec.fine_tune = std::move(asked);
  LBW_ASSIGN_OR_RETURN(const Json low_bit, ObjectOf(json, "low_bit"));
  LBW_RETURN_IF_ERROR(ReadLowBit(low_bit, spec));
  return ParseCommon(json, "training", std::move(spec));
}

}  // namespace lbw::tasks
