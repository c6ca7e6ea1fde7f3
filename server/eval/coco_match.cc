#include "eval/coco_match.h"

#include <algorithm>
#include <cstddef>

namespace lbw::eval {
namespace {

constexpr PixelRule kPixels = PixelRule::kContinuous;
constexpr size_t kNone = static_cast<size_t>(-1);

double CocoOverlap(const FoundBox& found, const TruthBox& truth) {
  const detect::BoxXyxyPx& box = found.detection.box;
  if (!truth.crowd) return OverlapRatio(box, truth.box, kPixels);
  const double common = Intersection(box, truth.box, kPixels);
  return common > 0 ? common / BoxArea(box, kPixels) : 0.0;
}

// Overlaps [detections, truths], row-major, truths as given.
std::vector<double> Overlaps(absl::Span<const TruthBox* const> truths,
                             absl::Span<const FoundBox* const> ranked) {
  std::vector<double> result;
  result.reserve(truths.size() * ranked.size());
  for (const FoundBox* found : ranked) {
    for (const TruthBox* truth : truths) result.push_back(CocoOverlap(*found, *truth));
  }
  return result;
}

struct OrderedTruths {
  std::vector<size_t> order;  // those not ignored first
  size_t counting = 0;        // how many those are
};

OrderedTruths OrderFor(absl::Span<const TruthBox* const> truths, const AreaRange& range) {
  const auto counts = [&](size_t g) {
    return truths[g]->Counts() && range.Has(TruthArea(*truths[g], kPixels));
  };
  OrderedTruths result;
  for (size_t g = 0; g < truths.size(); ++g) {
    if (counts(g)) result.order.push_back(g);
  }
  result.counting = result.order.size();
  for (size_t g = 0; g < truths.size(); ++g) {
    if (!counts(g)) result.order.push_back(g);
  }
  return result;
}

// The place in ordered.order that a detection takes, or kNone. row: its overlaps.
size_t Pick(const OrderedTruths& ordered, absl::Span<const double> row, double threshold,
            absl::Span<const uint8_t> taken) {
  size_t pick = kNone;
  double best = std::min(threshold, 1 - 1e-10);
  for (size_t i = 0; i < ordered.order.size(); ++i) {
    if (i == ordered.counting && pick != kNone) break;
    if (taken[i] != 0) continue;
    const double overlap = row[ordered.order[i]];
    if (overlap < best) continue;
    best = overlap;
    pick = i;
  }
  return pick;
}

// One picture and class, at every range and threshold.
class ImageMatcher {
 public:
  ImageMatcher(absl::Span<const TruthBox* const> truths, absl::Span<const FoundBox* const> ranked)
      : truths_(truths), ranked_(ranked), overlaps_(Overlaps(truths, ranked)) {}

  // Sets bit `threshold` of the verdicts, one a detection.
  void MatchAt(const OrderedTruths& ordered, size_t range, size_t threshold,
               absl::Span<CocoVerdicts> verdicts) const {
    const double least = CocoThresholds()[threshold];
    const AreaRange area = CocoRanges()[range];
    std::vector<uint8_t> taken(truths_.size(), 0);
    for (size_t d = 0; d < ranked_.size(); ++d) {
      const auto row = absl::MakeConstSpan(overlaps_).subspan(d * truths_.size(), truths_.size());
      const size_t pick = Pick(ordered, row, least, taken);
      if (pick == kNone) {
        const bool outside = !area.Has(BoxArea(ranked_[d]->detection.box, kPixels));
        SetBit(outside, threshold, &verdicts[d].ignored[range]);
        continue;
      }
      taken[pick] = truths_[ordered.order[pick]]->crowd ? 0 : 1;
      SetBit(true, threshold, &verdicts[d].matched[range]);
      SetBit(pick >= ordered.counting, threshold, &verdicts[d].ignored[range]);
    }
  }

 private:
  static void SetBit(bool value, size_t bit, uint16_t* mask) {
    if (value) *mask = static_cast<uint16_t>(*mask | (1U << bit));
  }

  const absl::Span<const TruthBox* const> truths_;
  const absl::Span<const FoundBox* const> ranked_;
  const std::vector<double> overlaps_;
};

}  // namespace

std::array<double, kCocoThresholds> CocoThresholds() {
  std::array<double, kCocoThresholds> result{};
  constexpr double kStep = (0.95 - 0.5) / 9;
  for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<double>(i) * kStep + 0.5;
  result.back() = 0.95;
  return result;
}

std::array<AreaRange, kCocoRanges> CocoRanges() {
  constexpr double kAll = 1e5 * 1e5;
  constexpr double kSmall = 32.0 * 32.0;
  constexpr double kMedium = 96.0 * 96.0;
  return {AreaRange{0, kAll}, AreaRange{0, kSmall}, AreaRange{kSmall, kMedium},
          AreaRange{kMedium, kAll}};
}

void MatchCocoImage(absl::Span<const TruthBox* const> truths,
                    absl::Span<const FoundBox* const> ranked, std::vector<CocoVerdicts>* verdicts,
                    std::array<int64_t, kCocoRanges>* positives) {
  const std::array<AreaRange, kCocoRanges> ranges = CocoRanges();
  const ImageMatcher matcher(truths, ranked);
  const size_t first = verdicts->size();
  for (size_t d = 0; d < ranked.size(); ++d) {
    CocoVerdicts verdict;
    verdict.score = ranked[d]->detection.score;
    verdict.rank = static_cast<int32_t>(d);
    verdicts->push_back(verdict);
  }
  const absl::Span<CocoVerdicts> added = absl::MakeSpan(*verdicts).subspan(first);
  for (size_t a = 0; a < kCocoRanges; ++a) {
    const OrderedTruths ordered = OrderFor(truths, ranges[a]);
    (*positives)[a] += static_cast<int64_t>(ordered.counting);
    for (size_t t = 0; t < kCocoThresholds; ++t) matcher.MatchAt(ordered, a, t, added);
  }
}

}  // namespace lbw::eval
