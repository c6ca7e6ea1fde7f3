#include "serving/request.h"

#include <algorithm>
#include <optional>

#include "base/status.h"

namespace lbw::serving {
namespace {

constexpr int64_t kMostResults = 1'000;  // detections or classes of a picture
constexpr size_t kMostShown = 10;        // labels in a message
constexpr size_t kMostShownBytes = 64;   // of a label

absl::Status BadOption(std::string_view name, std::string_view value, std::string_view expected) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(name, " must be in ", expected, ": ", name, "=", value))
      .Field(base::StrCat("options.", name));
}

absl::Status CheckFraction(std::string_view name, std::optional<float> value) {
  // Written so that NaN fails.
  if (!value.has_value() || (*value >= 0 && *value <= 1)) return absl::OkStatus();
  return BadOption(name, absl::StrCat(*value), "[0, 1]");
}

absl::Status CheckCount(std::string_view name, int64_t value) {
  if (value >= 1 && value <= kMostResults) return absl::OkStatus();
  return BadOption(name, absl::StrCat(value), absl::StrCat("1..", kMostResults));
}

std::string_view Cut(std::string_view text) { return text.substr(0, kMostShownBytes); }

}  // namespace

absl::Status CheckRequest(const DetectRequest& request, const ServingLimits& limits) {
  if (request.images.empty()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("images must hold 1..", limits.images_per_call,
                                    " encoded pictures: images=0"))
        .Field("images");
  }
  if (request.images.size() > limits.images_per_call) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("too many pictures in one call: images=", request.images.size(),
                                    " limit=", limits.images_per_call))
        .Field("images");
  }
  const detect::DecodeOptions& decode = request.options.decode;
  LBW_RETURN_IF_ERROR(CheckFraction("score_threshold", decode.score_threshold));
  LBW_RETURN_IF_ERROR(CheckFraction("iou_threshold", decode.iou_threshold));
  if (decode.max_detections.has_value()) {
    LBW_RETURN_IF_ERROR(CheckCount("max_detections", *decode.max_detections));
  }
  return CheckCount("top_k", decode.top_k);
}

absl::StatusOr<std::vector<int32_t>> FindClasses(absl::Span<const std::string> names,
                                                 absl::Span<const std::string> labels) {
  std::vector<int32_t> wanted;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (std::find(names.begin(), names.end(), labels[i]) != names.end()) {
      wanted.push_back(static_cast<int32_t>(i));
    }
  }
  for (const std::string& name : names) {
    if (std::find(labels.begin(), labels.end(), name) != labels.end()) continue;
    std::string known;
    for (size_t i = 0; i < std::min(labels.size(), kMostShown); ++i) {
      base::StrAppend(&known, i == 0 ? "" : ", ", Cut(labels[i]));
    }
    if (labels.size() > kMostShown) known += ", ...";
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("unknown class ", Cut(name), "; the model has ", known))
        .Field("options.classes");
  }
  return wanted;
}

absl::Status WithField(const absl::Status& status, std::string_view field) {
  if (status.ok()) return status;
  const base::ErrorDetails details = base::GetErrorDetails(status);
  base::Error error(status.code(),
                    details.reason.empty() ? base::reason::kInternal : base::Reason{details.reason},
                    base::StrCat(field, ": ", base::Std(status.message())));
  error.Field(field);
  return error;
}

}  // namespace lbw::serving
