// The loss of each head: of labels, and of the distance from a teacher. One registry by head kind,
// beside detect's registry of decoders.
//
// Math:    ssd     labels: [sum CE or BCE over positives and the hardest `negatives` a positive (a
//                  picture without positives: as if it had one) + box_weight * sum over positives
//                  of smooth-L1(box - target)] / max(1, positives); focal: sum over all anchors
//                  that are not ignored, alpha, gamma.
//                  distill: over all anchors, p the teacher's scores, u its top score an anchor
//                  that is no background, Z = max(1, sum of u): [sum CE(student logit, p) - H(p) +
//                  sum u * smooth-L1(student box - teacher box)] / Z.
//          logits  labels: cross-entropy, mean over pictures; distill: CE(student, p) - H(p), mean.
//          smooth-L1(x) = x^2 / 2 below 1, |x| - 1/2 above, summed over the four numbers.
//          CE is that of the head's activation: softmax over classes and background (none: softmax
//          for logits), or the sum of binary ones over the classes.
// Source:  W. Liu et al., "SSD", arXiv 1512.02325 (2015), section 2.2; G. Hinton et al.,
//          "Distilling the Knowledge in a Neural Network", arXiv 1503.02531 (2015); weights by u
//          are ours.
// Precision: on the CPU the same bits for the same outputs and thread count; equal outputs of
//          student and teacher give a distance of exactly 0.
// Threads: one at a time.
#ifndef LBW_TRAIN_LOSS_H_
#define LBW_TRAIN_LOSS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "train/matching.h"
#include "train/options.h"

namespace at {
class Tensor;
}  // namespace at

namespace lbw::train {

// What is true of a batch.
struct BatchTruth {
  std::vector<std::vector<TruthBox>> boxes;  // detection: [N]
  std::vector<int32_t> labels;               // classifiers: [N]
};

struct LossValue {
  std::shared_ptr<at::Tensor> total;  // scalar, with its graph
  // "scores", "boxes", "distill.scores", "distill.boxes", before labels, distill and box_weight;
  // those whose share is 0 are left out.
  std::map<std::string, double> terms;
};

class HeadLoss {
 public:
  virtual ~HeadLoss() = default;
  // Values of the graph that Compute reads, in its order: logits (before the head's activation) and
  // boxes.
  virtual const std::vector<std::string>& inputs() const = 0;
  // outputs: one tensor [N, ...] an entry of inputs(), f32, of the student. teacher: the same of
  // the teacher without graphs; not looked at where options.distill is 0. truth: not looked at
  // where options.labels is 0. Index and target tensors are made on the outputs' device.
  // Errors: kInvalidArgument - BAD_GRAPH (shapes that do not fit the spec), BAD_ARGUMENT (truth of
  // another number of pictures, or a class that the model does not have; names the picture);
  // torch's.
  virtual absl::StatusOr<LossValue> Compute(const std::vector<at::Tensor>& outputs,
                                            const std::vector<at::Tensor>& teacher,
                                            const BatchTruth& truth) = 0;
};

// The loss reads what it needs of the model; nothing is borrowed.
// Errors: kInvalidArgument, UNSUPPORTED_HEAD - a head that cannot be trained (lists those that
// can); BAD_SPEC - the spec lacks what a loss needs: scores whose logits the graph does not show,
// an activation, a background of a softmax, priors; BAD_ARGUMENT - those of CheckOptions.
absl::StatusOr<std::unique_ptr<HeadLoss>> NewHeadLoss(const model::Model& model,
                                                      const LossOptions& options);
// Names of the kinds that NewHeadLoss knows.
std::vector<std::string_view> TrainableHeads();

}  // namespace lbw::train

#endif  // LBW_TRAIN_LOSS_H_
