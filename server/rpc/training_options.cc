#include "rpc/training_options.h"

#include <optional>
#include <string>

#include "absl/types/span.h"
#include "base/status.h"
#include "base/strings.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "quant/grid.h"
#include "rpc/names.h"
#include "rpc/spec_parts.h"
#include "train/limits.h"

namespace lbw::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr uint32_t kMaxThreads = 1'024;
constexpr size_t kMaxDeviceBytes = 16;
constexpr double kMany = 1e6;

// A field of type double or uint32 that knows whether it is set.
struct NumberField {
  const char* name;
  double usual[3];  // by TrainingColumn
  // Unset: those of train::LimitsOf.
  std::optional<train::Limits> limits = std::nullopt;
};

constexpr NumberField kTrainingNumbers[] = {
    {"epochs", {30, 4, 16}},
    {"batch", {16, 16, 16}},
    {"steps_an_epoch", {0, 0, 0}},
    {"loader_threads", {1, 1, 1}},
    {"ema", {0.98, 0.98, 0.98}},
    {"rate", {3e-3, 3e-3, 1e-3}},
    {"bias_rate", {3e-4, 3e-4, 9e-4}},
    {"scale_rate", {6e-3, 6e-3, 6e-3}},
    {"momentum", {0.9, 0.9, 0.9}},
    {"weight_decay", {0, 0, 0}},
    {"clip_norm", {0, 0, 0}},
    {"warmup_steps", {20, 20, 20}},
    {"step_gamma", {0.1, 0.1, 0.1}},
    {"distill", {0, 1, 1}},
    {"focal_alpha", {0.25, 0.25, 0.25}},
    {"focal_gamma", {2, 2, 2}},
    {"negatives", {3, 3, 3}},
    {"box_weight", {1, 1, 1}},
    {"label_smoothing", {0, 0, 0}},
    {"evaluate_every", {1, 1, 1}, train::Limits{0, 10'000}},
    {"checkpoint_steps", {0, 0, 0}, train::Limits{0, kMany}},
};
constexpr NumberField kLabels[] = {{"labels", {1, 0, 0.3}}};
constexpr NumberField kLabelsWithoutAny[] = {{"labels", {1, 0, 0}}};

constexpr NumberField kAugmentationNumbers[] = {
    {"flip", {0.5, 0.5, 0.5}},        {"crop", {0.5, 0.5, 0.5}},
    {"crop_scale", {0.4, 0.4, 0.4}},  {"zoom_out", {0.25, 0.25, 0.25}},
    {"zoom_scale", {1.8, 1.8, 1.8}},  {"photometric", {0.8, 0.8, 0.8}},
    {"shift", {0.125, 0.125, 0.125}},
};

constexpr NumberField kLowBitNumbers[] = {
    {"exponent_reach", {1, 1, 1}, train::Limits{0, 64}},
    {"blend_start", {0, 0, 0}},
    {"blend_growth", {1.5, 1.5, 1.5}},
    {"freeze_flips", {0, 0, 0}},
    {"codes_until", {1, 1, 0.75}},
};

// Sets what is left out, and checks what is not.
absl::Status FillNumbers(absl::Span<const NumberField> numbers, TrainingColumn column,
                         std::string_view path, Message& message) {
  const google::protobuf::Reflection& access = *message.GetReflection();
  for (const NumberField& number : numbers) {
    const FieldDescriptor* const field = message.GetDescriptor()->FindFieldByName(number.name);
    LBW_CHECK(field != nullptr && field->has_presence());
    const bool is_whole = field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32;
    LBW_CHECK(is_whole || field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE);
    if (!access.HasField(message, field)) {
      const double usual = number.usual[static_cast<size_t>(column)];
      if (is_whole) {
        access.SetUInt32(&message, field, static_cast<uint32_t>(usual));
      } else {
        access.SetDouble(&message, field, usual);
      }
      continue;
    }
    const double value =
        is_whole ? access.GetUInt32(message, field) : access.GetDouble(message, field);
    const train::Limits& limits =
        number.limits.has_value() ? *number.limits : train::LimitsOf(number.name);
    if (limits.Hold(value)) continue;
    return BadArgument(base::StrCat(number.name, " must be ", limits.ToText(), ": ", number.name,
                                    "=", train::NumberText(value)),
                       base::StrCat(path, ".", number.name));
  }
  return absl::OkStatus();
}

absl::Status UnknownWord(std::string_view name, int value, std::string_view path) {
  return BadArgument(base::StrCat("unknown ", name, ": ", name, "=", value),
                     base::StrCat(path, ".", name));
}

absl::Status FillWords(TrainingColumn column, std::string_view path, v1::TrainingOptions& options) {
  if (!v1::BatchNormMode_IsValid(options.batch_norm())) {
    return UnknownWord("batch_norm", static_cast<int>(options.batch_norm()), path);
  }
  if (!v1::OptimizerKind_IsValid(options.optimizer())) {
    return UnknownWord("optimizer", static_cast<int>(options.optimizer()), path);
  }
  if (!v1::RateSchedule_IsValid(options.schedule())) {
    return UnknownWord("schedule", static_cast<int>(options.schedule()), path);
  }
  if (options.batch_norm() == v1::BATCH_NORM_MODE_UNSPECIFIED) {
    options.set_batch_norm(column == TrainingColumn::kFloat ? v1::BATCH_NORM_MODE_TRAIN
                                                            : v1::BATCH_NORM_MODE_FROZEN);
  }
  if (options.optimizer() == v1::OPTIMIZER_KIND_UNSPECIFIED) {
    options.set_optimizer(v1::OPTIMIZER_KIND_ADAM);
  }
  if (options.schedule() == v1::RATE_SCHEDULE_UNSPECIFIED) {
    options.set_schedule(v1::RATE_SCHEDULE_COSINE);
  }
  if (options.device().empty()) options.set_device("auto");
  LBW_RETURN_IF_ERROR(CheckDeviceWord(options.device(), base::StrCat(path, ".device")));
  if (options.reestimate_batch_norm() && options.batch_norm() != v1::BATCH_NORM_MODE_TRAIN) {
    return BadArgument("reestimate_batch_norm needs batch_norm to be trained: batch_norm=FROZEN",
                       base::StrCat(path, ".reestimate_batch_norm"));
  }
  return absl::OkStatus();
}

absl::Status CheckRateSteps(const v1::TrainingOptions& options, std::string_view path) {
  const std::string field = base::StrCat(path, ".step_at");
  const bool steps = options.schedule() == v1::RATE_SCHEDULE_STEP;
  if (steps != (options.step_at_size() > 0)) {
    return BadArgument(steps ? "step_at is needed with the schedule STEP: count=0"
                             : "step_at belongs to the schedule STEP: schedule is another",
                       field);
  }
  if (static_cast<size_t>(options.step_at_size()) > train::kMaxRateSteps) {
    return BadArgument(base::StrCat("too many step_at: count=", options.step_at_size(),
                                    " limit=", train::kMaxRateSteps),
                       field);
  }
  double before = 0;
  for (const double at : options.step_at()) {
    if (!(at > before && at < 1)) {
      return BadArgument(base::StrCat("step_at must rise, each above 0 and below 1: step_at=",
                                      train::NumberText(at)),
                         field);
    }
    before = at;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::TrainingOptions> FillInTraining(const v1::TrainingOptions& asked,
                                                   const TrainingDefaults& defaults,
                                                   std::string_view path) {
  v1::TrainingOptions options = asked;
  LBW_RETURN_IF_ERROR(FillNumbers(kTrainingNumbers, defaults.column, path, options));
  LBW_RETURN_IF_ERROR(FillNumbers(defaults.has_labels ? kLabels : kLabelsWithoutAny,
                                  defaults.column, path, options));
  if (options.labels() == 0 && options.distill() == 0) {
    return BadArgument("labels and distill must not both be 0: nothing would be learned",
                       base::StrCat(path, ".labels"));
  }
  if (options.threads() == 0) options.set_threads(static_cast<uint32_t>(defaults.threads));
  LBW_RETURN_IF_ERROR(
      CheckCount(options.threads(), 1, kMaxThreads, base::StrCat(path, ".threads")));
  LBW_RETURN_IF_ERROR(FillWords(defaults.column, path, options));
  LBW_RETURN_IF_ERROR(CheckRateSteps(options, path));
  return options;
}

absl::StatusOr<v1::Augmentation> FillInAugmentation(const v1::Augmentation& asked,
                                                    std::string_view path) {
  v1::Augmentation augment = asked;
  LBW_RETURN_IF_ERROR(FillNumbers(kAugmentationNumbers, TrainingColumn::kFloat, path, augment));
  return augment;
}

absl::StatusOr<v1::LowBitTrainingOptions> FillInLowBit(const v1::LowBitTrainingOptions& asked,
                                                       TrainingColumn column, uint32_t bits,
                                                       std::string_view path) {
  v1::LowBitTrainingOptions options = asked;
  LBW_RETURN_IF_ERROR(FillNumbers(kLowBitNumbers, column, path, options));
  LBW_RETURN_IF_ERROR(CheckCount(options.exponent_every(), 0, static_cast<uint64_t>(kMany),
                                 base::StrCat(path, ".exponent_every")));
  uint32_t before = quant::kMaxBits + 1;
  for (const uint32_t stage : options.stages()) {
    if (stage <= bits || stage >= before) {
      return BadArgument(base::StrCat("stages must fall, each at most ", quant::kMaxBits,
                                      " and above options.bits: stage=", stage, " bits=", bits),
                         base::StrCat(path, ".stages"));
    }
    before = stage;
  }
  return options;
}

absl::Status CheckDeviceWord(std::string_view device, std::string_view field) {
  if (train::IsDeviceWord(device)) return absl::OkStatus();
  LBW_RETURN_IF_ERROR(CheckText(std::string(device), kMaxDeviceBytes, field));
  return BadArgument(
      base::StrCat("device must be \"auto\", \"cpu\", \"cuda\" or \"cuda:N\": device=\"", device,
                   "\""),
      field);
}

}  // namespace lbw::rpc
