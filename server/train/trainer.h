// Training of one model: parameters, teacher, loss and optimizer put together, a step at a time.
//
// What trains:   in float every weight, bias, gamma and beta of the graph; on the grid the codes of
//                `layers` and every bias, gamma and beta. Batch norm's running values follow where
//                it trains. All else stays.
// Precision:     on the CPU the same bits for the same inputs, options and threads; a run restored
//                from State goes on in the bits of one that was not interrupted. What Snapshot
//                gives is what the network read: its codes dequantize to the same values, bit for
//                bit.
// Threads:       one, always the same; uses up to options.threads.
#ifndef LBW_TRAIN_TRAINER_H_
#define LBW_TRAIN_TRAINER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/tensor.h"
#include "model/model.h"
#include "train/loss.h"
#include "train/low_bit_layer.h"
#include "train/options.h"

namespace lbw::train {

// What a run starts from.
struct TrainerInputs {
  // Constants in f32; or with codes, as a calibration left them: those of `layers` are trained.
  model::Model model;
  // Of the same graph, in f32; needed where loss.distill is above 0.
  const model::Model* teacher = nullptr;  // copied as far as it is needed
  std::vector<LayerStart> layers;
};

// A batch as the network reads it. values [N, C, H, W], borrowed.
struct TrainBatch {
  absl::Span<const float> values;
  int64_t pictures = 0;
  const BatchTruth* truth = nullptr;  // borrowed
};

struct StepFacts {
  std::map<std::string, double> losses;  // "loss" and its terms
  double rate_factor = 0;
  double gradient_norm = 0;
  int64_t not_finite = 0;  // elements of gradients, which counted as 0
  double project_seconds = 0;
  double total_seconds = 0;
};

class Trainer {
 public:
  // options are checked; total_steps >= 1. Errors: those of engine::ResolveDevice, NewHeadLoss,
  // LowBitLayer::Make and engine::Trainable::Open.
  static absl::StatusOr<std::unique_ptr<Trainer>> Open(TrainerInputs inputs,
                                                       const TrainOptions& options,
                                                       int64_t total_steps);
  virtual ~Trainer() = default;

  virtual int64_t step() const = 0;        // steps that were taken
  virtual std::string device() const = 0;  // for people: engine::DescribeDevice
  // Errors: kFailedPrecondition, TRAINING_DIVERGED - the loss is not finite (names the step and the
  // first layer whose values are not); nothing has changed then. kResourceExhausted, kInternal.
  virtual absl::StatusOr<StepFacts> Step(const TrainBatch& batch) = 0;
  // kAverage: moving averages; the same as kRaw where options.ema is 0.
  enum class Weights : uint8_t { kRaw, kAverage };
  // Batch norm's running values move towards the batch's, with those weights: what Snapshot gives
  // of them from then on. Behind the last step.
  virtual absl::Status ObserveBatchNorm(const TrainBatch& batch, Weights weights) = 0;

  // Of every trained layer on the grid, since the last call, by name.
  virtual absl::StatusOr<std::map<std::string, LowBitLayer::Facts>> TakeFacts() = 0;

  // The model as it would be served, without activation ranges.
  virtual absl::StatusOr<model::Model> Snapshot(Weights weights) const = 0;

  // All that a run needs to go on, by name. Restore takes exactly what State gave, of inputs and
  // options that are equal. Errors: kDataLoss - a tensor is missing or of another shape.
  virtual absl::StatusOr<std::map<std::string, base::Tensor>> State() const = 0;
  virtual absl::Status Restore(const std::map<std::string, base::Tensor>& state, int64_t step) = 0;
};

}  // namespace lbw::train

#endif  // LBW_TRAIN_TRAINER_H_
