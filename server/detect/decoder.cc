#include "detect/decoder.h"

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "detect/heads.h"

namespace lbw::detect {
namespace {

using absl::StatusCode;

constexpr int64_t kMaxDetections = 1000;

struct Kind {
  std::string_view name;
  absl::StatusOr<std::unique_ptr<Decoder>> (*make)(const DecoderContext&);
};
constexpr Kind kKinds[] = {{"logits", &NewLogitsDecoder}, {"ssd", &NewSsdDecoder}};

absl::Status BadOption(std::string_view field, std::string_view message) {
  return base::Error(StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
      .Field(field);
}

absl::Status CheckUnit(std::string_view name, std::optional<float> value) {
  if (!value || (*value >= 0 && *value <= 1)) return absl::OkStatus();
  return BadOption(base::StrCat("options.", name),
                   base::StrCat(name, " must be in [0, 1]: ", name, "=", *value));
}

absl::Status CheckCount(std::string_view name, int64_t value) {
  if (value >= 1 && value <= kMaxDetections) return absl::OkStatus();
  return BadOption(base::StrCat("options.", name),
                   base::StrCat(name, " must be in 1..", kMaxDetections, ": ", name, "=", value));
}

}  // namespace

absl::Status BadSpec(std::string_view message) {
  return base::Error(StatusCode::kInvalidArgument, base::reason::kBadSpec, message);
}

Activation EffectiveActivation(const HeadSpec& head) {
  return head.scores.activation.value_or(head.score_activation);
}

absl::Status CheckRole(std::string_view name, const Role& role) {
  if (role.values.empty()) return BadSpec(base::StrCat(name, " is missing"));
  for (const ValueSlice& slice : role.values) {
    if (slice.value.empty()) return BadSpec(base::StrCat(name, " names no value"));
    if (slice.channel_begin.has_value() != slice.channel_end.has_value() ||
        (slice.channel_begin &&
         !(0 <= *slice.channel_begin && slice.channel_begin < slice.channel_end))) {
      return BadSpec(base::StrCat(name, ": channels of value ", slice.value,
                                  " must be [begin, end) with 0 <= begin < end"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ResolvedOptions> ResolveOptions(const DecodeOptions& options, const NmsSpec& spec,
                                               int64_t classes) {
  LBW_RETURN_IF_ERROR(CheckUnit("score_threshold", options.score_threshold));
  LBW_RETURN_IF_ERROR(CheckUnit("iou_threshold", options.iou_threshold));
  LBW_RETURN_IF_ERROR(CheckCount("max_detections", options.max_detections.value_or(1)));
  LBW_RETURN_IF_ERROR(CheckCount("top_k", options.top_k));
  ResolvedOptions resolved;
  resolved.nms.score_threshold = options.score_threshold.value_or(spec.score);
  resolved.nms.iou_threshold = options.iou_threshold.value_or(spec.iou);
  resolved.nms.max_detections = options.max_detections.value_or(spec.keep);
  resolved.nms.per_class = options.per_class.value_or(spec.per_class);
  resolved.top_k = options.top_k;
  if (!options.classes.empty()) resolved.wanted.assign(static_cast<size_t>(classes), 0);
  for (const int32_t index : options.classes) {
    if (index < 0 || index >= classes) {
      return BadOption("options.classes", base::StrCat("classes must be in 0..", classes - 1,
                                                       ": classes has ", index));
    }
    resolved.wanted[static_cast<size_t>(index)] = 1;
  }
  return resolved;
}

absl::StatusOr<std::unique_ptr<Decoder>> NewDecoder(const DecoderContext& context) {
  if (context.classes < 1) return BadSpec("classes must not be empty");
  for (const Kind& kind : kKinds) {
    if (kind.name == context.head.kind) return kind.make(context);
  }
  std::string known;
  for (const Kind& kind : kKinds) {
    base::StrAppend(&known, known.empty() ? "" : ", ", kind.name);
  }
  return BadSpec(
      base::StrCat("head.kind: unknown kind \"", context.head.kind, "\"; known: ", known));
}

std::vector<std::string_view> DecoderKinds() {
  std::vector<std::string_view> names;
  for (const Kind& kind : kKinds) names.push_back(kind.name);
  return names;
}

}  // namespace lbw::detect
