// COCO's matching of the detections of one class in one picture.
//
// Rule:     truths that are ignored - not counting, or outside the area range - come last. For each
//           threshold t: detections in falling score (ties: order of the list), each takes the free
//           truth with the highest overlap of at least min(t, 1 - 1e-10), the last among equals. A
//           truth that is not ignored goes before any that is. A crowd is never used up, and its
//           overlap is intersection over the detection's area. A detection is ignored if its truth
//           is, or if it has none and its own area is outside the range.
// Source:   cocoapi, COCOeval.evaluateImg and computeIoU.
// Threads:  pure.
#ifndef LBW_EVAL_COCO_MATCH_H_
#define LBW_EVAL_COCO_MATCH_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "eval/boxes.h"

namespace lbw::eval {

inline constexpr size_t kCocoThresholds = 10;
inline constexpr size_t kCocoRanges = 4;  // all, small, medium, large

// 0.5 .. 0.95; the last bits are those of numpy.linspace.
std::array<double, kCocoThresholds> CocoThresholds();
std::array<AreaRange, kCocoRanges> CocoRanges();

// One detection in every range; bit i of a mask is threshold i.
struct CocoVerdicts {
  float score = 0;
  int32_t rank = 0;  // within its picture and class, 0 = best
  std::array<uint16_t, kCocoRanges> matched{};
  std::array<uint16_t, kCocoRanges> ignored{};
};

// ranked is in falling score. Appends a CocoVerdicts for each to *verdicts and adds the truths that
// count in each range to *positives.
void MatchCocoImage(absl::Span<const TruthBox* const> truths,
                    absl::Span<const FoundBox* const> ranked, std::vector<CocoVerdicts>* verdicts,
                    std::array<int64_t, kCocoRanges>* positives);

}  // namespace lbw::eval

#endif  // LBW_EVAL_COCO_MATCH_H_
