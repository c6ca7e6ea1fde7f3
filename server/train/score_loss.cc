#include <ATen/core/Tensor.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>

#include "base/status.h"
#include "base/strings.h"
#include "train/heads.h"

namespace lbw::train {

using detect::Activation;

namespace {

absl::Status Invalid(base::Reason reason, std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, reason, message);
}

}  // namespace

absl::Status BadSpec(std::string_view message) { return Invalid(base::reason::kBadSpec, message); }
absl::Status BadGraph(std::string_view message) {
  return Invalid(base::reason::kBadGraph, message);
}
absl::Status BadTruth(std::string_view message) {
  return Invalid(base::reason::kBadArgument, message);
}

absl::StatusOr<LogitSource> FindLogits(const detect::HeadSpec& head) {
  if (!head.scores.logits.empty()) return LogitSource{head.scores.logits, head.score_activation};
  const Activation applied = head.scores.activation.value_or(head.score_activation);
  if (applied == Activation::kNone && head.score_activation != Activation::kNone) {
    return BadSpec(base::StrCat(
        "head.outputs.scores: value ", head.scores.values[0].value,
        " is probabilities already, and the graph does not show the logits before them; a loss "
        "needs logits: let the graph end in its activation, or name the value before it"));
  }
  return LogitSource{head.scores.values, applied};
}

at::Tensor Foreground(const at::Tensor& logits, const ScoreKind& kind) {
  return logits.narrow(-1, kind.first(), kind.classes);
}

at::Tensor Distance(const at::Tensor& student, const at::Tensor& teacher, const ScoreKind& kind) {
  if (kind.softmax) {
    const at::Tensor goal = at::log_softmax(teacher.detach(), -1);
    return goal.exp().mul(goal.sub(at::log_softmax(student, -1))).sum(-1);
  }
  // p (log p - log q) of a class and of its contrary; huge logits are weighed by tiny p.
  const at::Tensor x = Foreground(student, kind);
  const at::Tensor y = Foreground(teacher.detach(), kind);
  const at::Tensor present = at::softplus(x.neg()).sub(at::softplus(y.neg()));
  const at::Tensor absent = at::softplus(x).sub(at::softplus(y));
  return at::sigmoid(y).mul(present).add(at::sigmoid(y.neg()).mul(absent)).sum(-1);
}

at::Tensor TopScore(const at::Tensor& logits, const ScoreKind& kind) {
  if (kind.softmax) return Foreground(at::log_softmax(logits, -1), kind).amax(-1).exp();
  return at::sigmoid(Foreground(logits, kind).amax(-1));
}

LossValue SumTerms(const std::vector<LossTerm>& terms) {
  LBW_CHECK(!terms.empty());
  LossValue loss;
  std::vector<at::Tensor> values;
  at::Tensor total;
  for (const LossTerm& term : terms) {
    const at::Tensor part = term.value->mul(term.share);
    total = total.defined() ? total.add(part) : part;
    values.push_back(term.value->detach());
  }
  const at::Tensor all = at::stack(values).to(at::kDouble).cpu();
  for (size_t i = 0; i < terms.size(); ++i) {
    loss.terms[terms[i].name] = all.data_ptr<double>()[i];
  }
  loss.total = std::make_shared<at::Tensor>(total);
  return loss;
}

}  // namespace lbw::train
