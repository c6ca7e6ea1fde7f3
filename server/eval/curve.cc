#include "eval/curve.h"

#include <algorithm>

namespace lbw::eval {
namespace {

double Precision(const Step& step) {
  const int64_t all = step.true_positives + step.false_positives;
  return all == 0 ? 0.0 : static_cast<double>(step.true_positives) / static_cast<double>(all);
}

}  // namespace

AveragePrecision ApOf(absl::Span<const Step> steps, int64_t positives) {
  AveragePrecision result;
  double highest = 0;  // of this step and all later ones
  int tenth = 10;      // the next of the eleven points, from above
  double points = 0;
  double area = 0;  // in hits
  for (size_t i = steps.size(); i-- > 0;) {
    const int64_t hits = steps[i].true_positives;
    const double recall = static_cast<double>(hits) / static_cast<double>(positives);
    for (; recall < tenth * 0.1; --tenth) points += highest;
    highest = std::max(highest, Precision(steps[i]));
    const int64_t before = i == 0 ? 0 : steps[i - 1].true_positives;
    area += static_cast<double>(hits - before) * highest;
  }
  // Summed in hits and divided once: a product or sum of what is at most a whole number never
  // rounds above it, while shares of 1 / 3 add up to 1.0000000000000002.
  result.area = area / static_cast<double>(positives);
  points += (tenth + 1) * highest;
  result.eleven_point = points / 11.0;
  return result;
}

std::vector<CurvePoint> CurveOf(absl::Span<const Step> steps, int64_t positives,
                                int32_t max_points) {
  std::vector<size_t> chosen;
  int64_t hits = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].true_positives > hits || i + 1 == steps.size()) chosen.push_back(i);
    hits = steps[i].true_positives;
  }
  const size_t count = std::min(chosen.size(), static_cast<size_t>(max_points));
  std::vector<CurvePoint> result;
  result.reserve(count);
  for (size_t k = 0; k < count; ++k) {
    const size_t at = count == chosen.size() ? k : k * (chosen.size() - 1) / (count - 1);
    const Step& step = steps[chosen[at]];
    result.push_back({static_cast<double>(step.true_positives) / static_cast<double>(positives),
                      Precision(step), step.score});
  }
  return result;
}

}  // namespace lbw::eval
