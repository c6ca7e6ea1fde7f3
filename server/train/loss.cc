#include "train/loss.h"

#include "base/status.h"
#include "base/strings.h"
#include "engine/torch/torch_bridge.h"
#include "train/heads.h"

namespace lbw::train {
namespace {

struct Kind {
  std::string_view name;
  absl::StatusOr<std::unique_ptr<HeadLoss>> (*make)(const model::Model&, const LossOptions&);
};
constexpr Kind kKinds[] = {{"logits", &NewLogitsLoss}, {"ssd", &NewSsdLoss}};

}  // namespace

absl::StatusOr<LossValue> GuardedLoss::Compute(const std::vector<at::Tensor>& outputs,
                                               const std::vector<at::Tensor>& teacher,
                                               const BatchTruth& truth) {
  try {
    return ComputeTerms(outputs, teacher, truth);
  } catch (...) {
    return engine::CurrentTorchError(base::StrCat("the loss of head ", head_));
  }
}

absl::StatusOr<std::unique_ptr<HeadLoss>> NewHeadLoss(const model::Model& model,
                                                      const LossOptions& options) {
  TrainOptions all;
  all.loss = options;
  LBW_RETURN_IF_ERROR(CheckOptions(all));
  for (const Kind& kind : kKinds) {
    if (kind.name != model.spec.head.kind) continue;
    // Roles, priors and numbers are those that decoding needs, too.
    LBW_RETURN_IF_ERROR(model::MakeDecoder(model).status());
    return kind.make(model, options);
  }
  std::string known;
  for (const Kind& kind : kKinds) {
    base::StrAppend(&known, known.empty() ? "" : ", ", kind.name);
  }
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedHead,
                     base::StrCat("head.kind: a head \"", model.spec.head.kind,
                                  "\" cannot be trained; those that can: ", known));
}

std::vector<std::string_view> TrainableHeads() {
  std::vector<std::string_view> names;
  for (const Kind& kind : kKinds) names.push_back(kind.name);
  return names;
}

}  // namespace lbw::train
