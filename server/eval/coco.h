// COCO's average precision and average recall: the twelve numbers of its evaluation server.
//
// Matching: eval/coco_match.h.
// Math:     for each class, area range and IoU threshold t in 0.5, 0.55, .., 0.95, with detections
//           of all pictures in falling score (ties: picture index, then rank within the picture):
//           recall = tp / truths in the range, AP = mean of p(r) over r in 0, 0.01, .., 1 where
//           p(r) = the highest precision from the first place on that reaches recall r; AR = the
//           last recall. Each number is the mean over thresholds and over classes with truths in
//           the range.
// Source:   T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; the COCO
//           evaluation code (cocoapi, COCOeval), whose order of operations is kept.
// Pixels:   continuous. area_px2 of a truth decides its size, the box's area that of a detection.
// Ignored:  crowd, ignore and difficult truths are neither to be found nor wrong to find. COCO's
//           own tool overwrites a file's `ignore` by `iscrowd`: who wants its figures leaves ignore
//           false.
// Precision: equals the published tool to 1e-6 on all twelve.
// Errors:   those of CheckBoxes and CheckCrowding; kInvalidArgument - max_detections.
// Threads:  pure, deterministic.
// Cost:     O(n log n), and 40 times the detections of a class in a picture (at most the largest of
//           max_detections) times its truths.
#ifndef LBW_EVAL_COCO_H_
#define LBW_EVAL_COCO_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "eval/boxes.h"

namespace lbw::eval {

inline constexpr int32_t kMaxCocoDetections = 1000;

struct CocoOptions {
  // Of a class in a picture; rising, 1 .. kMaxCocoDetections. AP takes the last.
  std::array<int32_t, 3> max_detections = {1, 10, 100};
};

// Unset where no class has a truth in the range.
struct CocoNumbers {
  std::optional<double> ap;     // IoU 0.5 .. 0.95
  std::optional<double> ap_50;  // IoU 0.5
  std::optional<double> ap_75;
  std::optional<double> ap_small;  // area up to 32^2
  std::optional<double> ap_medium;
  std::optional<double> ap_large;           // from 96^2
  std::array<std::optional<double>, 3> ar;  // by max_detections
  std::optional<double> ar_small;           // with the last of max_detections
  std::optional<double> ar_medium;
  std::optional<double> ar_large;
};

struct CocoResult {
  CocoNumbers numbers;
  std::vector<CocoNumbers> classes;  // the same of each class alone
};

// cancel: asked as eval/work_meter.h says; its errors are answered.
absl::StatusOr<CocoResult> EvaluateCoco(const BoxSet& set, const CocoOptions& options,
                                        const base::CancelToken& cancel = base::CancelToken());

}  // namespace lbw::eval

#endif  // LBW_EVAL_COCO_H_
