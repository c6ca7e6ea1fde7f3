// Greedy non-maximum suppression.
//
// Order: falling score; ties: lower class index, then lower candidate index. A NaN score is
// dropped. A box of zero area suppresses
//        nothing and is suppressed by nothing. A box is suppressed where its IoU with a kept one is
//        above (not equal to) the threshold.
// Threads: pure. Cost: O(k n) with k kept.
#ifndef LBW_DETECT_NMS_H_
#define LBW_DETECT_NMS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "detect/box.h"

namespace lbw::detect {

struct NmsOptions {
  float iou_threshold = 0.45F;   // in [0, 1]
  float score_threshold = 0.5F;  // only candidates that score above it
  bool per_class = false;        // suppress only within a class
  int64_t max_detections = 200;
  int64_t max_candidates = 30'000;  // the best are looked at
};

// candidates need no order. Returns the kept ones, best score first.
std::vector<Detection> Nms(absl::Span<const Detection> candidates, const NmsOptions& options);

}  // namespace lbw::detect

#endif  // LBW_DETECT_NMS_H_
