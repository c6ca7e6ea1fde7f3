// From what a network says about a row (an anchor, a picture) to class probabilities.
//
// Threads: immutable; pure.
#ifndef LBW_DETECT_SCORES_H_
#define LBW_DETECT_SCORES_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "detect/decoder.h"
#include "detect/spec.h"

namespace lbw::detect {

// Math: sigmoid 1 / (1 + e^-x); softmax e^(x - max) / sum over all channels, background included.
class ScoreRule {
 public:
  // classes: without background.
  ScoreRule(Activation activation, Background background, int64_t classes)
      : activation_(activation), background_(background), classes_(classes) {}

  // Of a row: classes and background.
  int64_t channels() const { return classes_ + (background_ == Background::kNone ? 0 : 1); }
  int64_t classes() const { return classes_; }

  // Every class of a row that scores above the threshold, by rising class index. NaN never does;
  // a softmax over a row with NaN or +inf is NaN throughout. row: [channels()].
  void Above(absl::Span<const float> row, float threshold, std::vector<ClassScore>& out) const;
  // The best class of a row (ties: the lower index), where it scores above the threshold.
  void BestAbove(absl::Span<const float> row, float threshold, std::vector<ClassScore>& out) const;

 private:
  // The classes' part of a row.
  absl::Span<const float> Foreground(absl::Span<const float> row) const;
  float SoftmaxSum(absl::Span<const float> row, float max) const;

  Activation activation_;
  Background background_;
  int64_t classes_;
};

}  // namespace lbw::detect

#endif  // LBW_DETECT_SCORES_H_
