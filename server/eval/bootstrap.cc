#include "eval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "eval/curve.h"
#include "eval/work_meter.h"

namespace lbw::eval {
namespace {

base::Error Bad(std::string_view field, std::string_view message) {
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
  error.Field(field);
  return error;
}

absl::Status CheckOptions(const BootstrapOptions& options) {
  if (!(options.level > 0 && options.level < 1)) {
    return Bad("level", base::StrCat("level must be above 0 and below 1: level=", options.level));
  }
  if (options.resamples < 1 || options.resamples > kMaxResamples) {
    return Bad("resamples", base::StrCat("resamples must be 1..", kMaxResamples,
                                         ": resamples=", options.resamples));
  }
  return absl::OkStatus();
}

bool IsSame(const TruthBox& a, const TruthBox& b) {
  return a.image_index == b.image_index && a.class_index == b.class_index &&
         a.Counts() == b.Counts() && a.box == b.box;
}

absl::Status NothingDrawn(const BootstrapOptions& options) {
  return Bad("resamples", base::StrCat("resamples must be more: none of ", options.resamples,
                                       " drew a picture with a truth that counts"));
}

// Both lists are judged on the same pictures by the same truths.
absl::Status CheckSameTruths(const BoxSet& reference, const BoxSet& candidate) {
  const auto differs = [](std::string_view field, auto ours, auto theirs) {
    return Bad(field, base::StrCat("candidate must have the reference's ", field, ": ", theirs,
                                   " instead of ", ours));
  };
  if (candidate.image_count != reference.image_count) {
    return differs("image_count", reference.image_count, candidate.image_count);
  }
  if (candidate.class_count != reference.class_count) {
    return differs("class_count", reference.class_count, candidate.class_count);
  }
  if (candidate.truths.size() != reference.truths.size()) {
    return differs("truths", reference.truths.size(), candidate.truths.size());
  }
  for (size_t i = 0; i < reference.truths.size(); ++i) {
    if (!IsSame(reference.truths[i], candidate.truths[i])) {
      return Bad("truths", base::StrCat("candidate must have the reference's truths: truths[", i,
                                        "] is another box"));
    }
  }
  return absl::OkStatus();
}

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  size_t Below(size_t count) {  // count < 2^32
    state_ += 0x9E3779B97F4A7C15U;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    return static_cast<size_t>(((z >> 32) * static_cast<uint64_t>(count)) >> 32);
  }

 private:
  uint64_t state_;
};

// Mean AP where picture i counts weights[i] times.
class WeightedMeanAp {
 public:
  WeightedMeanAp(const std::vector<ClassMatches>& classes, ApKind kind)
      : classes_(classes), kind_(kind) {}

  std::optional<double> Of(const std::vector<int64_t>& weights) {
    double sum = 0;
    int32_t count = 0;
    for (const ClassMatches& matches : classes_) {
      int64_t positives = 0;
      for (const Positive& truth : matches.positives) {
        positives += weights[static_cast<size_t>(truth.image_index)];
      }
      if (positives == 0) continue;
      FillSteps(matches, weights);
      const AveragePrecision ap = ApOf(steps_, positives);
      sum += kind_ == ApKind::kArea ? ap.area : ap.eleven_point;
      ++count;
    }
    if (count == 0) return std::nullopt;
    return sum / count;
  }

 private:
  // The copies of a box follow each other; only the counts after the last matter: copies of a true
  // one raise precision on the way there, copies of a false one leave recall where it is.
  void FillSteps(const ClassMatches& matches, const std::vector<int64_t>& weights) {
    steps_.clear();
    Step step;
    for (const MatchedBox& box : matches.boxes) {
      const int64_t weight = weights[static_cast<size_t>(box.image_index)];
      if (weight == 0 || box.verdict == Verdict::kNeutral) continue;
      (box.verdict == Verdict::kTrue ? step.true_positives : step.false_positives) += weight;
      steps_.push_back(step);
    }
  }

  const std::vector<ClassMatches>& classes_;
  const ApKind kind_;
  std::vector<Step> steps_;
};

double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const double below = std::floor(place);
  const size_t low = static_cast<size_t>(below);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  // The difference may be rounded up: between two values is never above the higher.
  return std::min(sorted[high], sorted[low] + (place - below) * (sorted[high] - sorted[low]));
}

}  // namespace

