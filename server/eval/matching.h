// Which detections are true: the matching of the VOC development kit.
//
// Rule:     a class at a time, detections in falling score (ties: order of the list), each picks
//           the truth of its class and picture that it overlaps most (ties: order of the list),
//           taken or not. Overlap below the threshold: unmatched. A truth that does not count:
//           neither true nor false, however often. A free truth: true, and the truth is taken. A
//           taken one: a duplicate, false - though another truth may overlap enough.
// Source:   VOCdevkit, VOCevaldet.m; Everingham et al. 2010, section 4.2.
// Threads:  pure. Cost: O(n log n) and each detection against the truths of its class and picture.
#ifndef LBW_EVAL_MATCHING_H_
#define LBW_EVAL_MATCHING_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "eval/boxes.h"
#include "eval/curve.h"

namespace lbw::eval {

struct MatchOptions {
  double iou_threshold = 0.5;  // in (0, 1]; an overlap equal to it is enough
  PixelRule pixels = PixelRule::kInclusive;
};

enum class Verdict : uint8_t {
  kTrue,       // the first to find a truth that counts
  kDuplicate,  // a later one
  kUnmatched,  // overlaps no truth enough
  kNeutral,    // found a truth that does not count
};

struct MatchedBox {
  int32_t image_index = 0;
  float score = 0;
  double area_px2 = 0;
  double truth_area_px2 = 0;  // of the truth it picked; 0 where unmatched
  Verdict verdict = Verdict::kUnmatched;
};

struct Positive {  // a truth that counts
  int32_t image_index = 0;
  double area_px2 = 0;
};

struct ClassMatches {
  std::vector<MatchedBox> boxes;  // falling score
  std::vector<Positive> positives;
  int64_t not_counted = 0;  // truths: difficult, crowd or ignore
};

// One entry a class.
// cancel: asked as eval/work_meter.h says.
// Errors: those of CheckBoxes and CheckCrowding; kInvalidArgument - iou_threshold; cancel's.
absl::StatusOr<std::vector<ClassMatches>> MatchBoxes(
    const BoxSet& set, const MatchOptions& options,
    const base::CancelToken& cancel = base::CancelToken());

// What a verdict is worth when only truths of some area are asked for: a box that picked a truth
// outside the range, or picked none and is itself outside it, is neutral. Ours, after COCO.
Verdict VerdictWithin(const MatchedBox& box, const AreaRange& range);

}  // namespace lbw::eval

#endif  // LBW_EVAL_MATCHING_H_
