// Cross-entropy of a classifier's logits, and the distance from a teacher's.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softplus.h>

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "train/heads.h"

namespace lbw::train {
namespace {

class LogitsLoss final : public GuardedLoss {
 public:
  LogitsLoss(const LogitSource& source, const ScoreKind& kind, const LossOptions& options)
      : GuardedLoss("logits", options),
        kind_(kind),
        scores_("head.outputs.scores", source.slices, kind.channels(), inputs_) {}

 private:
  absl::StatusOr<LossValue> ComputeTerms(const std::vector<at::Tensor>& outputs,
                                         const std::vector<at::Tensor>& teacher,
                                         const BatchTruth& truth) const override {
    LBW_ASSIGN_OR_RETURN(const at::Tensor logits, ReadLogits(outputs));
    std::vector<LossTerm> terms;
    if (options_.labels > 0) {
      LBW_ASSIGN_OR_RETURN(const at::Tensor labels, Labels(truth, logits));
      terms.push_back({"scores", std::make_shared<at::Tensor>(CrossEntropy(logits, labels).mean()),
                       options_.labels});
    }
    if (options_.distill > 0) {
      LBW_ASSIGN_OR_RETURN(const at::Tensor goal, ReadLogits(teacher));
      if (goal.sizes() != logits.sizes()) {
        return BadGraph("the teacher's outputs are of another size than the student's");
      }
      terms.push_back({"distill.scores",
                       std::make_shared<at::Tensor>(Distance(logits, goal, kind_).mean()),
                       options_.distill});
    }
    return SumTerms(terms);
  }

  // [N, 1, channels]
  absl::StatusOr<at::Tensor> ReadLogits(const std::vector<at::Tensor>& outputs) const {
    LBW_ASSIGN_OR_RETURN(at::Tensor logits, scores_.Read(outputs));
    if (logits.size(1) == 1) return logits;
    return BadGraph(base::StrCat("head.outputs.scores: value ", inputs_[0], " has ", logits.size(1),
                                 " rows a picture; expected [N, ", kind_.channels(),
                                 "]: one score a class"));
  }

  // Channels among those that CrossEntropy looks at: [N, 1, 1].
  absl::StatusOr<at::Tensor> Labels(const BatchTruth& truth, const at::Tensor& logits) const {
    const int64_t pictures = logits.size(0);
    if (static_cast<int64_t>(truth.labels.size()) != pictures) {
      return BadTruth(base::StrCat("labels must be one a picture: labels=", truth.labels.size(),
                                   " pictures=", pictures));
    }
    const at::Tensor labels = at::empty({pictures, 1, 1}, at::TensorOptions().dtype(at::kLong));
    int64_t* const channels = labels.data_ptr<int64_t>();
    for (size_t i = 0; i < truth.labels.size(); ++i) {
      const int32_t label = truth.labels[i];
      if (label < 0 || label >= kind_.classes) {
        return BadTruth(base::StrCat("a label must be 0..", kind_.classes - 1, ": label=", label,
                                     " picture=", i));
      }
      channels[i] = label + (kind_.softmax ? kind_.first() : 0);
    }
    return labels.to(logits.device());
  }

  // Targets are 1 - smoothing plus a share of smoothing at the label, that share elsewhere: [N, 1,
  // 1].
  at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) const {
    const double smoothing = options_.label_smoothing;
    if (kind_.softmax) {
      const at::Tensor logs = at::log_softmax(logits, -1);
      return logs.gather(-1, labels).mul(smoothing - 1).sub(logs.mean(-1, true), smoothing);
    }
    const at::Tensor x = Foreground(logits, kind_);
    const at::Tensor goal =
        at::full_like(x.detach(), smoothing / 2).scatter(-1, labels, 1 - smoothing / 2);
    return at::softplus(x.neg())
        .mul(goal)
        .add(at::softplus(x).mul(goal.neg().add(1)))
        .sum(-1, true);
  }

  const ScoreKind kind_;
  const RoleRows scores_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HeadLoss>> NewLogitsLoss(const model::Model& model,
                                                        const LossOptions& options) {
  const detect::HeadSpec& head = model.spec.head;
  LBW_ASSIGN_OR_RETURN(const LogitSource source, FindLogits(head));
  // Raw scores of classes that exclude each other are a softmax's logits, whoever applies it.
  const ScoreKind kind{source.activation != detect::Activation::kSigmoid, head.background,
                       static_cast<int64_t>(model.spec.classes.size())};
  return std::make_unique<LogitsLoss>(source, kind, options);
}

}  // namespace lbw::train
