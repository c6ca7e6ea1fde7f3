// Multibox loss. Source: W. Liu et al., "SSD: Single Shot MultiBox Detector", arXiv 1512.02325
// (2015), section 2.2.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/smooth_l1_loss.h>
#include <ATen/ops/softplus.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "base/tensor.h"
#include "detect/decoder.h"
#include "train/heads.h"

namespace lbw::train {
namespace {

using detect::Activation;
using detect::Background;
using detect::BoxCxcywhNorm;

constexpr int64_t kBoxNumbers = 4;
// Keeps the slope of a power finite where an anchor's own probability is 1.
constexpr double kLeastContrary = 1e-12;

// What a network says about the anchors of a batch.
struct Rows {
  at::Tensor scores;  // [N, anchors, channels] logits
  at::Tensor boxes;   // [N, anchors, 4]
};

// What is true of them.
struct Targets {
  std::vector<AnchorTargets> pictures;
  int64_t positives = 0;
  at::Tensor channels;  // [N, anchors, 1] i64: the own class, or the background's
  at::Tensor positive;  // [N, anchors]: 1 or 0
  at::Tensor boxes;     // [N, anchors, 4]
};

at::Tensor EmptyOnCpu(at::IntArrayRef sizes, at::ScalarType type) {
  return at::empty(sizes, at::TensorOptions().dtype(type));
}

std::shared_ptr<at::Tensor> Shared(at::Tensor tensor) {
  return std::make_shared<at::Tensor>(std::move(tensor));
}

class SsdLoss final : public GuardedLoss {
 public:
  SsdLoss(const model::ModelSpec& spec, const LogitSource& source, const ScoreKind& kind,
          std::vector<BoxCxcywhNorm> priors, const LossOptions& options)
      : GuardedLoss("ssd", options),
        box_(spec.head.box),
        input_(spec.input),
        kind_(kind),
        priors_(std::move(priors)),
        boxes_("head.outputs.boxes", spec.head.boxes.values, kBoxNumbers, inputs_),
        scores_("head.outputs.scores", source.slices, kind.channels(), inputs_) {}

 private:
  absl::StatusOr<LossValue> ComputeTerms(const std::vector<at::Tensor>& outputs,
                                         const std::vector<at::Tensor>& teacher,
                                         const BatchTruth& truth) const override {
    LBW_ASSIGN_OR_RETURN(const Rows rows, ReadRows(outputs));
    std::vector<LossTerm> terms;
    if (options_.labels > 0) {
      LBW_RETURN_IF_ERROR(CheckTruth(truth, rows.scores.size(0)));
      AddLabels(rows, truth, terms);
    }
    if (options_.distill > 0) {
      LBW_ASSIGN_OR_RETURN(const Rows goal, ReadRows(teacher));
      if (goal.scores.size(0) != rows.scores.size(0)) {
        return BadGraph(base::StrCat("the teacher's outputs are of ", goal.scores.size(0),
                                     " pictures, the student's of ", rows.scores.size(0)));
      }
      AddDistance(rows, goal, terms);
    }
    return SumTerms(terms);
  }

  absl::StatusOr<Rows> ReadRows(const std::vector<at::Tensor>& outputs) const {
    Rows rows;
    LBW_ASSIGN_OR_RETURN(rows.boxes, boxes_.Read(outputs));
    LBW_ASSIGN_OR_RETURN(rows.scores, scores_.Read(outputs));
    const auto anchors = static_cast<int64_t>(priors_.size());
    const bool fits = rows.boxes.size(1) == anchors && rows.scores.size(1) == anchors &&
                      rows.boxes.size(0) == rows.scores.size(0);
    if (fits) return rows;
    return BadGraph(base::StrCat("head.outputs: boxes has ", rows.boxes.size(0), " pictures of ",
                                 rows.boxes.size(1), " anchors, scores has ", rows.scores.size(0),
                                 " of ", rows.scores.size(1), "; head.boxes.priors gives ",
                                 anchors));
  }

  absl::Status CheckTruth(const BatchTruth& truth, int64_t pictures) const {
    if (static_cast<int64_t>(truth.boxes.size()) != pictures) {
      return BadTruth(base::StrCat("boxes must be one list a picture: lists=", truth.boxes.size(),
                                   " pictures=", pictures));
    }
    for (size_t n = 0; n < truth.boxes.size(); ++n) {
      for (const TruthBox& box : truth.boxes[n]) {
        if (box.class_index >= 0 && box.class_index < kind_.classes) continue;
        return BadTruth(base::StrCat("a box's class must be 0..", kind_.classes - 1,
                                     ": class=", box.class_index, " picture=", n));
      }
    }
    return absl::OkStatus();
  }

