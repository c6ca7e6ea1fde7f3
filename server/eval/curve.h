// Precision and recall along a ranking, and average precision from them.
//
// Math:     after k detections: recall = tp / positives, precision = tp / (tp + fp), 0 for 0 / 0.
//           p(r) = the highest precision at any recall >= r, 0 where none is.
//           eleven_point = mean of p(0), p(0.1), ..., p(1).
//           area         = integral of p(r) over r in 0 .. 1.
// Range:    both lie in 0 .. 1, rounding included.
// Source:   M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 88
//           (2010), section 4.2 (eleven points); the development kits of 2010 and later (area).
// Precision: the eleven points are k * 0.1 in double precision, as the tools that published figures
//           come from have them: a recall of exactly 3 / 10, 6 / 10 or 7 / 10 lies a rounding below
//           its point and does not reach it. Refused: comparing in integers, which reaches them and
//           reproduces nobody's figures.
// Threads:  pure. Cost: O(steps).
#ifndef LBW_EVAL_CURVE_H_
#define LBW_EVAL_CURVE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace lbw::eval {

// Counts after a detection, it and all better ones together.
struct Step {
  int64_t true_positives = 0;
  int64_t false_positives = 0;
  float score = 0;
};

struct AveragePrecision {
  double eleven_point = 0;
  double area = 0;
};

// steps in falling score; positives > 0.
AveragePrecision ApOf(absl::Span<const Step> steps, int64_t positives);

struct CurvePoint {
  double recall = 0;
  double precision = 0;
  float score = 0;  // of the detection that reaches this point
};

// The steps at which recall rises and the last step, thinned to at most max_points >= 2: the first,
// the last, and evenly chosen ones between.
std::vector<CurvePoint> CurveOf(absl::Span<const Step> steps, int64_t positives,
                                int32_t max_points);

}  // namespace lbw::eval

#endif  // LBW_EVAL_CURVE_H_
