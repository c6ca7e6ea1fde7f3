// Average precision as PASCAL VOC defines it: eleven-point and area, by class, by size, and the
// mean.
//
// Matching: eval/matching.h.  Math and source: eval/curve.h.
// A class without a truth that counts has no AP and is left out of every mean; its detections are
//           still counted as false positives. A class with truths and no detection has AP 0.
// Range:    every figure lies in 0 .. 1 (eval/curve.h).
// By size:  truths outside a range count as difficult do (VerdictWithin). The mean over classes
//           takes those that have a truth within the range.
// Errors:   those of MatchBoxes; kInvalidArgument - max_curve_points, areas (more than kMaxAreas,
// or
//           a range that is NaN, negative or ends before it begins).
// Threads:  pure, deterministic.
#ifndef LBW_EVAL_AVERAGE_PRECISION_H_
#define LBW_EVAL_AVERAGE_PRECISION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "eval/boxes.h"
#include "eval/curve.h"
#include "eval/matching.h"

namespace lbw::eval {

inline constexpr int32_t kMaxAreas = 16;
inline constexpr int32_t kMaxCurvePoints = 10'000;

struct VocOptions {
  MatchOptions match;
  std::vector<AreaRange> areas;    // for AP by size
  int32_t max_curve_points = 200;  // 2 .. kMaxCurvePoints, a class
};

// COCO's bounds: up to 32^2, 32^2 to 96^2, from there on.
std::vector<AreaRange> CocoAreas();

struct ClassPrecision {
  int64_t truths = 0;       // that count
  int64_t not_counted = 0;  // difficult, crowd or ignore
  int64_t true_positives = 0;
  int64_t false_positives = 0;
  int64_t neutral = 0;                                   // found a truth that does not count
  std::optional<AveragePrecision> ap;                    // unset: no truths
  std::vector<std::optional<AveragePrecision>> by_area;  // as options.areas
  std::vector<CurvePoint> curve;                         // rising recall; empty: no truths
};

struct VocResult {
  std::vector<ClassPrecision> classes;
  std::optional<AveragePrecision> mean;  // unset: no class has truths
  std::vector<std::optional<AveragePrecision>> mean_by_area;
  int32_t classes_with_truths = 0;
  int64_t true_positives = 0;
  int64_t false_positives = 0;
};

// cancel: asked as eval/work_meter.h says; its errors are answered.
absl::StatusOr<VocResult> EvaluateVoc(const BoxSet& set, const VocOptions& options,
                                      const base::CancelToken& cancel = base::CancelToken());

}  // namespace lbw::eval

#endif  // LBW_EVAL_AVERAGE_PRECISION_H_
