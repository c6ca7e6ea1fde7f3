#include "client/cpp/training_flags.h"

#include <functional>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/calibration_flags.h"
#include "client/cpp/format.h"
#include "client/cpp/message_file.h"
#include "client/cpp/names.h"

namespace lbw::client {
namespace {

absl::Status BadArgument(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

template <typename Enum>
struct Word {
  std::string_view text;
  Enum value;
};

template <typename Enum, size_t kCount>
absl::StatusOr<Enum> ParseWord(std::string_view option, const std::string& text,
                               const Word<Enum> (&words)[kCount]) {
  std::vector<std::string> known;
  for (const Word<Enum>& word : words) {
    if (word.text == text) return word.value;
    known.emplace_back(word.text);
  }
  return BadArgument(
      base::StrCat(option, " must be ", absl::StrJoin(known, " or "), ": '", Printable(text), "'"));
}

constexpr Word<v1::BatchNormMode> kBatchNorms[] = {{"train", v1::BATCH_NORM_MODE_TRAIN},
                                                   {"frozen", v1::BATCH_NORM_MODE_FROZEN}};
constexpr Word<v1::OptimizerKind> kOptimizers[] = {{"adam", v1::OPTIMIZER_KIND_ADAM},
                                                   {"sgd", v1::OPTIMIZER_KIND_SGD}};
constexpr Word<v1::RateSchedule> kSchedules[] = {{"cosine", v1::RATE_SCHEDULE_COSINE},
                                                 {"constant", v1::RATE_SCHEDULE_CONSTANT},
                                                 {"step", v1::RATE_SCHEDULE_STEP}};
constexpr Word<v1::ScaleKind> kScales[] = {{"pow2", v1::SCALE_KIND_POW2},
                                           {"real", v1::SCALE_KIND_REAL}};

absl::StatusOr<double> ParseNumber(std::string_view option, absl::string_view text) {
  double number = 0;
  if (absl::SimpleAtod(text, &number)) return number;
  return BadArgument(base::StrCat(option, " needs a number: '", Printable(base::Std(text)), "'"));
}

absl::Status ApplySchedule(const std::string& text, v1::TrainingOptions& options) {
  const size_t colon = text.find(':');
  LBW_ASSIGN_OR_RETURN(const v1::RateSchedule schedule,
                       ParseWord("--schedule", text.substr(0, colon), kSchedules));
  options.set_schedule(schedule);
  if (colon == std::string::npos) return absl::OkStatus();
  if (schedule != v1::RATE_SCHEDULE_STEP) {
    return BadArgument(
        base::StrCat("--schedule takes fractions behind step alone, as in "
                     "step:0.5,0.75: '",
                     Printable(text), "'"));
  }
  options.clear_step_at();
  for (const absl::string_view part : absl::StrSplit(base::Absl(text).substr(colon + 1), ',')) {
    LBW_ASSIGN_OR_RETURN(const double at, ParseNumber("--schedule", part));
    options.add_step_at(at);
  }
  return absl::OkStatus();
}

absl::Status ApplyEval(const std::string& text, v1::TrainingData& data) {
  if (text == "none") {
    data.clear_eval_dataset();
    data.set_eval_split("none");
    return absl::OkStatus();
  }
  const size_t colon = text.rfind(':');
  const std::string dataset = text.substr(0, colon);
  data.clear_eval_split();
  if (!dataset.empty()) {
    LBW_ASSIGN_OR_RETURN(*data.mutable_eval_dataset(), ParseDatasetArgument(dataset));
  }
  if (colon == std::string::npos) return absl::OkStatus();
  data.set_eval_split(text.substr(colon + 1));
  if (!data.eval_split().empty()) return absl::OkStatus();
  return BadArgument(
      base::StrCat("--eval is DATASET, DATASET:SPLIT, :SPLIT or none: '", Printable(text), "'"));
}

absl::Status ApplyData(const TrainingFlags& flags, v1::TrainingData& data) {
  if (!flags.split.empty()) data.set_split(flags.split);
  if (!flags.eval.empty()) LBW_RETURN_IF_ERROR(ApplyEval(flags.eval, data));
  if (flags.max_pictures) data.set_max_pictures(*flags.max_pictures);
  if (flags.no_augment) data.mutable_augment()->set_off(true);
  return absl::OkStatus();
}

void ApplyNumbers(const TrainingFlags& flags, v1::TrainingOptions& options) {
  if (flags.epochs) options.set_epochs(*flags.epochs);
  if (flags.batch) options.set_batch(*flags.batch);
  if (flags.steps) options.set_steps_an_epoch(*flags.steps);
  if (flags.seed) options.set_seed(*flags.seed);
  if (flags.threads) options.set_threads(*flags.threads);
  if (flags.loader_threads) options.set_loader_threads(*flags.loader_threads);
  if (flags.ema) options.set_ema(*flags.ema);
  if (flags.rate) options.set_rate(*flags.rate);
  if (flags.bias_rate) options.set_bias_rate(*flags.bias_rate);
  if (flags.scale_rate) options.set_scale_rate(*flags.scale_rate);
  if (flags.momentum) options.set_momentum(*flags.momentum);
  if (flags.weight_decay) options.set_weight_decay(*flags.weight_decay);
  if (flags.clip_norm) options.set_clip_norm(*flags.clip_norm);
  if (flags.warmup) options.set_warmup_steps(*flags.warmup);
  if (flags.evaluate_every) options.set_evaluate_every(*flags.evaluate_every);
  if (flags.checkpoint_steps) options.set_checkpoint_steps(*flags.checkpoint_steps);
}

absl::Status ApplyOptions(const TrainingFlags& flags, v1::TrainingOptions& options) {
  ApplyNumbers(flags, options);
  if (!flags.device.empty()) options.set_device(flags.device);
  if (flags.autocast) options.set_autocast(true);
  if (flags.reestimate_batch_norm) options.set_reestimate_batch_norm(true);
  if (!flags.batch_norm.empty()) {
    LBW_ASSIGN_OR_RETURN(const v1::BatchNormMode mode,
                         ParseWord("--batch-norm", flags.batch_norm, kBatchNorms));
    options.set_batch_norm(mode);
  }
  if (!flags.optimizer.empty()) {
    LBW_ASSIGN_OR_RETURN(const v1::OptimizerKind kind,
                         ParseWord("--optimizer", flags.optimizer, kOptimizers));
    options.set_optimizer(kind);
  }
  if (!flags.schedule.empty()) LBW_RETURN_IF_ERROR(ApplySchedule(flags.schedule, options));
  if (!flags.loss.empty()) LBW_RETURN_IF_ERROR(ApplyLoss(flags.loss, options));
  return absl::OkStatus();
}

// The file's options with what the flags say. Rules of the flags take the place of the file's.
absl::Status ApplyGrid(const QuantizeFlags& flags, v1::QuantizationOptions& options) {
  QuantizeFlags grid = flags;
  if (grid.bits == 0) grid.bits = options.bits();
  if (grid.scheme.empty()) grid.scheme = SchemeWord(options.scheme());
  LBW_ASSIGN_OR_RETURN(const v1::QuantizationOptions said, BuildOptions(grid));
  options.set_bits(said.bits());
  if (said.code_book() != 0) options.set_code_book(said.code_book());
  if (said.granularity() != 0) options.set_granularity(said.granularity());
  if (said.scheme() != 0) options.set_scheme(said.scheme());
  if (said.rules_size() > 0) *options.mutable_rules() = said.rules();
  return absl::OkStatus();
}

absl::Status ApplyCodes(const FineTuneFlags& flags, v1::FineTuneSpec& spec) {
  v1::CalibrationOptions& calibration = *spec.mutable_calibration();
  if (!flags.calibrate_split.empty()) calibration.set_split(flags.calibrate_split);
  if (flags.images) calibration.set_count(*flags.images);
  if (flags.positions) calibration.set_positions(*flags.positions);
  if (!flags.scale.empty()) {
    LBW_ASSIGN_OR_RETURN(const v1::ScaleKind scale, ParseWord("--scale", flags.scale, kScales));
    calibration.set_scale(scale);
  }
  v1::LowBitTrainingOptions& low_bit = *spec.mutable_low_bit();
  if (flags.from_projection) low_bit.set_from_projection(true);
  if (flags.exponent_every) low_bit.set_exponent_every(*flags.exponent_every);
  if (flags.blend) low_bit.set_blend_start(*flags.blend);
  if (flags.freeze_flips) low_bit.set_freeze_flips(*flags.freeze_flips);
  if (flags.codes_until) low_bit.set_codes_until(*flags.codes_until);
  if (!flags.stages.empty()) {
    low_bit.mutable_stages()->Assign(flags.stages.begin(), flags.stages.end());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyLoss(std::string_view text, v1::TrainingOptions& options) {
  using Set = std::function<void(double)>;
  const std::map<std::string, Set> terms = {
      {"labels", [&](double value) { options.set_labels(value); }},
      {"distill", [&](double value) { options.set_distill(value); }},
      {"box", [&](double value) { options.set_box_weight(value); }},
      {"negatives", [&](double value) { options.set_negatives(value); }},
      {"smoothing", [&](double value) { options.set_label_smoothing(value); }},
      {"focal_alpha", [&](double value) { options.set_focal_alpha(value); }},
      {"focal_gamma", [&](double value) { options.set_focal_gamma(value); }},
  };
  for (const absl::string_view part : absl::StrSplit(base::Absl(text), ',')) {
    if (part == "focal") {
      options.set_focal(true);
      continue;
    }
    const size_t mark = part.find('=');
    const auto term = terms.find(std::string(part.substr(0, mark)));
    if (term == terms.end() || mark == absl::string_view::npos) {
      std::vector<std::string> known;
      for (const auto& one : terms) known.push_back(one.first + "=NUMBER");
      return BadArgument(base::StrCat("--loss is TERM[,TERM...] of focal, ",
                                      absl::StrJoin(known, ", "), ": '", Printable(base::Std(part)),
                                      "'"));
    }
    LBW_ASSIGN_OR_RETURN(const double value,
                         ParseNumber("--loss " + term->first, part.substr(mark + 1)));
    term->second(value);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::TrainSpec> BuildTrainSpec(const TrainingFlags& flags) {
  v1::TrainSpec spec;
  LBW_RETURN_IF_ERROR(ReadMessage(flags.spec_text, flags.spec_file, spec));
  LBW_RETURN_IF_ERROR(ApplyData(flags, *spec.mutable_data()));
  LBW_RETURN_IF_ERROR(ApplyOptions(flags, *spec.mutable_options()));
  return spec;
}

absl::StatusOr<v1::FineTuneSpec> BuildFineTuneSpec(const TrainingFlags& flags,
                                                   const FineTuneFlags& codes,
                                                   const QuantizeFlags& grid) {
  v1::FineTuneSpec spec;
  LBW_RETURN_IF_ERROR(ReadMessage(flags.spec_text, flags.spec_file, spec));
  LBW_RETURN_IF_ERROR(ApplyGrid(grid, *spec.mutable_options()));
  LBW_RETURN_IF_ERROR(ApplyCodes(codes, spec));
  if (flags.seed) spec.mutable_calibration()->set_seed(*flags.seed);
  LBW_RETURN_IF_ERROR(ApplyData(flags, *spec.mutable_data()));
  LBW_RETURN_IF_ERROR(ApplyOptions(flags, *spec.mutable_training()));
  return spec;
}

}  // namespace lbw::client
