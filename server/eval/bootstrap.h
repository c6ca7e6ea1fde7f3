// A confidence interval for mean average precision, by resampling pictures.
//
// Method:   the percentile bootstrap: image_count pictures are drawn with replacement, the mean AP
//           of the draw is taken (over the classes that have truths in it), and so on; low and high
//           are the (1 - level) / 2 and (1 + level) / 2 quantiles, interpolated linearly between
//           order statistics (type 7). Boxes are matched once: matching never leaves a picture, so
//           a picture drawn w times is one whose verdicts and truths weigh w.
// Source:   B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3;
//           splitmix64: G. Steele, D. Lea, C. Flood, OOPSLA 2014; quantiles: R. Hyndman, Y. Fan,
//           The American Statistician 50 (1996).
// Numbers:  picture = floor(top 32 bits of splitmix64 * image_count / 2^32), one stream from seed,
//           resample after resample: the same figures for the same seed everywhere.
// Says:     how far the figure depends on which pictures were taken, and nothing about pictures of
//           another kind. Rare classes leave some draws; the mean over fewer classes is then used.
// Errors:   those of MatchBoxes; kInvalidArgument - an option, or nothing to be found in any
//           picture, or in any draw.
// Threads:  pure. Cost: O(resamples * (pictures + boxes)) after matching.
#ifndef LBW_EVAL_BOOTSTRAP_H_
#define LBW_EVAL_BOOTSTRAP_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "eval/boxes.h"
#include "eval/matching.h"

namespace lbw::eval {

inline constexpr int32_t kMaxResamples = 100'000;

enum class ApKind : uint8_t { kArea, kElevenPoint };

struct BootstrapOptions {
  MatchOptions match;
  ApKind kind = ApKind::kArea;
  double level = 0.95;       // in (0, 1)
  int32_t resamples = 1000;  // 1 .. kMaxResamples
  uint64_t seed = 1;
};

struct MeanApInterval {
  double estimate = 0;  // of the pictures as they are
  double mean = 0;      // of the resamples
  double low = 0;
  double high = 0;
  int32_t resamples = 0;  // that had a truth; the others say nothing and are left out
};

// cancel: asked as eval/work_meter.h says; its errors are answered.
absl::StatusOr<MeanApInterval> BootstrapMeanAp(
    const BoxSet& set, const BootstrapOptions& options,
    const base::CancelToken& cancel = base::CancelToken());

// How far the mean AP of one list lies below another's on the same pictures, with the interval of
// the difference: both are taken over the same draws, so what the pictures have in common cancels.
struct MeanApDrop {
  double drop = 0;  // of the pictures as they are: reference minus candidate
  double low = 0;
  double high = 0;
  int32_t resamples = 0;
};
// reference and candidate have the same truths in the same order. Errors: as above;
// kInvalidArgument - their pictures, classes or truths differ (names which).
absl::StatusOr<MeanApDrop> BootstrapDrop(const BoxSet& reference, const BoxSet& candidate,
                                         const BootstrapOptions& options,
                                         const base::CancelToken& cancel = base::CancelToken());

}  // namespace lbw::eval

#endif  // LBW_EVAL_BOOTSTRAP_H_
