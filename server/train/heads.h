// The losses behind NewHeadLoss, and what they share. Private to the room.
//
// Layouts: logits [N, rows, channels] as RoleRows reads them. Results carry gradients to the first
//          argument; a teacher's never do.
// Errors:  torch's exceptions pass through: HeadLoss::Compute catches them.
#ifndef LBW_TRAIN_HEADS_H_
#define LBW_TRAIN_HEADS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "detect/role_source.h"
#include "detect/spec.h"
#include "model/model.h"
#include "train/loss.h"
#include "train/options.h"

namespace lbw::train {

absl::StatusOr<std::unique_ptr<HeadLoss>> NewSsdLoss(const model::Model& model,
                                                     const LossOptions& options);
absl::StatusOr<std::unique_ptr<HeadLoss>> NewLogitsLoss(const model::Model& model,
                                                        const LossOptions& options);

absl::Status BadSpec(std::string_view message);
absl::Status BadGraph(std::string_view message);
absl::Status BadTruth(std::string_view message);

// A loss of a head: torch's exceptions become Status here.
class GuardedLoss : public HeadLoss {
 public:
  const std::vector<std::string>& inputs() const final { return inputs_; }
  absl::StatusOr<LossValue> Compute(const std::vector<at::Tensor>& outputs,
                                    const std::vector<at::Tensor>& teacher,
                                    const BatchTruth& truth) final;

 protected:
  // head: its kind, for messages.
  GuardedLoss(std::string_view head, const LossOptions& options) : options_(options), head_(head) {}
  virtual absl::StatusOr<LossValue> ComputeTerms(const std::vector<at::Tensor>& outputs,
                                                 const std::vector<at::Tensor>& teacher,
                                                 const BatchTruth& truth) const = 0;

  const LossOptions options_;
  std::vector<std::string> inputs_;

 private:
  const std::string head_;
};

// Rows of a role out of a network's outputs, in the layouts of detect/role_reader.h, by views and
// one concatenation where there are several values.
class RoleRows {
 public:
  // name: for messages. Values that `inputs` lacks are added to it.
  RoleRows(std::string name, const std::vector<detect::ValueSlice>& slices, int64_t channels,
           std::vector<std::string>& inputs);

  // [N, rows, channels], f32 or wider. Errors: kInvalidArgument, BAD_GRAPH - names role, value,
  // shape and expectation.
  absl::StatusOr<at::Tensor> Read(const std::vector<at::Tensor>& outputs) const;

 private:
  absl::StatusOr<at::Tensor> ReadOne(const detect::RoleSource& source,
                                     const at::Tensor& output) const;

  std::string name_;
  int64_t channels_ = 0;
  std::vector<detect::RoleSource> sources_;
};

// Where the scores stand before their activation.
struct LogitSource {
  std::vector<detect::ValueSlice> slices;
  detect::Activation activation = detect::Activation::kNone;
};
// The logits that import traced, else the role's own values where decoding applies the activation.
// Errors: kInvalidArgument, BAD_SPEC - neither.
absl::StatusOr<LogitSource> FindLogits(const detect::HeadSpec& head);

// What a row of logits is.
struct ScoreKind {
  bool softmax = false;  // else each class by itself
  detect::Background background = detect::Background::kNone;
  int64_t classes = 0;

  int64_t channels() const { return classes + (background == detect::Background::kNone ? 0 : 1); }
  // Of class 0 in a row.
  int64_t first() const { return background == detect::Background::kFirst ? 1 : 0; }
  // Of the background, where there is one.
  int64_t background_channel() const {
    return background == detect::Background::kFirst ? 0 : classes;
  }
};
// The classes' part of each row: a view.
at::Tensor Foreground(const at::Tensor& logits, const ScoreKind& kind);
// CE(student, p) - H(p), p the teacher's scores: [N, rows].
at::Tensor Distance(const at::Tensor& student, const at::Tensor& teacher, const ScoreKind& kind);
// The highest score of a class: [N, rows].
at::Tensor TopScore(const at::Tensor& logits, const ScoreKind& kind);

// A part of the loss: a scalar and its share.
struct LossTerm {
  std::string name;
  std::shared_ptr<at::Tensor> value;
  double share = 1;
};
// At least one term. Reads all values from the device at once.
LossValue SumTerms(const std::vector<LossTerm>& terms);

}  // namespace lbw::train

#endif  // LBW_TRAIN_HEADS_H_
