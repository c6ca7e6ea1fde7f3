#include "detect/scores.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lbw::detect {
namespace {

// Keeps a bound's rounding from deciding.
constexpr float kSafely = 0.999F;

float Sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

// Below this a logit cannot score above the threshold: most rows of a detector are background, and
// are told from it without an exponential. The margin keeps rounding on the safe side.
float SigmoidFloor(float threshold) {
  const auto t = static_cast<double>(threshold);
  // So near 1 the margin would be lost in a score's rounding.
  if (t <= 0 || t > 0.999) return -std::numeric_limits<float>::infinity();
  return static_cast<float>(std::log(t / (1 - t)) - 1e-3);
}

float MaxOf(absl::Span<const float> row) {
  float max = -std::numeric_limits<float>::infinity();
  for (const float x : row) max = x > max ? x : max;
  return max;
}

}  // namespace

absl::Span<const float> ScoreRule::Foreground(absl::Span<const float> row) const {
  return row.subspan(background_ == Background::kFirst ? 1 : 0, static_cast<size_t>(classes_));
}

float ScoreRule::SoftmaxSum(absl::Span<const float> row, float max) const {
  float sum = 0;
  for (const float x : row) sum += std::exp(x - max);
  return sum;
}

void ScoreRule::Above(absl::Span<const float> row, float threshold,
                      std::vector<ClassScore>& out) const {
  const absl::Span<const float> foreground = Foreground(row);
  float floor = threshold;
  float max = 0;
  float sum = 1;
  if (activation_ == Activation::kSigmoid) {
    floor = SigmoidFloor(threshold);
  } else if (activation_ == Activation::kSoftmax) {
    max = MaxOf(row);
    // The best class scores at most e^(best - max).
    if (std::exp(MaxOf(foreground) - max) < threshold * kSafely) return;
    sum = SoftmaxSum(row, max);
    floor = -std::numeric_limits<float>::infinity();
  }
  for (size_t c = 0; c < foreground.size(); ++c) {
    float score = foreground[c];
    if (score < floor) continue;
    if (activation_ == Activation::kSigmoid) score = Sigmoid(score);
    if (activation_ == Activation::kSoftmax) score = std::exp(score - max) / sum;
    if (score > threshold) out.push_back({static_cast<int32_t>(c), score});
  }
}

void ScoreRule::BestAbove(absl::Span<const float> row, float threshold,
                          std::vector<ClassScore>& out) const {
  const absl::Span<const float> foreground = Foreground(row);
  // Activations are monotonic: the best before is the best after.
  size_t best = 0;
  float value = -std::numeric_limits<float>::infinity();
  bool found = false;
  for (size_t c = 0; c < foreground.size(); ++c) {
    if (foreground[c] > value) {
      best = c;
      value = foreground[c];
      found = true;
    }
  }
  if (!found) return;
  float score = value;
  if (activation_ == Activation::kSigmoid) {
    if (value < SigmoidFloor(threshold)) return;
    score = Sigmoid(value);
  } else if (activation_ == Activation::kSoftmax) {
    const float max = MaxOf(row);
    if (std::exp(value - max) < threshold * kSafely) return;
    score = std::exp(value - max) / SoftmaxSum(row, max);
  }
  if (score > threshold) out.push_back({static_cast<int32_t>(best), score});
}

}  // namespace lbw::detect
