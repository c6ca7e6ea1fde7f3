#include "eval/agreement.h"

#include <cmath>
#include <vector>

#include "base/status.h"

namespace lbw::eval {

absl::StatusOr<VocResult> EvaluateAgreement(const VersionPair& versions,
                                            const AgreementOptions& options,
                                            const base::CancelToken& cancel) {
  using base::Error;
  if (std::isnan(options.min_score)) {
    return Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                 "min_score must be a number: min_score=nan")
        .Field("min_score");
  }
  LBW_RETURN_IF_ERROR(base::WithContext(
      CheckBoxes({{}, versions.reference, versions.image_count, versions.class_count}),
      "reference"));
  std::vector<TruthBox> truths;
  for (const FoundBox& found : versions.reference) {
    const detect::Detection& box = found.detection;
    if (!(static_cast<double>(box.score) > options.min_score)) continue;
    TruthBox truth;
    truth.image_index = found.image_index;
    truth.box = box.box;
    truth.class_index = box.class_index;
    truths.push_back(truth);
  }
  return EvaluateVoc({truths, versions.candidate, versions.image_count, versions.class_count},
                     options.voc, cancel);
}

}  // namespace lbw::eval