absl::StatusOr<MeanApInterval> BootstrapMeanAp(const BoxSet& set, const BootstrapOptions& options,
                                               const base::CancelToken& cancel) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  LBW_ASSIGN_OR_RETURN(const std::vector<ClassMatches> classes,
                       MatchBoxes(set, options.match, cancel));
  WorkMeter meter(cancel);
  const size_t images = static_cast<size_t>(set.image_count);
  WeightedMeanAp mean_ap(classes, options.kind);
  std::vector<int64_t> weights(images, 1);
  const std::optional<double> estimate = mean_ap.Of(weights);
  if (!estimate.has_value()) {
    return Bad("truths", base::StrCat("truths must have at least one box that counts: truths=",
                                      set.truths.size()));
  }
  SplitMix64 random(options.seed);
  std::vector<double> values;
  values.reserve(static_cast<size_t>(options.resamples));
  for (int32_t r = 0; r < options.resamples; ++r) {
    LBW_RETURN_IF_ERROR(meter.Before(images + set.truths.size() + set.found.size()));
    std::fill(weights.begin(), weights.end(), 0);
    for (size_t i = 0; i < images; ++i) ++weights[random.Below(images)];
    if (const std::optional<double> value = mean_ap.Of(weights)) values.push_back(*value);
  }
  if (values.empty()) return NothingDrawn(options);
  std::sort(values.begin(), values.end());
  MeanApInterval result;
  result.estimate = *estimate;
  result.mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  result.low = Quantile(values, (1 - options.level) / 2);
  result.high = Quantile(values, (1 + options.level) / 2);
  result.resamples = static_cast<int32_t>(values.size());
  return result;
}

absl::StatusOr<MeanApDrop> BootstrapDrop(const BoxSet& reference, const BoxSet& candidate,
                                         const BootstrapOptions& options,
                                         const base::CancelToken& cancel) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  LBW_ASSIGN_OR_RETURN(const std::vector<ClassMatches> of_reference,
                       MatchBoxes(reference, options.match, cancel));
  LBW_RETURN_IF_ERROR(CheckSameTruths(reference, candidate));
  LBW_ASSIGN_OR_RETURN(const std::vector<ClassMatches> of_candidate,
                       MatchBoxes(candidate, options.match, cancel));
  WeightedMeanAp reference_ap(of_reference, options.kind);
  WeightedMeanAp candidate_ap(of_candidate, options.kind);
  const size_t images = static_cast<size_t>(reference.image_count);
  std::vector<int64_t> weights(images, 1);
  const auto drop = [&]() -> std::optional<double> {
    const std::optional<double> above = reference_ap.Of(weights);
    const std::optional<double> below = candidate_ap.Of(weights);
    if (!above.has_value() || !below.has_value()) return std::nullopt;
    return *above - *below;
  };
  const std::optional<double> estimate = drop();
  if (!estimate.has_value()) {
    return Bad("truths", base::StrCat("truths must have at least one box that counts: truths=",
                                      reference.truths.size()));
  }
  WorkMeter meter(cancel);
  SplitMix64 random(options.seed);
  std::vector<double> values;
  const size_t work =
      images + 2 * reference.truths.size() + reference.found.size() + candidate.found.size();
  for (int32_t r = 0; r < options.resamples; ++r) {
    LBW_RETURN_IF_ERROR(meter.Before(work));
    std::fill(weights.begin(), weights.end(), 0);
    for (size_t i = 0; i < images; ++i) ++weights[random.Below(images)];
    if (const std::optional<double> value = drop()) values.push_back(*value);
  }
  if (values.empty()) return NothingDrawn(options);
  std::sort(values.begin(), values.end());
  MeanApDrop result;
  result.drop = *estimate;
  result.resamples = static_cast<int32_t>(values.size());
  result.low = Quantile(values, (1 - options.level) / 2);
  result.high = Quantile(values, (1 + options.level) / 2);
  return result;
}

}  // namespace lbw::eval