  // Softmax: among all channels; sigmoid: among the classes, any one for background.
  int64_t ChannelOf(int32_t class_index) const {
    if (!kind_.softmax) return std::max(class_index, 0);
    return class_index >= 0 ? class_index + kind_.first() : kind_.background_channel();
  }

  Targets Match(const BatchTruth& truth, const at::Tensor& scores) const {
    const int64_t pictures = scores.size(0);
    const int64_t anchors = scores.size(1);
    const at::Tensor channels = EmptyOnCpu({pictures, anchors, 1}, at::kLong);
    const at::Tensor positive = EmptyOnCpu({pictures, anchors}, at::kFloat);
    const at::Tensor boxes = EmptyOnCpu({pictures, anchors, kBoxNumbers}, at::kFloat);
    int64_t* channel = channels.data_ptr<int64_t>();
    float* is_positive = positive.data_ptr<float>();
    float* box = boxes.data_ptr<float>();
    Targets targets;
    for (const std::vector<TruthBox>& truths : truth.boxes) {
      AnchorTargets picture = MatchAnchors(priors_, truths, box_, input_, options_);
      for (const int32_t class_index : picture.classes) {
        *channel++ = ChannelOf(class_index);
        *is_positive++ = class_index >= 0 ? 1.0F : 0.0F;
      }
      box = std::copy(picture.boxes.begin(), picture.boxes.end(), box);
      targets.positives += picture.positives;
      targets.pictures.push_back(std::move(picture));
    }
    targets.channels = channels.to(scores.device());
    targets.positive = positive.to(scores.options());
    targets.boxes = boxes.to(scores.options());
    return targets;
  }

  // [N, anchors]
  at::Tensor CrossEntropy(const at::Tensor& scores, const Targets& targets) const {
    if (kind_.softmax) return Picked(scores, targets).neg();
    return at::softplus(Against(scores, targets)).sum(-1);
  }

  // The same, each term times alpha or 1 - alpha and the probability of the contrary to the gamma.
  at::Tensor Focal(const at::Tensor& scores, const Targets& targets) const {
    const double alpha = options_.focal_alpha;
    const double gamma = options_.focal_gamma;
    const at::Tensor balance = targets.positive.mul(2 * alpha - 1).add(1 - alpha);
    if (kind_.softmax) {
      const at::Tensor logs = Picked(scores, targets);
      const at::Tensor contrary = at::expm1(logs).neg().clamp_min(kLeastContrary);
      return at::pow(contrary, gamma).mul(logs).mul(balance).neg();
    }
    // As an exponential of softplus its slope stays finite for every gamma.
    const at::Tensor against = Against(scores, targets);
    const at::Tensor losses =
        at::exp(at::softplus(against.neg()).mul(-gamma)).mul(at::softplus(against));
    const at::Tensor each = at::full_like(losses.detach(), 1 - alpha)
                                .scatter(-1, targets.channels, balance.unsqueeze(-1));
    return losses.mul(each).sum(-1);
  }

  // Softmax: log p of the anchor's own channel, [N, anchors].
  static at::Tensor Picked(const at::Tensor& scores, const Targets& targets) {
    return at::log_softmax(scores, -1).gather(-1, targets.channels).squeeze(-1);
  }

  // Sigmoid: the logit of the contrary of what is true of each class, [N, anchors, classes]. Signs
  // are turned over before softplus: the difference of large numbers behind it would be coarse.
  at::Tensor Against(const at::Tensor& scores, const Targets& targets) const {
    const at::Tensor x = Foreground(scores, kind_);
    const at::Tensor own = targets.positive.mul(-2).add(1).unsqueeze(-1);
    return x.mul(at::ones_like(x.detach()).scatter(-1, targets.channels, own));
  }

