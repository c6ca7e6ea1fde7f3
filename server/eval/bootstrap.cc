#include "eval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

#include "base/random.h"
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

// Begins at the seed itself, where base::Random mixes it: figures stay those of their seeds.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  size_t Below(size_t count) {  // count < 2^32
    const uint64_t bits = base::MixBits(state_ += kStep);
    return static_cast<size_t>(((bits >> 32) * static_cast<uint64_t>(count)) >> 32);
  }

 private:
  static constexpr uint64_t kStep = 0x9E3779B97F4A7C15U;
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

// A figure where picture i counts weights[i] times; unset without a truth that counts.
using Statistic = std::function<std::optional<double>(const std::vector<int64_t>& weights)>;

struct Resampled {
  double estimate = 0;         // of the pictures as they are
  std::vector<double> values;  // of the draws that have a truth, rising; at least one
  double low = 0;
  double high = 0;
};

// set: whose pictures are drawn. work: units of a draw.
absl::StatusOr<Resampled> Resample(const BoxSet& set, const Statistic& statistic, size_t work,
                                   const BootstrapOptions& options, WorkMeter& meter) {
  const size_t images = static_cast<size_t>(set.image_count);
  std::vector<int64_t> weights(images, 1);
  const std::optional<double> estimate = statistic(weights);
  if (!estimate.has_value()) {
    return Bad("truths", base::StrCat("truths must have at least one box that counts: truths=",
                                      set.truths.size()));
  }
  Resampled result;
  result.estimate = *estimate;
  result.values.reserve(static_cast<size_t>(options.resamples));
  SplitMix64 random(options.seed);
  for (int32_t r = 0; r < options.resamples; ++r) {
    LBW_RETURN_IF_ERROR(meter.Before(work));
    std::fill(weights.begin(), weights.end(), 0);
    for (size_t i = 0; i < images; ++i) ++weights[random.Below(images)];
    if (const std::optional<double> value = statistic(weights)) result.values.push_back(*value);
  }
  if (result.values.empty()) {
    return Bad("resamples", base::StrCat("resamples must be more: none of ", options.resamples,
                                         " drew a picture with a truth that counts"));
  }
  std::sort(result.values.begin(), result.values.end());
  result.low = Quantile(result.values, (1 - options.level) / 2);
  result.high = Quantile(result.values, (1 + options.level) / 2);
  return result;
}

}  // namespace

absl::StatusOr<MeanApInterval> BootstrapMeanAp(const BoxSet& set, const BootstrapOptions& options,
                                               const base::CancelToken& cancel) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  LBW_ASSIGN_OR_RETURN(const std::vector<ClassMatches> classes,
                       MatchBoxes(set, options.match, cancel));
  WeightedMeanAp mean_ap(classes, options.kind);
  const size_t work = static_cast<size_t>(set.image_count) + set.truths.size() + set.found.size();
  WorkMeter meter(cancel);
  LBW_ASSIGN_OR_RETURN(
      const Resampled resampled,
      Resample(
          set, [&](const std::vector<int64_t>& weights) { return mean_ap.Of(weights); }, work,
          options, meter));
  const std::vector<double>& values = resampled.values;
  MeanApInterval result;
  result.estimate = resampled.estimate;
  result.mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  result.low = resampled.low;
  result.high = resampled.high;
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
  const auto drop = [&](const std::vector<int64_t>& weights) -> std::optional<double> {
    const std::optional<double> above = reference_ap.Of(weights);
    const std::optional<double> below = candidate_ap.Of(weights);
    if (!above.has_value() || !below.has_value()) return std::nullopt;
    return *above - *below;
  };
  const size_t work = static_cast<size_t>(reference.image_count) + 2 * reference.truths.size() +
                      reference.found.size() + candidate.found.size();
  WorkMeter meter(cancel);
  LBW_ASSIGN_OR_RETURN(const Resampled resampled, Resample(reference, drop, work, options, meter));
  MeanApDrop result;
  result.drop = resampled.estimate;
  result.resamples = static_cast<int32_t>(resampled.values.size());
  result.low = resampled.low;
  result.high = resampled.high;
  return result;
}

}  // namespace lbw::eval
