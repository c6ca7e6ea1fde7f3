#include "train/options.h"

#include <string>

#include "absl/types/span.h"
#include "base/status.h"
#include "base/strings.h"
#include "quant/grid.h"
#include "train/limits.h"

namespace lbw::train {
namespace {

struct Number {
  std::string_view name;
  double value;
};

absl::Status Bad(std::string_view message, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
      .Field(field);
}

absl::Status CheckNumbers(std::string_view group, absl::Span<const Number> numbers) {
  for (const Number& number : numbers) {
    const Limits& limits = LimitsOf(number.name);
    if (limits.Hold(number.value)) continue;
    return Bad(base::StrCat(number.name, " must be ", limits.ToText(), ": ", number.name, "=",
                            NumberText(number.value)),
               base::StrCat(group, number.name));
  }
  return absl::OkStatus();
}

absl::Status CheckDevice(std::string_view device) {
  if (IsDeviceWord(device)) return absl::OkStatus();
  return Bad(base::StrCat("device must be \"auto\", \"cpu\", \"cuda\" or \"cuda:N\": device=\"",
                          device.substr(0, 100), "\""),
             "device");
}

absl::Status CheckRun(const TrainOptions& options) {
  LBW_RETURN_IF_ERROR(
      CheckNumbers("", {{"epochs", static_cast<double>(options.epochs)},
                        {"batch", static_cast<double>(options.batch)},
                        {"steps_an_epoch", static_cast<double>(options.steps_an_epoch)},
                        {"threads", static_cast<double>(options.threads)},
                        {"loader_threads", static_cast<double>(options.loader_threads)},
                        {"batch_norm_momentum", options.batch_norm_momentum},
                        {"ema", options.ema}}));
  return CheckDevice(options.device);
}

absl::Status CheckRateSteps(const OptimizerOptions& options) {
  const bool steps = options.schedule == Schedule::kStep;
  if (steps == options.step_at.empty()) {
    return Bad(steps ? "step_at is needed where the schedule is steps: count=0"
                     : "step_at must be empty where the schedule is another than steps",
               "step_at");
  }
  if (options.step_at.size() > kMaxRateSteps) {
    return Bad(
        base::StrCat("too many step_at: count=", options.step_at.size(), " limit=", kMaxRateSteps),
        "step_at");
  }
  double before = 0;
  for (const double at : options.step_at) {
    if (!(at > before && at < 1)) {
      return Bad(
          base::StrCat("step_at must rise, each above 0 and below 1: step_at=", NumberText(at)),
          "step_at");
    }
    before = at;
  }
  return absl::OkStatus();
}

absl::Status CheckOptimizer(const OptimizerOptions& options) {
  LBW_RETURN_IF_ERROR(CheckNumbers("", {{"rate", options.rate},
                                        {"bias_rate", options.bias_rate},
                                        {"scale_rate", options.scale_rate},
                                        {"beta1", options.beta1},
                                        {"beta2", options.beta2},
                                        {"momentum", options.momentum},
                                        {"weight_decay", options.weight_decay},
                                        {"clip_norm", options.clip_norm},
                                        {"warmup_steps", static_cast<double>(options.warmup_steps)},
                                        {"step_gamma", options.step_gamma}}));
  return CheckRateSteps(options);
}

absl::Status CheckLoss(const LossOptions& options) {
  LBW_RETURN_IF_ERROR(CheckNumbers("", {{"labels", options.labels},
                                        {"distill", options.distill},
                                        {"focal_alpha", options.focal_alpha},
                                        {"focal_gamma", options.focal_gamma},
                                        {"negatives", options.negatives},
                                        {"match_iou", options.match_iou},
                                        {"force_iou", options.force_iou},
                                        {"ignore_iou", options.ignore_iou},
                                        {"box_weight", options.box_weight},
                                        {"label_smoothing", options.label_smoothing}}));
  if (options.labels == 0 && options.distill == 0) {
    return Bad("labels and distill must not both be 0: nothing would be learned", "labels");
  }
  if (options.ignore_iou > options.match_iou) {
    return Bad(
        base::StrCat("ignore_iou must be at most match_iou: ignore_iou=",
                     NumberText(options.ignore_iou), " match_iou=", NumberText(options.match_iou)),
        "ignore_iou");
  }
  return absl::OkStatus();
}

absl::Status CheckLowBit(const LowBitOptions& options) {
  LBW_RETURN_IF_ERROR(
      CheckNumbers("low_bit.", {{"exponent_every", static_cast<double>(options.exponent_every)},
                                {"exponent_reach", static_cast<double>(options.exponent_reach)},
                                {"blend_start", options.blend_start},
                                {"blend_growth", options.blend_growth},
                                {"freeze_flips", options.freeze_flips},
                                {"codes_until", options.codes_until}}));
  int before = quant::kMaxBits + 1;
  for (const int bits : options.stages) {
    if (bits < quant::kMinBits || bits >= before) {
      return Bad(base::StrCat("stages must fall, each in ", quant::kMinBits, "..", quant::kMaxBits,
                              ": stage=", bits),
                 "low_bit.stages");
    }
    before = bits;
  }
  return absl::OkStatus();
}

absl::Status CheckAugment(const AugmentOptions& options) {
  return CheckNumbers("augment.", {{"flip", options.flip},
                                   {"crop", options.crop},
                                   {"crop_scale", options.crop_scale},
                                   {"zoom_out", options.zoom_out},
                                   {"zoom_scale", options.zoom_scale},
                                   {"photometric", options.photometric},
                                   {"shift", options.shift}});
}

}  // namespace

absl::Status CheckOptions(const TrainOptions& options) {
  LBW_RETURN_IF_ERROR(CheckRun(options));
  LBW_RETURN_IF_ERROR(CheckOptimizer(options.optimizer));
  LBW_RETURN_IF_ERROR(CheckLoss(options.loss));
  LBW_RETURN_IF_ERROR(CheckLowBit(options.low_bit));
  return CheckAugment(options.augment);
}

}  // namespace lbw::train
