#include "eval/classification.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/status.h"
#include "eval/boxes.h"

namespace lbw::eval {
namespace {

base::Error Bad(std::string_view field, std::string_view message) {
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
  error.Field(field);
  return error;
}

absl::Status CheckPicture(absl::Span<const JudgedPicture> pictures, size_t index, int32_t count) {
  const JudgedPicture& picture = pictures[index];
  const auto outside = [count](int32_t value) { return value < 0 || value >= count; };
  if (!outside(picture.label) && !outside(picture.predicted) && !outside(picture.rank)) {
    return absl::OkStatus();
  }
  return Bad(base::StrCat("pictures[", index, "]"),
             base::StrCat("pictures[", index, "] must have its indices below class_count=", count,
                          ": label=", picture.label, " predicted=", picture.predicted,
                          " rank=", picture.rank));
}

absl::Status CheckOptions(const ClassificationOptions& options) {
  if (options.class_count < 1 || options.class_count > kMaxClasses) {
    return Bad("class_count", base::StrCat("class_count must be 1..", kMaxClasses,
                                           ": class_count=", options.class_count));
  }
  if (options.top_k < 1) {
    return Bad("top_k", base::StrCat("top_k must be at least 1: top_k=", options.top_k));
  }
  return absl::OkStatus();
}

std::optional<double> Share(int64_t part, int64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

absl::StatusOr<JudgedPicture> JudgeLogits(absl::Span<const float> logits, int32_t label) {
  const size_t place = static_cast<size_t>(label);
  if (label < 0 || place >= logits.size()) {
    return Bad("label", base::StrCat("label must be at least 0 and below the ", logits.size(),
                                     " logits: label=", label));
  }
  int32_t rank = 0;
  size_t best = 0;
  for (size_t c = 0; c < logits.size(); ++c) {
    if (std::isnan(logits[c])) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kNonFinite,
                         base::StrCat("logits[", c, "] must not be NaN"))
          .Field(base::StrCat("logits[", c, "]"));
    }
    if (logits[c] > logits[best]) best = c;
    if (logits[c] > logits[place] || (logits[c] == logits[place] && c < place)) ++rank;
  }
  return JudgedPicture{label, static_cast<int32_t>(best), rank};
}

absl::StatusOr<ClassificationResult> SummarizeClassification(
    absl::Span<const JudgedPicture> pictures, const ClassificationOptions& options) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  const size_t classes = static_cast<size_t>(options.class_count);
  ClassificationResult result;
  result.pictures = static_cast<int64_t>(pictures.size());
  result.k = std::min(options.top_k, options.class_count);
  if (options.class_count <= kMaxConfusionClasses) result.confusion.assign(classes * classes, 0);
  std::vector<int64_t> of_class(classes, 0);
  std::vector<int64_t> right_of_class(classes, 0);
  int64_t right = 0;
  int64_t among_k = 0;
  for (size_t i = 0; i < pictures.size(); ++i) {
    LBW_RETURN_IF_ERROR(CheckPicture(pictures, i, options.class_count));
    const JudgedPicture& picture = pictures[i];
    const size_t label = static_cast<size_t>(picture.label);
    ++of_class[label];
    if (picture.rank == 0) {
      ++right;
      ++right_of_class[label];
    }
    if (picture.rank < result.k) ++among_k;
    if (!result.confusion.empty()) {
      ++result.confusion[label * classes + static_cast<size_t>(picture.predicted)];
    }
  }
  result.top1 = Share(right, result.pictures);
  result.top_k = Share(among_k, result.pictures);
  for (size_t c = 0; c < classes; ++c) {
    result.class_accuracy.push_back(Share(right_of_class[c], of_class[c]));
  }
  return result;
}

}  // namespace lbw::eval
