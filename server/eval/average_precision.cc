#include "eval/average_precision.h"

#include <algorithm>

#include "base/status.h"
#include "eval/work_meter.h"

namespace lbw::eval {
namespace {

using absl::StatusCode;
using base::Error;
using base::StrCat;
namespace reason = base::reason;

absl::Status CheckOptions(const VocOptions& options) {
  if (options.max_curve_points < 2 || options.max_curve_points > kMaxCurvePoints) {
    return Error(StatusCode::kInvalidArgument, reason::kBadArgument,
                 StrCat("max_curve_points must be 2..", kMaxCurvePoints,
                        ": max_curve_points=", options.max_curve_points))
        .Field("max_curve_points");
  }
  if (options.areas.size() > static_cast<size_t>(kMaxAreas)) {
    return Error(StatusCode::kInvalidArgument, reason::kLimitExceeded,
                 StrCat("areas must be at most ", kMaxAreas, ": ", options.areas.size()))
        .Field("areas");
  }
  for (size_t i = 0; i < options.areas.size(); ++i) {
    const AreaRange& area = options.areas[i];
    if (area.min_px2 >= 0 && area.max_px2 >= area.min_px2) continue;
    return Error(StatusCode::kInvalidArgument, reason::kBadArgument,
                 StrCat("areas[", i, "] must have 0 <= min_px2 <= max_px2: min_px2=", area.min_px2,
                        " max_px2=", area.max_px2))
        .Field(StrCat("areas[", i, "]"));
  }
  return absl::OkStatus();
}

std::vector<Step> StepsWithin(const ClassMatches& matches, const AreaRange& range) {
  std::vector<Step> steps;
  steps.reserve(matches.boxes.size());
  Step step;
  for (const MatchedBox& box : matches.boxes) {
    const Verdict verdict = VerdictWithin(box, range);
    if (verdict == Verdict::kNeutral) continue;
    ++(verdict == Verdict::kTrue ? step.true_positives : step.false_positives);
    step.score = box.score;
    steps.push_back(step);
  }
  return steps;
}

int64_t PositivesWithin(const ClassMatches& matches, const AreaRange& range) {
  return std::count_if(matches.positives.begin(), matches.positives.end(),
                       [&range](const Positive& truth) { return range.Has(truth.area_px2); });
}

ClassPrecision EvaluateClass(const ClassMatches& matches, const VocOptions& options) {
  ClassPrecision result;
  const AreaRange everything;
  const std::vector<Step> steps = StepsWithin(matches, everything);
  result.truths = static_cast<int64_t>(matches.positives.size());
  result.not_counted = matches.not_counted;
  result.neutral = static_cast<int64_t>(matches.boxes.size() - steps.size());
  if (!steps.empty()) {
    result.true_positives = steps.back().true_positives;
    result.false_positives = steps.back().false_positives;
  }
  if (result.truths > 0) {
    result.ap = ApOf(steps, result.truths);
    result.curve = CurveOf(steps, result.truths, options.max_curve_points);
  }
  for (const AreaRange& range : options.areas) {
    const int64_t positives = PositivesWithin(matches, range);
    result.by_area.emplace_back();
    if (positives > 0) result.by_area.back() = ApOf(StepsWithin(matches, range), positives);
  }
  return result;
}

class Mean {
 public:
  void Add(const std::optional<AveragePrecision>& ap) {
    if (!ap.has_value()) return;
    sum_.eleven_point += ap->eleven_point;
    sum_.area += ap->area;
    ++count_;
  }
  int32_t count() const { return count_; }
  std::optional<AveragePrecision> Value() const {
    if (count_ == 0) return std::nullopt;
    return AveragePrecision{sum_.eleven_point / count_, sum_.area / count_};
  }

 private:
  AveragePrecision sum_;
  int32_t count_ = 0;
};

}  // namespace

std::vector<AreaRange> CocoAreas() {
  constexpr double kSmall = 32.0 * 32.0;
  constexpr double kMedium = 96.0 * 96.0;
  AreaRange large;
  large.min_px2 = kMedium;
  return {AreaRange{0, kSmall}, AreaRange{kSmall, kMedium}, large};
}

absl::StatusOr<VocResult> EvaluateVoc(const BoxSet& set, const VocOptions& options,
                                      const base::CancelToken& cancel) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  LBW_ASSIGN_OR_RETURN(const std::vector<ClassMatches> matches,
                       MatchBoxes(set, options.match, cancel));
  WorkMeter meter(cancel);
  VocResult result;
  result.classes.reserve(matches.size());
  Mean mean;
  std::vector<Mean> by_area(options.areas.size());
  for (const ClassMatches& of_class : matches) {
    LBW_RETURN_IF_ERROR(meter.Before(of_class.boxes.size() * (1 + options.areas.size())));
    result.classes.push_back(EvaluateClass(of_class, options));
    const ClassPrecision& last = result.classes.back();
    result.true_positives += last.true_positives;
    result.false_positives += last.false_positives;
    mean.Add(last.ap);
    for (size_t i = 0; i < by_area.size(); ++i) by_area[i].Add(last.by_area[i]);
  }
  result.mean = mean.Value();
  result.classes_with_truths = mean.count();
  for (const Mean& of_area : by_area) result.mean_by_area.push_back(of_area.Value());
  return result;
}

}  // namespace lbw::eval