  // 1 where an anchor's score takes part: [N, anchors].
  // labels: the loss of each, which for background is what makes it hard.
  at::Tensor ChooseAnchors(const Targets& targets, const at::Tensor& labels) const {
    const auto anchors = static_cast<int64_t>(priors_.size());
    const at::Tensor chosen =
        EmptyOnCpu({static_cast<int64_t>(targets.pictures.size()), anchors}, at::kFloat);
    const at::Tensor losses = labels.detach().to(at::kCPU, at::kFloat).contiguous();
    for (size_t n = 0; n < targets.pictures.size(); ++n) {
      const AnchorTargets& picture = targets.pictures[n];
      float* const out = chosen.data_ptr<float>() + n * priors_.size();
      for (size_t a = 0; a < picture.classes.size(); ++a) {
        const bool taken =
            picture.classes[a] >= 0 || (options_.focal && picture.classes[a] == kBackground);
        out[a] = taken ? 1.0F : 0.0F;
      }
      if (options_.focal) continue;
      const double negatives =
          options_.negatives * static_cast<double>(std::max<int64_t>(1, picture.positives));
      for (const size_t a : HardestBackground(
               picture.classes,
               absl::MakeConstSpan(losses.data_ptr<float>() + n * priors_.size(), priors_.size()),
               static_cast<size_t>(std::llround(negatives)))) {
        out[a] = 1;
      }
    }
    return chosen;
  }

  void AddLabels(const Rows& rows, const BatchTruth& truth, std::vector<LossTerm>& terms) const {
    const Targets targets = Match(truth, rows.scores);
    const auto positives = static_cast<double>(std::max<int64_t>(1, targets.positives));
    const at::Tensor losses =
        options_.focal ? Focal(rows.scores, targets) : CrossEntropy(rows.scores, targets);
    const at::Tensor chosen = ChooseAnchors(targets, losses).to(rows.scores.options());
    terms.push_back({"scores", Shared(losses.mul(chosen).sum().div(positives)), options_.labels});
    if (options_.box_weight == 0) return;
    const at::Tensor distance =
        at::smooth_l1_loss(rows.boxes, targets.boxes.to(rows.boxes.options()), at::Reduction::None)
            .sum(-1);
    terms.push_back({"boxes", Shared(distance.mul(targets.positive).sum().div(positives)),
                     options_.labels * options_.box_weight});
  }

  void AddDistance(const Rows& rows, const Rows& goal, std::vector<LossTerm>& terms) const {
    const at::Tensor top = TopScore(goal.scores.detach(), kind_);
    const at::Tensor all = top.sum().clamp_min(1);
    terms.push_back({"distill.scores",
                     Shared(Distance(rows.scores, goal.scores, kind_).sum().div(all)),
                     options_.distill});
    const at::Tensor distance =
        at::smooth_l1_loss(rows.boxes, goal.boxes.detach(), at::Reduction::None).sum(-1);
    terms.push_back({"distill.boxes", Shared(distance.mul(top).sum().div(all)), options_.distill});
  }

  const detect::BoxSpec box_;
  const detect::InputSpec input_;
  const ScoreKind kind_;
  const std::vector<BoxCxcywhNorm> priors_;
  const RoleRows boxes_;
  const RoleRows scores_;
};

// MakeDecoder has checked shape and numbers.
absl::StatusOr<std::vector<BoxCxcywhNorm>> ReadPriors(const model::Model& model) {
  const detect::BoxSpec& box = model.spec.head.box;
  if (box.prior_tensor.empty()) {
    if (box.priors.empty()) {
      return BadSpec("head.boxes.priors is missing: a loss matches boxes with anchors");
    }
    return detect::MakePriors(box.priors, model.spec.input);
  }
  LBW_ASSIGN_OR_RETURN(const base::Tensor tensor,
                       graph::ConstantAsF32(model.constants.find(box.prior_tensor)->second));
  std::vector<BoxCxcywhNorm> priors;
  const absl::Span<const float> numbers = tensor.as<float>();
  for (size_t i = 0; i + 3 < numbers.size(); i += 4) {
    priors.push_back({numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]});
  }
  return priors;
}

}  // namespace

absl::StatusOr<std::unique_ptr<HeadLoss>> NewSsdLoss(const model::Model& model,
                                                     const LossOptions& options) {
  const detect::HeadSpec& head = model.spec.head;
  LBW_ASSIGN_OR_RETURN(const LogitSource source, FindLogits(head));
  if (source.activation == Activation::kNone) {
    return BadSpec("head.score.activation must be sigmoid or softmax for a loss of head ssd: none");
  }
  const ScoreKind kind{source.activation == Activation::kSoftmax, head.background,
                       static_cast<int64_t>(model.spec.classes.size())};
  if (kind.softmax && head.background == Background::kNone) {
    return BadSpec(
        "head.score.background must be first or last for a loss of softmax scores: none; an anchor "
        "without an object would have no class");
  }
  LBW_ASSIGN_OR_RETURN(std::vector<BoxCxcywhNorm> priors, ReadPriors(model));
  return std::make_unique<SsdLoss>(model.spec, source, kind, std::move(priors), options);
}

}  // namespace lbw::train
