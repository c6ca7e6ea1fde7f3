#include "eval/coco.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status.h"
#include "eval/coco_match.h"
#include "eval/grouping.h"
#include "eval/work_meter.h"

namespace lbw::eval {
namespace {

constexpr size_t kAll = 0;
constexpr int kRecallPoints = 101;

absl::Status CheckOptions(const CocoOptions& options) {
  int32_t least = 1;
  for (size_t i = 0; i < options.max_detections.size(); ++i) {
    const int32_t value = options.max_detections[i];
    if (value < least || value > kMaxCocoDetections) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                         base::StrCat("max_detections must rise within 1..", kMaxCocoDetections,
                                      ": max_detections[", i, "]=", value))
          .Field(base::StrCat("max_detections[", i, "]"));
    }
    least = value + 1;
  }
  return absl::OkStatus();
}

struct ClassVerdicts {
  std::vector<CocoVerdicts> boxes;  // falling score
  std::array<int64_t, kCocoRanges> positives{};
};

// The detections of one picture and class, best first, at most limit.
std::vector<const FoundBox*> Ranked(const BoxSet& set, absl::Span<const Grouping::Entry> entries,
                                    int32_t limit) {
  std::vector<const FoundBox*> result;
  for (const Grouping::Entry& entry : entries) {
    result.push_back(&set.found[static_cast<size_t>(entry.place)]);
  }
  std::stable_sort(result.begin(), result.end(), [](const FoundBox* a, const FoundBox* b) {
    return a->detection.score > b->detection.score;
  });
  if (result.size() > static_cast<size_t>(limit)) result.resize(static_cast<size_t>(limit));
  return result;
}

std::vector<int32_t> ImagesOf(absl::Span<const Grouping::Entry> truths,
                              absl::Span<const Grouping::Entry> found) {
  std::vector<int32_t> images;
  for (const Grouping::Entry& entry : truths) images.push_back(entry.image_index);
  for (const Grouping::Entry& entry : found) images.push_back(entry.image_index);
  std::sort(images.begin(), images.end());
  images.erase(std::unique(images.begin(), images.end()), images.end());
  return images;
}

struct Groups {
  const BoxSet& set;
  Grouping truths;
  Grouping found;
};

absl::StatusOr<ClassVerdicts> MatchClass(const Groups& groups, int32_t class_index, int32_t limit,
                                         WorkMeter& meter) {
  ClassVerdicts result;
  for (const int32_t image :
       ImagesOf(groups.truths.OfClass(class_index), groups.found.OfClass(class_index))) {
    std::vector<const TruthBox*> truths;
    for (const Grouping::Entry& entry : groups.truths.Of(class_index, image)) {
      truths.push_back(&groups.set.truths[static_cast<size_t>(entry.place)]);
    }
    const std::vector<const FoundBox*> ranked =
        Ranked(groups.set, groups.found.Of(class_index, image), limit);
    LBW_RETURN_IF_ERROR(
        meter.Before(kCocoRanges * kCocoThresholds * ranked.size() * (1 + truths.size())));
    MatchCocoImage(truths, ranked, &result.boxes, &result.positives);
  }
  std::stable_sort(result.boxes.begin(), result.boxes.end(),
                   [](const CocoVerdicts& a, const CocoVerdicts& b) { return a.score > b.score; });
  return result;
}

struct Point {
  double recall = 0;
  double precision = 0;
};

std::vector<Point> PointsOf(const ClassVerdicts& verdicts, size_t range, size_t threshold,
                            int32_t limit) {
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();  // as cocoapi, for 0 / 0
  const double positives = static_cast<double>(verdicts.positives[range]);
  std::vector<Point> points;
  int64_t hits = 0;
  int64_t misses = 0;
  for (const CocoVerdicts& box : verdicts.boxes) {
    if (box.rank >= limit) continue;
    if (((box.ignored[range] >> threshold) & 1) == 0) {
      ++(((box.matched[range] >> threshold) & 1) != 0 ? hits : misses);
    }
    points.push_back({static_cast<double>(hits) / positives,
                      static_cast<double>(hits) / (static_cast<double>(misses + hits) + kEpsilon)});
  }
  return points;
}

double ApOfPoints(absl::Span<const Point> points) {
  double sum = 0;
  double highest = 0;
  size_t next = points.size();
  for (int k = kRecallPoints - 1; k >= 0; --k) {
    // numpy.linspace(0, 1, 101) multiplies by the rounded step and sets the last to 1.
    const double recall = k == kRecallPoints - 1 ? 1.0 : k * 0.01;
    for (; next > 0 && points[next - 1].recall >= recall; --next) {
      highest = std::max(highest, points[next - 1].precision);
    }
    sum += highest;
  }
  return sum / kRecallPoints;
}

absl::StatusOr<double> MeanAp(const ClassVerdicts& verdicts, size_t range, int32_t limit,
                              WorkMeter& meter) {
  double sum = 0;
  for (size_t t = 0; t < kCocoThresholds; ++t) {
    LBW_RETURN_IF_ERROR(meter.Before(verdicts.boxes.size()));
    sum += ApOfPoints(PointsOf(verdicts, range, t, limit));
  }
  return sum / kCocoThresholds;
}

