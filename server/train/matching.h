// Which anchor answers for which box, and what it should say.
//
// Math:    an anchor whose best box overlaps it (IoU) by match_iou or more is positive for that
//          box; of every box the anchor that overlaps it most is, too, from force_iou on (the later
//          box where two want one anchor and the overlap is larger); anchors from ignore_iou to
//          match_iou, those that a difficult box overlaps best, from ignore_iou on, and the one
//          that it would force are ignored where they are not positive; the rest is background.
//          Ties: the earlier box, the lower anchor. A box or prior without an area overlaps
//          nothing. Box targets are the inverse of detect/spec.h's decoding.
// Source:  W. Liu et al., "SSD: Single Shot MultiBox Detector", arXiv 1512.02325 (2015), section
//          2.2; the ignored band is ours.
// Threads: pure.
// Cost:    anchors * boxes overlaps, a few cycles each.
#ifndef LBW_TRAIN_MATCHING_H_
#define LBW_TRAIN_MATCHING_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "detect/box.h"
#include "detect/spec.h"
#include "train/options.h"

namespace lbw::train {

// What stands in a picture, as a fraction of the network's input.
struct TruthBox {
  detect::BoxCxcywhNorm box;
  int32_t class_index = 0;
  bool difficult = false;
};

inline constexpr int32_t kBackground = -1;
inline constexpr int32_t kIgnored = -2;

struct AnchorTargets {
  std::vector<int32_t> classes;  // [anchors]: the class, kBackground or kIgnored
  std::vector<float> boxes;      // [anchors, 4]: encoded; 0 where not positive
  int64_t positives = 0;
};
// input: targets in pixels count its.
AnchorTargets MatchAnchors(absl::Span<const detect::BoxCxcywhNorm> priors,
                           absl::Span<const TruthBox> truths, const detect::BoxSpec& spec,
                           const detect::InputSpec& input, const LossOptions& options);

// The `count` background anchors whose loss is highest, or all of them, by rising index. Ties: the
// lower index. NaN counts as the highest, so that it shows. losses: [anchors].
std::vector<size_t> HardestBackground(absl::Span<const int32_t> classes,
                                      absl::Span<const float> losses, size_t count);

}  // namespace lbw::train

#endif  // LBW_TRAIN_MATCHING_H_
