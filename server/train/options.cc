#include "train/options.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/types/span.h"
#include "base/status.h"
#include "base/strings.h"
#include "quant/grid.h"

namespace lbw::train {
namespace {

constexpr double kMany = 1e6;
constexpr double kMaxThreads = 1'024;
constexpr double kMaxRate = 10;
constexpr double kMaxShare = 1'000;
constexpr size_t kMaxRateSteps = 64;
constexpr size_t kMaxDeviceDigits = 3;

// Whether the ends of a range belong to it.
enum class Ends : uint8_t { kBoth, kHighOnly, kLowOnly };

struct Number {
  std::string_view name;
  double value;
  double low;
  double high;
  Ends ends = Ends::kBoth;
};

absl::Status Bad(std::string_view message, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
      .Field(field);
}

// Whole numbers as such: a limit of a million is not "1e+06".
std::string Text(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    return base::StrCat(static_cast<int64_t>(value));
  }
  return base::StrCat(value);
}

std::string RangeText(const Number& number) {
  switch (number.ends) {
    case Ends::kBoth:
      break;
    case Ends::kHighOnly:
      return base::StrCat("above ", Text(number.low), " and at most ", Text(number.high));
    case Ends::kLowOnly:
      return base::StrCat("at least ", Text(number.low), " and below ", Text(number.high));
  }
  return base::StrCat(Text(number.low), "..", Text(number.high));
}

// False for NaN and infinities: every limit is finite.
bool Holds(const Number& number) {
  const double x = number.value;
  const bool low = number.ends == Ends::kHighOnly ? x > number.low : x >= number.low;
  const bool high = number.ends == Ends::kLowOnly ? x < number.high : x <= number.high;
  return low && high;
}

absl::Status CheckNumbers(std::string_view group, absl::Span<const Number> numbers) {
  for (const Number& number : numbers) {
    if (Holds(number)) continue;
    return Bad(base::StrCat(number.name, " must be ", RangeText(number), ": ", number.name, "=",
                            Text(number.value)),
               base::StrCat(group, number.name));
  }
  return absl::OkStatus();
}

absl::Status CheckDevice(std::string_view device) {
  constexpr std::string_view kNumbered = "cuda:";
  if (device == "auto" || device == "cpu" || device == "cuda") return absl::OkStatus();
  if (device.substr(0, kNumbered.size()) == kNumbered) {
    const std::string_view digits = device.substr(kNumbered.size());
    const bool is_number =
        !digits.empty() && digits.size() <= kMaxDeviceDigits &&
        std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_number) return absl::OkStatus();
  }
  return Bad(base::StrCat("device must be \"auto\", \"cpu\", \"cuda\" or \"cuda:N\": device=\"",
                          device.substr(0, 100), "\""),
             "device");
}

absl::Status CheckRun(const TrainOptions& options) {
  LBW_RETURN_IF_ERROR(
      CheckNumbers("", {{"epochs", static_cast<double>(options.epochs), 1, 10'000},
                        {"batch", static_cast<double>(options.batch), 1, 1'024},
                        {"steps_an_epoch", static_cast<double>(options.steps_an_epoch), 0, kMany},
                        {"threads", static_cast<double>(options.threads), 1, kMaxThreads},
                        {"loader_threads", static_cast<double>(options.loader_threads), 1, 64},
                        {"batch_norm_momentum", options.batch_norm_momentum, 0, 1},
                        {"ema", options.ema, 0, 1, Ends::kLowOnly}}));
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
      return Bad(base::StrCat("step_at must rise, each above 0 and below 1: step_at=", Text(at)),
                 "step_at");
    }
    before = at;
  }
  return absl::OkStatus();
}

absl::Status CheckOptimizer(const OptimizerOptions& options) {
  LBW_RETURN_IF_ERROR(
      CheckNumbers("", {{"rate", options.rate, 0, kMaxRate},
                        {"bias_rate", options.bias_rate, 0, kMaxRate},
                        {"scale_rate", options.scale_rate, 0, kMaxRate},
                        {"beta1", options.beta1, 0, 1, Ends::kLowOnly},
                        {"beta2", options.beta2, 0, 1, Ends::kLowOnly},
                        {"momentum", options.momentum, 0, 1, Ends::kLowOnly},
                        {"weight_decay", options.weight_decay, 0, 10},
                        {"clip_norm", options.clip_norm, 0, kMany},
                        {"warmup_steps", static_cast<double>(options.warmup_steps), 0, kMany},
                        {"step_gamma", options.step_gamma, 0, 1, Ends::kHighOnly}}));
  return CheckRateSteps(options);
}

absl::Status CheckLoss(const LossOptions& options) {
  LBW_RETURN_IF_ERROR(
      CheckNumbers("", {{"labels", options.labels, 0, kMaxShare},
                        {"distill", options.distill, 0, kMaxShare},
                        {"focal_alpha", options.focal_alpha, 0, 1},
                        {"focal_gamma", options.focal_gamma, 0, 10},
                        {"negatives", options.negatives, 0, 1'000},
                        {"match_iou", options.match_iou, 0, 1, Ends::kHighOnly},
                        {"force_iou", options.force_iou, 0, 1, Ends::kHighOnly},
                        {"ignore_iou", options.ignore_iou, 0, 1, Ends::kHighOnly},
                        {"box_weight", options.box_weight, 0, kMaxShare},
                        {"label_smoothing", options.label_smoothing, 0, 1, Ends::kLowOnly}}));
  if (options.labels == 0 && options.distill == 0) {
    return Bad("labels and distill must not both be 0: nothing would be learned", "labels");
  }
  if (options.ignore_iou > options.match_iou) {
    return Bad(base::StrCat("ignore_iou must be at most match_iou: ignore_iou=",
                            Text(options.ignore_iou), " match_iou=", Text(options.match_iou)),
               "ignore_iou");
  }
  return absl::OkStatus();
}

absl::Status CheckLowBit(const LowBitOptions& options) {
  LBW_RETURN_IF_ERROR(CheckNumbers(
      "low_bit.", {{"exponent_every", static_cast<double>(options.exponent_every), 0, kMany},
                   {"exponent_reach", static_cast<double>(options.exponent_reach), -1, 64},
                   {"blend_start", options.blend_start, 0, kMany},
                   {"blend_growth", options.blend_growth, 1, 1'000},
                   {"freeze_flips", options.freeze_flips, 0, 1},
                   {"codes_until", options.codes_until, 0, 1, Ends::kHighOnly}}));
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
  return CheckNumbers("augment.", {{"flip", options.flip, 0, 1},
                                   {"crop", options.crop, 0, 1},
                                   {"crop_scale", options.crop_scale, 0, 1, Ends::kHighOnly},
                                   {"zoom_out", options.zoom_out, 0, 1},
                                   {"zoom_scale", options.zoom_scale, 1, 10},
                                   {"photometric", options.photometric, 0, 1},
                                   {"shift", options.shift, 0, 1, Ends::kLowOnly}});
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