double MeanAr(const ClassVerdicts& verdicts, size_t range, int32_t limit) {
  std::array<int64_t, kCocoThresholds> hits{};
  for (const CocoVerdicts& box : verdicts.boxes) {
    if (box.rank >= limit) continue;
    const int found = box.matched[range] & ~box.ignored[range];
    for (size_t t = 0; t < kCocoThresholds; ++t) hits[t] += (found >> t) & 1;
  }
  double sum = 0;
  for (const int64_t count : hits) {
    sum += static_cast<double>(count) / static_cast<double>(verdicts.positives[range]);
  }
  return sum / kCocoThresholds;
}

absl::StatusOr<CocoNumbers> NumbersOf(const ClassVerdicts& verdicts, const CocoOptions& options,
                                      WorkMeter& meter) {
  constexpr size_t kAt50 = 0;
  constexpr size_t kAt75 = 5;
  const int32_t limit = options.max_detections.back();
  CocoNumbers numbers;
  if (verdicts.positives[kAll] > 0) {
    LBW_ASSIGN_OR_RETURN(numbers.ap, MeanAp(verdicts, kAll, limit, meter));
    numbers.ap_50 = ApOfPoints(PointsOf(verdicts, kAll, kAt50, limit));
    numbers.ap_75 = ApOfPoints(PointsOf(verdicts, kAll, kAt75, limit));
    for (size_t i = 0; i < numbers.ar.size(); ++i) {
      numbers.ar[i] = MeanAr(verdicts, kAll, options.max_detections[i]);
    }
  }
  const std::array<std::optional<double>*, kCocoRanges> ap = {
      nullptr, &numbers.ap_small, &numbers.ap_medium, &numbers.ap_large};
  const std::array<std::optional<double>*, kCocoRanges> ar = {
      nullptr, &numbers.ar_small, &numbers.ar_medium, &numbers.ar_large};
  for (size_t a = 1; a < kCocoRanges; ++a) {
    if (verdicts.positives[a] == 0) continue;
    LBW_ASSIGN_OR_RETURN(*ap[a], MeanAp(verdicts, a, limit, meter));
    *ar[a] = MeanAr(verdicts, a, limit);
  }
  return numbers;
}

template <typename Pick>
std::optional<double> MeanOf(absl::Span<const CocoNumbers> classes, const Pick& pick) {
  double sum = 0;
  int64_t count = 0;
  for (const CocoNumbers& numbers : classes) {
    const std::optional<double>& value = pick(numbers);
    if (!value.has_value()) continue;
    sum += *value;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

CocoNumbers MeanOfClasses(absl::Span<const CocoNumbers> classes) {
  const auto of = [classes](std::optional<double> CocoNumbers::*field) {
    return MeanOf(
        classes, [field](const CocoNumbers& n) -> auto& { return n.*field; });
  };
  CocoNumbers mean;
  mean.ap = of(&CocoNumbers::ap);
  mean.ap_50 = of(&CocoNumbers::ap_50);
  mean.ap_75 = of(&CocoNumbers::ap_75);
  mean.ap_small = of(&CocoNumbers::ap_small);
  mean.ap_medium = of(&CocoNumbers::ap_medium);
  mean.ap_large = of(&CocoNumbers::ap_large);
  for (size_t i = 0; i < mean.ar.size(); ++i) {
    mean.ar[i] = MeanOf(
        classes, [i](const CocoNumbers& n) -> auto& { return n.ar[i]; });
  }
  mean.ar_small = of(&CocoNumbers::ar_small);
  mean.ar_medium = of(&CocoNumbers::ar_medium);
  mean.ar_large = of(&CocoNumbers::ar_large);
  return mean;
}

}  // namespace

absl::StatusOr<CocoResult> EvaluateCoco(const BoxSet& set, const CocoOptions& options,
                                        const base::CancelToken& cancel) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  WorkMeter meter(cancel);
  LBW_RETURN_IF_ERROR(meter.Before(set.truths.size() + set.found.size()));
  LBW_RETURN_IF_ERROR(CheckBoxes(set));
  const Groups groups{set, Grouping(set.truths), Grouping(set.found)};
  LBW_RETURN_IF_ERROR(CheckCrowding(groups.truths, set.class_count));
  CocoResult result;
  result.classes.reserve(static_cast<size_t>(set.class_count));
  for (int32_t c = 0; c < set.class_count; ++c) {
    LBW_ASSIGN_OR_RETURN(const ClassVerdicts verdicts,
                         MatchClass(groups, c, options.max_detections.back(), meter));
    LBW_ASSIGN_OR_RETURN(CocoNumbers numbers, NumbersOf(verdicts, options, meter));
    result.classes.push_back(std::move(numbers));
  }
  result.numbers = MeanOfClasses(result.classes);
  return result;
}

}  // namespace lbw::eval
