#include "eval/agreement.h"

#include <cmath>
#include <vector>

#include "base/status.h"

namespace lbw::eval {

absl::StatusOr<VocResult> EvaluateAgreement(const VersionPair& versions,
                                            const AgreementOptions& options) {
  using base::Error;
  if (std::isnan(options.min_score)) {
    return Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                 "min_score must be a number: min_score=nan")
        .Field("min_score");
  }
  std::vector<TruthBox> truths;
  for (size_t i = 0; i < versions.reference.size(); ++i) {
    const detect::Detection& box = versions.reference[i].detection;
    if (std::isnan(box.score)) {
      return Error(absl::StatusCode::kInvalidArgument, base::reason::kNonFinite,
                   base::StrCat("reference[", i, "].score must not be NaN: image_index=",
                                versions.reference[i].image_index))
          .Field(base::StrCat("reference[", i, "].score"));
    }
    if (!(static_cast<double>(box.score) > options.min_score)) continue;
    TruthBox truth;
    truth.image_index = versions.reference[i].image_index;
    truth.box = box.box;
    truth.class_index = box.class_index;
    truths.push_back(truth);
  }
  return EvaluateVoc({truths, versions.candidate, versions.image_count, versions.class_count},
                     options.voc);
}

}  // namespace lbw::eval
