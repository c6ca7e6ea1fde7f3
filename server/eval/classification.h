// Accuracy of a classifier: top-1, top-k and the confusion matrix.
//
// Rank:     of the true class among its picture's logits, 0 = highest; equal logits: the lower
// class
//           index first. Top-k counts ranks below k; the prediction is the class of rank 0.
// NaN:      an error that names the class; infinite logits are ordered as they are.
// Threads:  pure.
#ifndef LBW_EVAL_CLASSIFICATION_H_
#define LBW_EVAL_CLASSIFICATION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace lbw::eval {

inline constexpr int32_t kMaxConfusionClasses = 1024;

// One picture's outcome: all that the figures need, so pictures can be judged one by one.
struct JudgedPicture {
  int32_t label = 0;
  int32_t predicted = 0;
  int32_t rank = 0;  // of the label
  bool operator==(const JudgedPicture&) const = default;
};

// logits [classes]. Errors: kInvalidArgument - no logits, label outside them, a NaN.
absl::StatusOr<JudgedPicture> JudgeLogits(absl::Span<const float> logits, int32_t label);

struct ClassificationOptions {
  int32_t class_count = 0;  // 1 .. kMaxClasses
  int32_t top_k = 5;        // at least 1; above class_count it is class_count
};

struct ClassificationResult {
  int64_t pictures = 0;
  std::optional<double> top1;  // unset: no pictures
  std::optional<double> top_k;
  int32_t k = 0;                                      // that top_k was taken with
  std::vector<std::optional<double>> class_accuracy;  // unset: no pictures of the class
  // [label, predicted] row-major, pictures; empty above kMaxConfusionClasses classes.
  std::vector<int64_t> confusion;
};

// Errors: kInvalidArgument - an option, or a picture with an index outside 0 .. class_count-1.
absl::StatusOr<ClassificationResult> SummarizeClassification(
    absl::Span<const JudgedPicture> pictures, const ClassificationOptions& options);

}  // namespace lbw::eval

#endif  // LBW_EVAL_CLASSIFICATION_H_
