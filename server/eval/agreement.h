// How far one version's boxes agree with another's: AP of the first against the second as truth.
//
// Truth:    every box of the reference whose score is above min_score. Boxes of the candidate are
//           all ranked, whatever their score.
// Reading:  1 = the candidate finds every box that the reference is sure of, ahead of any other.
// Not
//           symmetric. No annotations are needed.
// Errors:   those of EvaluateVoc, whose "found" are the candidate's boxes; those of CheckBoxes over
//           the reference's, behind "reference: "; kInvalidArgument - min_score is NaN.
// Threads:  pure.
#ifndef LBW_EVAL_AGREEMENT_H_
#define LBW_EVAL_AGREEMENT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/cancel.h"
#include "eval/average_precision.h"
#include "eval/boxes.h"

namespace lbw::eval {

// Borrowed lists over the same pictures and classes.
struct VersionPair {
  absl::Span<const FoundBox> candidate;
  absl::Span<const FoundBox> reference;
  int32_t image_count = 0;
  int32_t class_count = 0;
};

struct AgreementOptions {
  double min_score = 0.5;
  VocOptions voc{{0.5, PixelRule::kContinuous}, {}, 200};
};

absl::StatusOr<VocResult> EvaluateAgreement(const VersionPair& versions,
                                            const AgreementOptions& options,
                                            const base::CancelToken& cancel = base::CancelToken());

}  // namespace lbw::eval

#endif  // LBW_EVAL_AGREEMENT_H_
