#include "eval/matching.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "eval/grouping.h"
#include "eval/work_meter.h"

namespace lbw::eval {
namespace {

class ClassMatcher {
 public:
  ClassMatcher(const BoxSet& set, const MatchOptions& options)
      : set_(set),
        options_(options),
        truths_(set.truths),
        found_(set.found),
        taken_(set.truths.size(), 0) {}

  const Grouping& truths() const { return truths_; }

  absl::StatusOr<ClassMatches> Match(int32_t class_index, WorkMeter& meter) {
    ClassMatches result;
    for (const Grouping::Entry& entry : truths_.OfClass(class_index)) {
      const TruthBox& truth = set_.truths[static_cast<size_t>(entry.place)];
      if (truth.Counts()) {
        result.positives.push_back({entry.image_index, TruthArea(truth, options_.pixels)});
      } else {
        ++result.not_counted;
      }
    }
    for (const size_t place : Ranked(class_index)) {
      const FoundBox& found = set_.found[place];
      const auto truths = truths_.Of(class_index, found.image_index);
      LBW_RETURN_IF_ERROR(meter.Before(1 + truths.size()));
      result.boxes.push_back(Judge(found, truths));
    }
    return result;
  }

 private:
  std::vector<size_t> Ranked(int32_t class_index) const {
    std::vector<size_t> places;
    for (const Grouping::Entry& entry : found_.OfClass(class_index)) {
      places.push_back(static_cast<size_t>(entry.place));
    }
    std::sort(places.begin(), places.end(), [this](size_t a, size_t b) {
      const float score_a = set_.found[a].detection.score;
      const float score_b = set_.found[b].detection.score;
      return score_a != score_b ? score_a > score_b : a < b;
    });
    return places;
  }

  // truths: of its class and picture.
  MatchedBox Judge(const FoundBox& found, absl::Span<const Grouping::Entry> truths) {
    MatchedBox result{found.image_index, found.detection.score,
                      BoxArea(found.detection.box, options_.pixels), 0, Verdict::kUnmatched};
    double best = 0;
    size_t pick = 0;
    for (const Grouping::Entry& entry : truths) {
      const size_t place = static_cast<size_t>(entry.place);
      const double overlap =
          OverlapRatio(found.detection.box, set_.truths[place].box, options_.pixels);
      if (overlap <= best) continue;
      best = overlap;
      pick = place;
    }
    if (best < options_.iou_threshold) return result;
    result.truth_area_px2 = TruthArea(set_.truths[pick], options_.pixels);
    if (!set_.truths[pick].Counts()) {
      result.verdict = Verdict::kNeutral;
    } else {
      result.verdict = taken_[pick] != 0 ? Verdict::kDuplicate : Verdict::kTrue;
      taken_[pick] = 1;
    }
    return result;
  }

  const BoxSet& set_;
  const MatchOptions& options_;
  const Grouping truths_;
  const Grouping found_;
  std::vector<uint8_t> taken_;
};

}  // namespace

absl::StatusOr<std::vector<ClassMatches>> MatchBoxes(const BoxSet& set, const MatchOptions& options,
                                                     const base::CancelToken& cancel) {
  if (!(options.iou_threshold > 0 && options.iou_threshold <= 1)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("iou_threshold must be above 0 and at most 1: iou_threshold=",
                                    options.iou_threshold))
        .Field("iou_threshold");
  }
  WorkMeter meter(cancel);
  LBW_RETURN_IF_ERROR(meter.Before(set.truths.size() + set.found.size()));
  LBW_RETURN_IF_ERROR(CheckBoxes(set));
  ClassMatcher matcher(set, options);
  LBW_RETURN_IF_ERROR(CheckCrowding(matcher.truths(), set.class_count));
  std::vector<ClassMatches> result;
  result.reserve(static_cast<size_t>(set.class_count));
  for (int32_t c = 0; c < set.class_count; ++c) {
    LBW_ASSIGN_OR_RETURN(ClassMatches matches, matcher.Match(c, meter));
    result.push_back(std::move(matches));
  }
  return result;
}

Verdict VerdictWithin(const MatchedBox& box, const AreaRange& range) {
  const bool matched = box.verdict == Verdict::kTrue || box.verdict == Verdict::kDuplicate;
  const double area = matched ? box.truth_area_px2 : box.area_px2;
  return range.Has(area) ? box.verdict : Verdict::kNeutral;
}

}  // namespace lbw::eval
